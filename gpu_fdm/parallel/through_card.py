"""Fourier transforms of a slab in the memory of the host, larger than its card, which does the work in pieces.

Planes along x go to the card, are transformed over y and z there, and come back; then lines along y, of which all of x
is here, go to the card, are transformed along x and used there: binned, or multiplied and sent back. The sizes of the
pieces follow from the grid, and on cards of less than 8 GiB from the card; with them do the last bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from . import fft
from .backend import GPU
from .domain import Domain
from .fft import Transform
from .ranks import SERIAL
from .slices import slices_of

_PIECE = 2**27  # bytes of modes that go to a card at a time
_PIECES_A_CARD = 64  # of which a card has room for so many: the cells, a second field and cuFFT take some of it


def transform_planes(slab: np.ndarray, domain: Domain, prepare: Callable | None = None) -> Transform:
    """Transform a real field over y and z alone; arguments as for fft.transform_planes, of a domain with a card.

    prepare  is given planes on the card
    Memory beyond the slab: two complex copies of it, one where there is a single rank.
    """
    card = _card_of(domain)
    values = np.empty((*domain.shape[:2], domain.cells[2] // 2 + 1), np.result_type(slab.dtype, np.complex64))
    pieces = _pieces(domain, values, 0)
    with card.later_to_host(_largest(values, pieces, 0)) as copy:
        for planes, part in zip(pieces, card.each_to_device([slab[planes] for planes in pieces]), strict=True):
            here = None if prepare is None else partial(_prepare, prepare, planes.start)
            copy(values[planes], fft.transform_planes(part, _planes(domain, planes), here).values)
    return fft.planes_to_lines(values, domain)


def lines_along_x(transforms: Sequence[Transform], there: bool) -> Iterator[tuple[slice, list[Any]]]:
    """Some of this rank's lines along y of every transform, on the card, one piece after the other, and which they are.

    there  whether the card transforms them along x
    """
    domain = transforms[0].domain
    card = _card_of(domain)
    pieces = _pieces(domain, transforms[0].values, 1)
    each = (card.each_to_device([transformed.values[:, part] for part in pieces]) for transformed in transforms)
    for lines, *parts in zip(pieces, *each, strict=True):
        if there:
            for part in parts:
                card.plans.transform(part, (0,))
        yield lines, parts


def along_x(
    transforms: Sequence[Transform], combine: Callable | None = None, *, there: bool = False, back: bool = False
) -> None:
    """As fft.along_x, for transforms on the host; combine is given numbers on the card."""
    domain = transforms[0].domain
    card = _card_of(domain)
    values = transforms[0].values
    with card.later_to_host(_largest(values, _pieces(domain, values, 1), 1)) as copy:
        for lines, parts in lines_along_x(transforms, there):
            some = Domain((*parts[0].shape[:2], domain.cells[2]), SERIAL, card)
            fft.along_x([Transform(part, some) for part in parts], combine, back=back)
            copy(values[:, lines], parts[0])


def planes_of_inverse(transformed: Transform) -> Iterator[tuple[slice, Any]]:
    """Some planes of the field that fft.inverse_planes would return, on the card, one piece after the other.

    Memory beyond the transform: over ranks a copy of it.
    """
    domain, values = transformed.domain, fft.lines_to_planes(transformed)
    pieces = _pieces(domain, values, 0)
    for planes, part in zip(pieces, _card_of(domain).each_to_device([values[part] for part in pieces]), strict=True):
        yield planes, fft.inverse_planes(Transform(part, _planes(domain, planes)))


def _card_of(domain: Domain) -> GPU:
    assert domain.card is not None
    return domain.card


def _planes(domain: Domain, planes: slice) -> Domain:
    """Some of this rank's planes as a grid of their own, on the card."""
    return Domain((planes.stop - planes.start, *domain.cells[1:]), SERIAL, _card_of(domain))


def _pieces(domain: Domain, values: np.ndarray, axis: int) -> list[slice]:
    """Pieces along an axis of this rank's modes that go to the card."""
    most = min(_PIECE, _card_of(domain).total_memory // _PIECES_A_CARD)
    others = prod(number for direction, number in enumerate(values.shape) if direction != axis)
    return slices_of(values.shape[axis], most // max(1, others * values.itemsize))


def _largest(values: np.ndarray, pieces: list[slice], axis: int) -> int:
    """Bytes of the largest of the pieces, which is the first."""
    return values.nbytes * (pieces[0].stop - pieces[0].start) // values.shape[axis] if pieces else 0


def _prepare(prepare: Callable, first: int, part: Any, _: int, out: Any) -> None:
    """Prepare planes of which the first has another number here."""
    prepare(part, first, out)
