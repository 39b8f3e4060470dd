"""Run all checks: `python -m validation.run` in the root of the project writes docs/validation.md.

Exits with 1 where a check fails. The document is replaced only by a complete one.
"""

import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from .catalogue import STAGES
from .report import document

DOCUMENT = Path(__file__).parent.parent / "docs" / "validation.md"


def main() -> int:
    """Run all checks, print one line for each, write the document; returns the exit status."""
    stages, started = [], perf_counter()
    for title, checks in STAGES:
        print(title)
        stages.append((title, [_timed(check) for check in checks]))
    _write(DOCUMENT, document(stages))
    failed = sum(not result.passed for _, results in stages for result in results)
    total = sum(len(results) for _, results in stages)
    print(f"{total} checks in {perf_counter() - started:.0f} s, {failed} failed: {DOCUMENT.relative_to(Path.cwd())}")
    return 1 if failed else 0


def _timed(check):
    started = perf_counter()
    result = check.evaluate()
    word = "ok  " if result.passed else "FAIL"
    print(f"  {word} {perf_counter() - started:6.2f} s  {check.name}", flush=True)
    return result


def _write(path, text):
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(part, 0o644)  # mkstemp lets only the owner read it
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
