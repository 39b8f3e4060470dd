"""Five hundred damaged files: every command refuses them in one line, or gives what the undamaged file gives.

A damage is a bit that is flipped, a page of zeros, two pages that are swapped, or an end that is cut off, at places
that GPU_FDM_FAULTS_SEED chooses.
"""

import os
import random
import shutil
from collections import Counter

import pytest
from fault_runs import command, contents

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("GPU_FDM_FAULTS_SEED", "1"))
EACH = 125  # damages of each kind
PAGE = 4096
LONGEST = 60  # seconds in which a command must end
DAMAGED = f"damaged files (0 wrong in silence, 0 hangs beyond {LONGEST} s, 0 tracebacks)"

INI = """[run]
backend = cpu
threads = 1
output = {output}
[dark_matter]
m22 = 0.4
[filament]
[wavefunction]
[single_power]
points = 20
k_max = 900
[box]
size = 0.7, 0.7, 1.5
cells = 16
tolerance = 1e-3
[power]
"""
SIMULATION = """[run]
backend = cpu
threads = 1
output = {output}
[simulation]
size = 0.85
cells = 12
redshift_end = 25
spectra = 2
"""


def flip(octets, places):
    where = places.randrange(len(octets))
    octets[where] ^= 1 << places.randrange(8)


def zero(octets, places):
    first = PAGE * places.randrange(-(-len(octets) // PAGE))
    octets[first : first + PAGE] = bytes(len(octets[first : first + PAGE]))


def swap(octets, places):
    one, two = (PAGE * number for number in places.sample(range(len(octets) // PAGE), 2))
    octets[one : one + PAGE], octets[two : two + PAGE] = octets[two : two + PAGE], octets[one : one + PAGE]


def cut(octets, places):
    del octets[places.randrange(len(octets)) :]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder with a result, its ini, and a simulation with its snapshot."""
    folder = tmp_path_factory.mktemp("good")
    for name, text in (("single", INI), ("simulation", SIMULATION)):
        (folder / f"{name}.ini").write_text(text.format(output=folder / f"{name}.hdf5"))
        assert ended(folder, "run", folder / f"{name}.ini") == 0, (folder / "said").read_text()
        shutil.rmtree(folder / f"{name}_kept", ignore_errors=True)
    return folder


def ended(folder, *arguments):
    """The exit code of a command in a process of its own, whose text is in the file `said`."""
    (folder / "said").unlink(missing_ok=True)
    process = command(folder / "said", [str(argument) for argument in arguments])
    process.join(LONGEST)
    if process.exitcode is None:
        process.kill()
        return "hangs"
    return process.exitcode


def bits(values):
    return values.tolist() if values.dtype.hasobject else values.tobytes()


def outcome(folder, name, what):
    """Exit code of a command on a file, and what it made: by names of files, their datasets or bytes."""
    before = {path.name for path in folder.iterdir()}
    code = ended(folder, *what(folder, folder / name))
    made = [path for path in folder.iterdir() if path.name not in before | {"said"} and path.is_file()]
    made += [folder / name] if what is run else []
    values = {}
    for path in made:
        if path.suffix == ".hdf5" and code == 0:  # where a file was is no number of it
            found = contents(path)
            values[path.name] = {name: bits(found[name]) for name in found if not name.endswith("@source")}
        else:
            values[path.name] = path.read_bytes().replace(bytes(folder), b"")
    return code, values


def run(folder, path):
    return "run", folder / f"{path.stem}.ini"


def plot(folder, path):
    return "plot", path, "--dpi", "20"


def compare(folder, path):
    return "compare", path, "published", "--mixed", "--dpi", "20", "--output", folder / "comparison"


def power(folder, path):
    field = ["--field", "fdm"] if path.name == "single.hdf5" else []
    return "power", path, "--dpi", "0", "--output", folder / "power.hdf5", *field


def boost(folder, path):
    return "boost", path, "--over", "classical", "--output", folder / "boost.csv"


USES = [  # of each file: the commands that read it
    ("single.hdf5", (run, plot, compare, power, boost)),
    ("simulation.hdf5", (run, plot)),
    ("simulation_wave_fdm_z25.hdf5", (power,)),
]


@pytest.mark.parametrize("damage", [flip, zero, swap, cut], ids=lambda damage: damage.__name__)
def test_damaged_files(tmp_path, good, damage, counted):
    places, found = random.Random(f"{SEED} {damage.__name__}"), Counter()
    cases = [(name, what) for name, uses in USES for what in uses]
    expected = {}
    for number in range(-len(cases), EACH):
        name, what = cases[number % len(cases)]
        folder = tmp_path / str(number)
        folder.mkdir()
        for path in good.iterdir():
            if path.suffix in (".hdf5", ".ini"):
                text = path.read_bytes()
                (folder / path.name).write_bytes(
                    text.replace(bytes(good), bytes(folder)) if path.suffix == ".ini" else text
                )
        if number < 0:  # the undamaged file
            expected[name, what] = outcome(folder, name, what)
            assert expected[name, what][0] == 0, (folder / "said").read_text()
        else:
            octets = bytearray((folder / name).read_bytes())
            damage(octets, places)
            (folder / name).write_bytes(octets)
            code, made = outcome(folder, name, what)
            said = (folder / "said").read_text(errors="replace")
            place = f"{name}, {what.__name__}, {damage.__name__}, number {number}: {said}"
            assert code in (0, 1, 2) and "Traceback" not in said and "Exception ignored" not in said, place
            if code == 0:
                assert made == expected[name, what][1], place
            else:
                assert said.count("gpu-fdm: error: ") == 1 and name in said, place
            found["the same" if code == 0 else "refused"] += 1
        shutil.rmtree(folder)
    counted(DAMAGED, f"{damage.__name__}, seed {SEED}", found)
