"""The cross-section in its own gravity: the solver against the modes, potentials against Gauss, and the stage."""

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from attrs import evolve
from rank_runs import MPIEXEC, needs_mpi
from scipy.integrate import simpson

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import Config, parse_config
from gpu_fdm.config.shared_sections import DarkMatter, FilamentSection, WavefunctionSection
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.pipeline.plan import BASE, plan
from gpu_fdm.pipeline.stage import Context
from gpu_fdm.pipeline.stages import stages_of
from gpu_fdm.pipeline.steady_state import cases_of
from gpu_fdm.simulation import plane as plane_module
from gpu_fdm.simulation import steady_state
from gpu_fdm.simulation.plane import BINS, Plane
from gpu_fdm.simulation.schroedinger_poisson import WaveLimits
from gpu_fdm.simulation.steady_state import LIMITS, Evolution, evolve_cross_section

ONE = CPU(1)
INI = """
[run]
output = {output}
backend = cpu
threads = 1
[dark_matter]
m22 = 0.3
[filament]
[wavefunction]
weights = adaptive_lasso
energy_cut = 0.9
[steady_state]
outputs = 6
frames = 3
"""


@pytest.fixture(scope="module")
def model():
    """A light boson, for few modes and few cells."""
    config = Config(dark_matter=DarkMatter(0.3), filament=FilamentSection(), wavefunction=WavefunctionSection())
    return build_model(config)


@pytest.fixture(scope="module")
def plane(model):
    """Its plane."""
    return Plane(model)


def solver_error(model, limits=LIMITS):
    """Largest difference from what the modes do in their potential, in half a period, over the mass of a ring."""
    evolved = evolve_cross_section(model, periods=0.5, outputs=2, gravity="fixed", limits=limits, backend=ONE)
    assert evolved.mass_error < 1e-12  # round-off: the scheme is unitary
    return BINS * np.max(np.abs(evolved.own - evolved.fixed))


def test_in_the_potential_of_the_modes_they_do_what_they_do(model):
    """What is left is of the steps, of fourth order: half as long they leave a sixteenth; then of the cells."""
    long, short = solver_error(model), solver_error(model, WaveLimits(LIMITS.kinetic / 2, LIMITS.potential / 2))
    assert long < 1e-5
    assert short < max(long / 12, 2e-7)


def test_cells_resolve_what_tunnels(model, monkeypatch):
    """Of a light boson, cells for twice the largest classical wavenumber are too wide, whatever the steps."""
    monkeypatch.setattr(plane_module, "RESOLUTION", 2.0)
    monkeypatch.setattr(plane_module, "TAIL", 0.0)
    errors = [solver_error(model, WaveLimits(kinetic, kinetic / 4)) for kinetic in (2.0, 1.0)]
    assert errors == pytest.approx([3e-4, 3e-4], rel=0.1)


def test_expected_rings(model, plane):
    """<|psi|^2> in the cells has the same mass in every ring, wherever its middle is."""
    for x, y in ((0, 0), (0.3 * plane.edges[-1], -0.1 * plane.edges[-1])):
        moved = np.interp(np.hypot(plane.line[:, None] - x, plane.line - y), plane.radii, plane.profile, right=0.0)
        assert plane.centre(moved) == pytest.approx([x, y], abs=1e-3 * plane.width)
        rings, _, _ = plane.rings(moved)
        # thin rings of half a cell, and cubic splines between cells
        assert rings / plane.enclosed(plane.edges[-1]) == pytest.approx(np.full(BINS, 1 / BINS), rel=2e-3)


def test_rings_of_the_modes(model, plane, monkeypatch):
    """Around the axis the mean over angles is sum |F+_l|^2 + |F-_l|^2, without any cells."""
    monkeypatch.setattr(Plane, "centre", lambda self, density: np.zeros(2))
    rings, _, _ = plane.rings(np.abs(plane.psi(0.7)) ** 2)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    factors = model.wave.azimuthal(0.7)
    for inner, outer, found in zip(plane.edges, plane.edges[1:], rings, strict=False):
        radius = (inner + outer) / 2 + (outer - inner) / 2 * nodes
        values = factors @ model.library.interpolation_matrix(radius).T
        density = np.sum(np.abs(values) ** 2, axis=(0, 1))
        expected = np.sum(weights * 2 * np.pi * radius * density) * (outer - inner) / 2
        assert found == pytest.approx(expected, rel=3e-3)  # as above


