"""Figures and movies of simulations, and of the frames of a box."""

import os
import stat

import h5py
import matplotlib.style
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from PIL import Image
from plot_files import (
    BOX,
    FINE_CELLS,
    assert_readable,
    result,
    simulated_ratio,
    write_box,
    write_filament,
    write_simulation,
)

from gpu_fdm import plots
from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.pipeline.simulation.stage import SimulationStage
from gpu_fdm.plots import filament, movie, projections, simulation, style
from gpu_fdm.units import CodeUnits

FIGURES = [figure.name for figure in SimulationStage.figures]
WIDEST = 1.1 / 20  # cell [cMpc/h]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulation") / "result.hdf5"
    with result(path, write_simulation):
        pass
    return path


@pytest.fixture
def file(path):
    with h5py.File(path) as file:
        yield file


@pytest.fixture(scope="module")
def figures(path):
    """All figures by name, laid out."""
    with h5py.File(path) as file, matplotlib.style.context(["default", style.STYLE]):
        figures = {figure.name: figure.draw(file) for figure in SimulationStage.figures}
        for figure in figures.values():
            figure.draw_without_rendering()
    return figures


def test_which_figures_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda canvas, path, **options: path.touch())
    for runs, expected in (
        (("wave_fdm", "particles_fdm"), FIGURES),
        (("wave_fdm",), FIGURES[1:]),
        (("particles_cdm",), FIGURES[1:3]),
    ):
        path = tmp_path / f"{len(expected)}.hdf5"
        with result(path, lambda file, runs=runs: write_simulation(file, runs)):
            pass
        drawn = plots.draw(path, SimulationStage.figures)
        assert [each.stem.removeprefix(f"{path.stem}_") for each in drawn] == expected


@pytest.mark.parametrize("name", FIGURES)
def test_figures_can_be_read(figures, name):
    figure = figures[name]
    assert_readable(figure)
    assert figure.get_suptitle().startswith("$m_{22}=1$") and "z=9$ to $1.5" in figure.get_suptitle()


def test_figures_of_a_single_epoch_and_run(tmp_path):
    with result(tmp_path / "one.hdf5", lambda file: write_simulation(file, ("wave_fdm",), 1)) as file:
        made = [figure.draw(file) for figure in SimulationStage.figures[1:]]
        assert [len(figure.axes) for figure in made] == [1, 2, 2]  # a picture, and the colours


def test_boosts_of_few_epochs(path, tmp_path, monkeypatch):
    """An epoch without rows is not there, and those that are may not be among the ones that are shown."""
    (tmp_path / "result.hdf5").write_bytes(path.read_bytes())
    monkeypatch.setattr(simulation, "MOST_LINES", 2)
    with h5py.File(tmp_path / "result.hdf5", "r+") as file:
        for epoch in "02":
            del file[f"boost/wave_fdm_over_particles_fdm/{epoch}"]
        panel = simulation.boost(file).axes[-1]
        k = file["boost/wave_fdm_over_particles_fdm/1/k"][:]
    drawn = np.nanmean([line.get_ydata() for line in panel.lines[:3]], axis=0)
    assert drawn == pytest.approx(simulated_ratio(k, 1), rel=1e-9)


@pytest.mark.parametrize(("lost", "most"), [(True, 1.0), (False, 1.27075)])
def test_the_axis_of_boosts_holds_what_is_reliable(path, tmp_path, lost, most):
    """An epoch at which cells do not resolve the wave, the last of this result, does not count."""
    (tmp_path / "result.hdf5").write_bytes(path.read_bytes())
    with h5py.File(tmp_path / "result.hdf5", "r+") as file:
        file["boost/wave_fdm_over_particles_fdm/2/beyond_velocity"][:] = lost
        panel = simulation.boost(file).axes[-1]
    assert panel.get_ylim() == pytest.approx((0, 1.6 * most), rel=1e-9)


