"""Small result files to draw, made by hand, with numbers that are known; and whether texts in figures can be read."""

import itertools
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from matplotlib.text import Text

from gpu_fdm.fields.box import Box
from gpu_fdm.io.result_file import Writer
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.simulation.boosts import boosts_of, write_boosts
from gpu_fdm.pipeline.simulation.record import Record, projected, write_run
from gpu_fdm.units import CodeUnits

CORE = 0.02  # [cMpc/h]
BOX = (1.1, 0.8, 1.0)  # [cMpc/h]
CELLS = (6, 8, 10)
FINE_CELLS = (20, 16, 24)  # of a simulation
CHOICES = {
    "redshift": 4.0,
    "freeze_out": "virial",
    "ellipticity": "published",
    "transfer": "hu00",
    "window": "smooth_k",
}
WAVENUMBERS = np.geomspace(1, 1000, 61)


@contextmanager
def result(path, *writers):
    """A result file in the making."""
    with h5py.File(path, "w") as file:
        for write in writers:
            write(file)
        yield file


def mean_density(radius):
    """Of the smooth filament [mean matter densities]."""
    return 40 / (1 + (radius / CORE) ** 2) ** 2


def write_filament(file, points=48, modes=40, m22=1.0):
    """Everything about one filament; fringes are plane waves, which have vortices nowhere, so some are made up."""
    random = np.random.default_rng(5)
    group = file.create_group("filaments/00")
    group.attrs.update(mass=5e9, segment_mass=4e9, length=1.16, sigma=6.808, redshift=4.0, m22=m22)
    units = CodeUnits(m22, 0.6731, 0.314649)
    group.attrs.update(direction=(0.0, 0.0, 1.0), length_unit=units.length, velocity_unit=units.velocity)
    radius = np.geomspace(3e-4, 0.3, 120)
    group["profile/radius"], group["profile/density"] = radius, mean_density(radius)
    # nothing is left of the modes far outside
    group["profile/density_modes"] = np.where(radius < 0.22, 0.95 * mean_density(radius), 0)
    group["profile"].attrs.update(r50=CORE, r95=0.087, r99=0.199)
    l = random.integers(0, 8, modes)
    group["modes/l"], group["modes/n"] = l, random.integers(0, 6, modes)
    group["modes/energy"] = np.linspace(40, 470, modes)
    group["modes/weight"] = np.exp(-np.linspace(1, 12, modes))
    group["modes"].attrs.update(library_modes=188, weights="adaptive_lasso", energy_cut=481.5)
    line = np.linspace(-0.199, 0.199, points)
    phase = np.angle(np.exp(60j * line) + 0.8 * np.exp(90j * line[:, None]))
    section = group.create_group("cross_section")
    section["coordinate"], section["phase"] = line, phase
    section["density"] = 0.95 * mean_density(np.hypot(line, line[:, None])) * 10 ** np.cos(3 * phase)
    section["density"][0, 0] = 0
    section["vortices/x"], section["vortices/y"] = random.uniform(-0.1, 0.1, (2, 9))
    section["vortices/winding"] = [1, 1, 1, 1, 1, -1, -1, -1, -1]


def write_box(file, names=("fdm", "smooth"), seed=6):
    """Densities around a filament along z through the middle, empty at the rim."""
    random = np.random.default_rng(seed)
    density = file.create_group("density")
    density.attrs["box_size"] = BOX
    x, y, _ = ((np.arange(n) + 0.5) * side / n - side / 2 for n, side in zip(CELLS, BOX, strict=True))
    smooth = np.broadcast_to(mean_density(np.hypot(x[:, None], y))[..., None], CELLS).astype(np.float32)
    for name in names:
        values = smooth * (random.exponential(size=CELLS) if name == "fdm" else 1)
        values[0] = 0
        density[name] = values


def write_halo(file):
    """A halo on the axis, at a third of the box."""
    group = file.create_group("haloes/00")
    group.attrs.update(mass=3e9, radius=0.05, centre=(BOX[0] / 2, BOX[1] / 2, BOX[2] / 3), redshift=4.0, m22=1.0)
    radius = np.geomspace(1e-4, 0.15, 60)
    group["profile/radius"], group["profile/density"] = radius, mean_density(radius)
    group["profile/density_states"] = np.where(radius < 0.1, 1.1 * mean_density(radius), 0)


def write_power(file, names=("fdm", "smooth")):
    """Spectra with a k = 0 row; the smooth one falls below what means anything."""
    k = np.arange(30) * 5.0
    for name in names:
        values = 1 / (1 + (k / 20) ** (4 if name == "fdm" else 20))
        values[0] = 0
        file[f"power/{name}/k"], file[f"power/{name}/power"] = k, values
        file[f"power/{name}"].attrs["nyquist"] = 100.0