def test_in_its_own_gravity_it_stays_together(model):
    evolved = evolve_cross_section(model, periods=0.5, outputs=3, frames=2, backend=ONE)
    assert evolved.time == pytest.approx(evolved.period * np.arange(4) / 6)
    assert evolved.frame_time == pytest.approx(evolved.time[[0, 3]])
    # omega^2 = mu/(2 pi a^3 R^2) with half the line mass at R_50 = r0/a
    profile = model.profile
    half = profile.r0 / profile.scale_factor
    omega = np.sqrt(profile.line_mass / 2 / (2 * np.pi * profile.scale_factor**3)) / half
    assert evolved.period == pytest.approx(2 * np.pi / omega, rel=1e-9)
    assert evolved.mass_error < 1e-12 and evolved.energy_error < 1e-5
    assert evolved.edges[-1] == pytest.approx(float(profile.radius_enclosing(0.99)), rel=1e-6)
    assert evolved.own[0] == pytest.approx(evolved.fixed[0], rel=1e-12)
    assert evolved.expected == pytest.approx(np.full(BINS, 1 / BINS))
    # fringes pull: a part of the mass, not all of it
    assert 1e-3 < np.abs(np.cumsum(evolved.own - evolved.fixed, axis=1)).max() < 0.3
    # the first frame is |psi|^2 of the modes, [v, u]
    plane = Plane(model)
    first = np.abs(plane.psi(0.0)) ** 2
    shown = np.isin(plane.line, evolved.coordinate)
    assert evolved.frames[0] == pytest.approx(first[np.ix_(shown, shown)].T, rel=1e-6)
    assert evolved.frames.shape == (2, shown.sum(), shown.sum())
    with pytest.raises(ValueError, match="gravity = none: must be one of own, completed, fixed"):
        evolve_cross_section(model, gravity="none")


def test_drift_is_the_largest_change_of_the_mass_inside_a_radius():
    expected = np.full(4, 0.25)
    own = np.array([[9, 9, 9, 9], [0.35, 0.15, 0.25, 0.25], [0.35, 0.2, 0.2, 0.25], [0.25] * 4, [0.1, 0.25, 0.25, 0.4]])
    rows = {"time": np.arange(5.0), "expected": expected, "own": own, "fixed": own + 1, "fluctuation": np.ones(5)}
    rest = dict.fromkeys(set(Evolution.__dataclass_fields__) - set(rows) - {"period"}, 0)
    evolved = Evolution(period=2.0, **rows, **rest)
    assert evolved.whole_periods == 2
    # means of rows 1 and 2, and of 3 and 4: the start belongs to none
    assert evolved.drift(1) == pytest.approx(0.1)
    assert evolved.drift(2) == pytest.approx(0.075)
    assert evolved.drift(2, "fixed") == pytest.approx(4.0)
    assert evolved.mean_fluctuation(2) == 1
    assert Evolution(**evolved.arrays).drift(1) == evolved.drift(1)