def test_boosts(file, figures):
    figure = figures["simulation_boost"]
    assert {panel.texts[0].get_text() for panel in figure.axes} == {
        "particles, FDM initial power /\nparticles, CDM initial power",
        "wave, FDM initial power /\nparticles, CDM initial power",
        "wave, FDM initial power /\nparticles, FDM initial power\n(same initial conditions)",
    }
    (panel,) = (each for each in figure.axes if "same" in each.texts[0].get_text())
    assert panel.get_yscale() == "linear" and panel.get_ylim()[0] == 0
    assert {each.get_yscale() for each in figure.axes if each is not panel} == {"log"}
    k = file["boost/wave_fdm_over_particles_fdm/2/k"][:]
    curves = panel.lines[:9]
    for epoch in range(3):
        parts = curves[3 * epoch : 3 * epoch + 3]
        drawn = np.nanmean([part.get_ydata() for part in parts], axis=0)
        assert drawn == pytest.approx(simulated_ratio(k, epoch), rel=1e-9)
        assert len({to_rgba(part.get_color()) for part in parts}) == 1
    whole, faint, lost = curves[:3]
    assert (whole.get_alpha(), faint.get_alpha(), lost.get_alpha()) == (None, simulation.FAINT, simulation.FAINT)
    # of the first epoch; lines join one row earlier
    noise = file["boost/wave_fdm_over_particles_fdm/0/shot_noise"][:]
    assert 0 < np.count_nonzero(noise >= 1) == np.count_nonzero(~np.isnan(lost.get_ydata())) - 1
    force = 2 * np.pi / (8 * WIDEST)
    assert np.nanmax(k[~np.isnan(whole.get_ydata())]) <= force < np.nanmax(k[~np.isnan(faint.get_ydata())])
    marks = {annotation.get_text() for annotation in figure.axes[0].texts}
    jeans = (4 * 0.4) ** 0.25 / CodeUnits(1.0, 0.6731, 0.314649).length
    for name, value in (("J", jeans), ("force", force), ("Nyquist", np.pi / WIDEST)):
        marked = any(f"{{{name}}}" in mark and mark.endswith(f"\n{value:.3g}") for mark in marks)
        assert marked == (value < k[-1]), name
    legend = {each.get_text() for each in figure.legends[0].get_texts()}
    assert len([text for text in legend if ": " not in text or "forces too weak" in text]) == 3 + 4
    assert r"$k_\mathrm{force}$: forces of particles" in legend


def test_power(file, figures):
    figure = figures["simulation_power"]
    assert [panel.get_title() for panel in figure.axes] == ["$z=9$", "$z=4$", "$z=1.5$"]
    wave, particles, noise, _, _ = (line.get_xydata().T for line in figure.axes[2].lines[:5])
    k, power = (file[f"simulation/wave_fdm/2/{name}"][1:] for name in ("k", "power"))
    assert wave == pytest.approx(np.array([k, k**3 * power / (2 * np.pi**2)]))
    assert wave[1] / particles[1] == pytest.approx(simulated_ratio(k, 2))
    assert noise[1] == pytest.approx(k**3 * 2e-8 / (2 * np.pi**2))


