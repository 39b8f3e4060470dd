"""Writes the parts of docs/*.md that follow from the code: keys of an ini, public names, what result files hold.

    python docs/generate.py          (make docs does it)

Each part stands between two comments in its page, everything else in a page is written by hand. The table of result
files is taken from files: tiny runs of all sections are made and read. tests/docs/test_docs.py holds the pages to this.
"""

import ast
import inspect
import logging
import re
import sys
import tempfile
import textwrap
from contextlib import redirect_stdout
from dataclasses import fields
from importlib import import_module
from io import StringIO
from pathlib import Path, PurePosixPath

import attrs
import h5py

import gpu_fdm
from gpu_fdm.commands import main as cli
from gpu_fdm.config.config import Config, parse_config
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.pipeline import run as pipeline

PAGES = Path(__file__).parent
BEGIN, END = "<!-- begin: written by docs/generate.py -->", "<!-- end: written by docs/generate.py -->"

FILAMENT = "[filament]\n[wavefunction]\nweights = adaptive_lasso\n"
# tiny runs, which together write all that a run can write
RUNS = {
    "one filament": FILAMENT
    + "[cross_section]\npoints = 32\n[single_power]\npoints = 9\ndraws = 2\n[box]\ncells = 20, 24, 50\n"
    + "[power]\nmu_bins = 4\ncross = yes\n[correlation]\nbin_width = 2\n",
    "gas": "[gas]\nnumber = 2\nmass_max = 4e9\n[wavefunction]\n[box]\nsize = 3\ncells = 12\n",
    "population": "[wavefunction]\n[population]\nm22 = 1\nmasses = 8\n"
    + "[one_filament]\nshape = published\nmass_function = published\npoints = 9\nk_max = 100\ntolerance = 0.5\n",
    "steady state": "[dark_matter]\nm22 = 0.5\n"
    + FILAMENT
    + "[steady_state]\nweights = wkb\noutputs = 5\nframes = 3\n",
    "simulation": "[simulation]\nsize = 0.85, 0.9, 0.8\ncells = 16, 15, 18\nredshift_end = 50\nspectra = 1\n"
    + "content = full\nruns = wave_fdm, particles_fdm\n",
}
WITHOUT_A_GROUP = ("run", "cosmology", "dark_matter", "figures")  # sections that no tiny run has to name
# files of the tiny run of a simulation, as its ini puts them beside the result
SNAPSHOTS = ("result_wave_fdm_z50.hdf5", "result_particles_fdm_z50.hdf5")
MEASURED = ("--format", "gadget", "--cells", "12", "--mu-bins", "4", "--multipoles", "--dpi", "0")

