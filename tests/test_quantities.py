"""Quantities as arguments of public functions: converted, or refused in one line; never stripped."""

import inspect

import numpy as np
import pytest

pytest.importorskip("astropy", reason="astropy is not installed")
pytest.importorskip("unyt", reason="unyt is not installed")

import astropy.cosmology.units as cu
import astropy.units as u
import unyt
from astropy.constants import c
from astropy.cosmology import WMAP9, FlatLambdaCDM, FlatwCDM, LambdaCDM, Planck18
from astropy.table import Table

import gpu_fdm
from gpu_fdm import InputError, quantities
from gpu_fdm.config.shared_sections import FilamentSection
from gpu_fdm.cosmology.linear_power import linear_power
from gpu_fdm.snapshots.options import SnapshotOptions

H = 0.6731
PER_MPC = cu.littleh / u.Mpc
# a number of cells, any unit of psi, objects that hold numbers
PLAIN = {"Domain.transposed_shape", "momentum_spread", "Likelihood.__init__", "Posterior.__init__"}


def numeric_parameters(function):
    """Names of the parameters that take numbers or arrays of them."""
    for parameter in inspect.signature(function).parameters.values():
        text = str(parameter.annotation)
        numbers = any(kind in text for kind in ("float", "int |", "<class 'int'>", "array_like", "numpy.ndarray"))
        if numbers and not any(other in text for other in ("Network", "dtype_like", "Callable", "Sequence[num")):
            yield parameter.name


def callables():
    """Every public function, and __init__, __call__ and the public methods of every public class."""
    for name in gpu_fdm.__all__:
        thing = getattr(gpu_fdm, name)
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing) and not issubclass(thing, Exception):
            for member, method in inspect.getmembers(
                thing, lambda part: inspect.isfunction(part) or inspect.ismethod(part)
            ):
                if member in ("__init__", "__call__") or not member.startswith("_"):
                    yield f"{name}.{member}", getattr(method, "__func__", method)


CASES = [(name, function, argument) for name, function in callables() for argument in numeric_parameters(function)]
CASES = [case for case in CASES if case[0] not in PLAIN]


