"""Small files in each format that gpu_fdm.snapshots reads, written as the codes themselves write them."""

import shutil
from itertools import product
from pathlib import Path

import h5py
import numpy as np

from gpu_fdm.config.config import parse_config
from gpu_fdm.io.result_file import atomic_result
from gpu_fdm.io.schema import RESULT

KPC_CM, MPC_CM = 3.085678e21, 3.085678e24  # as GADGET's parameter files have them
EV_G = 1.782661921e-33
# headers of binary snapshots: name, type, number of values
GADGET_2 = [
    *(("numbers", "i4", 6), ("masses", "f8", 6), ("time", "f8"), ("redshift", "f8"), ("flags", "i4", 2)),
    *(("total", "u4", 6), ("cooling", "i4"), ("files", "i4"), ("box_size", "f8"), ("omega_m", "f8")),
    *(("omega_l", "f8"), ("h", "f8"), ("ages", "i4", 2), ("total_high", "u4", 6), ("unused", "i4", 16)),
]
GADGET_4 = [
    *(("numbers", "i8", 6), ("total", "i8", 6), ("masses", "f8", 6), ("time", "f8"), ("redshift", "f8")),
    *(("box_size", "f8"), ("files", "i4"), ("unused", "i4")),
]


def write_result(path, densities, box_size, redshift=4.0, m22=2.0, schema=RESULT):
    """A result of gpu-fdm run with densities by name, "fdm" or "fdm/0"; of schema SNAPSHOT also "wave_fdm"."""
    text = parse_config(f"[cosmology]\nredshift = {redshift}\n[dark_matter]\nm22 = {m22}").to_ini()
    with atomic_result(path, text, seed=1, backend="cpu", device="test", schema=schema) as file:
        for name, density in densities.items():
            about = {"time": 3.5} if schema is RESULT else {}
            file.reserve(f"/density/{name}", density.shape, density.dtype, box_size=box_size, **about)
            file.write_slab(f"/density/{name}", 0, density)
        file.attributes("/density", box_size=box_size)
    return path


def write_fuzzylli(path, densities, side=2.0, redshift=4.0, m22=1.0):
    """A box of fuzzylli: densities by name, "fdm/0", "cdm"."""
    with h5py.File(path, "w") as file:
        for name, density in densities.items():
            dataset = file.create_dataset(f"density/{name}", data=density)
            if "/" in name:
                dataset.attrs["t_Myr"] = 0.0
        file.attrs.update({"L_Mpc_div_h": side, "m22_1e-22eV": m22, "N": 8, "M": len(density), "z": redshift})
    return path