# attributes of groups; "group/name" comes before "name"
ATTRIBUTES = {
    "version": "of gpu_fdm",
    "git_revision": "of the source, where it was a checkout",
    "config": "the resolved ini: gpu-fdm run repeats the run from it; empty of a measurement",
    "seed": "of the random phases; -1 where nothing is drawn",
    "ranks": "number of MPI ranks",
    "backend": "cpu or gpu",
    "device": "processor or card",
    "created": "when, UTC",
    "key": "hash of all that the numbers depend on",
    "content_hash": "of all that is in the file",
    "gravity": "own, or completed with the mass that modes lack",
    "periods": "that it was followed",
    "steady_state/mass": "[Msun/h]",
    "age": "of the universe then [Gyr]",
    "period": "of a circular orbit around half the line mass [Gyr]",
    "drift_own": "in its own gravity, over each period: largest change of the line mass in a radius, over that in R_99",
    "drift_fixed": "the same in the potential of the modes: what phases do",
    "fluctuation": "mean over each period of the dataset of that name",
    "modes": "how many",
    "beyond": "largest share of the mass farther out than the modes reach",
    "mass_error": "of the solver, the largest, relative",
    "energy_error": "of the solver, the largest, relative",
    "filaments/mass": "[Msun/h] of the ini or the table: sets the shape where the shape is not given",
    "length": "[cMpc/h]",
    "r0": "scale radius [Mpc/h, physical]",
    "sigma": "velocity dispersion [km/s]",
    "beta": "velocity anisotropy",
    "centre": "[cMpc/h]",
    "direction": "of the axis",
    "orientation": "of phi = 0",
    "sharpness": "of the soft ends [h/cMpc]",
    "redshift": "z",
    "m22": "boson mass [1e-22 eV]",
    "line_mass": "of the equilibrium [(Msun/h)/(cMpc/h)]",
    "segment_mass": "line_mass times length [Msun/h]",
    "filaments/mode_mass": "of |psi|^2 in the length, what a box receives [Msun/h]",
    "length_unit": "size of the code unit [cMpc/h]",
    "velocity_unit": "size of the code unit [km/s]",
    "library_modes": "all bound states up to the energy cut",
    "largest_l": "of them",
    "modes/weights": "method",
    "energy_cut": "[velocity_unit^2]",
    "weight_sum": "share of the line mass, l > 0 counted twice",
    "rms_log_density": "of ln(density_modes/density)",
    "optimality": "of what was minimised: largest violation of its conditions, 0 where nothing was",
    "r50": "radius that holds 50 % of the mass [cMpc/h]",
    "r95": "95 % [cMpc/h]",
    "r99": "99 % [cMpc/h]",
    "box_size": "three sides [cMpc/h]",
    "mass_fdm": "in the box [Msun/h]",
    "mass_smooth": "in the box [Msun/h]",
    "sampling": "point: at cell centres; average: over cells; cic: cloud in cell",
    "time": "[Myr]",
    "nyquist": "Nyquist wavenumber of the coarsest side [h/Mpc]",
    "mean_density": "of the box [mean matter densities, or what a snapshot has]",
    "bin_width": "in fundamental wavenumbers of the longest side",
    "statistics": "fixed: |a_nl| fixed, phases random; gaussian: complex Gaussian amplitudes",
    "parts": "how power_fdm is made of the others",
    "draws": "of the phases",
    "k_gs": "[h/Mpc], defined in k_gs_definition",
    "k_cut": "[h/Mpc], defined in k_cut_definition",
    "k_fringe": "[h/Mpc], defined in k_fringe_definition",
    "k_detach": "[h/Mpc], defined in k_detach_definition",
    "detach_power": "power over the mass squared at k_detach",
    "slope": "of the excess, defined in slope_definition",
    "mass_function/error": "of the first crossing, relative",
    "freeze_out": "when a collapsing axis stops",
    "ellipticity": "published or collapse, see traps.md",
    "transfer": "cut-off of the linear power",
    "window": "filter of the variance",
    "linear_power": "camb, eisenstein_hu or table",
    "collapse/mass": "of the example [Msun/h]",
    "overdensity": "linear, at collapse",
    "initial_ellipticity": "of the shear",
    "freeze": "scale factors at which the axes stop",
    "mass_min": "of the window [Msun/h]",
    "mass_max": "of the window [Msun/h]",
    "normalisation": "population or matter",
    "density": "mean density that the spectra are relative to [(Msun/h)/(cMpc/h)^3]",
    "limit": "of P at k -> 0 [(Mpc/h)^3]",
    "one_filament_power/error": "of the integral over masses, relative, where the power is above 1e-7 of the limit",
    "mass_function": "collapse or published",
    "shape": "collapse or published",
    "one_filament_power/mode_mass": "scaled to the mass of a filament, or as_is",
    "weights": "method",
    "size": "three sides [cMpc/h]",
    "cells": "along three sides",
    "redshift_start": "of the initial conditions",
    "redshift_end": "where it ends",
    "order": "of the time steps",
    "lagrangian_order": "of the displacements asked for",
    "initial_order": "of perturbation theory to which the initial conditions are right",
    "largest_velocity_end": "that the wave resolves at the end [km/s]",
    "title": "in words",
    "dynamics": "wave or particles",
    "initial_power": "fdm: cut off; cdm: not",
    "steps": "of time",
    "step": "steps done by then",
    "rms_contrast": "of the initial conditions",
    "rms_contrast_end": "linear, on the grid, at the end",
    "rms_velocity_end": "linear, peculiar, at the end [km/s]",
    "force_wavenumber": "up to which particles feel 0.98 of the force [h/Mpc]",
    "jeans_wavenumber": "comoving, of the boson then [h/Mpc]",
    "snapshots": "names of the files beside this one",
    "scale_factor": "a",
    "numerator": "what is above the line",
    "denominator": "what is below the line",
    "unresolved": "mass share of the wave whose phase turns by more than pi/2 from cell to cell",
    "run": "which of [simulation] runs",
    "run_key": "hash of what the snapshot depends on",
    "of": "density that was measured",
    "source": "file that was measured",
    "format": "of that file",
    "h": "of the snapshot",
    "omega_m": "of the snapshot",
    "axis": "from which mu is counted",
}
AXES = ("k", "r", "radius", "mass", "scale_factor", "coordinate", "n", "x")  # what other datasets of a group go along
ORDER = ("filaments", "gas", "density", "power", "correlation", "single_power", "mass_function", "collapse")


def generated() -> dict[Path, str]:
    """Path and text of every page that has a part written here, as it ought to be."""
    parts = {"ini.md": ini_tables, "api.md": api, "files.md": file_tables}
    return {PAGES / name: with_part((PAGES / name).read_text(), write(), name) for name, write in parts.items()}


