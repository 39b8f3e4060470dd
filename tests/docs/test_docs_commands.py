"""Every command and every Python example of the README and the docs is run, in the order of its page.

Commands run in a folder with ini/ and small files under the names that pages use. Overrides before those of the page
reduce long runs. Commands that cannot run here are listed with the reason; a listed line must be in a page.
"""

import configparser
import re
import shlex
import shutil
import subprocess
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import wraps
from io import StringIO

import h5py
import numpy as np
import pytest
import snapshot_files
from documents import Command, Example, agrees, differs, inline_commands, near, steps
from drawn_filaments import Drawn, particles, write_particles
from locations import REPOSITORY
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gpu_fdm.commands.main import build_parser, main
from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.pipeline import run as pipeline

PAGES = {path.stem: path for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]}

SEEDS = "--set simulation.seeds=1,2,3,4,5,6,7,8 --set simulation.content=none"
CLUSTER = "needs the queue of a cluster; bash -n checks the script"
NOT_RUN = {
    "gpu-fdm compare output/one_filament/result.hdf5 output/simulation/result.hdf5 --mixed": (
        "a tiny box has no power above shot noise; tests/comparison compares with a simulation"
    ),
    f"gpu-fdm run ini/simulation.ini {SEEDS} --set run.output=output/seeds_2 --set dark_matter.m22=2 "
    "--set simulation.size=0.6": "few cells do not resolve its flows; the line before it has the same seeds",
    "python -m benchmarks.simulation_seeds output/seeds_1/result.hdf5 output/seeds_2/result.hdf5 --csv "
    "docs/simulation_seeds.csv": "needs both results; test_seeds.py compares the table with the page",
    "gpu-fdm compare output/model/result.hdf5 output/seeds_1/result.hdf5 --over n-body": (
        "a tiny box has no power above shot noise; tests/comparison/test_matter_power.py compares"
    ),
    "gpu-fdm run ini/one_filament.ini --set cosmology.redshift=2.25 --set population.m22=1 --set "
    "one_filament.mass_min=5e8 --set one_filament.mass_max=5e10 --set population.ellipticity=collapse --set "
    "one_filament.tolerance=0.02 --set run.output=output/model_collapse": "minutes; that before it has the same masses",
    "gpu-fdm compare output/model_collapse/result.hdf5 output/seeds_1/result.hdf5 --over n-body --output "
    "comparison_collapse": "needs the result of that run",
    "gpu-fdm run ini/simulation.ini --set simulation.cells=512 --set simulation.size=1.3 "
    "--set simulation.redshift_end=3 --set simulation.seeds=1,2 --set simulation.content=none "
    "--set run.output=output/cells_512": "needs a card",
    "gpu-fdm tabulate similarity --energy-cut 0.95 --output table.hdf5": (
        "half a minute; tests/commands/test_tabulate.py makes one of few nodes"
    ),
    "gpu-fdm combinations": "half a minute: 25 universes; tests/commands/test_combinations_command.py has it as slow",
    "gpu-fdm predict --m22 1,2,4 --total --k-max 2000 --set one_filament.mass_min=1e9 "
    "--set one_filament.mass_max=1e12": (
        "tables of haloes take 20 s; tests/inference/test_total_prediction.py runs it with smaller ones"
    ),
    "gpu-fdm plot output/film/result.hdf5 --movie": "48 pictures; tests/plots/test_plots_simulation.py makes three",
    "gpu-fdm plot output/single_filament/result.hdf5 --volume --movie": "needs pyvista",
    "gpu-fdm fit power_z4.csv": "the reader's table",
    "gpu-fdm fit mock.csv": "a minute; tests/commands/test_fit_command.py makes a short chain",
    'gpu-fdm fit mock.csv --prior "mass_min=log_uniform(1e9,1e10)" --prior "ln10As=normal(3.044,0.014)" --output 2': (
        "five minutes"
    ),
    "sbatch ini/slurm.sh": CLUSTER,
    "sbatch job.sh": CLUSTER,
    "gpu-fdm run ini/single_filament.ini --set filament.profile_table=ini/measured_profile.csv --set "
    "filament.profile_fit=smooth --set run.output=output/mine": "measured.md has it with a bootstrap",
    "gpu-fdm run ini/single_filament.ini --set cross_section.frames=auto --set run.output=output/movie": (
        "one_filament.md makes such a movie"
    ),
    "gpu-fdm plot output/movie/result.hdf5 --movie": "needs the result of that run",
    "gpu-fdm compare output/filament_012_filament_0/result.hdf5 filament_012_filament_0.hdf5": (
        "the snapshot of the tests has particles; tests/comparison/test_cut_outs.py has psi"
    ),
    "gpu-fdm power SNAPSHOT [--format NAME] [options]": "a synopsis",
}
NOT_RUN_AT_ALL = {
    "source": "built into a shell",
    "eval": "built into a shell; tests/commands/test_completion.py has the script",
}
# commands of targets of the Makefile
TARGETS = {"make run": "gpu-fdm run ini/single_filament.ini"}
# overrides that reduce a run, by section of the ini; they come before those of the page
SMALLER = {
    "run": ("run.backend=cpu", "run.threads=1"),
    "cross_section": ("cross_section.points=32",),
    "box": ("box.cells=20",),
    "gas": ("gas.mass_max=4e9", "wavefunction.energy_cut=0.9"),
    "figures": ("figures.dpi=20",),
    "population": ("population.m22=1", "population.masses=8"),
    "one_filament": (
        "one_filament.mass_max=3.5e9",
        "one_filament.points=20",
        "one_filament.k_max=100",
        "one_filament.tolerance=0.5",
    ),
    "emulator": ("emulator.points=60", "emulator.test_points=20", "emulator.epochs=3", "emulator.batch=20"),
    "total_power": ("total_power.mass_max=1e10", "total_power.exact_l_max=16", "one_filament.mass_min=2e9"),
    "simulation": ("simulation.size=0.1", "simulation.cells=12", "simulation.spectra=2"),
    "steady_state": (
        "steady_state.m22=0.3",
        "steady_state.weights=wkb",
        "steady_state.outputs=5",
        "steady_state.frames=3",
    ),
}
SMALLER_FIT = "0.7,1.4"  # masses for --fit: spectra of light bosons are solved fast
# runs of seconds, which are not reduced: the numbers that the page shows are compared
AS_SHOWN = {
    "gpu-fdm run filament.ini",
    "gpu-fdm run filament.ini --set wavefunction.weights=adaptive_lasso --set run.output=output/lasso",
    "gpu-fdm compare output/lasso/result.hdf5 published --over classical --fit 0.5,2 --dpi 80",
}

