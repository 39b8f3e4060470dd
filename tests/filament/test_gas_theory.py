"""The power spectrum of a gas in a box against theory: the spectra of its filaments, each by Hankel transforms.

At wavenumbers where filaments at random places no longer add up coherently,

    P(k) = V sum_i M_i^2 P_i(k) / (sum_i M_i)^2,    P_i(k) = int_0^1 dmu W(k mu)^2/L^2 P2_i(k sqrt(1 - mu^2)) / mu_i^2,
    P2(k) = (2 pi)^2 sum_m | int R dR rho_m(R) J_m(kR) |^2,    rho_m the azimuthal components of |psi|^2 for its phases,

and W the transform of the soft ends. Nothing here uses the box, its cells or their Fourier transform.
"""

import h5py
import numpy as np
import pytest
from hankel import polar_power
from locations import REPOSITORY

from gpu_fdm.config.config import read_config
from gpu_fdm.pipeline.model import filaments, solve
from gpu_fdm.pipeline.run import run


def filament_power(model, k, smooth=False):
    """P_i(k): the average over orientations for a filament with soft ends, k [h/cMpc]."""
    filament = model.filament
    k_table = np.linspace(1e-3, k.max() * 1.001, 400)
    table = polar_power(model.wave, k_table * model.units.length, smooth)
    # |W|^2/L^2 is narrow around mu = 0 where k L is large: equal steps of k_parallel resolve it
    parallel = np.linspace(0, 12 * filament.sharpness, 4001)
    window = np.sinc(parallel * filament.length / (2 * np.pi)) ** 2
    window *= np.exp(-(parallel**2) / (2 * filament.sharpness**2))
    result = []
    for each in k:
        inside = parallel <= each
        across = np.sqrt(np.maximum(each**2 - parallel[inside] ** 2, 0))
        result.append(np.trapezoid(window[inside] * np.interp(across, k_table, table), parallel[inside]) / each)
    return np.array(result)


@pytest.fixture(scope="module")
def gas(tmp_path_factory):
    """Three of the published filaments for a light boson, so that a small box resolves them; and their spectra."""
    folder = tmp_path_factory.mktemp("gas")
    lines = (REPOSITORY / "ini" / "filament_gas.csv").read_text().splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("mass"))
    (folder / "gas.csv").write_text("\n".join([lines[header], *lines[header + 1 : header + 4]]))
    (folder / "gas.ini").write_text(
        f"[run]\noutput = {folder}/r.hdf5\nbackend = cpu\n[dark_matter]\nm22 = 0.35\n[gas]\ntable = {folder}/gas.csv\n"
        "[wavefunction]\n[box]\nsize = 2\ncells = 200\n[power]\n"
    )
    config = read_config(folder / "gas.ini")
    run(config)
    models = [solve(config, filament) for filament in filaments(config)]
    with h5py.File(folder / "r.hdf5") as file:
        spectra = {n: (file[f"power/{n}/k"][:], file[f"power/{n}/power"][:]) for n in ("fdm", "smooth")}
    return models, spectra


@pytest.mark.parametrize("name", ["fdm", "smooth"])
def test_power_of_the_gas(gas, name):
    models, spectra = gas
    k, measured = spectra[name]
    chosen = (k > 60) & (k < (220 if name == "fdm" else 130))
    k, measured = k[chosen], measured[chosen]
    mass = np.array([model.segment_mass for model in models])
    powers = [filament_power(model, k, name == "smooth") for model in models]
    ratio = measured / (8.0 * mass**2 @ powers / mass.sum() ** 2)
    scatter = ratio.std(ddof=1)
    # few modes lie in the thin sheets across each axis, where all the power is: the bins scatter by some percent
    assert scatter < 0.1
    assert abs(ratio.mean() - 1) < 3 * scatter / np.sqrt(len(ratio)) + 2e-3  # the latter: P(k) bends within a bin
    # and no trend from the first half of the bins to the second
    first, second = np.array_split(ratio, 2)
    assert abs(first.mean() - second.mean()) < 4 * scatter * np.sqrt(4 / len(ratio))


def test_hankel_route_has_the_right_limits(gas):
    """k -> 0: the line mass squared; smooth and interfering filaments agree there."""
    model = gas[0][0]
    k = np.array([1e-4])
    assert polar_power(model.wave, k) == pytest.approx([1.0], rel=1e-6)
    assert polar_power(model.wave, k, smooth=True) == pytest.approx([1.0], rel=1e-6)
