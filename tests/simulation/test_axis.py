"""Filaments in three dimensions: linear theory of fluids and particles, the solver against it, and the stage."""

import h5py
import numpy as np
import pytest
from filaments import published_cylinder
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import k0, k1, wofz

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.filament.axial import axial_dispersion
from gpu_fdm.filament.fragmentation import collisionless_growth, fluid_growth, isothermal_growth
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.simulation.axis import axis_cells, evolve_axis
from gpu_fdm.units import CodeUnits

GYR = 1e3 / CodeUnits(1.0, 0.6731, 0.314649).time_myr  # in code units, which are the same for all bosons
LIGHT = "[run]\nbackend = cpu\n[dark_matter]\nm22 = 0.5\n[filament]\n[wavefunction]\n"


@pytest.fixture(scope="module")
def light():
    return build_model(parse_config(LIGHT))


def test_marginal_fluid_mode():
    """At gamma = 0 hydrostatic equilibrium leaves phi'' + phi'/x - k^2 phi + 8 phi/(1 + x^2)^2 = 0: by shooting."""

    def miss(k, edge=15.0):
        def slope(x, y):
            return [y[1], -y[1] / x + k**2 * y[0] - 8 / (1 + x**2) ** 2 * y[0]]

        phi, of_phi = solve_ivp(slope, (1e-6, edge), [1.0, 0.0], rtol=1e-10, atol=1e-12).y[:, -1]
        return of_phi * k0(edge * k) + k * phi * k1(edge * k)

    critical = brentq(miss, 1.3, 1.9)
    assert isothermal_growth(1.001 * critical) == 0
    # gamma^2 crosses zero in a straight line
    near, nearer = (isothermal_growth(critical - step) ** 2 for step in (0.02, 0.01))
    assert 2 * nearer == pytest.approx(near, rel=0.02)


def test_published_growth_of_fluids():
    """Nagasawa 1987, in the scale height H = R_50/sqrt(8): critical 0.561, fastest 0.339 at 0.284; to a per cent."""
    to_scale_height = np.sqrt(8)
    assert isothermal_growth(0.284 * to_scale_height) == pytest.approx(0.339, rel=0.01)
    assert isothermal_growth(0.556 * to_scale_height) > 0 == isothermal_growth(0.567 * to_scale_height)
    rates = [isothermal_growth(k * to_scale_height) for k in (0.26, 0.284, 0.31)]
    assert rates[1] == max(rates)


def test_rates_scale_with_the_filament():
    """In physical units they do not depend on the boson, whose mass is only the unit of length."""
    rates = []
    for m22 in (1.0, 4.0):
        profile, unit = published_cylinder(m22), CodeUnits(m22, 0.6731, 0.314649).length
        k = 2 * np.pi * unit / 0.15
        rates.append([fluid_growth(profile, k), collisionless_growth(profile, k)])
    assert rates[0] == pytest.approx(rates[1], rel=1e-6)


def test_collisionless_growth():
    """Against the plasma dispersion function, and its limits: cold, and stable from (k s) = W on."""
    profile = published_cylinder(1.0)
    for k in (0.1, 0.3, 0.5):
        rate, cold = collisionless_growth(profile, k), collisionless_growth(profile, k, "coherent")
        squared = cold**2 + (k**2 / (2 * 0.2**2)) ** 2
        speed = k * axial_dispersion(profile) / 0.2**2
        zeta = 1j * rate / (np.sqrt(2) * speed)
        z_function = 1j * np.sqrt(np.pi) * wofz(zeta)
        assert (1 + zeta * z_function).real == pytest.approx(speed**2 / squared, rel=1e-8)
        assert 0 < rate < cold
    assert collisionless_growth(profile, 1.5) == 0
    # a thread: W^2 -> k^2 mu/(2 pi a^3) ln(1/(k R)), growing faster the shorter it is
    assert collisionless_growth(profile, 1e-3, "coherent") < 0.02 * collisionless_growth(profile, 0.1, "coherent")


def test_beads_of_the_published_filament():
    """Without momentum along the axis 2 % at 0.1 cMpc/h grow to 11 % in 1.5 Gyr and 25 % in 2: a known measurement."""
    model = build_model(parse_config("[run]\nbackend = cpu\n[filament]\n[wavefunction]\n"))
    found = evolve_axis(model, 0.1 / model.units.length, 2 * GYR, outputs=4, cells=8)
    assert found.amplitude == pytest.approx([0.02, 0.025, 0.046, 0.11, 0.25], rel=0.03)
    assert np.mean(found.line_mass, axis=1) == pytest.approx(np.ones(5), rel=1e-12)
    assert max(found.mass_error, found.energy_error) < 1e-3


