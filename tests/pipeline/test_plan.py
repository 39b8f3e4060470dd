"""What a dry run says: the sums of what stages estimate, and what they would do."""

from types import SimpleNamespace

import pytest
from tiny_runs import with_needs

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.plan import BASE, describe, plan
from gpu_fdm.pipeline.population import PopulationStage
from gpu_fdm.pipeline.progress import duration
from gpu_fdm.pipeline.run import check, dry_run, run
from gpu_fdm.pipeline.stage import Estimate, Stage
from gpu_fdm.pipeline.stages import STAGES, stages_of

ONE = "[filament]\n[wavefunction]\n"
BOX = "[box]\ncells = 64, 64, 180\n"
# keys that make a run smaller, and a key that makes it larger again
SMALL = (
    "box.cells=64, 64, 180",
    "population.m22=1",
    "population.ellipticity=collapse",
    "one_filament.method=direct",
    "simulation.cells=32",
    "simulation.redshift_end=50",
)
LARGER = {
    "wavefunction": "dark_matter.m22=2",
    "cross_section": "cross_section.points=2000",
    "single_power": "dark_matter.m22=4",
    "steady_state": "steady_state.m22=4",
    "box": "box.cells=128, 128, 360",
    "power": "box.cells=128, 128, 360",
    "correlation": "box.cells=128, 128, 360",
    "population": "population.m22=1, 2, 4",
    "one_filament": "population.m22=4",
    "emulator": "emulator.points=8000",
    "total_power": "total_power.exact_l_max=200",
    "simulation": "simulation.cells=64",
}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.section)
def test_a_larger_run_needs_more(stage):
    """Every stage says what it needs, in numbers that grow with the key that sets its size."""
    sections = with_needs(stage.section)
    small = [text for text in SMALL if text.split(".")[0] in sections]
    estimates = []
    for more in ([], [LARGER[stage.section]] if stage.section in LARGER else []):
        config = parse_config("".join(f"[{name}]\n" for name in sections), overrides=small + more)
        assert stage in stages_of(config)
        inputs = Inputs(config)
        assert all(isinstance(line, str) for line in (*stage.check(inputs, SERIAL), *stage.describe(inputs)))
        estimates.append(stage.estimate(inputs))
    less, more = estimates
    assert more.disk >= less.disk >= 0 and more.memory.keys() == less.memory.keys()
    assert all(more.memory[title] >= less.memory[title] > 0 for title in less.memory)
    assert less.seconds is None or (more.seconds > less.seconds > 0) == (stage.section in LARGER)


class Unknown(Stage):
    section = "unknown"

    def estimate(self, inputs, ranks):
        return Estimate({"unknown": 3 << 30}, 1 << 30, None)


def test_sums_and_a_stage_that_cannot_tell_its_time(tmp_path):
    config = parse_config("[population]\nm22 = 1\n")
    inputs, stages = Inputs(config), (*stages_of(config), Unknown())
    planned = plan(stages, inputs)
    assert planned.memory["unknown"] == planned.peak == BASE + (3 << 30)
    assert (1 << 30) < planned.disk < (1 << 30) + (2 << 20) and planned.seconds["unknown"] is None
    *_, last = describe(stages, inputs, ["mind this"], tmp_path / "x.hdf5")
    assert last.startswith("time: about ") and last.endswith(" on two cores, to a factor of two; without [unknown]")


def test_a_long_run_says_how_long_it_takes(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "gpu_fdm")
    config = parse_config(f"[population]\nm22 = 1\n[run]\noutput = {tmp_path}/a.hdf5")
    run(config)
    assert "time: about" not in caplog.text
    monkeypatch.setattr(PopulationStage, "estimate", lambda *_: Estimate({"population": 1 << 20}, 1 << 20, 600.0))
    run(parse_config(f"[population]\nm22 = 1\n[run]\noutput = {tmp_path}/b.hdf5"))
    assert "time: about 10 min on two cores, to a factor of two, less what is cached" in caplog.text


def test_lines():
    lines = dry_run(parse_config(ONE + BOX + "[run]\noutput = out"))
    heads = ["188 modes", "largest wavenumber", "box: 64 x 64 x 180 cells", "warning: the cells do not resolve"]
    heads += ["memory, model", "memory, box: tables", "memory, box", "peak memory", "output: out/result.hdf5", "time:"]
    for line, head in zip(lines, heads, strict=True):
        assert line.startswith(head)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.04 s"),
        (7.26, "7.3 s"),
        (99, "99 s"),
        (100, "1.7 min"),
        (3000, "50 min"),
        (9000, "2.5 h"),
        (1e6, "280 h"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("text", ["[filament]", "[filament]\n[figures]"])
def test_nothing_to_do(text):
    with pytest.raises(InputError, match=r"nothing to do: there is no section .*\[wavefunction\]"):
        check(parse_config(text))


def test_a_filament_whose_modes_nobody_asks_for():
    """Without [wavefunction] there is nothing to do about it, whatever else there is."""
    lines = dry_run(parse_config("[filament]\n[population]\nm22 = 1\n"))
    assert lines[0] == "mass functions of CDM and m22 = 1 at z = 4" and not any("modes" in line for line in lines)


def estimate(section, *settings):
    config = parse_config(ONE + BOX, overrides=settings)
    (stage,) = (stage for stage in STAGES if stage.section == section)
    return stage.estimate(Inputs(config))


def test_wavenumbers_in_the_plane_take_memory_and_time():
    few, many = (estimate("single_power", f"single_power.points={points}") for points in (20, 20_000))
    assert many.memory["exact spectra"] > few.memory["exact spectra"] + (200 << 20)
    assert many.seconds > 5 * few.seconds


@pytest.mark.parametrize(("ranks", "ways"), [(1, "whole on cards of 32 GiB or more, "), (4, "")])
def test_how_cards_transform_a_box(ranks, ways):
    config = parse_config(ONE + BOX, overrides=["box.cells=1024", "run.backend=gpu"])
    (stage,) = (stage for stage in STAGES if stage.section == "box")
    line = stage.describe(Inputs(config), SimpleNamespace(size=ranks))[1]
    least = "22.2" if ranks == 1 else "6.68"
    assert line.startswith(f"transforms on a card: {ways}planes, then lines on cards of {least} GiB or more, in pieces")
    assert line.endswith(
        f"(densities {8 / ranks:g} GiB, transforms {(2 if ranks == 1 else 3) * 4.008 / ranks:.3g} GiB, "
        f"cuFFT at most {4.008 / ranks:.3g} GiB)"
    )
    assert len(stage.describe(Inputs(parse_config(ONE + BOX, overrides=["run.backend=cpu"])))) == 1


def test_averages_over_large_cells_take_memory():
    # the cross-section is tabulated as far as a cell reaches: at half the cells, twice as far beyond the filament
    tables = [
        estimate("box", "box.sampling=average", "box.size=30", f"box.cells={cells}").memory["box: tables"]
        for cells in (32, 64)
    ]
    assert tables[0] > 2 * tables[1] > 4 * estimate("box", "box.size=30").memory["box: tables"]


def test_cells_far_wider_than_a_filament_have_no_averages():
    with pytest.raises(
        InputError, match=r"\[box\] cells = 64: make cells of 1.562e\+04 cMpc/h: with sampling = average"
    ):
        dry_run(parse_config(ONE + BOX, overrides=["box.size=1e6", "box.cells=64", "box.sampling=average"]))