def write_power_mu(file, names=("fdm", "smooth"), bins=4, frame=""):
    """P(k, mu) of the spectra of write_power, which falls with mu; the last bin has no modes at the first k."""
    for name in names:
        group = file.create_group(f"power/{name}_mu{frame}")
        k, power = file[f"power/{name}/k"][:], file[f"power/{name}/power"][:]
        group["k"], group["mu_edges"] = k, np.linspace(0, 1, bins + 1)
        group["power"] = power[:, None] * np.linspace(1, 0.1, bins)
        group["power"][1, -1] = np.nan
        group.attrs["nyquist"] = 100.0


def write_measured_power(file, slope=-1.0, noise=0.5, field="PartType1", errors=True, subtracted="no"):
    """What gpu-fdm power writes of particles in redshift space: P_0 ~ k^slope, P_2 = -P_0/2, P_4 = P_0/5.

    subtracted  "yes", "no", or None as earlier versions wrote
    """
    k = np.append(0, np.geomspace(0.12, 9, 30))
    power = np.append(0, k[1:] ** slope)
    mu = np.array([0.25, 0.75])
    of_angle = power[:, None] * (1 - (1.5 * mu**2 - 0.5) / 2)
    multipoles = power[:, None] * [1, -0.5, 0.2]
    for name, values in {"": power, "_mu": of_angle, "_multipoles": multipoles}.items():
        group = file.create_group(f"power/{field}{name}")
        group["k"], group["power"] = k, values
        if errors or not name:
            group["error"] = 0.1 * np.abs(values)
        group.attrs["nyquist"] = 5.0
        if name:
            group.attrs["axis"] = "y"
    file[f"power/{field}_mu/mu_edges"] = [0, 0.5, 1]
    file[f"power/{field}"].attrs.update(of=field, source="snap", format="gadget", redshift=2.0)
    if noise:
        file[f"power/{field}/shot_noise"] = np.full(len(k), noise)
        if subtracted is not None:
            file[f"power/{field}"].attrs["shot_noise_subtracted"] = subtracted


def write_cross_power(file, sign=1.0, noise=0.5, field="PartType1"):
    """What gpu-fdm power --cross writes: P_12 of the given sign at small k, and of the other one from k = 3 on."""
    k = np.append(0, np.geomspace(0.12, 9, 30))
    power = np.append(0, 1 / k[1:])
    about = {"redshift": 2.0, "nyquist": 5.0}
    for name, scale in (("", 1.0), ("_other", 0.5)):
        group = file.create_group(f"power/{field}{name}")
        group["k"], group["power"], group["error"] = k, scale * power, 0.1 * scale * power
        group.attrs.update(of=f"{field}{name}", source="snap", format="gadget", shot_noise_subtracted="yes", **about)
        if noise:
            group["shot_noise"] = np.full(len(k), scale * noise)
    group = file.create_group(f"power/{field}_cross")
    r = np.append(np.nan, sign * np.where(k[1:] < 3, 0.9, -0.5))
    cross = np.append(0, (r * np.sqrt(0.5) * power)[1:])
    group["k"], group["power"], group["error"] = k, cross, 0.1 * np.abs(cross)
    group["correlation"], group["correlation_error"] = r, np.append(np.nan, np.full(len(k) - 1, 0.05))
    group.attrs.update(of=[field, f"{field}_other"], source=["snap", "snap"], **about)


def spectrum_parts(k):
    """fdm, smooth, interference and self term: Gaussians, of which the first ends at k_fringe = 900."""
    smooth, self_term = np.exp(-((k / 80) ** 2)), 0.06 * np.exp(-((k / 150) ** 2))
    interference = 0.07 * np.exp(-((k / 200) ** 2)) * (k < 900)
    return smooth + interference - self_term * (k < 900), smooth, interference, self_term


def write_single_power(file, number=0, draws=64):
    """The exact spectrum of a filament, and the mean of draws that is 3 % above."""
    group = file.create_group(f"single_power/{number:02d}")
    group["k"] = WAVENUMBERS
    for of in ("power", "polar"):
        for name, values in zip(("fdm", "smooth", "interference", "self"), spectrum_parts(WAVENUMBERS), strict=True):
            group[f"{of}_{name}"] = values
    if draws:
        mean = 1.03 * group["polar_fdm"][:]
        group["sampled_mean"], group["sampled_scatter"], group["sampled_error"] = mean, 0.8 * mean, 0.1 * mean
    group.attrs.update(statistics="fixed", k_gs=108.0, k_detach=112.0, k_cut=210.0, k_fringe=900.0, slope=-2.8)


def write_gas(file):
    """Three filaments, of which the first has all that those of a gas have: no cross-section."""
    write_filament(file)
    del file["filaments/00/cross_section"]
    file["gas/mass"] = [5e9, 4e9, 3e9]
    for number in range(3):
        write_single_power(file, number, draws=0)


