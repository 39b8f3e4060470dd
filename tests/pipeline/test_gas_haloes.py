"""Haloes of [gas]: their masses and spectra in a box, on ranks, in results; tables that are refused."""

import h5py
import numpy as np
import pytest
from locations import DATA
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.config.cache_keys import key_of
from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError, UnfitError
from gpu_fdm.haloes.halo import halo_spectrum
from gpu_fdm.haloes.profile import SphericalProfile
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline import gas_haloes
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.box import fill_slab
from gpu_fdm.pipeline.gas_haloes import profile_of_halo
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.models import Models
from gpu_fdm.pipeline.run import dry_run
from gpu_fdm.pipeline.stages import result_key, stages_of
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.units import CodeUnits

TWO, FILAMENT = DATA / "gas_haloes.csv", DATA / "gas_filament.csv"
HALOES = "[gas]\nhaloes = {table}\n[wavefunction]\n[box]\nsize = {size}\ncells = {cells}\nsampling = average\n"
BESIDE = HALOES.format(table=TWO, size="0.3", cells="13, 15, 14").replace("[gas]", "[gas]\ntable = {filaments}")
BESIDE += "tolerance = 1e-3\n"


def models_of(config, ranks=SERIAL):
    inputs = Inputs(config)
    return Models(config, inputs.filaments, ranks=ranks, threads=1, haloes=inputs.haloes)


def written(tmp_path, text):
    path = tmp_path / "haloes.csv"
    path.write_text(text)
    return path


def of_table(tmp_path, text, size="0.3", cells="16", more=""):
    return parse_config(HALOES.format(table=written(tmp_path, text), size=size, cells=cells) + more)


def check_ranks(ranks):
    """Filaments and haloes of a gas have the same bits on any number of ranks."""
    config = parse_config(BESIDE.format(filaments=FILAMENT))
    slab = fill_slab(models_of(config, ranks), 3.0, CPU(1))
    whole = fill_slab(models_of(config), 3.0, CPU(1))
    np.testing.assert_array_equal(slab.densities, whole.densities[:, slab.domain.planes])


@needs_mpi
def test_ranks_have_the_same_bits():
    agree(__file__, 3)


def test_a_run_has_the_masses_of_filaments_and_haloes(tmp_path):
    text = f"[run]\noutput = {tmp_path / 'run.hdf5'}\nbackend = cpu\n{BESIDE.format(filaments=FILAMENT)}[power]\n"
    outcome = pipeline.run(parse_config(text))
    assert "filament's and haloes'" in outcome.summary[-2] and outcome.summary[1].startswith("2 haloes with 58 to ")
    with h5py.File(outcome.result) as file:
        haloes, modes = file["haloes"], sum(one.attrs["mode_mass"] for one in file["filaments"].values())
        for name in ("fdm", "smooth"):
            expected = modes + sum(halo.attrs[f"mass_{name}"] for halo in haloes.values())
            assert file["density"].attrs[f"mass_{name}"] == pytest.approx(expected, rel=1e-3)
        assert [halo.attrs["mass"] for halo in haloes.values()] == [1e9, 2e9]
        states = haloes["00/states"]
        l, weight = states["l"][:], states["weight"][:]
        assert len(l) == 58 and np.sum((2 * l + 1) * weight) == pytest.approx(0.93688, rel=1e-5)
        assert haloes["00"].attrs["mass_smooth"] == pytest.approx(1e9 * states.attrs["weight_sum"], rel=1e-9)
        assert np.all(np.diff(file["power/fdm/k"]) > 0)


