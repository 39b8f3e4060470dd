"""Headers of ECSV tables from anywhere: each ends at once, in a table or in one line."""

import time

import pytest

from gpu_fdm.errors import InputError
from gpu_fdm.io.ecsv import read

COLUMNS = "datatype:\n- {name: k, datatype: float64}\n- {name: boost, datatype: float64}\n"
LAUGHS = "a: &-a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &-{chr(98 + i)} [" + ",".join([f"*-{chr(97 + i)}"] * 10) + "]\n" for i in range(9)
)


def table(header):
    lines = "".join(f"# {line}\n" for line in header.strip().split("\n"))
    return read("t.ecsv", f"# %ECSV 1.0\n# ---\n{lines}k boost\n1 2\n")


def test_a_plain_table():
    assert table(COLUMNS + "meta: {source: x, redshift: 4}").meta == {"source": "x", "redshift": "4"}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (LAUGHS + COLUMNS.replace("name: k", "name: *-j"), "more than 20 aliases"),
        (LAUGHS.replace("*-", "*").replace("&-", "&") + COLUMNS, "more than 20 aliases"),
        (COLUMNS + "meta: {x: 0x" + "f" * 100_000 + "}", "an integer of 100002 digits"),
        (COLUMNS + "meta: {x: 0b" + "1" * 200_000 + "}", "an integer of 200002 digits"),
        ("a: " + "[" * 5000 + "]" * 5000 + "\n" + COLUMNS, "not an ECSV table"),
    ],
)
def test_headers_that_take_for_ever(header, said):
    began = time.process_time()
    with pytest.raises(InputError, match=f"^t.ecsv: not an ECSV table: .*{said.removeprefix('not an ECSV table')}"):
        table(header)
    assert time.process_time() - began < 5  # of this process, on a busy machine too
