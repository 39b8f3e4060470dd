"""How many hostile inputs there were, after all files of them: this one is the last by its name."""

from pathlib import Path

import pytest

LEAST = 10_000
OTHERS = {path.stem for path in Path(__file__).parent.glob("test_hostile_*.py")} - {"test_hostile_total"}
COUNTED = OTHERS - {"test_hostile_static"}


def test_there_were_enough(request, hostile):
    chosen = {item.module.__name__ for item in request.session.items}
    if not chosen >= OTHERS or any(request.config.getoption(name) for name in ("keyword", "markexpr", "deselect")):
        pytest.skip(f"needs all of {', '.join(sorted(OTHERS))} in one run")
    assert set(hostile.tried) >= COUNTED
    assert hostile.total >= LEAST
    assert hostile.tracebacks == 0