def test_one_halo_has_its_exact_spectrum(tmp_path):
    """The box of one halo: its smooth power, and P(k) over seeds within the scatter of draws."""
    text = "mass,cx,cy,cz\n1e9,0.4,0.1,0.8\n"
    config = of_table(tmp_path, text, "0.3, 0.31, 0.28", "30, 32, 28", "tolerance = 1e-4\n")
    inputs, spectra = Inputs(config), []
    for seed in range(100, 106):
        seeded = parse_config(config.to_ini(), overrides=[f"run.seed={seed}"])
        slab = fill_slab(models_of(seeded), 0.0, CPU())
        spectra.append(power_spectrum(slab.fdm, config.box.size))
    smooth, k, nyquist = power_spectrum(slab.smooth, config.box.size), spectra[0].k[1:], slab.box.nyquist
    some, unit = k < 0.35 * nyquist, models_of(config).haloes.wave(0)
    halo = inputs.haloes[0].halo
    length = models_of(config).haloes.records()[0].units["length_unit"]
    exact = halo_spectrum(profile_of_halo(config, halo), k[some] * length, fixed_amplitudes=True)
    share = unit.mean_mass / unit.states.mass
    window = np.exp(-(k[some] ** 2) * np.mean(slab.box.spacing**2) / 12)  # of the cells
    measured = smooth.power[1:][some] * share**2 / slab.box.volume
    np.testing.assert_allclose(measured, exact.smooth * window, rtol=4e-3)  # of the bins
    power = np.array([spectrum.power[1:][some] for spectrum in spectra]) * share**2 / slab.box.volume
    power *= exact.smooth / measured
    pull = (power.mean(axis=0) - exact.power) / (power.std(axis=0, ddof=1) / np.sqrt(len(power)))
    assert np.sqrt(np.mean(pull**2)) < 1.6


def test_gaussian_amplitudes_and_solitons_change_the_mass(tmp_path):
    text = "mass,cx,cy,cz\n1e9,0.5,0.5,0.5\n"
    for more, ratio in (("statistics = gaussian\n", False), ("soliton = yes\n", True)):
        config = of_table(tmp_path, text, more=f"[halo]\n{more}")
        models = models_of(config)
        slab, record = fill_slab(models, 0.0, CPU()), models.haloes.records()[0]
        sums = slab.densities.sum(axis=(1, 2, 3), dtype=float)
        assert sums[0] / sums[1] == pytest.approx(record.masses["fdm"] / record.masses["smooth"], rel=1e-5)
        assert (abs(sums[0] / sums[1] - 1) < 1e-5) == ratio
    assert record.states["weight"][0] == pytest.approx(0.36, abs=0.2)  # the soliton


def test_what_a_halo_needs_is_known_before_it_is_solved(tmp_path):
    config = of_table(tmp_path, "mass,cx,cy,cz\n1e9,0.5,0.5,0.5\n")
    size, states = Inputs(config).haloes[0], models_of(config).haloes.wave(0).states
    unit = CodeUnits(1.0, config.cosmology.h, config.cosmology.omega_m).length
    assert (size.states, size.l_max) == (pytest.approx(len(states), rel=0.02), pytest.approx(states.l[-1], abs=1))
    assert size.reach == pytest.approx(states.radius_max * unit)
    assert size.fringes == pytest.approx(2 * states.wavenumber_max / unit)
    lines = dry_run(config)
    assert lines[0] == "1 halo with about 58.02 states (n, l), l up to 11"
    assert any(line.startswith("memory, box: haloes: ") for line in lines)


def test_keys_of_haloes_matter_where_there_are_some(tmp_path):
    table = written(tmp_path, "mass,cx,cy,cz\n1e9,0.5,0.5,0.5\n")
    without = "[gas]\nnumber = 2\n[wavefunction]\n[box]\n[single_power]\n[halo]\n"
    for gas, matters in ((without, False), (without.replace("number", f"haloes = {table}\nnumber"), True)):
        one, other = (parse_config(gas, overrides=[f"halo.soliton={value}"]) for value in ("no", "yes"))
        assert (result_key(one, "cpu") != result_key(other, "cpu")) == matters
        single = next(stage for stage in stages_of(one) if stage.section == "single_power")
        assert key_of(one, "", single.keys(one)) == key_of(other, "", single.keys(other))


def test_a_seed_of_its_own_belongs_to_a_halo_wherever_its_row_is(tmp_path):
    rows = ["1e9,0.5,0.5,0.5,4", "2e9,0.1,0.2,0.3,5"]
    waves = []
    for order in (rows, rows[::-1]):
        haloes = models_of(of_table(tmp_path, "\n".join(["mass,cx,cy,cz,seed", *order]))).haloes
        waves.append(haloes.wave(order.index(rows[0])))
    np.testing.assert_array_equal(waves[0].amplitude, waves[1].amplitude)


