"""Write docs/validation.md from outcomes.

Our number is rounded to a tenth of the allowed difference, and a difference below a hundredth of it is written as a
bound, so that every rerun writes the same page.
"""

from importlib.metadata import version
from math import floor, isfinite, log10

import numpy as np

from .registry import ABSOLUTE, ERRORS, Outcome, Verdict

MOST_DIGITS = 11
INTRODUCTION = """# Validation

Published numbers and closed forms, and what this program computes for them: `make validate` computes them all again
and writes this file. A row passes if the difference is not larger than what is allowed; the note says whether that
comes from the digits that were printed, from reading a figure, or from a scheme. A last table has the published
numbers that are wrong.

Z25 is Zimmermann et al. 2025 (A&A 696 A145, arXiv:2412.10829), "Z25 code" what its authors made public with it (the
packages fuzzylli and fdm_filaments, their notebooks and parameter files). Where nothing else is said, a filament is
that of Z25: 5e9 Msun/h at z = 4, isotropic, with the shape of the published fits. Masses are in Msun/h, k is comoving,
differences are ours less the published number.
"""
ERRATA = """## Where a publication errs

The published number, the right one, and the right one with the mistake put in, which must lead back to the published
number. The program has the right one, but where a row says so.
"""


def document(stages) -> str:
    """The text of the page; stages is a list of (title, outcomes), the last with all verdicts."""
    results = [result for _, outcomes in stages for result in outcomes]
    failed = [result for result in results if not result.passed]
    lines = [INTRODUCTION, _summary(len(results), len(failed))]
    for title, outcomes in stages:
        if isinstance(outcomes[0], Verdict):
            lines += [
                "",
                ERRATA,
                "| quantity | published | right | published / right - 1 | with the mistake | what is wrong | source |",
            ]
            lines += ["|---|---|---|---|---|---|---|"]
        else:
            lines += ["", f"## {title}", ""]
            lines += [
                "| quantity | published | ours | difference | allowed | source | note |",
                "|---|---|---|---|---|---|---|",
            ]
        lines += [row(outcome) for outcome in outcomes]
    made_with = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "camb"))
    return "\n".join([*lines, "", f"Computed with {made_with}.", ""])


def row(result: Outcome | Verdict) -> str:
    """One line of a table, bold where the check fails."""
    cells = _verdict_cells(result) if isinstance(result, Verdict) else _outcome_cells(result)
    cells = [cell.replace("|", "\\|") for cell in cells]
    if not result.passed:
        cells = [f"**{cell}**" if cell else cell for cell in cells]
        cells[-1] = f"{cells[-1]} **FAILS{': ' + result.problem if result.problem else ''}**"
    return f"| {' | '.join(cells)} |"


def _summary(number, failed):
    if failed:
        return f"**{failed} of {number} rows fail; they are in bold.**"
    return f"{number} rows; none fails."


def _outcome_cells(outcome):
    check = outcome.check
    numbers = outcome.published.size
    if numbers > 1:
        published = ours = f"{numbers} values"
    else:
        value = float(outcome.published)
        size = 1.0 if check.measure == ABSOLUTE else abs(value)
        # standard errors are those of the figure, a fifth of the value
        unit = 0.03 * size if check.measure == ERRORS else check.allowed * size / 10
        published = check.published if isinstance(check.published, str) else rounded(value, unit)
        ours = rounded(float(outcome.ours), unit)
    allowed = f"{check.allowed:g} {check.measure}"
    return [check.name, published, ours, _difference(outcome), allowed, check.source, check.note]


def _difference(outcome):
    size, allowed = abs(outcome.difference), outcome.check.allowed
    if allowed == 0 and size == 0:
        return "0"
    least = allowed / 100
    if size < least:
        return f"< {least:.1g}"
    sign = "" if outcome.published.size > 1 else "+" if outcome.difference > 0 else "-"
    return f"{sign}{size:.2g}"


def _verdict_cells(verdict):
    erratum = verdict.erratum
    unit = erratum.accuracy * abs(verdict.right)
    published = erratum.published if isinstance(erratum.published, str) else rounded(verdict.published, unit)
    mistaken = "not repeated"
    if verdict.mistaken is not None:
        mistaken = rounded(verdict.mistaken, erratum.allowed * abs(verdict.published) / 10)
    right = rounded(verdict.right, unit / 10)
    return [erratum.name, published, right, f"{verdict.excess:+.2g}", mistaken, erratum.why, erratum.source]


def rounded(value: float, unit: float) -> str:
    """A number rounded to the decimal at or below a unit, or to an integer where the unit is 0."""
    if not isfinite(value):
        return str(value)
    if unit == 0 or (value == round(value) and unit > 0.01 and abs(value) < 1e6):
        return f"{value:.0f}"
    last = floor(log10(unit))
    if abs(value) < 10.0**last / 2:
        return "0"
    first = floor(log10(abs(value)))
    digits = min(max(first - last + 1, 1), MOST_DIGITS)
    if -3 <= first < 6:
        return np.format_float_positional(value, precision=digits, unique=False, fractional=False).rstrip(".")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"
