"""Particles of GADGET in its binary formats 1 and 2, in either byte order, in one file or NAME.0, NAME.1, ...

A file is a series of Fortran records, each between two copies of its length in bytes, of 32 bits: the header, then
positions of all types, velocities, numbers and masses of those types that have no mass in the header. In format 2 a
record with a name of four letters comes before each. Lengths of 4 GiB and more are stored modulo 2^32.
Source: Springel, User guide for GADGET-2, section 6; GADGET-4's header of 176 bytes, io_header in its io.h.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from . import parts
from .options import SnapshotOptions
from .particle_files import DARK_MATTER, ParticleFiles, numbers_in_all
from .reader import Reader
from .snapshot import ParticleSnapshot

_TYPES = 6
_GADGET_2 = [
    *(("numbers", "i4", _TYPES), ("masses", "f8", _TYPES), ("time", "f8"), ("redshift", "f8"), ("flags", "i4", 2)),
    *(("total", "u4", _TYPES), ("cooling", "i4"), ("files", "i4"), ("box_size", "f8"), ("omega_m", "f8")),
    *(("omega_l", "f8"), ("h", "f8"), ("ages", "i4", 2), ("total_high", "u4", _TYPES), ("unused", "V64")),
]
_GADGET_4 = [
    *(("numbers", "i8", _TYPES), ("total", "i8", _TYPES), ("masses", "f8", _TYPES)),
    *(("time", "f8"), ("redshift", "f8"), ("box_size", "f8"), ("files", "i4"), ("unused", "V4")),
]
_HEADERS = {256: _GADGET_2, 176: _GADGET_4}  # by their length in bytes
_NAME_RECORD = 8  # bytes of the record before each one of format 2
_MARKER = 4  # bytes of a length


@dataclass(frozen=True)
class Rows:
    """Numbers in a file, to be sliced: rows of `width`, or single ones of width 1; dtype  an np.dtype.str."""

    path: str
    begin: int
    width: int
    dtype: str

    def __getitem__(self, rows: slice) -> NDArray:
        size = self.width * np.dtype(self.dtype).itemsize
        octets = _octets(Path(self.path), self.begin + rows.start * size, (rows.stop - rows.start) * size)
        if len(octets) < (rows.stop - rows.start) * size:
            raise InputError(f"{self.path}: has become shorter since it was opened")
        values = np.frombuffer(octets, self.dtype)
        return values if self.width == 1 else values.reshape(-1, self.width)


@dataclass(frozen=True)
class BinaryParticles:
    """The particles of a type in a file; masses  None where all have that of the header."""

    path: str
    count: int
    positions: Rows
    masses: Rows | None
    velocity_rows: Rows | None

    @contextmanager
    def arrays(self) -> Iterator[tuple[Rows, Rows | None]]:
        """Positions and masses."""
        yield self.positions, self.masses

    @contextmanager
    def velocities(self) -> Iterator[Rows]:
        """Velocities, where the file has them."""
        if self.velocity_rows is None:
            raise InputError(f"{self.path}: has no record VEL")
        yield self.velocity_rows


@dataclass(frozen=True)
class _File:
    """A file, whose header is known.

    order    "<" or ">";  named  whether it is of format 2;  begin  of the record after the header
    numbers  of particles of each type in this file;  masses  of one of each type, 0 where each has its own
    """

    path: Path
    order: str
    named: bool
    begin: int
    size: int
    numbers: tuple[int, ...]
    masses: tuple[float, ...]
    total: tuple[int, ...]
    files: int
    box_size: float
    redshift: float
    time: float
    omega_m: float | None
    h: float | None

    @property
    def common(self) -> tuple:
        """What is the same in all files of a snapshot; texts, since not a number does not equal itself."""
        return (self.total, self.files, *map(repr, (self.masses, self.box_size, self.redshift, self.time)))

    def particles(self, kind: int) -> "BinaryParticles":
        """Positions of the particles of a type, and masses where they have their own.

        Raises InputError for records that are missing, cut, or of another length than the header says.
        """
        own = [self.masses[other] == 0 for other in range(_TYPES)]
        all_types, with_mass = sum(self.numbers), sum(n for n, has in zip(self.numbers, own, strict=True) if has)
        before = sum(self.numbers[:kind]), sum(n for n, has in zip(self.numbers[:kind], own, strict=False) if has)
        lengths = {"POS ": 3 * all_types, "VEL ": 3 * all_types, "ID  ": all_types, "MASS": with_mass}
        if not with_mass:
            del lengths["MASS"]
        found: dict[str, Rows] = {}
        offset, names, left = self.begin, iter(lengths), set(lengths)
        while left and offset < self.size:
            name, offset = self._name(offset) if self.named else (next(names), offset)
            left.discard(name)
            begin, length = self._record(offset, [size * lengths[name] for size in (4, 8)] if name in lengths else None)
            offset = begin + length + _MARKER
            if name in ("POS ", "VEL ", "MASS") and name in lengths:
                width, index = (1, 1) if name == "MASS" else (3, 0)
                dtype = np.dtype(f"{self.order}f{length // lengths[name]}")
                row = begin + before[index] * width * dtype.itemsize
                found[name] = Rows(str(self.path), row, width, dtype.str)
        for name in ["POS ", *(["MASS"] if own[kind] else [])]:
            if name not in found:
                raise InputError(f"{self.path}: ends without the record {name.strip()} (the file is cut or damaged)")
        masses = found["MASS"] if own[kind] else None
        return BinaryParticles(str(self.path), self.numbers[kind], found["POS "], masses, found.get("VEL "))

    def _name(self, offset: int) -> tuple[str, int]:
        """The name in the record at an offset, and where the record of that name begins."""
        begin, length = self._record(offset, [_NAME_RECORD])
        return _octets(self.path, begin, 4).decode("ascii", "replace"), begin + length + _MARKER

    def _record(self, offset: int, lengths: Iterable[int] | None) -> tuple[int, int]:
        """Where the data of the record at an offset begin, and their length: one of some, or any below 4 GiB."""
        marker = _number(self.path, offset, self.order)
        begin = offset + _MARKER
        for length in (marker,) if lengths is None else lengths:
            end = begin + length
            fits = length % 2**32 == marker and end + _MARKER <= self.size
            if fits and _number(self.path, end, self.order) == marker:
                return begin, length
        allowed = "its length again at its end"
        if lengths is not None and marker not in [length % 2**32 for length in lengths]:
            allowed = f"{' or '.join(map(str, lengths))} bytes"
        raise InputError(
            f"{self.path}: record of {marker} bytes at byte {offset}: must have {allowed} (the file is cut or damaged)"
        )


def _octets(path: Path, offset: int, length: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def _number(path: Path, offset: int, order: str) -> int:
    """The 32-bit number at an offset; -1 at the end of the file."""
    octets = _octets(path, offset, _MARKER)
    return int(np.frombuffer(octets, f"{order}u4")[0]) if len(octets) == _MARKER else -1


def _begin_of_header(path: Path) -> tuple[str, bool, int, int] | None:
    """Byte order, whether of format 2, where the header begins, and its length; None for another file."""
    begin = _octets(path, 0, 24)
    for order in "<>":
        numbers = np.frombuffer(begin[: len(begin) // 4 * 4], f"{order}u4")
        if len(numbers) == 6 and numbers[0] == _NAME_RECORD == numbers[3] and begin[4:8] == b"HEAD":
            length, offset, named = int(numbers[4]), 20, True
        elif len(numbers) == 6:
            length, offset, named = int(numbers[0]), 4, False
        else:
            return None
        if length in _HEADERS and _number(path, offset + length, order) == length:
            return order, named, offset, length
    return None


def _read_header(path: Path) -> _File:
    """The header of a file; InputError for one that makes no sense."""
    found = _begin_of_header(path)
    if found is None:
        raise InputError(f"{path}: does not begin with a header of GADGET, of {' or '.join(map(str, _HEADERS))} bytes")
    order, named, begin, length = found
    dtype = np.dtype(_HEADERS[length]).newbyteorder("<" if order == "<" else ">")
    header = np.frombuffer(_octets(path, begin, length), dtype)[0]
    high = header["total_high"].tolist() if length == 256 else [0] * _TYPES
    numbers, masses, total = (header[name].tolist() for name in ("numbers", "masses", "total"))
    if min(numbers) < 0 or not all(0 <= mass < np.inf for mass in masses) or header["files"] < 0:
        raise InputError(
            f"{path}: header with {numbers} particles of masses {masses} in {header['files']} files: must not be "
            "negative"
        )
    known = length == 256
    return _File(
        path,
        order,
        named,
        begin + length + _MARKER,
        path.stat().st_size,
        tuple(numbers),
        tuple(masses),
        tuple(low + (upper << 32) for low, upper in zip(total, high, strict=True)),
        max(1, int(header["files"])),
        *(float(header[name]) for name in ("box_size", "redshift", "time")),
        *((float(header["omega_m"]), float(header["h"])) if known else (None, None)),
    )


def _number_of_files(path: Path) -> int | None:
    return _read_header(path).files if _begin_of_header(path) else None


NAMES = parts.Names(("",), _number_of_files, lambda path: _begin_of_header(path) is not None)


def detect(path: Path) -> bool:
    """Whether a file, or one of several, begins with a header of GADGET."""
    first = parts.find_file(path, NAMES)
    return first is not None and _begin_of_header(first) is not None


def read(path: Path, options: SnapshotOptions, incomplete: bool = False) -> ParticleSnapshot:
    """The particles of all files, whose headers must agree with each other and with the data.

    incomplete  whether files may be missing
    """
    first = parts.first_part(path, NAMES)
    kind = DARK_MATTER if options.particle_type is None else options.particle_type
    if kind >= _TYPES:
        given = f"{options.flag('particle_type')} {kind}"
        raise InputError(f"{first}: {given}: must be in 0..{_TYPES - 1}, the types of its header")
    files: list[_File] = []
    for part in parts.all_parts(first, _read_header(first).files, NAMES, incomplete):
        files.append(_read_header(part))
        if files[-1].common != files[0].common:
            raise InputError(f"{part}: its header differs from {files[0].path}: not a part of the same snapshot")
    total = files[0].total[kind] or None  # initial conditions in one file need not have it
    group, header = f"PartType{kind}", files[0]
    complete = len(files) == header.files
    found, number = numbers_in_all(first, kind, [file.numbers for file in files], total if complete else None, options)
    options.require(first, unit_length=False, box_size=header.box_size != 0)
    length = options.resolve("unit_length", None, first)
    redshift = options.resolve("redshift", header.redshift, first)
    box_size = options.resolve("box_size", (header.box_size * length,) * 3 if header.box_size else None, first)
    h = options.resolve("h", header.h, first, needed=False)
    source = tuple(file.particles(kind) for file in files if file.numbers[kind])
    return ParticleSnapshot(
        path=str(first),
        format=READER.name,
        box_size=box_size,
        redshift=redshift,
        fields=tuple(found),
        field=group,
        h=h,
        omega_m=header.omega_m,
        files=header.files,
        missing=header.files - len(files),
        number=number,
        total=total,
        others=tuple((name, count) for name, count in found.items() if name != group),
        particle_mass=header.masses[kind] or None,
        masses=header.masses,
        velocity_unit=None if source[0].velocity_rows is None else (1 + redshift) ** -0.5,
        source=ParticleFiles(source, group, length, box_size, options),
    )


READER = Reader(
    name="gadget_binary",
    description="GADGET particles in its binary formats 1 and 2, one file or many",
    options=("particle_type", "unit_length", "box_size", "redshift", "h"),
    detect=detect,
    read=read,
    in_parts=True,
)