def test_shapes_of_the_table(tmp_path):
    text = "mass,cx,cy,cz,concentration,core\n1e9,0.5,0.5,0.5,6,0.004\n"
    config = of_table(tmp_path, text)
    halo = Inputs(config).haloes[0].halo
    law = profile_of_halo(config, halo).law
    assert (law.truncation / law.scale, law.core / law.truncation) == pytest.approx((6, 0.004 / halo.radius))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mass,cx,cy,cz\n1e9,0.5,1.2,0.5\n", "line 2: cy = 1.2: the halo is outside of the box, must be in [0, 1]"),
        ("mass,cx,cy,cz\n1e9,0,0,0\n-1,0,0,0\n", "line 3: mass = -1: must be > 0"),
        ("mass,cx,cy\n1e9,0,0\n", "line 1: no column cz"),
        (
            "mass,cx,cy,cz,concentraton\n1e9,0,0,0,3\n",
            "column concentraton: must be one of mass, cx, cy, cz and",
        ),
        ("mass,cx,cy,cz,seed\n1e9,0,0,0,1.5\n", "line 2: seed = 1.5: must be an integer in [0, "),
        ("mass,cx,cy,cz,core\n1e9,0,0,0,0\n", "line 2: core = 0: must be > 0"),
        (
            "mass,cx,cy,cz,core\n1e9,0,0,0,0.1\n",
            "line 2: halo of 1e+09 Msun/h: its core, 0.1 cMpc/h, is larger",
        ),
        ("mass,cx,cy,cz\n1e7,0,0,0\n", "line 2: halo of 1e+07 Msun/h: its core, 0.01083 cMpc/h, is larger"),
        ("mass,cx,cy,cz\n1e15,0,0,0\n", "is larger than the box, 0.3: must be a lighter halo or a larger box"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    config = of_table(tmp_path, text)
    with pytest.raises(InputError) as caught:
        dry_run(config)
    assert message in str(caught.value) and "[gas] haloes = " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_states_that_do_not_fit_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(gas_haloes, "available", lambda: 1 << 20)
    config = of_table(tmp_path, "mass,cx,cy,cz\n1e9,0,0,0\n1e10,0,0,0\n", size="2")
    with pytest.raises(InputError, match=r"line 3: halo of 1e\+10 Msun/h: .* would need .* MiB, 1 MiB are free"):
        Inputs(config).haloes  # noqa: B018


def test_a_halo_whose_potential_holds_no_wave_is_named(tmp_path, monkeypatch):
    def none(*_):
        raise UnfitError("no equilibrium: its potential is flat")

    monkeypatch.setattr(gas_haloes, "extent", none)
    config = of_table(tmp_path, "mass,cx,cy,cz\n1e9,0,0,0\n", size="2")
    with pytest.raises(InputError, match=r"line 2: halo of 1e\+09 Msun/h: no equilibrium: its potential is flat"):
        Inputs(config).haloes  # noqa: B018


def test_cells_wider_than_a_halo(tmp_path):
    config = of_table(tmp_path, "mass,cx,cy,cz\n1e9,0,0,0\n", size="3", cells="16")
    with pytest.raises(InputError, match=r"make cells of 0.1875 cMpc/h: .* at most as wide as a halo of radius 0.13"):
        dry_run(config)


def test_haloes_alone_have_no_spectra_of_single_filaments(tmp_path):
    with pytest.raises(InputError, match=r"\[single_power\] needs filaments, \[gas\] has haloes alone"):
        dry_run(of_table(tmp_path, "mass,cx,cy,cz\n1e9,0,0,0\n", more="[single_power]\n"))


def test_some_of_many_haloes_are_tested_for_equilibrium(tmp_path, monkeypatch):
    """A dry run of thousands of haloes takes seconds; the smallest and the largest core beside its halo are tested."""
    tested = []
    monkeypatch.setattr(SphericalProfile, "require_equilibrium", lambda profile: tested.append(profile.law))
    rows = "".join(f"1e8,0.{number:03d},0.5,0.5,{0.0005 + 1e-5 * number}\n" for number in range(40))
    config = of_table(tmp_path, f"mass,cx,cy,cz,core\n{rows}")
    assert len(Inputs(config).haloes) == 40 and len(tested) == 16
    unit = CodeUnits(1.0, config.cosmology.h, config.cosmology.omega_m).length
    cores = sorted(law.core * unit for law in tested)
    assert cores[0] == pytest.approx(0.0005) and cores[-1] == pytest.approx(0.00089)


if __name__ == "__main__":
    run_here(check_ranks)
