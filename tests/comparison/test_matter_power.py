"""The power of the model beside that of a simulation: terms by hand, what fits into the box, what is not comparable."""

import base64

import h5py
import numpy as np
import pytest
from plot_files import BOX, FINE_CELLS, write_simulation
from plot_files import result as made

from gpu_fdm.commands.main import main
from gpu_fdm.comparison.matter_power import ModelPower, SimulatedPower, power_lines, power_of_both
from gpu_fdm.config.config import parse_config
from gpu_fdm.cosmology.linear_power import linear_power
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.fields.box import Box
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.units import mean_matter_density

MODEL = """
[run]
backend = cpu
threads = 1
output = {output}
[wavefunction]
[population]
m22 = 1
masses = 8
[one_filament]
mass_function = published
shape = published
mass_max = 3.5e9
points = 30
k_max = 300
tolerance = 0.5
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A result with the one-filament spectrum of m22 = 1, z = 4, of light filaments 1 cMpc/h long."""
    output = tmp_path_factory.mktemp("model") / "model.hdf5"
    return pipeline.run(parse_config(MODEL.format(output=output))).result


def simulation_of(path, *overrides, change=None):
    """A simulation at z = 9, 4 and 1.5, with a config."""
    with made(path, write_simulation) as file:
        file.attrs["config"] = parse_config("[run]\n[simulation]\n", overrides=overrides).to_ini()
        file["simulation"].attrs.update(size=BOX, cells=FINE_CELLS)
        if change:
            change(file)
    return path


@pytest.fixture
def simulation(tmp_path):
    return simulation_of(tmp_path / "simulation.hdf5")


def test_both_are_of_the_same_modes(model, simulation):
    of_model, simulated = power_of_both(model, simulation)
    with h5py.File(simulation) as file:
        epoch = file["simulation/wave_fdm/1"]
        assert simulated.mean("wave_fdm") == pytest.approx(epoch["power"][1:], rel=1e-14)
        assert simulated.error("wave_fdm") == pytest.approx(np.sqrt(2 / 50) * epoch["power"][1:], rel=1e-14)
    assert simulated.redshift == pytest.approx(4) and simulated.m22 == 1
    # P_lin T^2 at every mode of the box in the third bin
    numbers = np.array(np.meshgrid(*[np.arange(-5, 6)] * 3)).reshape(3, -1)
    k = np.sqrt(np.sum((2 * np.pi * numbers / np.array(BOX)[:, None]) ** 2, axis=0))
    step = 2 * np.pi / max(BOX)
    third = int(np.argmin(np.abs(simulated.k - 3 * step)))
    k = k[np.abs(k / step - round(simulated.k[third] / step)) < 0.5]
    power = linear_power("camb").at(k, 4.0) * transfer("hu00", 1.0, h=0.6731)(k) ** 2
    assert of_model.linear[third] == pytest.approx(power.mean(), rel=1e-3)
    # P_1f is smooth: the mean over a bin is near the value at its centre; it is relative to all matter
    with h5py.File(model) as file:
        group = file["one_filament_power/m22_1"]
        share = float(group.attrs["density"]) / mean_matter_density(0.314649)
        at_centre = np.exp(np.interp(np.log(k.mean()), np.log(group["k"]), np.log(group["power_fdm"]))) * share**2
    assert of_model.filaments[third] == pytest.approx(at_centre, rel=0.05)
    assert of_model.total[third] == of_model.linear[third] + of_model.filaments[third]