RESULT = """[run]
backend = cpu
threads = 1
output = {folder}/out
[filament]
[wavefunction]
weights = adaptive_lasso
[single_power]
points = 100
[box]
cells = 20
[power]
[population]
m22 = 1
masses = 8
[one_filament]
mass_function = published
shape = published
mass_max = 3.5e9
points = 20
k_max = 100
tolerance = 0.5
"""


def small_files(folder):
    """Write files under the names that pages use: snapshots, tables, a result."""
    random = np.random.default_rng(1)
    clumps, density = random.random((20, 1, 3)), random.random((8, 8, 8))
    places = ((clumps + 0.02 * random.standard_normal((20, 100, 3))) % 1).reshape(-1, 3)
    psi = random.random((8, 8, 8)) + 1j * random.random((8, 8, 8))
    kpc = {"box_size": 1000.0, "redshift": 4.0, "parameters": {"UnitLength_in_cm": snapshot_files.KPC_CM}}
    (folder / "snapdir_012").mkdir()
    snapshot_files.write_gadget(folder / "snapdir_012", 1000 * places, files=2, name="snap_012", **kpc)
    # close to those of fdm, and not the same
    of_cdm = (places + 0.002 * np.random.default_rng(2).standard_normal(places.shape)) % 1
    for name, of_run in (("fdm_010", places), ("cdm_010", of_cdm), ("fdm_012", places), ("cdm_012", of_cdm)):
        snapshot_files.write_gadget(folder, 1000 * of_run, name=name, **kpc)
    snapshot_files.write_gadget(folder, 1000 * places, files=3, name="snap_012", **kpc)
    for number in range(3):  # gas beside dark matter
        with h5py.File(folder / f"snap_012.{number}.hdf5", "r+") as file:
            if "PartType1" in file:
                coordinates = file["PartType1/Coordinates"]
                spread = 5 * random.standard_normal(coordinates.shape)
                file["PartType0/Coordinates"] = (coordinates[:] + spread) % 1000
            for name in ("NumPart_ThisFile", "NumPart_Total", "MassTable"):
                values = file["Header"].attrs[name]
                values[0] = values[1]
                file["Header"].attrs[name] = values
    snapshot_files.write_pyultralight(folder / "psi_#100.npz", psi)
    np.save(folder / "psi_#3.npy", psi)
    one = Drawn((0.995, 0.01, 0.99), (0.5, 0.7, -0.9), 0.8, 0.0037, 3e9)
    write_particles(folder, particles([one], 10_000, 1.0), 1.0, "filament_012")
    snapshot_files.write_fuzzylli(folder / "box.h5", {"cdm": density, "fdm/0": density})
    snapshot_files.write_gamer(folder / "Data_000020", *random.random((2, 16, 16, 16)), side=2.0)
    with h5py.File(folder / "field.h5", "w") as file:
        file["psi_re"], file["psi_im"] = random.random((2, 8, 8, 16))
    (folder / "mock.csv").write_text(
        "# of: fdm\n# k: h/Mpc\n# power: (Mpc/h)^3\n# redshift: 4\nk,power,error\n2,17,0.9\n10,0.06,0.003\n"
    )
    for name in ("output/gpu_fdm", "out"):
        (folder / name).mkdir(parents=True)
    (folder / "mine.csv").write_text(
        "# numerator: fdm\n# denominator: smooth\n# redshift: 4\n# m22: 1\n# source: none\n# k: h/Mpc\n"
        "k,boost,error\n100,1.5,0.1\n200,10,1\n300,300,30\n"
    )
    shutil.copytree(REPOSITORY / "ini", folder / "ini")
    pipeline.run(parse_config(RESULT.format(folder=folder)))
    shutil.copy(folder / "out/result.hdf5", folder / "output/gpu_fdm/result.hdf5")


