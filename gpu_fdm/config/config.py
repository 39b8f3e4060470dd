"""An ini file as one frozen Config of checked sections: read from a file or from text, and written back resolved.

A stage whose section is absent does not run; [run], [cosmology] and [dark_matter] have defaults. Values are checked
when a section is made, from an ini or from Python, and sections against each other when a Config is made.
"""

import configparser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from ..cosmology.named import NAMED
from ..cosmology.of_astropy import cosmology_values
from ..errors import InputError, did_you_mean
from ..io.hdf5 import SIGNATURE
from ..io.kinds import InputFile, Kind
from ..io.tables import read_text
from .section import Section
from .sections import SECTIONS, Sections

MOST_TEXT = 1 << 24  # bytes of an ini: a list of a million numbers fits
SHIPPED = ("filament_gas.csv", "haloes.csv", "short_filament.csv")  # input files of the inis that gpu-fdm init prints
_DATA = Path(__file__).parent / "data"


class Override(str):
    """The text "section.key=value" of an option of a command, which messages about the key name."""

    option: str

    def __new__(cls, key: str, value: object, option: str) -> "Override":
        override = super().__new__(cls, f"{key}={value}")
        override.option = option
        return override


@dataclass(frozen=True)
class Config(Sections):
    """A checked ini: its sections, None for a stage that is not asked for.

    source      the ini file that it was read from, for messages
    overridden  how messages name keys "section.key" that --set or an option gave
    Raises InputError, naming the section and the key, where sections or keys do not go together.
    """

    source: str = field(default="config", compare=False)
    overridden: dict[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name, section in self.sections().items():
            if not isinstance(section, SECTIONS[name]):
                raise InputError(
                    f"{self.source}: [{name}] is a {type(section).__name__}: must be a {SECTIONS[name].__name__}"
                )
            self.require(section.needs, f"[{name}]")
        if self.filament is not None and self.gas is not None:
            raise InputError(f"{self.source}: [filament] and [gas]: must be one of the two")
        for name, section in self.sections().items():
            section.check_keys(partial(self.error, name))
        wave = self.wavefunction
        if (
            wave is not None
            and wave.weights in ("table", "projection")
            and (self.filament is None or self.one_filament)
        ):
            what = "a table is" if wave.weights == "table" else "a projection is"
            raise self.error("wavefunction", "weights", f"must be another one: {what} for one filament")

    def require(self, needs: Iterable[tuple[str, ...]], by: str) -> None:
        """InputError unless one section of each group is there, for what needs them."""
        for group in needs:
            if all(getattr(self, needed) is None for needed in group):
                which = " or ".join(f"[{needed}]" for needed in group)
                absent = "which is absent" if len(group) == 1 else "which are absent"
                raise InputError(f"{self.source}: {by} needs a section {which}, {absent}")

    def error(self, section: str, key: str, message: str) -> InputError:
        """An error that names the file, the section and the key, or the option that gave it, and the value."""
        kind, value = _kind(section, key), getattr(getattr(self, section), key)
        named = _named(section, key, self.source, self.overridden)
        return InputError(f"{named} {kind.format(value) or '(empty)'}: {message}")

    @contextmanager
    def errors_in(self, section: str) -> Iterator[None]:
        """Put the file and the section before the message of an InputError, unless it names the file already."""
        try:
            yield
        except InputError as error:
            if str(error).startswith((f"{self.source}: ", *self.overridden.values())):
                raise
            raise InputError(f"{self.source}: [{section}] {error}") from None

    def with_cosmology(self, cosmology: Any) -> "Config":
        """The same with a cosmology of astropy: its h, densities, neutrinos, n_s and sigma8 in [cosmology].

        Its redshift and source of linear power stay; a table of linear power has an amplitude of its own.
        Raises InputError for a cosmology that is not flat LambdaCDM, or lacks Ob0, or n and sigma8 in its meta.
        """
        values: dict[str, Any] = {"name": None, "omega_c_h2": None, "ln10As": None} | cosmology_values(cosmology)
        if self.cosmology.of_table:
            del values["sigma8"], values["ln10As"]
        return replace(self, cosmology=attrs.evolve(self.cosmology, **values))

    def sections(self) -> dict[str, Section]:
        """The sections that are not absent, by name, in the order of the stages."""
        return {name: getattr(self, name) for name in SECTIONS if getattr(self, name) is not None}

    def input_files(self) -> list[tuple[str, str, str]]:
        """Section, key and name of every input file."""
        return [
            (name, item.name, getattr(section, item.name))
            for name, section in self.sections().items()
            for item in attrs.fields(type(section))
            if isinstance(getattr(item.metadata["kind"], "kind", None), InputFile)
            and getattr(section, item.name) is not None
        ]

    def to_ini(self, comments: bool = False) -> str:
        """The resolved ini, every key with its value.

        comments  whether a comment above every key says what it is, its unit and what is allowed
        """
        lines = []
        for name, section in self.sections().items():
            if comments:
                lines += [f"# {(type(section).__doc__ or '').strip()}"]
            lines += [f"[{name}]"]
            for item in attrs.fields(type(section)):
                kind = item.metadata["kind"]
                if comments:
                    what, semicolon, more = item.metadata["description"].partition(";")
                    unit = f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""
                    lines += [f"# {what}{unit}{semicolon}{more}; {kind.allowed}"]
                lines += [f"{item.name} = {kind.format(getattr(section, item.name))}".rstrip()]
            lines += [""]
        return "\n".join(lines)


def read_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read an ini file.

    overrides  texts "section.key=value" that replace values of the file, as --set does, or Overrides
    Raises InputError, one line, for a file that cannot be read and for anything wrong in it.
    """
    file = Path(path)
    try:
        if file.is_file() and _begins_as_result(file):
            raise InputError(f"{file}: is a result file (HDF5), must be an ini file: gpu-fdm plot draws a result")
        text = read_text(file, MOST_TEXT)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    return _with_shipped_files(_with_files_beside(_parsed(text, str(file), overrides), file.parent))


def _begins_as_result(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(len(SIGNATURE)) == SIGNATURE


def config_of_cosmology(name: str, overrides: Iterable[str] = ()) -> Config:
    """The Config of an ini file, or with a named cosmology (Planck18, say) and else the defaults.

    overrides  as for read_config
    Raises InputError that lists the named cosmologies where `name` is neither one nor a file.
    """
    if name in NAMED:
        return parse_config(f"[cosmology]\nname = {name}\n", name, overrides)
    if not Path(name).exists():
        raise InputError(f"{name}: no such file{did_you_mean(name, NAMED)}; named cosmologies: {', '.join(NAMED)}")
    return read_config(name, overrides)


def cosmology_overrides(name: str, overrides: Iterable[str] = ()) -> list[Override]:
    """Overrides for read_config that put a named cosmology, or that of an ini, in the place of all of [cosmology].

    overrides  of its keys, as in read_config, those of other sections aside
    The redshift, which is what is computed at, stays.
    Raises InputError as config_of_cosmology does.
    """
    of_cosmology = [text for text in overrides if text.strip().startswith("cosmology.")]
    section = config_of_cosmology(name, of_cosmology).cosmology
    return [
        Override(f"cosmology.{item.name}", item.metadata["kind"].format(getattr(section, item.name)), "--cosmology")
        for item in attrs.fields(type(section))
        if item.name != "redshift"
    ]


def _with_files_beside(config: Config, folder: Path) -> Config:
    """The config with a folder before names of files that are not in the working directory, but in that folder."""
    for section, key, name in config.input_files():
        if not Path(name).is_file() and (folder / name).is_file():
            completed = attrs.evolve(getattr(config, section), **{key: str(folder / name)})
            config = replace(config, **{section: completed})
    return config


def _with_shipped_files(config: Config) -> Config:
    """The config with the paths of files that come with the program, where there is no other of their name."""
    for section, key, name in config.input_files():
        if name in SHIPPED and not Path(name).exists():
            completed = attrs.evolve(getattr(config, section), **{key: str(_DATA / name)})
            config = replace(config, **{section: completed})
    return config


def read_model(path: str | Path | None, overrides: Iterable[str] = (), *others: str) -> Config:
    """The ini of a model of filaments, or without a path the defaults of the sections that it needs, and of others."""
    if path is not None:
        return read_config(path, overrides)
    sections = "population", "wavefunction", "one_filament", *others
    return parse_config("".join(f"[{name}]\n" for name in sections), "options", overrides)


def parse_config(text: str, source: str = "config", overrides: Iterable[str] = ()) -> Config:
    """The Config of the text of an ini; see read_config.

    source  how messages name the ini
    """
    return _with_shipped_files(_parsed(text, source, overrides))


def _parsed(text: str, source: str, overrides: Iterable[str]) -> Config:
    parser = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=("#", ";"), default_section="", empty_lines_in_values=False
    )
    # keys keep their case; the documented way is to replace the method
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    try:
        parser.read_string(text, source)
    except configparser.MissingSectionHeaderError as error:
        line = " ".join(str(error.line).split())
        raise InputError(f"{source}, line {error.lineno}: {line}: an ini begins with a section, [run] say") from None
    except configparser.Error as error:
        raise InputError(" ".join(f"{source}: {error.message}".split())) from None
    values = {name: dict(parser.items(name)) for name in parser.sections()}
    for override in (overrides := (overrides,) if isinstance(overrides, str) else tuple(overrides)):
        section, _, key = override.partition("=")[0].strip().partition(".")
        for replaced in SECTIONS[section].replaces.get(key, ()) if section in SECTIONS else ():
            values.get(section, {}).pop(replaced, None)
    overridden: dict[str, str] = {}
    for override in overrides:
        left, equals, value = override.partition("=")
        section, dot, key = left.strip().partition(".")
        if not (equals and dot):
            meant = keys_meant(left.strip(), value.strip()) if equals else ""
            raise InputError(f"--set {' '.join(override.split())}: must be section.key=value{meant}")
        _kind(section, key, f"--set {override}")
        values.setdefault(section, {})[key] = value.strip()
        overridden[f"{section}.{key}"] = getattr(override, "option", f"--set: [{section}] {key} =")
    sections: dict[str, Any] = {}
    for name, keys in values.items():
        for key in keys:
            _kind(name, key, source)
        known_section(name, source)
        arguments = {}
        for key, value in keys.items():
            try:
                arguments[key] = _kind(name, key).parse(value)
            except ValueError as error:
                what = f"{_named(name, key, source, overridden)} {' '.join(value.split()) or '(empty)'}"
                raise InputError(f"{what}: must be {error}{_in_unit(name, key)}") from None
        sections[name] = SECTIONS[name](**arguments)
    return Config(**sections, source=source, overridden=overridden)


def _named(section: str, key: str, source: str, overridden: dict[str, str]) -> str:
    """How messages name a key, before its value: by the option that gave it, else by its place in the ini."""
    return overridden.get(f"{section}.{key}", f"{source}: [{section}] {key} =")


def known_section(name: str, source: str) -> type[Section]:
    """The class of a section, or an InputError that lists the known ones."""
    if name not in SECTIONS:
        raise InputError(
            f"{source}: [{name}]: unknown section{did_you_mean(name, SECTIONS)}; known: {', '.join(SECTIONS)}"
        )
    return SECTIONS[name]


def _kind(section: str, key: str, source: str = "config") -> Kind:
    """The kind of a key, or an InputError that lists the known ones."""
    known = {item.name: item for item in attrs.fields(known_section(section, source))}
    if key not in known:
        raise InputError(
            f"{source}: [{section}] {key}: unknown key{did_you_mean(key, known)}; known: {', '.join(known)}"
        )
    return known[key].metadata["kind"]


def keys_meant(key: str, value: str = "VALUE", option: str = "") -> str:
    """A question in brackets, with a blank before it, that names the keys of this name; empty if no section has one.

    option  before each of them
    """
    known = [name for name, section in SECTIONS.items() if key in {item.name for item in attrs.fields(section)}]
    texts = [f"{option}{name}.{key}={value}" for name in known]
    return f" (did you mean {' or '.join(texts)}?)" if texts else ""


def _in_unit(section: str, key: str) -> str:
    """The unit of a key that has one, in brackets."""
    unit = getattr(attrs.fields(SECTIONS[section]), key).metadata["unit"]
    return f" (unit: {unit})" if unit else ""