def test_filaments_longer_than_the_box_do_not_fit(model, tmp_path):
    """A published filament is exp(-7.63270221) M^0.27634879 Mpc/h long, physical, at z = 4."""
    length = 5 * np.exp(-7.63270221) * 3.2e9**0.27634879
    sides = (length, 1.1, 1.1)

    def narrow(file):
        file["simulation"].attrs["size"] = sides

    of_model, simulated = power_of_both(model, simulation_of(tmp_path / "narrow.hdf5", change=narrow))
    assert of_model.heaviest == pytest.approx(3.2e9, rel=1e-4)
    assert np.all((of_model.fits > 0.2) & (of_model.fits < 0.6))
    assert "no filaments above 3.2e+09 Msun/h fit into its sides" in power_lines(of_model, simulated)[1]
    for size, share in ((1.0, 0.0), (1.1, 1.0)):

        def cube(file, size=size):
            file["simulation"].attrs["size"] = (size,) * 3

        of_model, _ = power_of_both(model, simulation_of(tmp_path / "cube.hdf5", change=cube))
        assert np.all(of_model.fits == share)
        known = np.isfinite(of_model.total)
        assert of_model.fitting[known] == pytest.approx((of_model.linear + share * of_model.filaments)[known])


def test_the_mean_of_seeds_and_its_error():
    power = np.array([[2.0, 1.0], [4.0, 1.0]])
    box, k = Box((1.0,) * 3, (64,) * 3), np.array([6.3, 13.0])
    simulated = SimulatedPower(box, 4.0, 1.0, k, np.array([18, 62]), {"wave_fdm": power}, np.zeros(2))
    assert simulated.mean("wave_fdm").tolist() == [3, 1] and simulated.error("wave_fdm").tolist() == [1, 0]
    model = ModelPower(np.array([1.0, 0.5]), np.array([0.5, 0.5]), np.ones(2), (3e9, 3e10), np.inf)
    first, second = power_lines(model, simulated)
    assert first == (
        "power of fdm, m22 = 1, z = 4: simulated, mean of 2 seeds over P_lin T^2 + P_1f (3e+09 to 3e+10 Msun/h): "
        "2 +- 0.7 at k = 6.3, 1 +- 0 at k = 13 h/Mpc"
    )
    assert second.startswith(
        "  the box has no waves below k = 6.283 h/Mpc; no filaments longer than its sides of 1 cMpc/h"
    )


def test_what_is_not_comparable_is_told(model, tmp_path):
    def later(file):
        for group in file["simulation"].values():
            group["1"].attrs["redshift"] = 4.5

    def fast(file):
        file["simulation/wave_fdm/health/unresolved"][1] = 0.02

    def heavy(file):
        file["simulation"].attrs["m22"] = 2.0

    for overrides, change, why in (
        (("cosmology.n_s=0.97",), None, "cosmology.n_s = 0.9655 and 0.97: must be the same in the model and in the"),
        (("simulation.transfer=ph22",), None, "transfer = hu00 and ph22: must be the same"),
        ((), later, "the model is at z = 4, and the nearest epoch of the simulation at 4.5: run the model with --set "),
        ((), fast, "2 % of the mass of the simulation turns its phase by more than pi/2 a cell then"),
        ((), heavy, "the model has no one-filament spectrum of m22 = 2, that of the simulation"),
    ):
        found = power_of_both(model, simulation_of(tmp_path / "other.hdf5", *overrides, change=change))
        assert isinstance(found, str) and found.startswith(why), found


def test_compare_draws_both(model, simulation, tmp_path, capsys):
    arguments = ["compare", model, simulation, "--over", "n-body", "--output", tmp_path / "out", "--dpi", 40]
    code = main([*map(str, arguments)])
    told, error = capsys.readouterr()
    assert code == 0, error
    assert "power of fdm, m22 = 1, z = 4: simulated over P_lin T^2 + P_1f (3e+09 to 3.5e+09 Msun/h): " in told
    assert (tmp_path / "out" / "power.png").is_file() and f"figure: {tmp_path / 'out' / 'power.png'}" in told
    assert main([*map(str, arguments), "--figure-format", "pdf"]) == 0
    told, report = capsys.readouterr().out, (tmp_path / "out" / "comparison.html").read_text()
    assert (tmp_path / "out" / "power.pdf").is_file() and f"figure: {tmp_path / 'out' / 'power.pdf'}" in told
    png = base64.b64encode((tmp_path / "out" / "power.png").read_bytes()).decode()
    assert f"data:image/png;base64,{png}" in report