def mass_function(mass, m22):
    """Without a boson a power law, with one cut off below a mass: by 1e-11 at 1e8 for m22 = 1."""
    return 1e9 / mass * (1 if m22 is None else (1 + 2e9 / (m22 * mass)) ** -8.0)


def write_mass_function(file, bosons=(None, 1.0, 2.0, 10.0)):
    """Mass functions, rising bosons in an order that is not that of their names."""
    mass = np.geomspace(1e8, 1e12, 40)
    for m22 in bosons:
        group = boson_group(file, "mass_function", m22)
        group["mass"], group["dn_dlnm"] = mass, mass_function(mass, m22)
        group.attrs.update(CHOICES)


def write_collapse(file, bosons=(None, 1.0, 2.0, 10.0)):
    """An ellipsoid whose first axes freeze at 0.08 and 0.2, and whose third does not."""
    a = np.geomspace(0.01, 0.4, 30)
    for number, m22 in enumerate(bosons):
        group = boson_group(file, "collapse", m22)
        group["scale_factor"] = a
        group["axes"] = np.stack([a / (1 + 10 * a), a / (1 + 5 * a), a * (1 + 4 * a)], axis=1)
        group.attrs.update(CHOICES | {"mass": 5e9, "overdensity": 1.484, "initial_ellipticity": 1.0956 - number / 100})
        group.attrs["freeze"] = [0.08, 0.2, np.nan]


def write_one_filament(file, bosons=(1.0, 2.0, 10.0)):
    """One-filament spectra that end in a floor of round-off."""
    for m22 in bosons:
        group = boson_group(file, "one_filament_power", m22)
        fdm, smooth, *_ = spectrum_parts(WAVENUMBERS / m22**0.5)
        group["k"], group["power_fdm"], group["power_smooth"] = WAVENUMBERS, 1.6 * fdm + 1e-19, 1.6 * smooth + 1e-19
        group.attrs.update(mass_min=3e9, mass_max=3e10, redshift=4.0, normalisation="population")
        group.attrs.update(mass_function="collapse", shape="collapse")


def write_total_power(file, bosons=(1.0, 2.0, 10.0)):
    """Parts of the power of all matter."""
    for m22 in (None, *bosons):
        group = boson_group(file, "total_power", m22)
        fdm, smooth, *_ = spectrum_parts(WAVENUMBERS / (m22 or 1.0) ** 0.5)
        parts = {"linear": WAVENUMBERS**-2.0, "haloes_smooth": 0.1 * smooth, "filaments_smooth": 0.3 * smooth}
        parts |= {"power_smooth": sum(parts.values())}
        if m22 is not None:
            fringes = fdm - smooth + 1e-9
            parts |= {"haloes_fringes": 0.1 * fringes, "filaments_fringes": 0.2 * fringes}
            parts |= {"power_fdm": parts["power_smooth"] + 0.3 * np.abs(fringes), "power_cdm": WAVENUMBERS**-1.9}
            parts |= {"filaments_alone_fdm": fdm + 1e-12, "filaments_alone_smooth": smooth + 1e-12}
            group.attrs.update(k_detach_filaments=150.0, k_detach_smooth=500.0)
        for name, values in parts.items():
            group[name] = values
        group["k"] = WAVENUMBERS
        group.attrs.update(mass_min=1e9, mass_max=1e12, halo_mass_min=3e8, halo_mass_max=1e12, redshift=4.0)
        group.attrs.update(detach_threshold=2.0)


def simulated_ratio(k, epoch):
    """Of the wave to particles with the same initial conditions: falls below one first, rises above it at the end."""
    return 1 + (0.3 * (k / 60) ** 2 if epoch == 2 else -0.9 * (k / 60) ** 2 / (1 + (k / 60) ** 2))