def test_momentum_along_the_axis_stops_the_growth(light):
    """Colder beads grow faster; thermal particles do not fall together at 0.1 cMpc/h."""
    unit, momenta = light.units.length, ("coherent", "thermal")
    found = {m: evolve_axis(light, 0.1 / unit, 1.5 * GYR, m, outputs=3, cells=10, backend=CPU(1)) for m in momenta}
    cold = found["coherent"]
    rate = collisionless_growth(light.profile, 2 * np.pi * unit / 0.1, "coherent")
    assert cold.amplitude == pytest.approx(0.02 * np.cosh(rate * cold.time), rel=0.3)
    assert np.array_equal(cold.alone, np.ones_like(cold.alone))
    assert cold.amplitude[-1] > 2 * found["thermal"].amplitude.max()
    assert found["thermal"].chance[0] > 0.02


def test_a_uniform_filament_stays_uniform(light):
    found = evolve_axis(light, 0.1 / light.units.length, 0.2 * GYR, amplitude=0.0, outputs=1, cells=4)
    assert found.line_mass == pytest.approx(np.ones((2, 4)), rel=1e-12)


def test_wavelengths_and_cells_must_fit(light):
    with pytest.raises(ValueError, match="must divide the length 25"):
        evolve_axis(light, 10.0, 0.1, length=25.0)
    with pytest.raises(ValueError, match="cells = 6: must be at least four a wavelength, 8"):
        evolve_axis(light, 10.0, 0.1, length=20.0, cells=6)
    assert axis_cells(light.profile, 20.0, 2.0) == 80  # eight a wavelength
    assert axis_cells(light.profile, 40.0, 20.0) == 72  # momenta up to 5.5 dispersions: 71.6


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("axis = 0.1, 0.2\naxis_length = 0.5", "axis = 0.1, 0.2: 0.2: must divide axis_length, 0.5"),
        ("axis = 0.3\naxis_length = 0.1", "0.3: must divide axis_length, 0.1"),
        ("axis = 0.1, 0.1", "must not name a wavelength twice"),
        ("axis = 0.1\naxis_length = 0.4\naxis_cells = 8", "must be at least four a wavelength of 0.1, 16"),
        ("axis = 0.1\naxis_momentum = cold", "axis_momentum = cold"),
    ],
)
def test_what_the_box_does_not_hold(keys, says):
    with pytest.raises(InputError) as error:
        parse_config(f"{LIGHT}[steady_state]\n{keys}\n")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_stage(tmp_path, capsys):
    ini = tmp_path / "axis.ini"
    light = LIGHT.replace("0.5", "0.3").replace("[wavefunction]", "[wavefunction]\nenergy_cut = 0.9\naxial = thermal")
    section = "weights = wkb\noutputs = 4\nframes = 2\naxis = 0.2\naxis_cells = 4\naxis_time = 0.1\n"
    ini.write_text(f"{light}[steady_state]\n{section}")
    name = f"run.output={tmp_path / 'r.hdf5'}"
    assert main(["run", str(ini), "--set", name, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "thermal along the axis, wavelength 0.2 cMpc/h" in said.out + said.err
    assert "do not resolve its momenta" in said.out + said.err
    assert main(["run", str(ini), "--set", name]) == 0
    said = capsys.readouterr()
    assert "a fluid cylinder's rate is 1." in said.out + said.err
    with h5py.File(tmp_path / "r.hdf5") as file:
        for momentum in ("coherent", "thermal"):
            run = file[f"steady_state_axis/m22_0.3/wkb/{momentum}/0"]
            assert run["line_mass"].shape == (5, 4)
            assert run["amplitude"][0] == pytest.approx(0.02, rel=0.5)  # of what chance left
            assert run.attrs["wavelength"] == run.attrs["length"] == 0.2
    # more wavelengths: those that were followed are taken from the cache
    assert main(["run", str(ini), "--set", name, "--set", "steady_state.axis=0.2,0.1"]) == 0
    said = capsys.readouterr()
    assert "3 of 5 steady states are in the cache" in said.out + said.err