def test_the_view_shows_what_there_is(file, figures):
    """The sheet lies across z, at its end: seen along y, where it changes along x too, turned into the middle."""
    view = projections.View.of(file)
    last = file["simulation/wave_fdm/2"]
    deviations = [last[f"projection_{name}"][:].std() for name in "xyz"]
    assert view.axis == np.argmax(deviations) == 1 and view.sides == (BOX[0], BOX[2])
    picture = view.picture(last)
    assert picture.shape == (FINE_CELLS[0], FINE_CELLS[2])
    densest = np.unravel_index(picture.argmax(), picture.shape)
    assert densest == (FINE_CELLS[0] // 2, FINE_CELLS[2] // 2)
    assert np.sort(picture.ravel()) == pytest.approx(np.sort(last["projection_y"][:].ravel()))
    figure = figures["simulation_frames"]
    images = [panel.images[0] for panel in figure.axes if panel.images]
    assert len(images) == 9 and len({(image.norm.vmin, image.norm.vmax) for image in images}) == 1
    assert np.asarray(images[2].get_array()) == pytest.approx(picture.T)
    assert [panel.get_title() for panel in figure.axes[:3]] == ["$z=9$", "$z=4$", "$z=1.5$"]


def write_frames(file, number=3):
    """A box at several times."""
    write_filament(file)
    write_box(file)
    for name in ("fdm", "smooth"):
        values = file[f"density/{name}"][:]
        del file[f"density/{name}"]
        for frame in range(number):
            file[f"density/{name}/{frame}"] = values * (1 + frame)
            file[f"density/{name}/{frame}"].attrs["time"] = 10.0 * frame


@pytest.fixture
def no_ffmpeg(tmp_path, monkeypatch):
    """A PATH with nothing in it."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def write_sections(file):
    """A cross-section at several times."""
    write_filament(file)
    group = file["filaments/00/cross_section"]
    group["frames"] = group["density"][:] * np.array([1, 2, 3])[:, None, None]
    group["frame_time"] = 77.5 * np.arange(3)
    group.attrs["coherence_time"] = 310.0


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_simulation, "simulation_frames"), (write_frames, "projection"), (write_sections, "cross_section")],
)
def test_gif(tmp_path, no_ffmpeg, write, name, capsys):
    with result(tmp_path / "m22_1.hdf5", write) as file:
        with matplotlib.style.context(["default", style.STYLE]):
            scene = movie.scene_of(file, name)
        assert_readable_scene(scene)
    assert main(["plot", str(tmp_path / "m22_1.hdf5"), "--movie", "--dpi", "20"]) == 0
    target = tmp_path / f"m22_1_{'cross_section_' if write is write_sections else ''}movie.gif"
    assert capsys.readouterr().out == f"movie: {target} (an MP4 needs ffmpeg on PATH)\n"
    with Image.open(target) as image:
        assert image.n_frames == 3 and image.info["duration"] == 500
        first = np.asarray(image.convert("RGB"), int)
        image.seek(2)
        assert np.abs(np.asarray(image.convert("RGB"), int) - first).max() > 50
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "m22_1.hdf5", target.name]


def assert_readable_scene(scene):
    assert scene.frames == 3
    for frame in (0, 2):
        scene.show(frame)
        with matplotlib.style.context(["default", style.STYLE]):
            scene.figure.draw_without_rendering()
        assert_readable(scene.figure)


def test_frames_of_a_movie_are_the_pictures(file):
    scene = movie.scene_of(file, "simulation_frames")
    scene.show(1)
    images = [panel.images[0] for panel in scene.figure.axes if panel.images]
    view = projections.View.of(file)
    for image, run in zip(images, ("wave_fdm", "particles_fdm", "particles_cdm"), strict=True):
        assert np.asarray(image.get_array()) == pytest.approx(view.picture(file[f"simulation/{run}/1"]).T)
    assert scene.figure.get_suptitle().endswith("\n$z=4.00$")


def test_movies_of_a_box_and_of_a_cross_section(tmp_path, no_ffmpeg, capsys):
    """Both are made, or the one that is named; the times of the cross-section are in coherence times too."""
    path = tmp_path / "result.hdf5"

    def write(file):
        write_sections(file)
        write_box(file)
        for frame in range(2):
            file[f"density/frames/{frame}"] = file["density/fdm"][:]
            file[f"density/frames/{frame}"].attrs["time"] = 10.0 * frame
        del file["density/fdm"], file["density/smooth"]
        file.move("density/frames", "density/fdm")

    with result(path, write) as file:
        scene = movie.scene_of(file, "cross_section")
        scene.show(1)
        assert scene.figure.get_suptitle().endswith("\n77.5 Myr, 0.25 coherence times passed")
        image = scene.figure.axes[0].images[0]
        assert np.max(image.get_array()) == pytest.approx(image.norm.vmax * 2 / 3)
    assert main(["plot", str(path), "--movie", "--dpi", "20"]) == 0
    names = {"movie.gif", "cross_section_movie.gif"}
    assert names == {each.name for each in tmp_path.glob("*.gif")}
    for arguments, says in (
        (("--output", "x.gif"), "--output x.gif: is one file, for one of 2 movies: --only one of projection, cross_s"),
        (("--only", "power"), "--only power: no movie of the result: must be of projection, cross_section"),
    ):
        assert main(["plot", str(path), "--movie", *arguments]) == 2
        assert says in capsys.readouterr().err
    target = tmp_path / "mine.gif"
    assert main(["plot", str(path), "--movie", "--only", "projection", "--output", str(target), "--dpi", "20"]) == 0
    assert target.is_file()


def test_a_strip_of_a_cross_section(tmp_path):
    style_of_figures = matplotlib.style.context(["default", style.STYLE])
    with result(tmp_path / "result.hdf5", write_sections) as file, style_of_figures:
        figure = filament.cross_section_frames(file)
        figure.draw_without_rendering()
        assert_readable(figure)
    assert [panel.get_title() for panel in figure.axes[:3]] == ["0 Myr", "77.5 Myr", "155 Myr"]
    assert r"coherence time $310\,\mathrm{Myr}$" in figure.get_suptitle()


def test_empty_pixels_are_dark(path, tmp_path):
    (tmp_path / "result.hdf5").write_bytes(path.read_bytes())
    with h5py.File(tmp_path / "result.hdf5", "r+") as file:
        file["simulation/particles_fdm/2/projection_y"][3] = 0
        scene = movie.scene_of(file, "simulation_frames")
    scene.show(2)
    shown = scene.figure.axes[1].images[0]
    assert np.asarray(shown.get_array()).min() == shown.norm.vmin > 0


def fake_ffmpeg(folder, script):
    """A program of that name."""
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_mp4_where_there_is_ffmpeg(path, tmp_path, no_ffmpeg, monkeypatch):
    """It gets the pixels of three frames, and the name of a file that ends in .mp4."""
    (tmp_path / "result.hdf5").write_bytes(path.read_bytes())
    fake_ffmpeg(no_ffmpeg, f'PATH={os.defpath}; for last; do :; done; echo "$@" > {tmp_path}/told; cat > "$last"')
    target = movie.movie(tmp_path / "result.hdf5", 20)
    assert target == tmp_path / "movie.mp4"
    told = (tmp_path / "told").read_text().split()
    width, height = map(int, told[told.index("-s") + 1].split("x"))
    assert target.stat().st_size == 3 * 4 * width * height
    assert told[told.index("-vcodec", told.index("-i")) + 1] == "h264" and width % 2 == height % 2 == 0


def test_ffmpeg_that_fails(path, tmp_path, no_ffmpeg):
    (tmp_path / "result.hdf5").write_bytes(path.read_bytes())
    (tmp_path / "movie.mp4").write_text("of before, made by gpu-fdm")
    fake_ffmpeg(no_ffmpeg, f"PATH={os.defpath}; cat > /dev/null; echo 'Unknown encoder h264' >&2; exit 3")
    with pytest.raises(RunError) as raised:
        movie.movie(tmp_path / "result.hdf5", 20)
    assert str(raised.value) == (
        f"{tmp_path}/movie.mp4: ffmpeg failed: Unknown encoder h264 (without ffmpeg on PATH the movie is a GIF)"
    )
    assert (tmp_path / "movie.mp4").read_text() == "of before, made by gpu-fdm"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "movie.mp4", "result.hdf5"]


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda file: write_simulation(file, epochs=1), "holds one picture, that of a spectrum"),
        (write_box, "holds one picture, that of a frame"),
        (lambda file: write_frames(file, 1), "holds one picture, that of a frame"),
        (lambda file: write_filament(file), "holds no pictures of several times"),
    ],
)
def test_too_few_frames(tmp_path, write, says, capsys):
    path = tmp_path / "result.hdf5"
    with result(path, write), pytest.raises(InputError):
        movie.movie(path)
    assert main(["plot", str(path), "--movie"]) == 2
    needed = "a movie needs two or more: [simulation] spectra = 2 or more, or several times in [box] frames or "
    needed += "[cross_section] frames"
    assert capsys.readouterr().err == f"gpu-fdm: error: {path}: {says}: {needed}\n"


def test_figures_of_several_seeds(tmp_path):
    """Means with two bands; pictures of the first seed; the health of all. The unresolved epoch is faint."""
    with result(tmp_path / "result.hdf5", lambda file: write_simulation(file, seeds=(3, 5))) as file:
        assert [group.name for group in simulation.seeds_of(file)] == ["/simulation/seed_3", "/simulation/seed_5"]
        assert simulation.runs_of(file) == ["wave_fdm", "particles_fdm", "particles_cdm"]
        drawn = {figure.name: figure.draw(file) for figure in SimulationStage.figures}
        mean = np.mean([file[f"simulation/seed_{seed}/wave_fdm/2/power"][1:] for seed in (3, 5)], axis=0)
    legend = [text.get_text() for text in drawn["simulation_boost"].legends[0].get_texts()]
    assert {"error of the mean", "scatter of seeds", "less random noise, at the end"} < set(legend)
    assert r"$k>k_\mathrm{force}$, or unresolved" in legend
    assert drawn["simulation_boost"].get_suptitle().endswith("2 seeds")
    assert drawn["simulation_frames"].get_suptitle().endswith("seed 3, the first of 2")
    line = drawn["simulation_power"].axes[2].lines[0]
    assert line.get_ydata() == pytest.approx(line.get_xdata() ** 3 / (2 * np.pi**2) * mean)
    assert len(drawn["simulation_health"].axes[1].lines) == 2 + 2  # of each seed, and two limits
    plots.draw(tmp_path / "result.hdf5", SimulationStage.figures, 20)
    assert (tmp_path / "simulation_health.png").is_file()