def call(arguments, folder):
    """Exit code and output of a command that runs in a folder."""
    printed = StringIO()
    with chdir(folder), redirect_stdout(printed), redirect_stderr(printed):
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code
    return code, printed.getvalue()


@pytest.fixture(scope="module")
def folder_of_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    small_files(folder)
    return folder


@pytest.fixture(autouse=True)
def plain_figures(monkeypatch):
    """Figures are made but not rendered, which takes longest; tests/plots look at them."""
    render = Figure.savefig

    def save(figure, target, dpi, **options):
        if options.get("format") == "rgba":  # a frame of a movie
            render(figure, target, dpi=dpi, **options)
        else:
            render(Figure((0.1, 0.1)), target, dpi=20, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    print_png = FigureCanvasAgg.print_png

    @wraps(print_png)  # matplotlib asks for its arguments
    def small(canvas, target, **options):
        asked_for_renderer = "draw" in vars(canvas.figure)  # by a layout: nothing is written then
        print_png(canvas if asked_for_renderer else FigureCanvasAgg(Figure((0.1, 0.1))), target, **options)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", small)


def smaller(words, folder):
    """Words of a reduced command: overrides for the sections of its ini, or a smaller range of a fit."""
    if "--fit" in words:
        at = words.index("--fit") + 1
        return [*words[:at], SMALLER_FIT, *words[at + 1 :]]
    if words[0] != "run" or "--dry-run" in words:
        return words
    parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None)
    parser.read(folder / words[1])
    overrides = [text for section in parser.sections() for text in SMALLER.get(section, ())]
    return [*words[:2], *(part for text in overrides for part in ("--set", text)), *words[2:]]


def run_command(command, folder):
    """Run a command of a page and check the output that the page shows."""
    words = shlex.split(TARGETS.get(command.text, command.text).replace("#", "\\#"))
    if words[0] in ("mpirun", "mpiexec", "srun"):
        words = words[words.index("gpu-fdm") :]  # tests/parallel/test_ranks.py runs on ranks
    assert words[0] == "gpu-fdm", f"{command.text}: neither run nor listed in NOT_RUN"
    target = words[words.index(">") + 1] if ">" in words else None
    words = words[1 : words.index(">")] if ">" in words else words[1:]
    cheap = words if command.text in AS_SHOWN else smaller(words, folder)
    code, printed = call(cheap, folder)
    assert code == 0, f"{command.text}\n{printed}"
    if target is not None:
        (folder / target).write_text(printed)
    if command.output:
        absent = differs(command.output, printed.splitlines(), exact=cheap == words)
        assert absent is None, f"{command.text}\nshows: {absent}\nbut printed was:\n{printed}"


