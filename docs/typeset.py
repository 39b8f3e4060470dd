"""A hook of mkdocs: formulas of pages, blocks of three backquotes and `math`, become SVG.

GitHub shows the same blocks. Each is a line of formulas with `\\qquad` between them, set by the mathtext of matplotlib,
so that the site needs no script and no network to be read. On a narrow screen one formula is below the other.
"""

import html
import re
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.path import Path
from matplotlib.textpath import TextPath

SIZE = 17.0  # of letters [pixels]
UNITS = 10  # of the coordinates in a pixel
LEAST = 0.7  # of its width, to which a narrow screen shrinks a formula; beyond, the line scrolls
_BLOCK = re.compile(r"^```math\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_BETWEEN = r"\qquad"
_COMMANDS = {Path.MOVETO: "m", Path.LINETO: "l", Path.CURVE3: "q", Path.CURVE4: "c"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The text of a page with its formulas as SVG; ValueError for a formula that cannot be set."""
    return _BLOCK.sub(lambda block: f"{formulas(' '.join(block[1].split()))}\n", markdown)


def formulas(text: str) -> str:
    """A line of formulas as SVG, one each."""
    return f'<div class="formulas">{" ".join(formula(part.strip()) for part in text.split(_BETWEEN))}</div>'


def formula(text: str) -> str:
    """A formula in TeX as SVG in the colour of the text around it, which screen readers read as TeX."""
    with rc_context({"mathtext.fontset": "cm"}):
        path = TextPath((0, 0), f"${text}$", size=SIZE * UNITS)
    low, high = path.vertices.min(axis=0) - UNITS, path.vertices.max(axis=0) + UNITS
    width, height = np.ceil(high - low).astype(int).tolist()
    drawn, begin, here = "", np.zeros(2, int), np.zeros(2, int)
    for points, code in path.iter_segments():
        if code == Path.CLOSEPOLY:
            drawn, here = f"{drawn}z", begin
            continue
        points = np.rint(points.reshape(-1, 2) - low).astype(int)
        drawn += _COMMANDS[code] + " ".join(map(str, (points - here).ravel().tolist()))
        here = points[-1]
        if code == Path.MOVETO:
            begin = here
    pixels = width / UNITS
    return (
        f'<svg class="formula" role="img" aria-label="{html.escape(text)}" viewBox="0 0 {width} {height}" '
        f'style="width:{pixels:.0f}px;min-width:{LEAST * pixels:.0f}px;vertical-align:{low[1] / UNITS:.1f}px">'
        f'<path fill="currentColor" transform="matrix(1 0 0 -1 0 {height})" d="{drawn}"/></svg>'
    )
