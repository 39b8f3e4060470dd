"""Ini files as frozen, checked dataclasses, one a section; writes the resolved ini back.

A section that is absent is a stage that is not run, but for [run], [cosmology] and [dark_matter], which have
defaults. Every value is checked when a section is made, from an ini or from Python.
"""

import configparser
import difflib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from .errors import InputError
from .options import Choice, InputFile, Maybe, Number, Several, Text, option

POSITIVE = Number(low=0, open_low=True)
# what no universe exceeds, and arithmetic still bears
LENGTH = Number(low=1e-6, high=1e6)
SPEED = Number(low=1e-6, high=1e6)
TIME = Number(low=-1e9, high=1e9)
MASS = Number(low=1, high=1e18)
DIRECTION = Several(Number(), count=3, nonzero=True)
WEIGHTS = ("wkb", "adaptive_lasso", "poisson", "least_squares", "table")


class Section:
    """Checks every field by its kind."""

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            try:
                object.__setattr__(self, item.name, item.metadata["kind"].check(value))
            except ValueError as error:
                raise InputError(f"{item.name} = {value}: must be {error}") from None


@dataclass(frozen=True)
class Run(Section):
    """What to compute with, and where results go."""

    output: str = option("output/gpu_fdm", Text(), "folder for the results, or a file name that ends in .hdf5")
    seed: int = option(1, Number(0, 2**63, integer=True), "seed of the random phases")
    backend: str = option("auto", Choice(("auto", "cpu", "gpu")), "auto takes a GPU where there is one")
    precision: str = option("single", Choice(("single", "double")), "of the densities in the box")
    threads: int | None = option(None, Maybe(Number(1, 4096, integer=True)), "CPU threads; empty: all")


@dataclass(frozen=True)
class CosmologySection(Section):
    """Flat, matter and a cosmological constant."""

    h: float = option(0.6731, Number(0.01, 10), "H0 / (100 km/s/Mpc)")
    omega_m: float = option(0.314649, Number(1e-3, 1), "matter density today over the critical density")
    redshift: float = option(4.0, Number(0, 1e4), "of everything that is computed")


@dataclass(frozen=True)
class DarkMatter(Section):
    """The boson."""

    m22: float = option(1.0, Number(1e-6, 1e6), "boson mass", "1e-22 eV")


@dataclass(frozen=True)
class FilamentSection(Section):
    """One filament. Its shape follows from the mass where it is not given (published fits, z = 4 only)."""

    mass: float = option(5e9, MASS, "mass that sets length, r0 and sigma where they are not given", "Msun/h")
    beta: float = option(0.0, Number(0, 1, open_high=True), "velocity anisotropy")
    length: float | None = option(None, Maybe(LENGTH), "length; empty: from the mass", "cMpc/h")
    r0: float | None = option(None, Maybe(LENGTH), "scale radius, physical; empty: from the mass", "Mpc/h")
    sigma: float | None = option(None, Maybe(SPEED), "velocity dispersion; empty: from the mass", "km/s")
    profile_table: str | None = option(
        None,
        Maybe(InputFile()),
        "CSV with columns radius [cMpc/h] and density [mean matter densities]; used instead of r0 and sigma",
    )
    centre: tuple | None = option(
        None, Maybe(Several(Number(-1e6, 1e6), count=3)), "of the filament; empty: the middle of the box", "cMpc/h"
    )
    direction: tuple = option((0.0, 0.0, 1.0), DIRECTION, "of the axis, any length")
    orientation: tuple = option((1.0, 0.0, 0.0), DIRECTION, "of phi = 0, any length, not along the axis")
    sharpness: float | None = option(
        None, Maybe(POSITIVE), "of the soft ends, [erf(sharpness (length/2 - |z|)) + 1]/2; empty: 10/length", "h/cMpc"
    )


@dataclass(frozen=True)
class GasSection(Section):
    """Many filaments in the box, from a table or drawn; instead of [filament]."""

    table: str | None = option(
        None,
        Maybe(InputFile()),
        "CSV of mass, length, r0, sigma, cx, cy, cz (in units of the box), dx, dy, dz, ox, oy, oz",
    )
    number: int | None = option(None, Maybe(Number(1, 1_000_000, integer=True)), "of filaments to draw, without table")
    mass_min: float = option(3e9, MASS, "lightest filament drawn", "Msun/h")
    mass_max: float = option(3e10, MASS, "heaviest filament drawn", "Msun/h")
    slope: float = option(-2.19428402, Number(-100, 100), "of dn/dM, a power law, where there is no mass_function")
    mass_function: str | None = option(None, Maybe(InputFile()), "CSV with columns mass [Msun/h], dn_dlnm [any unit]")
    beta: float = option(0.0, Number(0, 1, open_high=True), "velocity anisotropy of all")
    centres: str = option("uniform", Choice(("uniform", "poisson_disk")), "poisson_disk keeps them min_distance apart")
    min_distance: float | None = option(None, Maybe(POSITIVE), "between centres, for poisson_disk", "cMpc/h")
    overlap_mass_fraction: float = option(
        0.9, Number(0, 1, open_high=True), "cylinders that hold this fraction of the mass may not overlap"
    )
    max_attempts: int = option(1000, Number(1, 10**9, integer=True), "places tried for one filament")