def write_simulation(file, runs=("wave_fdm", "particles_fdm", "particles_cdm"), epochs=3, seeds=(12,)):
    """Runs at z = 9, 4, 1.5, with a sheet across z at the edge of the box that condenses; power grows with the seed."""
    box, units = Box(BOX, FINE_CELLS), CodeUnits(1.0, 0.6731, 0.314649)
    writer = Writer(Path(file.filename), SERIAL, file)
    x, y, z = ((np.arange(n) + 0.5) * side / n for n, side in zip(FINE_CELLS, BOX, strict=True))
    sheet = 1 + 0.5 * np.cos(2 * np.pi * (x[:, None, None] / BOX[0] - 0.3)) + 0 * y[:, None] * z
    k = np.concatenate([[0.0], np.arange(1, 12) * 5.7])
    cdm = np.concatenate([[0.0], 0.01 * k[1:] ** -2.0])
    records = {run: [] for run in runs}
    for run, seed in itertools.product(runs, seeds):
        record = Record.empty(2)
        for epoch, a in enumerate((0.1, 0.2, 0.4)[:epochs]):
            power = 25 * a**2 * (cdm if run.endswith("cdm") else cdm / (1 + (k / 40) ** 8))
            power *= simulated_ratio(k, epoch) if run.startswith("wave") else 1
            power *= seed / seeds[0]
            away = np.minimum(z[-1] - z, z + BOX[2] - z[-1])
            density = sheet * (1 + 10 * a * np.exp(-((away / 0.1) ** 2)))
            density /= density.mean()
            pictures = projected(density, Domain(density.shape))
            measured = type("Measured", (), {"k": k, "power": power, "modes": np.full(len(k), 50)})
            # the last rows of the first epoch are below it
            noise = None if run.startswith("wave") else np.full(len(k), 2e-8)
            record = record.with_epoch(a, 10 * epoch, measured, pictures, noise)
        if run.startswith("wave"):
            health = np.array(
                [[0.1, 0, 0, 0, 0.1, 0], [0.2, 10, 1e-6, -2e-5, 0.9, 1e-3], [0.4, 20, 3e-6, 4e-5, 3, 0.05]]
            )
            record = replace(record, health=health)
        records[run].append(record)
        write_run(writer, run, record, box, {}, seed if len(seeds) > 1 else None)
    boosts = boosts_of(records, box, 1.0)
    write_boosts(writer, boosts, record.scale_factor, box, units, seeds)
    writer.attributes(
        "/simulation",
        size=BOX,
        cells=FINE_CELLS,
        redshift_start=9,
        redshift_end=1.5,
        m22=1.0,
        seeds=np.array(seeds, np.uint64),
    )


def shown_texts(figure):
    """All texts that are seen: not those of ticks beyond the ends of an axis."""
    texts = {text for text in figure.findobj(Text) if text.get_visible() and text.get_text()}
    for axis in itertools.chain.from_iterable((axes.xaxis, axes.yaxis) for axes in figure.axes):
        low, high = sorted(axis.get_view_interval())
        for tick in itertools.chain(axis.get_major_ticks(), axis.get_minor_ticks()):
            if not low * (1 - 1e-9) <= tick.get_loc() <= high * (1 + 1e-9):
                texts -= {tick.label1, tick.label2}
    return list(texts)


def assert_readable(figure):
    """Texts are large enough, inside the figure, and none is upon another; the figure has been laid out."""
    texts = shown_texts(figure)
    assert min(text.get_fontsize() for text in texts) >= 8
    extents = {text: Text.get_window_extent(text) for text in texts}  # of an annotation without its line
    for text, extent in extents.items():
        assert figure.bbox.x0 <= extent.x0 <= extent.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= extent.y0 <= extent.y1 <= figure.bbox.y1, text
    for one, other in itertools.combinations(texts, 2):
        assert not extents[one].overlaps(extents[other]), (one, other)


STEADY_CASES = {4.0: ("wkb",), 1.0: ("adaptive_lasso", "wkb")}


def write_steady_state(file):
    """Cross-sections whose inner half of the mass gains 1 %, then 2 % over m22, and fluctuations that say which."""
    folder = file.create_group("steady_state")
    folder.attrs.update(gravity="own", periods=2.0, mass=5e9, redshift=4.0, age=1.54)
    line = np.linspace(-0.21, 0.21, 40)
    for m22, methods in STEADY_CASES.items():
        boson = boson_group(file, "steady_state", m22)
        for method in methods:
            group = boson.create_group(method)
            group.attrs.update(period=3.5, drift_own=[0.01 / m22, 0.02 / m22], drift_fixed=[0.0, 0.0])
            group["time"] = np.linspace(0, 7, 9)
            group["edges"], group["expected"] = [0, 0.005, 0.02, 0.05, 0.2], np.full(4, 0.25)
            gain = np.array([0.005, 0.005, -0.005, -0.005]) / m22
            group["own"] = 0.25 + gain * np.array([0, 1, 1, 1, 1, 2, 2, 2, 2])[:, None]
            group["fixed"] = np.full((9, 4), 0.25)
            group["fluctuation"] = np.full(9, 0.02 / m22)
            group["coordinate"], group["frame_time"] = line, [0, 3.5, 7]
            density = mean_density(np.hypot(line, line[:, None]))
            group["frames"] = np.array([density, 2 * density, 3 * density], np.float32) / m22


def boson_group(file, folder, m22):
    """The group of a boson mass, or of CDM."""
    group = file.create_group(f"{folder}/cdm" if m22 is None else f"{folder}/m22_{m22:g}")
    if m22 is not None:
        group.attrs["m22"] = m22
    return group