def with_part(page: str, part: str, name: str) -> str:
    """A page with its part between the comments replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"docs/{name}: must have {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part.strip()}\n\n{END}{after}"


def table(head, rows) -> str:
    """A table of Markdown; what is special to it is escaped in the cells."""
    lines = [head, ["---"] * len(head), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join("|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines)


def escaped(text: str) -> str:
    """Text as Markdown shows it; code between backticks stays."""
    if text.startswith("`"):
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")


def ini_tables() -> str:
    """A table for each section: its keys, what is allowed, and what they are without one."""
    always = [item.name for item in fields(Config) if item.name in SECTIONS and item.default is not None]
    lines = []
    for name, section in SECTIONS.items():
        lines += [f"## [{name}]", "", section.__doc__.strip(), ""]
        lines += ["Its defaults hold where it is absent.", ""] if name in always else []
        rows = [
            (
                f"`{item.name}`",
                f"`{item.metadata['kind'].format(item.default)}`" if item.default is not None else "",
                item.metadata["unit"],
                item.metadata["kind"].allowed,
                item.metadata["description"],
            )
            for item in attrs.fields(section)
        ]
        lines += [table(("key", "default", "unit", "allowed", "meaning"), rows), ""]
    return "\n".join(lines)


def api() -> str:
    """Every public name with its signature and docstring, by module."""
    lines = []
    for module, names in gpu_fdm._HOMES.items():
        home = import_module(f"gpu_fdm.{module}")
        about = home.__doc__.split("\n\n")[0].replace("\n", " ").strip()
        lines += [f"## gpu_fdm.{module}", "", escaped(about if about.endswith(".") else f"{about} ..."), ""]
        for name in names:
            thing = getattr(home, name)
            lines += [f"### {name}", "", "```py", signature(thing), "```", "", *docstring(thing)]
            if inspect.isclass(thing):
                rows = [(f"`{member}`", text) for member, text in members(thing)]
                lines += [table(("member", "what"), rows), ""] if rows else []
    return "\n".join(lines)


def signature(thing) -> str:
    """As the source has it, a field or an argument a line where they are many."""
    node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    if isinstance(node, ast.ClassDef):
        arguments = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
        initial = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        if initial:
            arguments = split_arguments(initial[0].args)[1:]  # without self
        returns = ""
    else:
        arguments = split_arguments(node.args)
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({', '.join(filter(None, arguments))}){returns}"
    if len(line) <= 100:
        return line
    return "\n".join([f"{node.name}(", *(f"    {argument}," for argument in arguments), f"){returns}"])


def split_arguments(arguments: ast.arguments) -> list[str]:
    """Each argument with its annotation and default."""
    required = [None] * (len(arguments.args) - len(arguments.defaults))
    pairs = [*zip(arguments.args, required + arguments.defaults, strict=True)]
    texts = [told_argument(*pair) for pair in pairs]
    if arguments.kwonlyargs:
        texts += ["*", *(told_argument(*p) for p in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))]
    return texts


def told_argument(argument: ast.arg, default) -> str:
    """name: annotation = default."""
    equals = " = " if argument.annotation else "="
    return ast.unparse(argument) + (f"{equals}{ast.unparse(default)}" if default is not None else "")


def docstring(thing) -> list[str]:
    """Its first line as text, and what follows as it stands."""
    first, _, rest = (inspect.getdoc(thing) or "").partition("\n")
    return [escaped(first), "", *(["```text", rest.strip("\n"), "```", ""] if rest.strip() else [])]


def members(thing) -> list[tuple[str, str]]:
    """Public methods and properties of a class of ours, with the first lines of their docstrings."""
    of_all = {}
    for each in reversed(thing.__mro__):
        of_all |= vars(each) if each.__module__.startswith("gpu_fdm.") else {}
    found = []
    for name, member in of_all.items():
        function = getattr(member, "func", None) or getattr(member, "fget", None) or getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        call = "()" if inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod)) else ""
        found.append((name + call, (inspect.getdoc(function) or "").partition("\n")[0]))
    return found


def file_tables() -> str:
    """What files of tiny runs hold: groups with their attributes and datasets."""
    absent = [n for n in SECTIONS if n not in WITHOUT_A_GROUP and all(f"[{n}]" not in text for text in RUNS.values())]
    if absent:
        raise SystemExit(f"docs/generate.py: RUNS: no tiny run has {', '.join(f'[{name}]' for name in absent)}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        results = [tiny_run(folder / name.replace(" ", "_"), text) for name, text in RUNS.items()]
        snapshots = [results[-1].with_name(name) for name in SNAPSHOTS]
        measured = folder / "power.hdf5"
        told = StringIO()
        with redirect_stdout(told):
            failed = cli.main(["--quiet", "power", str(snapshots[-1]), "--output", str(measured), *MEASURED])
        if failed:
            raise SystemExit("docs/generate.py: gpu-fdm power failed")
        kinds = {
            "What gpu-fdm run writes": results,
            "What gpu-fdm power writes": [measured],
            "Snapshots of a simulation": snapshots,
        }
        used, lines = set(), []
        for title, files in kinds.items():
            lines += [f"## {title}", "", *groups_of(files, used)]
    stale = sorted(set(ATTRIBUTES) - used)
    if stale:
        raise SystemExit(f"docs/generate.py: ATTRIBUTES: no file has {', '.join(stale)}")
    return "\n".join(lines)


def tiny_run(folder: Path, text: str) -> Path:
    """The result of an ini without [run]."""
    logging.getLogger("gpu_fdm").setLevel(logging.ERROR)  # what is told of coarse boxes is meant
    return pipeline.run(parse_config(f"[run]\nbackend = cpu\nthreads = 1\noutput = {folder}\n{text}")).result


def groups_of(paths, used: set) -> list[str]:
    """Headings and tables for all groups of some files, each once; groups alike beside each other have one heading."""
    told = {}
    for path in paths:
        with h5py.File(path) as file:
            collect(file, "/", told, used)
    alike = {}
    for name, (datasets, attributes) in sorted(told.items(), key=lambda pair: place_of(pair[0])):
        if datasets or attributes:
            kind = PurePosixPath(name).parent, *(datasets.values() or [name])
            names, of_all = alike.setdefault(kind, ([], {}))
            names.append(name)
            of_all.update(attributes)
    lines = []
    for (_, *rows), (names, attributes) in alike.items():
        lines += [f"### {', '.join(names)}", ""]
        if rows != names:
            lines += [table(("dataset", "type", "shape", "units", "what"), rows), ""]
        if attributes:
            lines += [table(("attribute", "what"), sorted(attributes.items())), ""]
    return lines


def place_of(group: str) -> tuple:
    """Where a group is told: in the order of ORDER, then by name."""
    top = PurePosixPath(group).parts[1:2]
    return ORDER.index(top[0]) if top and top[0] in ORDER else len(ORDER) if top else -1, group


def collect(group, name: str, told: dict, used: set):
    """Add a group and all in it to `told`: (datasets, attributes) by name."""
    datasets, attributes = told.setdefault(name, ({}, {}))
    for key in group.attrs:
        if key.removesuffix("_definition") in group.attrs and key.endswith("_definition"):
            continue
        attributes.setdefault(f"`{key}`", attribute_text(name, key, used))
    for key, node in group.items():
        if isinstance(node, h5py.Dataset):
            units = re.sub(r"\([0-9.]+ km/s\)", "velocity_unit", node.attrs["units"])
            row = (f"`{key}`", node.dtype.name, shape_of(node, group), units, node.attrs["description"])
            known = datasets.setdefault(key, row)
            if known[4] != row[4]:
                raise SystemExit(f"docs/generate.py: {name}/{key} has two descriptions: {known[4]}; {row[4]}")
            for extra in sorted(set(node.attrs) - {"units", "description"}):
                attributes.setdefault(f"`{extra}`", attribute_text(name, extra, used) + ", of the datasets")
        else:
            # of filaments and epochs the first stands for all
            number = re.fullmatch(r"0*([0-9]+)", key)
            if number is None or int(number[1]) == 0:
                collect(node, str(PurePosixPath(name) / key), told, used)


def attribute_text(name: str, key: str, used: set) -> str:
    """What an attribute of a group is."""
    if name.startswith("/Header"):
        return "as GADGET has it"
    for place in (*(f"{part}/{key}" for part in reversed(PurePosixPath(name).parts[1:])), key):
        if place in ATTRIBUTES:
            used.add(place)
            return ATTRIBUTES[place]
    raise SystemExit(f"docs/generate.py: ATTRIBUTES: {name} has an attribute {key} that is not described")


def shape_of(dataset, group) -> str:
    """Its shape in words: the name of the dataset along which it goes, n where there is none."""
    if dataset.ndim == 3:
        return "x, y, z"
    axis = next((name for name in AXES if name in group and group[name].ndim == 1), None)
    if "mu_edges" in group and dataset.ndim == 2:
        return "k, mu"
    name = PurePosixPath(dataset.name).name
    if name.startswith("projection_"):
        return ", ".join(each for each in "xyz" if each != name[-1])
    lengths = {len(group[axis]): axis} if axis else {}
    return ", ".join(lengths.get(size, str(size) if size <= 3 else "n") for size in dataset.shape) or "one number"


def main():
    """Write every page that differs; name them."""
    for path, text in generated().items():
        if path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
