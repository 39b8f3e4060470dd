"""Compare results bit for bit: `python -m validation.same BEFORE AFTER` for two folders of result files.

Every dataset and attribute of every file in BEFORE is compared with that of the file of the same name in AFTER, except
attributes that differ between runs of the same numbers. Exits with 1 where anything differs or is missing.
"""

import argparse
import sys
from pathlib import Path

import h5py
import numpy as np

# when, where and with which code a run was made, and its labels
RUN_ATTRIBUTES = {
    "version",
    "git_revision",
    "created",
    "device",
    "ranks",
    "key",
    "run_key",
    "content_hash",
    "digest",
    "config",
}


def main(arguments: list[str] | None = None) -> int:
    """Print a line for every difference; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", type=Path, help="folder of result files")
    parser.add_argument("after", type=Path, help="folder with files of the same names")
    folders = parser.parse_args(arguments)
    files = sorted(folders.before.glob("*.hdf5"))
    found = [f"{path.name}: {text}" for path in files for text in differences(path, folders.after / path.name)]
    print("\n".join([*found, f"{len(files)} files compared, {len(found)} differences"]))
    return 1 if found or not files else 0


def differences(before: Path, after: Path) -> list[str]:
    """What differs between two result files, one line each."""
    if not after.is_file():
        return [f"not in {after.parent}"]
    with h5py.File(before) as old, h5py.File(after) as new:
        nodes, others = _nodes(old), _nodes(new)
        found = [f"{name}: only in one of the files" for name in sorted(set(nodes) ^ set(others))]
        for name in sorted(set(nodes) & set(others)):
            found += [f"{name}: {text}" for text in _node_differences(nodes[name], others[name])]
    return found


def _nodes(file):
    nodes = {"/": file}
    file.visititems(lambda name, node: nodes.update({name: node}))
    return nodes


def _node_differences(old, new):
    names = (set(old.attrs) | set(new.attrs)) - RUN_ATTRIBUTES
    found = [
        f"attribute {name} differs" for name in sorted(names) if not _same(old.attrs.get(name), new.attrs.get(name))
    ]
    if isinstance(old, h5py.Dataset) != isinstance(new, h5py.Dataset):
        return [*found, "is a dataset in one of the files only"]
    if isinstance(old, h5py.Dataset) and not _same(old[()], new[()]):
        found.append("values differ")
    return found


def _same(one, other):
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tolist() == other.tolist() if one.dtype.kind == "O" else one.tobytes() == other.tobytes()


if __name__ == "__main__":
    sys.exit(main())
