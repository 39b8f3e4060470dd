"""Tables are read once, at the start: values, keys and the copy in the result are of the same bytes."""

import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
from tiny_runs import RUNS

from gpu_fdm.config.config import parse_config
from gpu_fdm.cosmology.camb_power import camb_table
from gpu_fdm.cosmology.parameters import CosmologicalParameters
from gpu_fdm.errors import InputError
from gpu_fdm.io.input_content import WithContent
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.inputs import contents, read_inputs, stored_config
from gpu_fdm.pipeline.model import build_model, population_of
from validation.same import differences

GAS = """[run]
output = {output}
threads = 1
[gas]
table = {table}
[dark_matter]
m22 = 0.3
[wavefunction]
[box]
size = 2
cells = 8
"""
HEAD = "mass,length,r0,sigma,cx,cy,cz,dx,dy,dz,ox,oy,oz\n"
OLD, NEW = (HEAD + f"{mass},1.15,0.0037,6.76,0.5,0.2,0.15,-0.7,0.7,-0.04,0.09,0.1,0.08\n" for mass in ("4e9", "9e9"))


def mass(result):
    with h5py.File(result) as file:
        return file["gas/mass"][:].tolist()


def test_a_table_that_is_edited_during_a_run(tmp_path):
    table = tmp_path / "gas.csv"
    table.write_text(OLD)
    config = parse_config(GAS.format(output=tmp_path / "result.hdf5", table=table))
    started = read_inputs(config)
    table.write_text(NEW)  # the user prepares the next run
    result = pipeline.run(started).result
    assert mass(result) == [4e9]
    with h5py.File(result) as file:
        assert file["inputs/gas.table"][()].tobytes() == OLD.encode()
    assert pipeline.run(started).summary[0].startswith("nothing to compute")
    assert not pipeline.run(config).summary[0].startswith("nothing to compute")
    assert mass(result) == [9e9]


def test_a_table_that_is_gone_during_a_run(tmp_path):
    table = tmp_path / "gas.csv"
    table.write_text(OLD)
    config = parse_config(GAS.format(output=tmp_path / "result.hdf5", table=table))
    started = read_inputs(config)
    table.unlink()
    assert mass(pipeline.run(started).result) == [4e9]
    with pytest.raises(InputError, match=r"\[gas\] table = .*gas.csv: no such file"):
        read_inputs(config)


def test_the_table_of_camb_is_read_once(monkeypatch):
    read = read_inputs(parse_config("[population]\n"))
    monkeypatch.setattr("gpu_fdm.pipeline.inputs.camb_table", lambda parameters: pytest.fail("read again"))
    assert read_inputs(read).cosmology.linear_power.content == read.cosmology.linear_power.content


def test_contents_go_to_other_ranks(tmp_path):
    table = tmp_path / "gas.csv"
    table.write_text(OLD)
    config = read_inputs(parse_config(GAS.format(output="x.hdf5", table=table)))
    table.unlink()
    sent = pickle.loads(pickle.dumps(config))
    assert sent.gas.table == str(table) and contents(sent)["gas.table"].tobytes() == OLD.encode()


@pytest.mark.parametrize("name", ["/dev/zero", "/proc/self/environ", "fifo", "secret.txt"])
def test_what_a_result_names_is_not_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    (tmp_path / "secret.txt").write_text("root:SECRET\n")
    text = f"[filament]\nprofile_table = {name}\nlength = 1\n[wavefunction]\n"
    with h5py.File("of_somebody_else.hdf5", "w") as file:
        file.attrs["config"] = text
        config = stored_config(file)
        with pytest.raises(InputError, match="names this table but does not hold it") as caught:
            build_model(config)
        assert "SECRET" not in str(caught.value)
        rows = "\n".join(f"{r!r},{(1 + r * r) ** -2!r}" for r in np.geomspace(1e-3, 30, 60).tolist())
        file["inputs/filament.profile_table"] = np.frombuffer(f"radius,density\n{rows}\n".encode(), np.uint8)
        held = stored_config(file).filament.profile_table
        assert held == name and held.content.startswith(b"radius,density")


def test_the_table_of_camb_is_an_input_of_what_needs_it(tmp_path):
    needs = "[population]\n", "[simulation]\n", "[filament]\nshape = collapse\n[wavefunction]\n"
    needs_not = "[filament]\n[wavefunction]\n", "[filament]\nshape = collapse\nr0 = 0.01\nsigma = 9\nlength = 1\n"
    shipped = camb_table(CosmologicalParameters()).encode()
    for text in needs:
        assert contents(read_inputs(parse_config(text)))["cosmology.linear_power"].tobytes() == shipped
    for text in needs_not:
        assert contents(read_inputs(parse_config(text))) == {}


def test_another_table_of_camb_is_another_key_and_another_power():
    config = read_inputs(parse_config("[population]\n"))
    key = config.cosmology.linear_power.hash
    head, rows = config.cosmology.linear_power.content.decode().split("k,power\n")
    doubled = "".join(f"{k},{2 * float(p)!r}\n" for k, p in (row.split(",") for row in rows.splitlines()))
    other = WithContent("camb", f"{head}k,power\n{doubled}".encode())
    assert other == "camb" and other.hash != key
    power = population_of(config).power
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        file.attrs["config"] = "[population]\n"
        file["inputs/cosmology.linear_power"] = np.frombuffer(other.content, np.uint8)
        again = population_of(stored_config(file)).power
    np.testing.assert_allclose(again(1.0), 2 * power(1.0), rtol=1e-12)


def test_bits_do_not_depend_on_threads_of_blas(tmp_path):
    """Least squares of weights keeps other modes where energies differ in their last bits."""
    code = (
        "from gpu_fdm.config.config import parse_config\nfrom gpu_fdm.pipeline.model import build_model\nimport sys\n"
        "for weights in ('least_squares', 'adaptive_lasso'):\n"
        "    model = build_model(parse_config(f'[filament]\\n[wavefunction]\\nweights = {weights}\\n'))\n"
        "    arrays = model.arrays\n"
        "    sys.stdout.buffer.write(b''.join(arrays[name].tobytes() for name in sorted(arrays)))\n"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": n}
        ).stdout
        for n in ("1", "2")
    ]
    assert made[0] == made[1] and len(made[0]) > 1000


@pytest.mark.parametrize("kind", ["filament", "simulation"])
def test_bits_do_not_depend_on_threads_of_a_run(tmp_path, kind):
    for threads in (1, 3):
        text = f"[run]\nbackend = cpu\nthreads = {threads}\noutput = {tmp_path / str(threads)}\n{RUNS[kind]}"
        pipeline.run(parse_config(text))
    assert differences(tmp_path / "1/result.hdf5", tmp_path / "3/result.hdf5") == []