@dataclass(frozen=True)
class WavefunctionSection(Section):
    """The eigenstates and their weights."""

    weights: str = option("wkb", Choice(WEIGHTS), "method")
    weights_table: str | None = option(None, Maybe(InputFile()), "CSV of n, l, amplitude, for weights = table")
    energy_cut: float = option(
        0.99, Number(0, 1, open_low=True, open_high=True), "states up to V at the radius with this mass fraction"
    )
    scatter: float = option(0.1, Number(1e-4, 10), "of ln density that adaptive_lasso and poisson tolerate")
    radii: int | None = option(
        None,
        Maybe(Number(8, 10**6, integer=True)),
        "radii (or bins) that adaptive_lasso, poisson and least_squares fit; empty: 20 for each half wave",
    )
    l0_angular_momentum: float = option(
        0.1,
        Number(1e-6, 1e3),
        "angular momentum of l = 0 states in the distribution function where beta > 0",
        "hbar",
    )
    time: float = option(0.0, TIME, "at which psi is evaluated", "Myr")


@dataclass(frozen=True)
class CrossSectionSection(Section):
    """psi in the plane across the filament, with its vortices."""

    points: int = option(512, Number(16, 16384, integer=True), "a side")
    mass_fraction: float = option(
        0.99, Number(0, 1, open_low=True, open_high=True), "half the side is the radius with this mass fraction"
    )


@dataclass(frozen=True)
class BoxSection(Section):
    """A periodic box of cells."""

    size: tuple = option((0.64, 0.64, 1.8), Several(LENGTH, 3, one_for_all=True), "of its sides", "cMpc/h")
    cells: tuple = option((192, 192, 540), Several(Number(2, 2**20, integer=True), 3, one_for_all=True), "a side")
    fields: tuple = option(("fdm", "smooth"), Several(Choice(("fdm", "smooth"))), "densities to keep in the file")
    method: str = option(
        "extruded", Choice(("extruded", "direct")), "interpolate a tabulated cross-section, or sum modes in every cell"
    )
    sampling: str = option("point", Choice(("point", "average")), "density at cell centres, or averaged over cells")
    frames: tuple | None = option(
        None, Maybe(Several(TIME)), "times of a series, density/fdm/0, 1, ...; empty: wavefunction.time", "Myr"
    )
    tolerance: float = option(1e-5, Number(1e-12, 0.1), "interpolation error over the peak density")


@dataclass(frozen=True)
class PowerSection(Section):
    """Power spectra of the densities in the box."""

    bin_width: float = option(1.0, Number(0.1, 1e4), "in fundamental wavenumbers, 2 pi / the longest side")
    mu_bins: int | None = option(
        None, Maybe(Number(1, 1000, integer=True)), "also P(k, mu) in as many bins of mu = |k_z|/k, power/<name>_mu"
    )
    cross: str = option("no", Choice(("no", "yes")), "also the cross spectrum of fdm and smooth, power/fdm_smooth")


@dataclass(frozen=True)
class CorrelationSection(Section):
    """Correlation functions xi(r) of the densities in the box."""

    bin_width: float = option(1.0, Number(0.1, 1e4), "in widths of the smallest cell")


@dataclass(frozen=True)
class FiguresSection(Section):
    """PNG figures beside the result."""

    dpi: int = option(150, Number(20, 1200, integer=True), "resolution")


