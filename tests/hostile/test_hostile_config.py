"""Whatever an ini or --set says: a config that is written back the same, or one clear line."""

import numpy as np
import pytest
from attrs import fields
from hostile_inputs import HOSTILE, NUMBERS, limits, spoiled
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_fdm.config.config import Config, parse_config, read_config
from gpu_fdm.config.presets import PRESETS, preset_ini
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.errors import InputError

KEYS = sorted({item.name for section in SECTIONS.values() for item in fields(section)})
sections = st.sampled_from([*SECTIONS, "DEFAULT", "default", "Run", "run ", "boxx", "", "]", "a]b", "x" * 2000, "\0"])
keys = st.sampled_from([*KEYS, "", " ", "k" * 3000, "a.b", "=", "\ufeff", "m22\0", "__class__", "source", "_kind"])
values = st.sampled_from(NUMBERS) | st.text(max_size=30)
lines = (
    st.tuples(keys, st.sampled_from(["=", " = ", ":", " ", "==", ""]), values).map("".join)
    | sections.map(lambda name: f"[{name}]")
    | st.text(max_size=40)
    | st.sampled_from(["[", "]", "[]", "[run]\n[run]", " indented", "\t= 1", "; #", "rem", "\r", "\0", "\x1a", "-"])
)
texts = st.lists(lines, max_size=12).flatmap(
    lambda made: st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n  ", "\x0b", "\u2028"]).map(lambda end: end.join(made))
)


@pytest.fixture(autouse=True, scope="module")
def bounds():
    with limits():
        yield


def reads(hostile, text, overrides=()):
    """Either is fine; a config that is accepted says the same when it is written and read."""
    config = hostile(parse_config, text, "x.ini", overrides)
    if isinstance(config, Config):
        assert parse_config(config.to_ini()) == config
        assert parse_config(config.to_ini(comments=True)) == config
        return config
    assert isinstance(config, InputError)
    return config


@settings(HOSTILE, max_examples=1500)
@given(text=texts)
def test_inis(hostile, text):
    reads(hostile, text)


@settings(HOSTILE, max_examples=1000)
@given(text=st.text())
def test_any_text(hostile, text):
    reads(hostile, text)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_with_every_number(hostile, section):
    for item in fields(SECTIONS[section]):
        for value in NUMBERS:
            reads(hostile, f"[{section}]\n{item.name} = {value}\n")


@settings(HOSTILE, max_examples=800)
@given(
    overrides=st.lists(
        st.tuples(
            sections, st.sampled_from([".", "", "..", " . "]), keys, st.sampled_from(["=", "", " = "]), values
        ).map("".join)
        | st.text(),
        min_size=1,
        max_size=3,
    )
)
def test_overrides(hostile, overrides):
    reads(hostile, "", overrides)


@pytest.mark.parametrize("kind", PRESETS)
def test_spoiled_files(hostile, tmp_path, kind):
    """Bytes changed, cut out and put in, read from a file."""
    octets, path = preset_ini(kind).encode(), tmp_path / "x.ini"
    random = np.random.default_rng(1)
    for _ in range(150):
        path.write_bytes(spoiled(octets, random))
        hostile(read_config, path)
    for _ in range(50):
        path.write_bytes(random.bytes(random.integers(1, 400)))
        hostile(read_config, path)


def test_lists_of_a_million(hostile):
    """Lists of the largest length, and longer by one; of a value that is too long to read, a message shows a part."""
    config = hostile(parse_config, "", "x.ini", ["population.m22=" + " ".join(map(str, range(1, 101)))])
    assert len(config.population.m22) == 100
    for key, most in (("population.m22", 100), ("simulation.snapshots", 1_000_000)):
        found = hostile(parse_config, "", "x.ini", [f"{key}={'1 ' * (most + 1)}"])
        assert f"must be a list of at most {most}, each" in str(found) and len(str(found)) < 1000


@pytest.mark.parametrize("octets", [b"\xef\xbb\xbf[run]\r\nseed = 3\r\n", b"[run]\rseed = 3\r", b"\n\n[run]\nseed=3"])
def test_marks_and_line_ends_of_others(tmp_path, octets):
    path = tmp_path / "x.ini"
    path.write_bytes(octets)
    assert read_config(path).run.seed == 3


def test_files_without_an_end(hostile, tmp_path):
    path = tmp_path / "x.ini"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    assert str(hostile(read_config, path)) == f"{path}: too large a text, must have at most 16 MiB"
    assert str(hostile(read_config, "/dev/zero")) == "/dev/zero: too large a text, must have at most 16 MiB"
    assert str(hostile(read_config, "a\0b")) == "a\\x00b: no such file"
