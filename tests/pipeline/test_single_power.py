"""[single_power]: scales that do not depend on its wavenumbers, draws in the plan, and ends out of reach."""

import h5py
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.pipeline.plan import plan
from gpu_fdm.pipeline.run import check, run
from gpu_fdm.pipeline.single_power import wavenumbers
from gpu_fdm.pipeline.stages import stages_of

INI = "[run]\nbackend = cpu\nthreads = 1\n[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n[single_power]\n"


def config(*overrides):
    return parse_config(INI, overrides=overrides)


def test_scales_do_not_depend_on_points(tmp_path):
    found = []
    for points in (2, 150):
        result = run(config(f"run.output={tmp_path / str(points)}", f"single_power.points={points}")).result
        with h5py.File(result) as file:
            found.append([file["single_power/00"].attrs[name] for name in ("k_detach", "detach_power")])
    assert found[0] == pytest.approx(found[1], rel=0.01)


def test_draws_are_planned():
    few, many = (plan(stages_of(c), check(c)[0]) for c in (config(), config("single_power.draws=1e6")))
    assert many.peak - few.peak > 16 * 200 * 1e6
    assert 60 < many.seconds["single_power"] < 3600


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("k_min=1e6", r"k_min = 1000000: must be smaller than \S+, where spectra end \(k_max\)"),
        ("k_max=1e6", r"k_max = 1000000: must be at most \S+, 100 times the wavenumber where fringes end"),
    ],
)
def test_ends_out_of_reach(change, says):
    with pytest.raises(InputError, match=says):
        check(config(f"single_power.{change}"))


def test_the_filament_whose_fringes_end_first_says_where_k_min_may_be(tmp_path):
    rows = ["1e9,1,0.003,6,0.3,0.3,0.3,1,0,0,0,1,0", "4e9,1,0.003,12,0.7,0.7,0.7,1,0,0,0,1,0"]
    names = "mass,length,r0,sigma,cx,cy,cz,dx,dy,dz,ox,oy,oz"
    gas = INI.replace("[filament]", f"[gas]\ntable = {tmp_path / 'gas.csv'}\n[box]\nsize = 2\ncells = 32")

    def refused(*rows):
        (tmp_path / "gas.csv").write_text("\n".join([names, *rows]))
        with pytest.raises(InputError, match=r"k_min = 1000000: must be smaller than \S+, where spectra end") as error:
            check(parse_config(gas, overrides=("single_power.k_min=1e6",)))
        return str(error.value).partition("than ")[2]

    assert refused(*rows) == refused(rows[0]) != refused(rows[1])


def test_modes_that_were_found_where_none_was_expected_have_ends_too():
    with pytest.raises(InputError, match=r"k_min = 1000000: must be smaller than \S+, where spectra end \(k_max\)"):
        wavenumbers(config("single_power.k_min=1e6"), build_model(config()))
