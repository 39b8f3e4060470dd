"""Configs of allowed values give a plan in seconds or one clear line, and no NaN."""

import math

import numpy as np
import pytest
from attrs import fields
from hostile_inputs import limits, spoiled

from gpu_fdm.config.config import parse_config
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.errors import InputError
from gpu_fdm.filament import gas
from gpu_fdm.io.cache import Cache
from gpu_fdm.io.kinds import Choice, Maybe, Number, Several
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.model import profile_of
from gpu_fdm.pipeline.plan import check_memory, plan
from gpu_fdm.pipeline.progress import in_words
from gpu_fdm.pipeline.sizes import ModelSize
from gpu_fdm.pipeline.stages import stages_of

# seconds for a cosmology; a choice that needs a file
NEVER = {"camb", "table"}
# tested in other files: most values are refused, or need others with them
OTHERS = {
    ("box", "fields"),
    ("simulation", "runs"),
    ("simulation", "order"),
    ("simulation", "snapshots"),
    ("gas", "number"),
    ("cosmology", "name"),
    ("cosmology", "sigma8"),
}
BOX = {"box", "power", "correlation"}
# sections that a config of a kind always has, and those that it may have
KINDS = {
    "filament": (("filament", "wavefunction"), ("single_power", "cross_section", "power", "correlation")),
    "gas": (("gas", "wavefunction", "box"), ("power", "single_power", "correlation")),
    "simulation": (("simulation",), ()),
}
COMMON = ("run", "cosmology", "dark_matter")


@pytest.fixture(autouse=True, scope="module")
def bounds():
    with limits():
        yield


def number(kind, random):
    """Within the range: its ends, near them, in its middle by size or by value."""
    low, high = max(kind.low, -1e300), min(kind.high, 1e300)
    ends = [low if not kind.open_low else low + 1e-300, high if not kind.open_high else math.nextafter(high, low)]
    match random.integers(8):
        case 0:
            value = ends[random.integers(2)]
        case 1 | 2 if low < 0 < high:
            value = 0.0
        case 3:
            value = random.uniform(max(low, -1e9), min(high, 1e9))
        case _:
            smallest = max(low, 1e-12) if high > 0 else 1e-12
            value = math.exp(random.uniform(math.log(smallest), math.log(max(abs(high), smallest))))
            value = -value if low < 0 and random.integers(2) else value
    value = round(value) if kind.integer else value
    return min(max(value, ends[0]), ends[1])


def text(kind, random):
    """A value of a kind, as in an ini."""
    if isinstance(kind, Maybe):
        return "" if random.integers(2) else text(kind.kind, random)
    if isinstance(kind, Several):
        count = kind.count or int(random.integers(1, 4))
        return ", ".join(text(kind.kind, random) for _ in range(count))
    if isinstance(kind, Number):
        return kind.format(number(kind, random))
    return str(random.choice([name for name in kind.names if name not in NEVER]))


def drawn(kind, random):
    """An ini with random values for some keys and the defaults for the others."""
    always, perhaps = KINDS[kind]
    lines, share = [], random.choice([0.05, 0.15, 0.4])
    with_box = kind == "gas" or random.integers(2)
    names = [*COMMON, *always, *(name for name in perhaps if random.integers(2) and (with_box or name not in BOX))]
    if with_box and kind == "filament":
        names.append("box")
    for name in names:
        keys = {}
        for item in fields(SECTIONS[name]):
            of_item = item.metadata["kind"]
            drawable = isinstance(getattr(of_item, "kind", of_item), (Number, Choice, Several))
            if drawable and random.random() < share and (name, item.name) not in OTHERS:
                keys[item.name] = text(of_item, random)
        if name == "gas":  # the most that are allowed take half a minute
            keys["number"] = random.integers(1, 20)
        keys |= _fitting_values(name, keys, random)
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())]
    return "\n".join(lines)


