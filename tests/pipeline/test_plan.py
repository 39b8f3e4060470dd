"""What a dry run says: the sums of what stages estimate, and what they would do."""

import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.plan import BASE, describe, plan
from gpu_fdm.pipeline.progress import duration
from gpu_fdm.pipeline.run import check, dry_run
from gpu_fdm.pipeline.stage import Estimate, Stage
from gpu_fdm.pipeline.stages import STAGES, stages_of

ONE = "[filament]\n[wavefunction]\n"
BOX = "[box]\ncells = 64, 64, 180\n"
# a run of every stage, and a key that makes it larger
LARGER = {
    "wavefunction": (ONE, "dark_matter.m22=2"),
    "cross_section": (ONE + "[cross_section]", "cross_section.points=2000"),
    "single_power": (ONE + "[single_power]", "dark_matter.m22=4"),
    "steady_state": (ONE + "[steady_state]", "steady_state.m22=4"),
    "box": (ONE + BOX, "box.cells=128, 128, 360"),
    "power": (ONE + BOX + "[power]", "box.cells=128, 128, 360"),
    "correlation": (ONE + BOX + "[correlation]", "box.cells=128, 128, 360"),
    "population": ("[population]\nm22 = 1", "population.m22=1, 2, 4"),
    "one_filament": ("[wavefunction]\n[population]\nm22 = 1\n[one_filament]", "population.m22=4"),
    "simulation": ("[simulation]\ncells = 32", "simulation.cells=64"),
}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.section)
def test_a_larger_run_needs_more(stage):
    """Every stage says what it needs: memory where the key sets sizes, and time."""
    text, override = LARGER[stage.section]
    estimates = []
    for overrides in ([], [override]):
        config = parse_config(text, overrides=overrides)
        assert stage in stages_of(config)
        estimates.append(stage.estimate(Inputs(config)))
    small, large = estimates
    assert large.seconds > small.seconds > 0
    assert large.disk >= small.disk >= 0 and large.memory.keys() == small.memory.keys() and small.memory
    assert all(large.memory[title] >= small.memory[title] > 0 for title in small.memory)


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
    assert last.startswith("time: about ") and last.endswith(" on two cores, without [unknown]")


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