# a quarter of a minute each; below, their commands are parsed
LONG = ("boosts", "degeneracy", "population")


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.slow] * (page in LONG)) for page in PAGES])
def test_commands_and_examples(page, folder_of_files, tmp_path):
    # examples run as a module of a package, so that they can import its modules
    namespace = {"__name__": "gpu_fdm.snapshots.example", "__package__": "gpu_fdm.snapshots"}
    shutil.copytree(folder_of_files, tmp_path, dirs_exist_ok=True)
    for step in steps(PAGES[page].read_text()):
        if isinstance(step, Example):
            code = compile("\n" * step.line + step.code, str(PAGES[page]), "exec")
            with chdir(tmp_path), redirect_stdout(StringIO()):
                exec(code, namespace)
        elif step.text not in NOT_RUN and step.text.split()[0] not in NOT_RUN_AT_ALL:
            run_command(step, tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_text(page):
    """Commands inside a sentence have subcommands and options that exist."""
    for text in inline_commands(PAGES[page].read_text()):
        if "..." in text or "[" in text:
            continue
        try:
            build_parser().parse_args(shlex.split(text)[1:])
        except SystemExit as stop:
            # only the name of a command, without its arguments
            assert stop.code == 0 or len(text.split()) == 2, text


@pytest.mark.parametrize("page", LONG)
def test_commands_of_long_pages(page):
    """They have subcommands and options that exist, and inis with the keys that they set."""
    commands = [shlex.split(step.text)[1:] for step in steps(PAGES[page].read_text()) if isinstance(step, Command)]
    assert any(words[0] == "run" for words in commands)
    for words in commands:
        parsed = build_parser().parse_args(words)
        if words[0] == "run":
            read_config(REPOSITORY / parsed.ini, parsed.set)


def test_lists_are_not_stale():
    commands = [s.text for path in PAGES.values() for s in steps(path.read_text()) if isinstance(s, Command)]
    assert AS_SHOWN | set(NOT_RUN) | set(TARGETS) <= set(commands)
    assert set(NOT_RUN_AT_ALL) <= {text.split()[0] for text in commands}


def test_the_job_script():
    script = REPOSITORY / "ini" / "slurm.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = re.sub(r"^\s*#.*$", "", script.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = re.findall(r"^srun .*?gpu-fdm (.*)$", text, re.MULTILINE)
    assert len(found) == 2
    for words in (shlex.split(text.replace("${SLURM_NTASKS:-8}", "8")) for text in found):
        parsed = build_parser().parse_args(words)
        read_config(REPOSITORY / parsed.ini, [text.replace("$SLURM_CPUS_PER_TASK", "8") for text in parsed.set])


def test_targets_are_those_of_the_makefile():
    makefile = (REPOSITORY / "Makefile").read_text().replace('"$(BIN)/gpu-fdm"', "gpu-fdm")
    for target, text in TARGETS.items():
        assert re.search(rf"^{target.split()[1]}:.*\n\t{re.escape(text)}$", makefile, re.MULTILINE)


PAGE = """Text, `gpu-fdm info`.

    gpu-fdm init                # a comment
    gpu-fdm power psi_#1.npz \\
        --redshift 0

```console
$ gpu-fdm info
gpu_fdm 0.1
...
```

```text
gpu-fdm.out
```

```python
x = 1
```
"""


def test_pages_are_read():
    assert steps(PAGE) == [
        Command("gpu-fdm init"),
        Command("gpu-fdm power psi_#1.npz --redshift 0"),
        Command("gpu-fdm info", ["gpu_fdm 0.1", "..."]),
        Example("x = 1", 17),
    ]
    assert inline_commands(PAGE) == ["gpu-fdm info"]


def test_output_is_compared():
    printed = ["188 modes, error 3.1e-03", "7.0 s", "result: a.hdf5"]
    assert differs(["188 modes, error 3.1e-03", "...", "result: a.hdf5"], printed, True) is None
    assert differs(["188 modes, error ...", "...", "result: a.hdf5"], printed, True) is None
    assert differs(["188 modes, error 3.1e-03", "result: a.hdf5"], printed, True) == "result: a.hdf5"
    assert "nothing after: 188" in differs(["188 modes, error 3.1e-03"], printed, True)
    # of a line printed twice the second is taken where the next line follows it
    twice = ["a 1", "b", "a 1", "c"]
    assert differs(["...", "a 1", "c"], twice, True) is None and differs(["...", "a 1", "d"], twice, True) == "d"
    assert differs(["1 modes, error 5e-03", "result: a.hdf5"], printed, False) is None
    assert differs(["1 states, error 5e-03"], printed, False) == "1 states, error 5e-03"
    assert not agrees("200 modes", "188 modes", True)
    # to half of the last digit, or 2 %
    assert near("0.06", "0.064") and not near("0.06", "0.066") and near("100", "98.1") and not near("100", "97")