def _fitting_values(name, keys, random):
    """Values that fit to others; without them few configs come to a plan."""
    if name == "cosmology":
        return {"linear_power": "eisenstein_hu"} if set(keys) - {"redshift"} else {}
    if name in ("filament", "gas") and random.integers(2):
        return {"shape": "collapse"}
    if name == "filament":
        shape = {"length": 1.2, "r0": 0.004, "sigma": 7}
        return {key: keys.get(key) or value for key, value in shape.items()}
    if name == "box" and random.integers(4):
        return {"size": 20}
    if name == "simulation":
        start, end = (float(keys.get(key, default)) for key, default in (("redshift_start", 63), ("redshift_end", 3)))
        if random.integers(2):  # a box that resolves its velocities
            return {"size": 0.8, "cells": 64, "redshift_start": max(start, end, 63), "redshift_end": 30}
        return {"redshift_start": max(start, end, 2), "redshift_end": min(start, end, 97)}
    return {}


def planned(ini):
    """A dry run before it solves anything: all numbers are finite."""
    config = parse_config(ini, "x.ini")
    inputs, warnings = pipeline.check(config)
    found = plan(stages_of(config), inputs)
    for size in (found.peak, found.disk, *found.memory.values()):
        assert isinstance(size, int) and size >= 0
        in_words(size)
    for seconds in found.seconds.values():
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
    for filament in inputs.filaments[:1] if config.filament or config.gas else ():
        modes = ModelSize.of(config, filament).modes
        assert math.isfinite(modes) and modes >= 0
        numbers = [
            profile_of(config, filament).line_mass,
            filament.length,
            *filament.direction,
            *(filament.centre or ()),
        ]
        assert all(map(math.isfinite, numbers))
    assert not any("nan" in warning.split() for warning in warnings)
    check_memory(found)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_values_in_their_ranges(hostile, kind):
    random = np.random.default_rng(12)
    plans = 0
    for _ in range({"filament": 20, "gas": 20, "simulation": 20}[kind]):
        plans += not isinstance(hostile(planned, drawn(kind, random)), Exception)
    assert plans


def test_dry_runs_that_solve(hostile, tmp_path):
    """Modes and weights are computed if they take seconds; the output has no NaN."""
    random, path = np.random.default_rng(13), tmp_path / "x.ini"
    for _ in range(6):
        path.write_text(drawn("filament", random))
        _, out, _ = hostile.command("--quiet", "run", path, "--dry-run")
        assert "nan" not in out
    assert list(tmp_path.iterdir()) == [path]


def test_a_fit_that_takes_long_is_not_done_in_a_dry_run(hostile, tmp_path):
    """13 GiB of the response of all radii to every mode."""
    path = tmp_path / "x.ini"
    path.write_text("[dark_matter]\nm22 = 8\n[filament]\n[wavefunction]\nweights = adaptive_lasso\nradii = 100000\n")
    code, out, error = hostile.command("run", path, "--dry-run")
    assert code == 0, error
    assert "1 filament with about " in out


def test_a_number_of_bosons_that_takes_for_ever(hostile):
    """Each has its own variance and mass function."""
    masses = ", ".join(f"{1 + n / 1000:g}" for n in range(2000))
    assert isinstance(hostile(planned, f"[population]\nm22 = {masses}"), InputError)


def test_darts_are_counted_over_all_filaments(monkeypatch):
    """The number of darts for one filament does not matter."""
    monkeypatch.setattr(gas, "MOST_DARTS", 100)
    with pytest.raises(ValueError, match=r"filaments fitted into a box of .* cMpc/h: \d+ centres were tried"):
        gas.draw_gas(200, (2.5, 2.5, 2.5), seed=1, mass_min=3e9, mass_max=3e10, max_attempts=100_000)


def test_damaged_parts_are_computed_again(hostile, tmp_path, caplog):
    """Damaged parts of a cache are not used."""
    cache, random, values = Cache(tmp_path), np.random.default_rng(14), np.arange(40.0)
    cache.store("part", {"x": 1.0}, {"values": values})
    (path,) = tmp_path.iterdir()
    octets = path.read_bytes()
    for _ in range(200):
        path.write_bytes(spoiled(octets, random))
        found = hostile(cache.load, "part", {"x": 1.0})
        assert found is None or not set(found) - {"values"}
    path.write_bytes(octets)
    assert np.array_equal(cache.load("part", {"x": 1.0})["values"], values)