@pytest.mark.parametrize(("name", "function", "argument"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
def test_a_temperature_is_refused_everywhere(name, function, argument):
    parameters = inspect.signature(function).parameters
    if parameters[argument].kind is inspect.Parameter.VAR_KEYWORD:
        given = {"self": None, "m22": 300 * u.K}
    else:
        needed = [each.name for each in parameters.values() if each.default is inspect.Parameter.empty]
        given = dict.fromkeys(needed) | {argument: 300 * u.K}
    with pytest.raises(InputError, match=" in K: must be "):
        function(**given)


def test_numbers_of_numpy_are_numbers():
    for half in (np.float32(0.5), np.array(0.5), np.float64(0.5)):
        assert gpu_fdm.CosmologySection(h=half).h == gpu_fdm.CodeUnits(1, half, 0.3).h == 0.5
    assert gpu_fdm.CosmologySection(redshift=np.int64(3)).redshift == 3
    assert gpu_fdm.PopulationSection(m22=np.array([1, 2])).m22 == (1, 2)
    assert gpu_fdm.Box(np.ones(3), np.array([4, 4, 8])) == gpu_fdm.Box((1, 1, 1), (4, 4, 8))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gpu_fdm.CodeUnits("1", H, 0.3), "CodeUnits: m22 = '1': must be a number"),
        (lambda: gpu_fdm.CodeUnits(0, H, 0.3), "m22 = 0: must be positive and finite"),
        (lambda: gpu_fdm.CodeUnits(1, 67.3, 0.3), "h = 67.3: must be in .0.01, 10., H0 / "),
        (lambda: gpu_fdm.CodeUnits(1, H, 31), "omega_m = 31: must be in"),
        (lambda: gpu_fdm.transfer("hu00", 1.0, h=67.3), "h = 67.3: must be in"),
        (lambda: gpu_fdm.cored_nfw(1e10, 1.0, 67.3, 0.3, 4), "h = 67.3: must be in"),
        (lambda: gpu_fdm.cored_nfw([1e10], 1.0, H, 0.3, 4), r"cored_nfw: mass = \[1.*\]: must be a number"),
        (lambda: gpu_fdm.Box((1, 1, 1), (4, 4, 4.5)), "cells = .*: must be three positive integers"),
        (lambda: gpu_fdm.Box(1, (4, 4, 4)), "size = 1: must be three positive numbers"),
        (
            lambda: gpu_fdm.particle_spectrum(np.ones((9, 3)), gpu_fdm.Box((1, 1, 1), (4, 4, 4))),
            "batches: must be pairs",
        ),
        (lambda: gpu_fdm.Config(dark_matter={"m22": 2}), r"\[dark_matter\] is a dict: must be a DarkMatter"),
        (
            lambda: gpu_fdm.build_model("mine.ini"),
            "build_model: config is a str: must be a gpu_fdm Config .read_config ",
        ),
        (lambda: gpu_fdm.build_model(gpu_fdm.parse_config("")), r"build_model needs a section \[filament\] or \[gas\]"),
        (lambda: gpu_fdm.power_spectrum(np.ma.masked_less(np.ones((2, 2, 2)), 2), 1), "density: has masked values"),
        (lambda: gpu_fdm.Prediction.of(gpu_fdm.parse_config(""), k=300 * u.K), "Prediction.of: k in K: must be in"),
    ],
)
def test_what_is_no_number_and_nonsense_are_refused_in_one_line(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_most_public_names_take_numbers():
    assert len(CASES) > 150


@pytest.fixture(scope="module")
def model():
    return gpu_fdm.build_model(gpu_fdm.parse_config("[filament]\nmass = 1e9\n[wavefunction]"))


def test_wavenumbers_per_megaparsec_are_converted_with_the_h_of_the_model(model):
    k = np.array([1.0, 3.0, 10.0])
    plain = gpu_fdm.single_power(model, k)
    for quantity in (k * PER_MPC, k * H / u.Mpc, k / 1000 * H / u.kpc):
        converted = gpu_fdm.single_power(model, quantity)
        assert isinstance(converted.k, np.ndarray)
        assert not hasattr(converted.k, "unit")
        np.testing.assert_allclose(converted.fdm, plain.fdm, rtol=1e-9)


def test_columns_and_lists_have_units_too(model):
    column = Table({"k": [1.0, 2.0] / u.Mpc})["k"]
    for k in (column, [1 / u.Mpc, 2 / u.Mpc], unyt.unyt_array([1.0, 2.0], "1/Mpc")):
        np.testing.assert_allclose(gpu_fdm.single_power(model, k).k, [1 / H, 2 / H], rtol=1e-12)


def test_where_h_is_not_known_units_must_have_it():
    power = linear_power("eisenstein_hu")
    assert power(2 * PER_MPC) == power(2.0)
    with pytest.raises(InputError, match=r"LinearPower: k in 1 / Mpc: must be in h/Mpc, with littleh of astropy"):
        power(2 / u.Mpc)


def test_boson_masses_boxes_and_redshifts():
    per_c2 = u.Quantity(2.5e-22, "eV") / c**2
    for m22 in (2.5e-22 * u.eV, per_c2, per_c2.to(u.kg)):
        assert gpu_fdm.CodeUnits(m22, H, 0.3).length == pytest.approx(gpu_fdm.CodeUnits(2.5, H, 0.3).length, rel=1e-9)
    box = gpu_fdm.Box([2, 2, 4] * u.Mpc / cu.littleh, (4, 4, 8))
    np.testing.assert_allclose(box.size, (2, 2, 4))
    with pytest.raises(InputError, match=r"Box: size in Mpc: must be in cMpc/h, with littleh"):
        gpu_fdm.Box([2, 2, 4] * u.Mpc, (4, 4, 8))
    assert gpu_fdm.soliton_mass(1e10 * u.Msun, 1.0, 0.5, 0.3, 2 * cu.redshift) == pytest.approx(
        gpu_fdm.soliton_mass(5e9, 1.0, 0.5, 0.3, 2.0)
    )


def test_sections_and_options_take_the_units_of_their_keys():
    assert FilamentSection(mass=5e9 * u.Msun / cu.littleh).mass == pytest.approx(5e9)
    assert SnapshotOptions(box_size=2000 * u.kpc / cu.littleh).box_size == pytest.approx((2, 2, 2))
    with pytest.raises(InputError, match="mass in solMass: must be in Msun/h, with littleh"):
        FilamentSection(mass=5e9 * u.Msun)


def test_sections_and_options_take_numbers_of_numpy():
    options = SnapshotOptions(box_size=np.arange(1, 4), redshift=np.float32(0.5), particle_type=np.int64(2))
    assert (options.box_size, options.redshift, options.particle_type) == ((1.0, 2.0, 3.0), 0.5, 2)
    with pytest.raises(InputError, match="--redshift True: must be a number"):
        SnapshotOptions(redshift=np.bool_(True))


def test_positions_of_particles_and_densities():
    rng = np.random.default_rng(1)
    positions, box = rng.random((100, 3)), gpu_fdm.Box((1.0,) * 3, (8,) * 3)
    plain = gpu_fdm.particle_spectrum([(positions, None)], box)
    given = gpu_fdm.particle_spectrum([(positions * 1000 * u.kpc / cu.littleh, None)], box)
    np.testing.assert_allclose(given.spectrum.power, plain.spectrum.power, rtol=1e-10)
    density = rng.random((8, 8, 8))
    with_units = gpu_fdm.power_spectrum(density * u.g / u.cm**3, 1 * u.Mpc / cu.littleh)
    np.testing.assert_array_equal(with_units.power, gpu_fdm.power_spectrum(density, 1.0).power)


def test_masked_values_are_refused():
    """NumPy would use what is under the mask."""
    masked = np.ma.masked_less(np.linspace(0.5, 2, 64).reshape(4, 4, 4), 1)
    batch = masked.reshape(-1, 4)[:, :3]
    with pytest.raises(InputError, match="power_spectrum: density: has masked values: must have none"):
        gpu_fdm.power_spectrum(masked, 1.0)
    with pytest.raises(InputError, match="particle_spectrum: positions: has masked values"):
        gpu_fdm.particle_spectrum([(batch, None)], gpu_fdm.Box((2, 2, 2), (4, 4, 4)))
    with pytest.raises(InputError, match="batches: must be pairs"):
        gpu_fdm.particle_spectrum(batch.data, gpu_fdm.Box((2, 2, 2), (4, 4, 4)))
    whole = np.ma.masked_array(masked.data)
    assert np.array_equal(gpu_fdm.power_spectrum(whole, 1.0).power, gpu_fdm.power_spectrum(masked.data, 1.0).power)


def test_predictions_take_boson_masses_with_units():
    config = gpu_fdm.parse_config("[cosmology]\nlinear_power = eisenstein_hu")
    prediction = gpu_fdm.Prediction.of(config, redshift=4 * cu.redshift, k=[30 * H, 100 * H] / u.Mpc)
    np.testing.assert_allclose(prediction.k, [30, 100])
    expected = prediction(2.5, mass_min=3.1e9).matter_fdm
    found = prediction(2.5e-22 * u.eV, mass_min=3.1e9 / H * u.Msun).matter_fdm
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_cosmologies_of_astropy():
    config = gpu_fdm.parse_config("[cosmology]\nredshift = 3").with_cosmology(Planck18)
    named = gpu_fdm.parse_config("[cosmology]\nname = Planck18").cosmology
    for key in ("h", "omega_m", "omega_b_h2", "m_nu", "n_s", "sigma8"):
        assert getattr(config.cosmology, key) == pytest.approx(getattr(named, key), rel=1e-9)
    assert config.cosmology.redshift == 3
    assert linear_power("eisenstein_hu", WMAP9).sigma8 == pytest.approx(0.82, rel=1e-6)
    assert linear_power("eisenstein_hu", WMAP9, sigma8=0.9).sigma8 == pytest.approx(0.9, rel=1e-6)
    own = FlatLambdaCDM(70, 0.3, Ob0=0.05, meta={"n": 0.97, "sigma8": 0.8})
    assert config.with_cosmology(own).cosmology.omega_b_h2 == pytest.approx(0.05 * 0.49)


@pytest.mark.parametrize(
    ("cosmology", "message"),
    [
        (FlatLambdaCDM(70, 0.3), "FlatLambdaCDM lacks Ob0, n_s in its meta, sigma8 in its meta"),
        (LambdaCDM(70, 0.3, 0.6), "must be flat, with a cosmological constant"),
        (FlatwCDM(70, 0.3, w0=-0.9), "must be flat, with a cosmological constant"),
        (FlatLambdaCDM(70, 0.3, Tcmb0=2.7, Neff=4), r"Neff = 4: must be 3\.044, which the linear power has"),
        (0.3, "float: must be a cosmology of astropy"),
        ("Planck18", r"str: must be a cosmology of astropy; \[cosmology\] name = Planck18 takes a name"),
    ],
)
def test_cosmologies_that_do_not_do(cosmology, message):
    with pytest.raises(InputError, match=message):
        linear_power("eisenstein_hu", cosmology)


def test_plain_numbers_are_handed_on_without_a_look(monkeypatch):
    """They are most of all arguments, and a look takes longer than a function; others are looked at."""
    looks = []
    monkeypatch.setattr(quantities, "_has_unit", lambda value: looks.append(value) or False)

    @quantities.takes(length="cMpc/h")
    def function(length: float, number: int = 1, name: str = "", more: float | None = None):
        return length, number, name, more

    assert function(1.0, 2, "x", more=None) == (1.0, 2, "x", None) and not looks
    assert function(2, number=3) == (2, 3, "", None) and not looks
    assert function(np.float64(1.5), np.int64(2)) == (1.5, 2, "", None) and looks
    for wrong in ((True, 1.5), ("1",), (None,), (1.0, "1")):
        with pytest.raises(InputError, match=r"must be an? "):
            function(*wrong)