@dataclass(frozen=True)
class Config:
    """All sections; None where a stage is not asked for.

    source  the ini file that it came from, for messages
    """

    run: Run = field(default_factory=Run)
    cosmology: CosmologySection = field(default_factory=CosmologySection)
    dark_matter: DarkMatter = field(default_factory=DarkMatter)
    filament: FilamentSection | None = None
    gas: GasSection | None = None
    wavefunction: WavefunctionSection | None = None
    cross_section: CrossSectionSection | None = None
    box: BoxSection | None = None
    power: PowerSection | None = None
    correlation: CorrelationSection | None = None
    figures: FiguresSection | None = None
    source: str = field(default="config", compare=False)

    def __post_init__(self):
        for stage, needed in (
            ("cross_section", "filament"),
            ("gas", "box"),
            ("cross_section", "wavefunction"),
            ("box", "wavefunction"),
            ("power", "box"),
            ("correlation", "box"),
        ):
            if getattr(self, stage) is not None and getattr(self, needed) is None:
                raise InputError(f"{self.source}: [{stage}] needs a section [{needed}], which is absent")
        if self.wavefunction is not None and self.filament is None and self.gas is None:
            raise InputError(f"{self.source}: [wavefunction] needs a section [filament] or [gas], which are absent")
        if self.filament is not None and self.gas is not None:
            raise InputError(f"{self.source}: [filament] and [gas]: must be one of the two")
        if self.gas is not None and (self.gas.table is None) == (self.gas.number is None):
            raise self.error("gas", "number", "must be given where there is no table, and only then")
        wave = self.wavefunction
        if wave is not None and (wave.weights == "table") != (wave.weights_table is not None):
            raise self.error(
                "wavefunction",
                "weights_table",
                f"must be given with weights = table, and only then (weights = {wave.weights})",
            )
        if wave is not None and wave.weights == "table" and self.gas is not None:
            raise self.error("wavefunction", "weights", "must be another one in a gas: a table is for one filament")
        if self.box is not None and len(set(self.box.fields)) < len(self.box.fields):
            raise self.error("box", "fields", "must not name a density twice")
        if self.box is not None and (self.box.method, self.box.sampling) == ("direct", "average"):
            raise self.error("box", "sampling", "must be point where method = direct (extruded has averages)")

    def error(self, section: str, key: str, message: str) -> InputError:
        """An error that names the file, the section, the key and its value."""
        kind, value = _kind(section, key), getattr(getattr(self, section), key)
        return InputError(f"{self.source}: [{section}] {key} = {kind.format(value) or '(empty)'}: {message}")

    def sections(self) -> dict[str, Section]:
        """The sections that are there, by name, in the order of the stages."""
        return {name: getattr(self, name) for name in SECTIONS if getattr(self, name) is not None}

    def to_ini(self, comments: bool = False) -> str:
        """The resolved ini; with a comment above every key if asked."""
        lines = []
        for name, section in self.sections().items():
            if comments:
                lines += [f"# {type(section).__doc__.strip()}"]
            lines += [f"[{name}]"]
            for item in fields(section):
                kind = item.metadata["kind"]
                if comments:
                    unit = f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""
                    lines += [f"# {item.metadata['description']}{unit}; {kind.allowed}"]
                lines += [f"{item.name} = {kind.format(getattr(section, item.name))}".rstrip()]
            lines += [""]
        return "\n".join(lines)


SECTIONS = {
    "run": Run,
    "cosmology": CosmologySection,
    "dark_matter": DarkMatter,
    "filament": FilamentSection,
    "gas": GasSection,
    "wavefunction": WavefunctionSection,
    "cross_section": CrossSectionSection,
    "box": BoxSection,
    "power": PowerSection,
    "correlation": CorrelationSection,
    "figures": FiguresSection,
}


def read_config(path, overrides=()) -> Config:
    """Read an ini file.

    overrides  texts "section.key=value" that come after the file, as from --set
    Raises InputError, one line, for anything that is not right.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, must be an ini file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (byte {error.start})") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    return _with_files_beside(parse_config(text, str(path), overrides), path.parent)


def _with_files_beside(config: Config, folder: Path) -> Config:
    """The config with the names of files that lie beside the ini, and not in the working directory, completed."""
    found = {}
    for name, section in config.sections().items():
        beside = {}
        for item in fields(section):
            value = getattr(section, item.name)
            is_file = isinstance(getattr(item.metadata["kind"], "kind", None), InputFile)
            if is_file and value is not None and not Path(value).is_file() and (folder / value).is_file():
                beside[item.name] = str(folder / value)
        if beside:
            found[name] = replace(section, **beside)
    return replace(config, **found)


def parse_config(text: str, source: str = "config", overrides=()) -> Config:
    """The same from the text of an ini file; `source` is named in messages."""
    parser = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=("#", ";"), default_section="", empty_lines_in_values=False
    )
    parser.optionxform = str
    try:
        parser.read_string(text, source)
    except configparser.Error as error:
        raise InputError(" ".join(f"{source}: {error.message}".split())) from None
    values = {name: dict(parser.items(name)) for name in parser.sections()}
    for override in overrides:
        left, equals, value = override.partition("=")
        section, dot, key = left.strip().partition(".")
        if not (equals and dot):
            raise InputError(f"--set {' '.join(override.split())}: must be section.key=value")
        _kind(section, key, f"--set {override}")
        values.setdefault(section, {})[key] = value.strip()
    sections = {}
    for name, keys in values.items():
        for key in keys:
            _kind(name, key, source)
        known_section(name, source)
        arguments = {}
        for key, value in keys.items():
            try:
                arguments[key] = _kind(name, key).parse(value)
            except ValueError as error:
                place = f"{source}: [{name}] {key} = {' '.join(value.split()) or '(empty)'}"
                raise InputError(f"{place}: must be {error}") from None
        sections[name] = SECTIONS[name](**arguments)
    return Config(**sections, source=source)


def known_section(name: str, source: str):
    """The dataclass of a section, or an InputError that lists the known ones."""
    if name not in SECTIONS:
        raise InputError(f"{source}: [{name}]: unknown section{_nearest(name, SECTIONS)}; known: {', '.join(SECTIONS)}")
    return SECTIONS[name]


def _kind(section, key, source="config"):
    """The kind of a key, or an InputError that lists the known ones."""
    known = {item.name: item for item in fields(known_section(section, source))}
    if key not in known:
        raise InputError(f"{source}: [{section}] {key}: unknown key{_nearest(key, known)}; known: {', '.join(known)}")
    return known[key].metadata["kind"]


def _nearest(word, known):
    close = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""