def split(length, files, uneven=True):
    """Bounds of `files` parts of a length; uneven ones include an empty part, and begin with it."""
    if not uneven:
        return [length * number // files for number in range(files + 1)]
    inner = np.sort(np.random.default_rng(3).integers(0, length, files - 2)) if files > 1 else []
    return [0, *([0] if files > 1 else []), *map(int, inner), length]


def write_gadget(
    folder,
    positions,
    masses=None,
    *,
    files=1,
    name="snap_007",
    box_size=75.0,
    redshift=2.0,
    mass=0.5,
    kind=1,
    header=None,
    parameters=None,
    scaling=None,
):
    """Particles in <name>.hdf5 or <name>.<i>.hdf5; returns the first path.

    masses      of each particle, or None for `mass` in MassTable
    header      further attributes of Header, parameters of Parameters, scaling of the dataset of positions
    """
    bounds = split(len(positions), files)
    counts, paths = np.zeros(6, np.uint64), []
    counts[kind] = len(positions)
    table = np.zeros(6)
    table[kind] = 0 if masses is not None else mass
    for number in range(files):
        part = slice(bounds[number], bounds[number + 1])
        paths.append(folder / (f"{name}.hdf5" if files == 1 else f"{name}.{number}.hdf5"))
        with h5py.File(paths[-1], "w") as file:
            here = np.zeros(6, np.int32)
            here[kind] = part.stop - part.start
            file.create_group("Header").attrs.update(
                {
                    "NumPart_ThisFile": here,
                    "NumPart_Total": (counts % 2**32).astype(np.uint32),
                    "NumPart_Total_HighWord": (counts >> 32).astype(np.uint32),
                    "MassTable": table,
                    "Time": 1 / (1 + redshift),
                    "Redshift": redshift,
                    "BoxSize": box_size,
                    "NumFilesPerSnapshot": np.int32(files),
                    **({} if header is None else header),
                }
            )
            if parameters is not None:
                file.create_group("Parameters").attrs.update(parameters)
            if here[kind]:
                dataset = file.create_dataset(f"PartType{kind}/Coordinates", data=positions[part])
                dataset.attrs.update({} if scaling is None else scaling)
                if masses is not None:
                    file.create_dataset(f"PartType{kind}/Masses", data=masses[part])
    return paths[0]


def add_gas(path, gas):
    """Copy the gas of one GADGET file of HDF5 to another one, which has none."""
    with h5py.File(path, "r+") as file, h5py.File(gas) as other:
        other.copy("PartType0", file)
        for name in ("NumPart_ThisFile", "NumPart_Total", "MassTable"):
            values = file["Header"].attrs[name]
            values[0] = other["Header"].attrs[name][0]
            file["Header"].attrs[name] = values


def write_gadget_binary(
    folder,
    positions,
    masses=None,
    *,
    files=1,
    name="snap_007",
    box_size=75.0,
    redshift=2.0,
    mass=0.5,
    kind=1,
    others=None,
    named=False,
    order="<",
    dtype="f4",
    header=None,
    short=False,
):
    """Particles in GADGET's binary format 1, or 2 (named); returns the first path.

    masses  of each particle, or None for `mass` in the header;  others  positions of other types, with masses
    order   of bytes, "<" or ">";  header  values that replace those of the header;  short  whether it is GADGET-4's
    """
    of_types = {kind: (positions, masses)} | {of: (x, np.full(len(x), 2.5)) for of, x in (others or {}).items()}
    bounds = {of: split(len(x), files) for of, (x, _) in of_types.items()}
    table = np.zeros(6)
    table[kind] = 0 if masses is not None else mass
    total = np.array([len(of_types[of][0]) if of in of_types else 0 for of in range(6)])
    paths = []
    for number in range(files):
        cut = {of: slice(*bounds[of][number : number + 2]) for of in sorted(of_types)}
        here = np.array([cut[of].stop - cut[of].start if of in cut else 0 for of in range(6)])
        values = {
            "numbers": here,
            "masses": table,
            "time": 1 / (1 + redshift),
            "redshift": redshift,
            "total": total % 2**32,
            "files": files,
            "box_size": box_size,
            "omega_m": 0.3,
            "omega_l": 0.7,
            "h": 0.7,
            "total_high": total >> 32,
            **(header or {}),
        }
        head = np.zeros((), [(key, order + of, *shape) for key, of, *shape in (GADGET_4 if short else GADGET_2)])
        for key in values.keys() & set(head.dtype.names):
            head[key] = values[key]
        inside = np.concatenate([of_types[of][0][cut[of]] for of in cut])
        own = [of_types[of][1][cut[of]] for of in cut if of_types[of][1] is not None]
        records = {
            "HEAD": head,
            "POS ": inside.astype(order + dtype),
            "VEL ": np.full(inside.shape, 7, order + dtype),
            "ID  ": np.arange(len(inside), dtype=order + "u4"),
        }
        if own:
            records["MASS"] = np.concatenate(own).astype(order + dtype)
        paths.append(folder / (name if files == 1 else f"{name}.{number}"))
        with open(paths[-1], "wb") as file:
            for label, data in records.items():
                length = np.array(data.nbytes, order + "u4").tobytes()
                if named:
                    eight = np.array(8, order + "u4").tobytes()
                    file.write(eight + label.encode() + np.array(data.nbytes + 8, order + "u4").tobytes() + eight)
                file.write(length + data.tobytes() + length)
    return paths[0]


def write_axirepo(folder, psi, *, files=1, box_size=10_000.0, redshift=3.0, dtype=np.float32):
    """A wave function, flat in C order, split evenly over snap_000.<i>.hdf5; returns the first path."""
    bounds = split(psi.size, files, uneven=False)
    paths = []
    for number in range(files):
        paths.append(folder / ("snap_000.hdf5" if files == 1 else f"snap_000.{number}.hdf5"))
        part = psi.ravel()[bounds[number] : bounds[number + 1]]
        with h5py.File(paths[-1], "w") as file:
            file.create_group("Header").attrs.update(
                {
                    "NumPart_ThisFile": np.zeros(6, np.int32),
                    "NumPart_Total": np.array([0, len(psi), 0, 0, 0, 0], np.uint32),
                    "NumFilesPerSnapshot": np.int32(files),
                    "BoxSize": box_size,
                    "Redshift": redshift,
                    "Time": 1 / (1 + redshift),
                    "UnitLength_in_cm": KPC_CM,
                    "HubbleParam": 0.7,
                    "Omega0": 0.3,
                }
            )
            file.create_dataset("FuzzyDM/PsiRe", data=part.real.astype(dtype))
            file.create_dataset("FuzzyDM/PsiIm", data=part.imag.astype(dtype))
    return paths[0]


def write_pyultralight(path, grid):
    """A grid as PyUltraLight saves it: npy, npz or hdf5 by the ending."""
    if path.suffix == ".npy":
        np.save(path, grid)
    elif path.suffix == ".npz":
        np.savez(path, grid)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("init", data=grid)
    return path


def write_ultradark(path, grid):
    """A grid as UltraDark.jl saves it: column-major in npy; in h5 the memory of [x, y, z] with the axes reversed."""
    if path.suffix == ".npy":
        np.save(path, np.asfortranarray(grid))
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset(path.name[:3], data=np.ascontiguousarray(grid.T))
    return path


def write_gamer(path, density, refined, side, *, comoving=True, m22=0.8):
    """A psiDM snapshot of GAMER: a root grid, of which the first patch (8^3 cells) is refined.

    density  root grid, sides multiples of 16;  refined  (16, 16, 16), its patch group on level 1
    side     of the box along x [UNIT_L]
    """
    cells = np.array(density.shape)
    patches, corners = [], []

    def add_group(values, corner, scale):
        # the order of the eight patches of a group: x fastest among those with one bit set, then two, then three
        for offset in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)):
            x, y, z = (8 * n for n in offset)
            patches.append(values[x : x + 8, y : y + 8, z : z + 8].transpose(2, 1, 0))
            corners.append([c + 8 * n * scale for c, n in zip(corner, offset, strict=True)])

    for group in product(*(range(0, n, 16) for n in cells)):
        x, y, z = group
        add_group(density[x : x + 16, y : y + 16, z : z + 16], [2 * n for n in group], 2)
    roots = len(patches)
    add_group(refined, (0, 0, 0), 1)
    sons = np.full(len(patches), -1, np.int32)
    sons[0] = roots
    unit_l, unit_d = 3.0857e24 / 0.7, 3e-30
    info = {
        "KeyInfo": {
            "FormatVersion": 2509,
            "Model": 3,
            "NLevel": 2,
            "NPatch": np.array([roots, 8], np.int32),
            "NX0": cells.astype(np.int32),
            "BoxSize": side * cells / cells[0],
            "Time": np.array([0.25, 0.25]),
            "CellScale": np.array([2, 1], np.int32),
        },
        "Makefile": {"Comoving": int(comoving)},
        "SymConst": {"PatchSize": 8},
        "InputPara": {
            "Opt__BC_Flu": np.ones(6, np.int32),
            "OmegaM0": 0.3,
            "Hubble0": 0.7,
            "Opt__Unit": 1,
            "Unit_L": unit_l,
            "Unit_M": unit_d * unit_l**3,
            "Unit_T": 1e17,
            "ELBDM_Mass": m22 * 1e-22 * EV_G / (unit_d * unit_l**3),
        },
    }
    with h5py.File(path, "w") as file:
        for name, values in info.items():
            kinds = [(key, np.asarray(value).dtype, np.shape(value)) for key, value in values.items()]
            file.create_dataset(f"Info/{name}", data=np.array(tuple(values.values()), kinds))
        file.create_dataset("GridData/Dens", data=np.array(patches, np.float32))
        file.create_dataset("Tree/Corner", data=np.array(corners, np.int32))
        file["Tree/Corner"].attrs["Cvt2Phy"] = side / (2 * cells[0])
        file.create_dataset("Tree/Son", data=sons)
        file.create_dataset("Tree/Father", data=np.where(np.arange(len(patches)) < roots, -1, 0).astype(np.int32))
    return path


