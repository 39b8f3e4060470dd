"""Tiny runs that together write all that the program can write, see io.schema."""

import logging
from contextlib import redirect_stdout
from io import StringIO

from locations import DATA, REPOSITORY

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.io.schema import MEASUREMENT, SNAPSHOT
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.stages import result_schema


def run_in(folder, ini):
    """An ini, whose {output} is in a folder, and the outcome of its run."""
    path = folder / "one.ini"
    path.write_text(ini.format(output=folder / "out"))
    return path, pipeline.run(read_config(path))


MEASURED = f"[dark_matter]\nm22 = 0.3\n[filament]\nprofile_table = {REPOSITORY / 'ini/measured_profile.csv'}\n"
FILAMENT = "[filament]\n[wavefunction]\nweights = adaptive_lasso\n"
RUNS = {
    "filament": FILAMENT
    + "[cross_section]\npoints = 32\nframes = auto 3\n[single_power]\npoints = 9\ndraws = 2\n"
    + "[box]\ncells = 20, 24, 50\n"
    + "[power]\nmu_bins = 4\ncross = yes\n[correlation]\nbin_width = 2\n",
    "frames": "[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n[box]\nsize = 0.7, 0.7, 1.5\ncells = 16\n"
    + "tolerance = 1e-3\nframes = 0, 10\n[power]\n[correlation]\n",
    "smooth": MEASURED + "profile_fit = smooth\nprofile_bootstrap = 20\n[wavefunction]\n[single_power]\npoints = 9\n",
    "cylinder": MEASURED + "profile_fit = cylinder\n[wavefunction]\n",
    "projection": "[dark_matter]\nm22 = 0.5\n[filament]\n[wavefunction]\nweights = projection\nenergy_cut = 0.9\n"
    + f"cut_out = {DATA / 'cut_out.hdf5'}\n",
    "gas": f"[gas]\nnumber = 2\nmass_max = 4e9\nhaloes = {DATA / 'gas_haloes.csv'}\n"
    + "[wavefunction]\n[box]\nsize = 3\ncells = 12\n",
    "population": "[wavefunction]\n[population]\nm22 = 0.5\nmasses = 8\n"
    + "[one_filament]\nshape = published\nmass_function = published\nmethod = direct\npoints = 9\nk_max = 100\n"
    + "mass_max = 4e9\ntolerance = 0.5\nbudget = yes\n",
    "total_power": "[wavefunction]\n[population]\nm22 = 0.5\nmasses = 8\nellipticity = collapse\n"
    + "[one_filament]\nmethod = table\npoints = 9\nk_max = 2000\n"
    + "[halo]\n[total_power]\nmass_max = 4e9\nexact_l_max = 16\n",
    "steady_state": "[dark_matter]\nm22 = 0.5\n"
    + FILAMENT
    + "[steady_state]\nweights = wkb\noutputs = 5\nframes = 3\naxis = 0.2\naxis_cells = 4\naxis_time = 0.2\n",
    "simulation": "[simulation]\nsize = 0.85, 0.9, 0.8\ncells = 16, 15, 18\nredshift_end = 50\nspectra = 1\n"
    + "content = full\nruns = wave_fdm, particles_fdm\n",
    "emulator": "[emulator]\npoints = 40\ntest_points = 16\nwidths = 4\nepochs = 2\nbatch = 20\n",
    "seeds": "[simulation]\nsize = 0.85\ncells = 16\nredshift_end = 50\nspectra = 1\n"
    + "content = none\nruns = wave_fdm, particles_fdm\nseeds = 3, 12\n",
}
WITHOUT_A_GROUP = {"run", "cosmology", "dark_matter", "fit", "figures"}  # sections that no tiny run has to name
RESULT = result_schema()


def with_needs(section):
    """A section and those that it needs, by their names."""
    needed = [name for group in SECTIONS[section].needs for name in with_needs(group[0])]
    return list(dict.fromkeys([section, *needed]))


def tiny_runs():
    """Name and text of every tiny run; a section that none names has a run of its own, with its defaults."""
    others = [name for name in SECTIONS if not any(f"[{name}]" in text for text in RUNS.values())]
    return RUNS | {
        name: "".join(f"[{each}]\n" for each in with_needs(name)) for name in others if name not in WITHOUT_A_GROUP
    }


def tiny_files(folder):
    """(schema, path) of all files that the tiny runs make, and of measurements of two of them."""
    logging.getLogger("gpu_fdm").setLevel(logging.ERROR)  # boxes are coarse
    files = []
    for name, text in tiny_runs().items():
        config = parse_config(f"[run]\nbackend = cpu\nthreads = 1\noutput = {folder / name}.hdf5\n{text}")
        files.append((RESULT, pipeline.run(config).result))
    snapshots = sorted(folder.glob("simulation_*_z50.hdf5"))
    files += [(SNAPSHOT, path) for path in snapshots]
    for number, (source, *options) in enumerate(
        (
            (snapshots[0], "--format", "gadget", "--cells", "12", "--mu-bins", "4", "--multipoles"),
            (folder / "filament.hdf5",),
            (snapshots[1], "--cross", str(snapshots[0]), "--cross-format", "gadget"),
            (folder / "filament.hdf5", "--cross-field", "smooth"),
        )
    ):
        path = folder / f"power_{number}_{source.name}"
        with redirect_stdout(StringIO()):
            assert main(["--quiet", "power", str(source), "--output", str(path), "--dpi", "0", *options]) == 0
        files.append((MEASUREMENT, path))
    return files