def test_potential_of_an_isolated_cylinder(model, plane):
    """laplacian Phi = rho of the phase average, and mu/(2 pi) ln R outside: of the whole line mass of the modes."""
    assert plane.enclosed(plane.radius_max) == pytest.approx(model.wave.line_mass, rel=1e-6)
    potential, middle = plane.free_potential, len(plane.line) // 2
    around = sum(np.roll(potential, shift, axis) for shift in (-1, 1) for axis in (0, 1)) - 4 * potential
    near = plane.radius < 0.5 * plane.radius_max
    # differences across a cell; phase averages are smooth over several
    assert np.max(np.abs(around / plane.width**2 - plane.mean_density)[near]) < 0.05 * plane.mean_density.max()
    along = potential[middle]
    far = np.abs(plane.line) > 1.2 * plane.radius_max
    log = np.log(plane.radius[middle][far] / plane.radius[middle][-1]) * model.wave.line_mass / (2 * np.pi)
    assert along[far] - along[-1] == pytest.approx(log, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("gravity", ["own", "completed"])
def test_gravity_of_the_phase_average(plane, model, gravity):
    """What the solver adds up for <|psi|^2>: its own potential, or that which the modes were solved in."""
    total = steady_state.external_potential(plane, gravity) + plane.periodic_potential(plane.mean_density)
    profile = model.profile
    beyond = [len(plane.line) // 2, 3]  # a place outside all modes, on the axis but for half a cell
    middle = [len(plane.line) // 2] * 2
    found = total[tuple(beyond)] - total[tuple(middle)]
    radius = np.geomspace(max(1e-3 * plane.width, plane.radius[tuple(middle)]), plane.radius[tuple(beyond)], 20001)
    mass = plane.enclosed if gravity == "own" else profile.enclosed_line_mass
    # int M(<R)/(2 pi R) dR; 1e-5: between the radii of the plane's tables is a line
    assert found == pytest.approx(simpson(mass(radius) / (2 * np.pi), x=np.log(radius)), rel=1e-5)


def test_fluctuation_in_closed_form(plane, model):
    """laplacian [(d2/dx2 - d2/dy2) Phi_G] = (d2/dx2 - d2/dy2) G, with G a Gaussian cylinder and Phi_G by Gauss."""
    size, mass = 0.2 * plane.edges[-1], 0.05 * model.wave.line_mass

    def gaussian(radius):
        return mass / (2 * np.pi * size**2) * np.exp(-0.5 * (radius / size) ** 2)

    def potential(radius):  # Phi'' - Phi'/R, the factor of cos 2 phi
        return gaussian(radius) - mass / (np.pi * radius**2) * -np.expm1(-0.5 * (radius / size) ** 2)

    turned = np.cos(2 * np.arctan2(plane.line, plane.line[:, None]))
    density = plane.mean_density + gaussian(plane.radius) * plane.radius**2 / size**4 * turned
    _, around, places = plane.rings(density)
    found = plane.fluctuation(density, around, places)
    last = plane.edges[-1]
    radius = (np.arange(4000) + 0.5) / 4000 * last
    weight = radius * np.interp(radius, plane.radii, plane.profile)
    profile = model.profile
    expected = np.sqrt(np.sum(weight * potential(radius) ** 2) / np.sum(weight) / 2)
    expected /= profile.scale_factor * float(profile.potential(last))
    # images of the quadrupole, (R/side)^4, and the cells' own four-fold pattern in the smooth density
    assert found == pytest.approx(expected, rel=3e-3)
    assert plane.fluctuation(plane.mean_density, *plane.rings(plane.mean_density)[1:]) < 0.02 * expected


def test_what_has_no_middle_is_an_error(plane):
    lump = np.exp(-0.5 * ((plane.line - 0.8 * plane.line[-1]) / (3 * plane.width)) ** 2)
    with pytest.raises(RunError, match="has left the middle of its periodic plane"):
        plane.rings(np.outer(lump, lump))
    with pytest.raises(RunError, match="has no centre"):
        plane.rings(np.zeros_like(plane.radius))


def config(output, *overrides, more=""):
    return parse_config(INI.format(output=output) + more, "x.ini", overrides)


def contents(path):
    """All datasets and attributes of the group."""
    found = {}
    with h5py.File(path) as file:

        def keep(name, item):
            found[name] = item[()] if isinstance(item, h5py.Dataset) else dict(item.attrs)

        file["steady_state"].visititems(keep)
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of two cases, with figures."""
    folder = tmp_path_factory.mktemp("steady")
    return pipeline.run(config(folder, more="[figures]\ndpi = 30\n"))


def test_a_run(done):
    assert [line.split(":")[0] for line in done.summary[1:3]] == [
        "steady state, m22 = 0.3, wkb",
        "steady state, m22 = 0.3, adaptive_lasso",
    ]
    assert {figure.name for figure in done.figures} >= {"steady_state.png", "steady_state_frames.png"}
    with h5py.File(done.result) as file:
        about = file["steady_state"].attrs
        assert about["gravity"] == "own" and about["periods"] == 2 and about["redshift"] == 4
        # 1/H0 = 977.792 Gyr/(H0 in km/s/Mpc)
        age = 2 / 3 / 0.685351**0.5 * np.arcsinh((0.685351 / 0.314649 / 125) ** 0.5) * 977.792 / 67.31
        assert about["age"] == pytest.approx(age, rel=1e-5)
        assert file["steady_state/m22_0.3"].attrs["m22"] == 0.3
        for method in ("wkb", "adaptive_lasso"):
            group = file[f"steady_state/m22_0.3/{method}"]
            assert group["own"].shape == group["fixed"].shape == (7, BINS)
            # 2 pi r0/(sqrt(2) sigma): half the line mass is within r0, 1 kpc/(km/s) is 0.97779 Gyr
            r0, sigma = (file["filaments/00"].attrs[name] for name in ("r0", "sigma"))
            period = 2 * np.pi * 1e3 * r0 / 0.6731 / (2**0.5 * sigma) * 0.977792
            assert group.attrs["period"] == pytest.approx(period, rel=1e-5)
            assert group["time"][:] == pytest.approx(group.attrs["period"] * np.arange(7) / 3)
            assert group["frame_time"][:] == pytest.approx(group["time"][[0, 3, 6]])
            rows = np.cumsum(np.mean(group["own"][4:7], axis=0) - group["expected"][:])
            assert group.attrs["drift_own"][1] == pytest.approx(np.abs(rows).max(), rel=1e-12)
            assert len(group.attrs["drift_fixed"]) == len(group.attrs["fluctuation"]) == 2
            line, frames = group["coordinate"][:], group["frames"]
            assert frames.shape == (3, len(line), len(line)) and frames.dtype == np.float32
            for item in group.values():
                assert item.attrs["units_text"] and item.attrs["description"]


def test_a_second_run_takes_what_was_kept(done, caplog):
    caplog.set_level(logging.INFO)
    before = contents(done.result)
    kept = sorted((done.result.parent / "result_kept").glob("steady_state*"))
    assert [path.name.rsplit("-", 1)[0] for path in kept] == [
        "steady_state-m22_0.3-adaptive_lasso",
        "steady_state-m22_0.3-wkb",
    ]
    for gone in (kept[1], done.result):  # as if it had been stopped before this one was done
        gone.unlink()
    pipeline.run(config(done.result.parent))
    assert "1 of 2 steady states are in the cache" in caplog.text
    again = contents(done.result)
    assert again.keys() == before.keys()
    for name, values in before.items():
        np.testing.assert_equal(again[name], values)


def test_what_is_kept_depends_on_everything(tmp_path):
    def key(*overrides):
        changed = config(tmp_path, *overrides)
        return cases_of(changed)[0].key(Context(Inputs(changed)))

    first = key()
    for override in ("run.seed=2", "steady_state.outputs=8", "wavefunction.energy_cut=0.98", "filament.beta=0.1"):
        assert key(override) != first, override
    assert key("run.threads=2", "wavefunction.time=3") == first


def test_cases(tmp_path):
    cases = cases_of(config(tmp_path, "steady_state.m22=1,4,2", "steady_state.weights=poisson,wkb"))
    assert [(case.m22, case.weights) for case in cases] == [
        (m22, weights) for m22 in (4, 2, 1) for weights in ("poisson", "wkb")
    ]
    assert cases[0].config.steady_state == config(tmp_path, "steady_state.m22=1,4,2").steady_state.__class__(
        m22=(1.0, 4.0, 2.0), weights=("poisson", "wkb"), outputs=6, frames=3
    )
    # of a table of weights, which is for one boson, the section knows nothing
    table = evolve(
        config(tmp_path).wavefunction, weights="table", weights_table=str(Path(__file__).parent / "no such.csv")
    )
    assert cases_of(replace(config(tmp_path), wavefunction=table))[0].weights == "wkb"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[steady_state]\n", "x.ini: [steady_state] needs a section [filament], which is absent"),
        ("[filament]\n[steady_state]\n", "x.ini: [steady_state] needs a section [wavefunction], which is absent"),
        (
            "[gas]\nnumber = 2\n[wavefunction]\n[box]\n[steady_state]\n",
            "x.ini: [steady_state] needs a section [filament], which is absent",
        ),
        ("[steady_state]\nperiods = 1", "[steady_state] periods = 1: must be a number in [2, 1000]"),
        (
            "[steady_state]\nm22 = 2, 1, 1.0000001",
            "[steady_state] m22 = 2, 1, 1.0000001: must differ in their first six digits",
        ),
        ("[steady_state]\nm22 = 1, 1", "[steady_state] m22 = 1, 1: must not name a mass twice"),
        ("[steady_state]\nm22 = 0", "[steady_state] m22 = 0: must be a list, each a number in [1e-06, 1e+06]"),
        ("[steady_state]\nweights = wkb, wkb", "[steady_state] weights = wkb, wkb: must not name a method twice"),
        ("[steady_state]\nweights = table", "must be a list, each one of wkb, adaptive_lasso, poisson, least_squares"),
        ("[steady_state]\ngravity = none", "[steady_state] gravity = none: must be one of own, completed"),
        ("[steady_state]\noutputs = 8\nperiods = 5", "outputs = 8: must be at least two a period, 10"),
        ("[steady_state]\noutputs = 6\nframes = 8", "frames = 8: must be at most outputs and the start, 7"),
    ],
)
def test_mistakes(text, says):
    with pytest.raises(InputError) as caught:
        parse_config(text if "needs" in says else "[filament]\n[wavefunction]\n" + text, "x.ini")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_boson_that_is_too_light(tmp_path, capfd):
    path = tmp_path / "light.ini"
    path.write_text(INI.format(output=tmp_path / "out"))
    for override, says in (
        ("steady_state.m22=0.3, 0.001", "[steady_state] m22 = 0.3, 0.001: no eigenstate below the energy cut"),
        ("dark_matter.m22=0.001", "[dark_matter] m22 = 0.001: no eigenstate below the energy cut"),
    ):
        assert main(["run", str(path), "--set", override]) == 2
        error = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
        assert len(error) == 1 and says in error[0] and error[0].endswith(", for 0.001")
        assert not (tmp_path / "out").exists()


def test_dry_run(tmp_path, capfd):
    path = tmp_path / "dry.ini"
    path.write_text(INI.format(output=tmp_path / "out"))
    assert main(["run", str(path), "--dry-run", "--set", "steady_state.m22=0.3,4"]) == 0
    said = capfd.readouterr().out
    cases = "; ".join(f"m22 = {m22}, {weights}" for m22 in (4, 0.3) for weights in ("wkb", "adaptive_lasso"))
    assert f"steady state: 2 periods of {cases}\n" in said
    assert "memory, steady state: " in said and not (tmp_path / "out").exists()
    bosons = [config(tmp_path, f"steady_state.m22={m22}", "wavefunction.energy_cut=0.99") for m22 in ("0.3", "4, 0.3")]
    planned = [plan(stages_of(each), pipeline.check(each)[0]) for each in bosons]
    low, high = (each.memory["steady state"] - BASE for each in planned)
    assert high > 5 * low > 0
    assert planned[1].disk > planned[0].disk


FAILING = """
import sys
from gpu_fdm.commands import main as cli
from gpu_fdm.parallel.ranks import start_ranks
from gpu_fdm.simulation import steady_state
if start_ranks().rank == 1:
    steady_state._ALARMS = steady_state.Alarms(unresolved=1e-9, stop=True)
sys.exit(cli.main())
"""


@needs_mpi
def test_the_same_over_ranks_and_a_rank_that_fails(tmp_path, done):
    """Each case on a rank of its own; one that fails there alone ends all."""
    path = tmp_path / "ranks.ini"
    path.write_text(INI.format(output=tmp_path / "out"))
    command = [MPIEXEC, "-n", "2", sys.executable, "-m", "gpu_fdm", "run", str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert finished.returncode == 0, finished.stderr
    alone = contents(done.result)
    for name, values in contents(tmp_path / "out/result.hdf5").items():
        np.testing.assert_equal(values, alone[name])
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    command = [MPIEXEC, "-n", "2", sys.executable, str(script), "run", str(path), "--set", "run.seed=2"]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert failed.returncode != 0 and "Traceback" not in failed.stderr
    assert "[steady_state] m22 = 0.3, adaptive_lasso: part of the mass that moves faster" in failed.stderr