def write_jaxion(folder):
    """A checkpoint that jaxion 0.0.13 wrote of psi = jaxion_psi(), at z = 3 in 2 x 1 x 1 cMpc, h = 0.7, m22 = 0.8."""
    shutil.copytree(Path(__file__).with_name("data") / "jaxion", folder)
    return folder / "1"


def jaxion_psi():
    """Psi in that checkpoint, shape (16, 8, 8)."""
    number = np.arange(16 * 8 * 8).reshape(16, 8, 8)
    return (1 + np.sin(number) / 2 + 1j * np.cos(3 * number) / 4).astype(np.complex64)


def write_axionyx(folder, density, side, *, redshift=3.0, h=0.7):
    """A plotfile of AxioNyx with one level in two boxes, cut along z.

    side  of the box along x [Mpc, comoving]
    """
    nx, ny, nz = density.shape
    ends = [side * n / nx for n in density.shape]
    cuts = [(0, nz // 2), (nz // 2, nz)]
    (folder / "Level_0").mkdir(parents=True)
    (folder / "comoving_a").write_text(f"{1 / (1 + redshift):.15g}\n")
    (folder / "job_info").write_text(
        f"{'=' * 78}\n Nyx Job Information\n{'=' * 78}\n Cosmology Information\n{'=' * 78}\n"
        f"Omega_m (comoving):      0.3\nOmega_lambda (comoving): 0.7\nh (comoving):            {h}\n"
    )
    lines = ["HyperCLaw-V1.1", "2", "AxRe", "AxDens", "3", "1.5", "0", "0 0 0", " ".join(map(str, ends)), ""]
    lines += [f"((0,0,0) ({nx - 1},{ny - 1},{nz - 1}) (0,0,0))", "7"]
    lines += [" ".join([repr(side / nx)] * 3), "0", "0", f"0 {len(cuts)} 1.5", "7"]
    boxes = []
    for low, high in cuts:
        lines += [f"0 {ends[0]!r}", f"0 {ends[1]!r}", f"{low * side / nx!r} {high * side / nx!r}"]
        boxes.append(f"((0,0,{low}) ({nx - 1},{ny - 1},{high - 1}) (0,0,0))")
    (folder / "Header").write_text("\n".join([*lines, "Level_0/Cell", ""]))
    offsets, octets = [], b""
    for (low, high), box in zip(cuts, boxes, strict=True):
        offsets.append(len(octets))
        part = density[:, :, low:high]
        octets += f"FAB ((8, (64 11 52 0 1 12 0 1023)),(8, (8 7 6 5 4 3 2 1))){box} 2\n".encode()
        octets += b"".join(values.ravel(order="F").astype("<f8").tobytes() for values in (-part, part))
    (folder / "Level_0" / "Cell_D_00000").write_bytes(octets)
    grids = [f"FabOnDisk: Cell_D_00000 {offset}" for offset in offsets]
    cell = ["1", "1", "2", "0", f"({len(cuts)} 0", *boxes, ")", str(len(cuts)), *grids, ""]
    (folder / "Level_0" / "Cell_H").write_text("\n".join(cell))
    return folder
