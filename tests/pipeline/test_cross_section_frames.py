"""Frames of a cross-section: their times, their densities, on several ranks, from the cache, and what is refused."""

import logging

import h5py
import numpy as np
import pytest
from rank_runs import result_of_ranks

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.filament.coherence import coherence_time
from gpu_fdm.pipeline.cross_section import cross_section, frame_times
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.pipeline.run import run
from gpu_fdm.pipeline.stages import STAGES

(STAGE,) = (stage for stage in STAGES if stage.section == "cross_section")
INI = (
    "[run]\nbackend = cpu\nthreads = 1\noutput = {output}\n[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n"
    "time = 30\n[cross_section]\npoints = 16\nframes = {frames}\n"
)


def config_of(output="out", frames="auto 5", *overrides):
    return parse_config(INI.format(output=output, frames=frames), "one.ini", overrides)


def stored(path):
    with h5py.File(path) as file:
        group = file["filaments/00/cross_section"]
        return group["frames"][:], group["frame_time"][:], group.attrs.get("coherence_time")


def test_frames_are_the_cross_section_at_their_times(tmp_path, caplog):
    """From wavefunction.time on; another run takes the four that are kept, and ranks share them."""
    caplog.set_level(logging.INFO, "gpu_fdm")
    result = run(config_of(tmp_path / "one.hdf5"))
    frames, times, coherence = stored(result.result)
    model = build_model(config_of())
    assert coherence == pytest.approx(coherence_time(model.wave) * model.units.time_myr, rel=1e-12)
    assert times == pytest.approx(30 + coherence / 12 * np.arange(5), rel=1e-12)
    assert f"cross-section: 5 frames, {coherence / 12:.4g} Myr apart" in result.summary[1]
    for frame, time in zip(frames, times, strict=True):
        alone = abs(cross_section(config_of("out", "auto", f"wavefunction.time={float(time)!r}"), model).psi) ** 2
        assert np.max(np.abs(frame - alone)) < 2e-5 * np.max(alone)  # single precision
    result.result.unlink()
    caplog.clear()
    again = run(config_of(tmp_path / "one.hdf5", ", ".join(repr(float(time)) for time in times[1:])))
    assert "frames: taken from the cache" in caplog.text
    assert np.array_equal(stored(again.result)[0], frames[1:])
    (tmp_path / "two.ini").write_text(INI.format(output="x", frames="auto 5"))
    assert np.array_equal(stored(result_of_ranks(tmp_path / "two.ini", 2, tmp_path / "two"))[0], frames)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ("0, 20, 40", "frames over 40 Myr are almost alike: coherence time of the fringes 5"),
        ("0, 20, 4000", "fringes of frames 3980 Myr apart differ: coherence time of the fringes 5"),
    ],
)
def test_times_that_show_nothing_are_warned_of(tmp_path, caplog, frames, says):
    run(config_of(tmp_path / "one.hdf5", frames))
    assert says in caplog.text and "Myr show how they change)" in caplog.text


def test_frames_of_a_box_that_are_alike_are_warned_of(tmp_path, caplog):
    box = ("box.size=0.7,0.7,1.5", "box.cells=8", "box.frames=40,0,20", "box.fields=fdm")
    result = run(config_of(tmp_path / "one.hdf5", "", *box))
    assert "box: frames over 40 Myr are almost alike: coherence time of the fringes 5" in caplog.text
    assert [line for line in result.summary if line.startswith("box: 3 frames, 20 Myr apart; coherence time")]


@pytest.mark.parametrize("frames", ["auto 1", "auto 2.5", "auto x", "automatic", "5", "0, 20, 20", "20, 0", "0, nan"])
def test_frames_that_are_refused(frames):
    with pytest.raises(InputError) as raised:
        config_of("out", frames)
    allowed = "must be 2 to 10000 times that rise, each a number in [-1e+09, 1e+09]; or auto, auto 2, ... auto 10000"
    assert str(raised.value) == f"one.ini: [cross_section] frames = {frames}: {allowed} (unit: Myr)"


def test_a_filament_that_never_changes():
    """A single state: times may be given, steps cannot be found."""
    alone = ("filament.mass=1e8", "dark_matter.m22=1")
    config = config_of("out", "auto", *alone)
    model = build_model(config)
    with pytest.raises(InputError, match=r"one.ini: \[cross_section\] frames = auto 48: must be times: all states"):
        frame_times(config, model)
    times, coherence = frame_times(config_of("out", "0, 20", *alone), model)
    assert times.tolist() == [0, 20] and coherence is None


def test_frames_take_disk_and_time():
    none, some = (STAGE.estimate(Inputs(config_of("out", frames))) for frames in ("", "auto 100"))
    assert some.disk == none.disk + 2 * 100 * 16**2 * 4 and some.seconds > none.seconds
    assert some.memory == none.memory


def test_a_square_that_is_almost_empty_is_told_and_costs_nothing():
    """psi ends where the states do: there is nothing to search for vortices beyond."""
    inputs = [
        Inputs(parse_config(f"[filament]\n[wavefunction]\n[cross_section]\npoints = 64\nmass_fraction = {fraction}\n"))
        for fraction in ("0.99", "0.9999", "0.999999999")
    ]
    (usual, large, huge) = (STAGE.estimate(each).seconds for each in inputs)
    assert usual < large == huge < 2 * usual
    assert STAGE.check(inputs[0]) == STAGE.check(inputs[1]) == []
    (warning,) = STAGE.check(inputs[2])
    assert warning == (
        "the cross-section is 1179 cMpc/h wide, and psi ends 0.3072 cMpc/h from the axis: it is in few points "
        "([cross_section] mass_fraction = 0.9964 shows all of it)"
    )


@pytest.mark.parametrize(
    ("section", "key", "value"), [("filament", "sharpness", "1e300"), ("wavefunction", "radii", "1000000")]
)
def test_values_that_overflow_or_take_hours_are_refused(section, key, value):
    with pytest.raises(InputError, match=rf"\[{section}\] {key} = {value}: must be an? (number|integer) in \["):
        parse_config("[filament]\n[wavefunction]\n", overrides=[f"{section}.{key}={value}"])
