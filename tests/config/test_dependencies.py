"""A part is kept under a key of everything that it depends on, and of nothing else."""

import copy

import pytest
from attrs import evolve, fields

from gpu_fdm.config.cache_keys import PARTS, WITHOUT_INFLUENCE, key_of
from gpu_fdm.config.config import parse_config
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.io import cache as kept
from gpu_fdm.io.cache import Cache, code_hash, fingerprint
from gpu_fdm.io.kinds import Choice, InputFile, Maybe, Number, Several, Text

SECTION_LINES = "\n".join(f"[{name}]" for name in SECTIONS if name != "gas")
# which of the kept parts there are, and what is made of them each time
CHOOSES = {
    "box.frames",
    "population.m22",
    "population.masses",
    "one_filament.mass_function",
    "one_filament.normalisation",
    "one_filament.tolerance",
    "steady_state.m22",
    "steady_state.weights",
    "simulation.runs",
}
# the sections that a part must not know of, whatever is added to them
FOREIGN = {
    "model": {"run", "cross_section", "single_power", "box", "power", "correlation", "figures", "simulation"},
    "cross_section": {"single_power", "box", "power", "correlation", "figures", "simulation", "population"},
    "exact_spectrum": {"cross_section", "box", "power", "correlation", "figures", "simulation", "population"},
    "steady_state": {"cross_section", "single_power", "box", "power", "correlation", "figures", "simulation"},
    "density": {"cross_section", "single_power", "power", "correlation", "figures", "simulation", "steady_state"},
    "power": {"cross_section", "single_power", "correlation", "figures", "simulation", "population"},
    "correlation": {"cross_section", "single_power", "power", "figures", "simulation", "population"},
    "node": {"run", "dark_matter", "filament", "box", "power", "correlation", "figures", "simulation"},
    "simulation": {"run", "filament", "wavefunction", "box", "power", "population", "figures", "steady_state"},
    "result": {"figures"},
}
# sections all of whose keys matter
WHOLLY = {
    "model": {"cosmology", "dark_matter", "filament"},
    "cross_section": {"cosmology", "dark_matter", "filament", "wavefunction", "cross_section"},
    "exact_spectrum": {"cosmology", "dark_matter", "filament", "single_power"},
    "steady_state": {"cosmology", "dark_matter", "filament"},
    "density": {"cosmology", "dark_matter", "filament"},
    "power": {"cosmology", "dark_matter", "filament", "power"},
    "correlation": {"cosmology", "dark_matter", "filament", "correlation"},
    "node": {"cosmology"},
    "simulation": {"dark_matter"},
    "result": {"cosmology", "filament", "wavefunction", "box", "power", "population", "one_filament"},
}


def all_keys(config):
    return [(name, item) for name, owner in config.sections().items() for item in fields(type(owner))]


def other_value(kind, value, table):
    """Another value of a key, of its kind."""
    if isinstance(kind, Maybe):
        return other_value(kind.kind, value, table)
    if isinstance(kind, Choice):
        return next(name for name in kind.names if name != value)
    if isinstance(kind, Several):
        inner = kind.kind
        if isinstance(inner, Choice):
            return value[:-1] or (next(name for name in inner.names if name != value[0]),)
        if value is None:
            return (1.0,) * (kind.count or 1)
        return (*value[:-1], other_value(inner, value[-1], table))
    if isinstance(kind, InputFile):
        return str(table)
    if isinstance(kind, Text):
        return f"{value}_other"
    assert isinstance(kind, Number), kind
    allowed = [number for number in (3, 100, 0.5, 0.05, 2e9) if kind.low < number < kind.high] + [kind.low, kind.high]
    return next(number for number in allowed if number != value)


def changed(config, section, key, value):
    """A config with one key changed, whether or not the others agree with it."""
    other = copy.copy(config)
    object.__setattr__(other, section, evolve(getattr(config, section), **{key: value}))
    return other


def with_another(config, section, item, table):
    """A config with another value of one key."""
    value = getattr(getattr(config, section), item.name)
    return changed(config, section, item.name, other_value(item.metadata["kind"], value, table))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("k,power\n1,2\n")
    return path


@pytest.mark.parametrize("part", PARTS)
def test_keys_that_matter_and_keys_that_do_not(part, table):
    config = parse_config(SECTION_LINES)
    before = key_of(config, part, time=0.0)
    for section, item in all_keys(config):
        other = with_another(config, section, item, table)
        matters = key_of(other, part, time=0.0) != before
        if section in FOREIGN[part] and (section, item.name) not in {
            ("run", "seed"),
            ("run", "precision"),
            ("box", "fields"),
        }:
            assert not matters, (section, item.name)
        if section in WHOLLY[part] and f"{section}.{item.name}" not in WITHOUT_INFLUENCE:
            if part == "node" and f"{section}.{item.name}" in CHOOSES:
                continue
            assert matters, (section, item.name)
    assert key_of(config, part, time=1.0) != before


def test_no_key_is_forgotten(table):
    """Each is in the key of a part, or is said to choose parts, or to have no influence; exactly one of them."""
    config = parse_config(SECTION_LINES)
    gas = parse_config("[gas]\nnumber = 2\n[wavefunction]\n[box]\n")
    for each in (config, gas):
        for section, item in all_keys(each):
            name = f"{section}.{item.name}"
            other = with_another(each, section, item, table)
            matters = any(key_of(other, part) != key_of(each, part) for part in PARTS if part != "result")
            assert matters + (name in CHOOSES) + (name in WITHOUT_INFLUENCE) == 1, name
            assert (key_of(other, "result") != key_of(each, "result")) == (name not in WITHOUT_INFLUENCE), name
    known = {f"{section}.{item.name}" for section, kind in SECTIONS.items() for item in fields(kind)}
    assert known >= CHOOSES | set(WITHOUT_INFLUENCE)


def test_a_simulation_has_redshifts_of_its_own():
    config = parse_config("[simulation]")
    for key, value, matters in (("redshift", 1.0, False), ("h", 0.7, True)):
        other = changed(config, "cosmology", key, value)
        assert (key_of(other, "simulation") != key_of(config, "simulation")) == matters, key


def test_shapes_from_collapse_depend_on_the_population():
    for text in ("[filament]\nshape = {}\n[population]\n", "[gas]\nnumber = 2\nshape = {}\n[box]\n[population]\n"):
        for shape, matters in (("published", False), ("collapse", True)):
            config = parse_config(text.format(shape) + "[wavefunction]")
            for key, value, among in (("window", "top_hat", True), ("mass_max", 2e12, True), ("masses", 300, False)):
                other = changed(config, "population", key, value)
                assert (key_of(other, "model") != key_of(config, "model")) == (matters and among), (shape, key)


def test_a_gas_that_is_drawn_depends_on_seed_and_box():
    one, gas = (f"[{name}]\n{more}\n[wavefunction]\n[box]" for name, more in (("filament", ""), ("gas", "number = 2")))
    for text, matters in ((one, False), (gas, True)):
        config = parse_config(text)
        for override in ("run.seed=2", "box.size=3,4,5"):
            assert (key_of(parse_config(text, overrides=[override]), "model") != key_of(config, "model")) == matters
        assert key_of(parse_config(text, overrides=["box.cells=20"]), "model") == key_of(config, "model")


def test_tables_enter_by_what_is_in_them(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in (first, second):
        path.write_text("radius,density\n1,2\n")
    configs = [parse_config(f"[filament]\nprofile_table = {path}\n[wavefunction]") for path in (first, second)]
    assert key_of(configs[0], "model") == key_of(configs[1], "model")
    second.write_text("radius,density\n1,3\n")
    assert key_of(configs[0], "model") != key_of(configs[1], "model")


def test_another_code_makes_another_key(monkeypatch, tmp_path):
    parts = Cache(tmp_path)
    parts.store("part", {"x": 1}, {})
    assert parts.load("part", {"x": 1}) == {} and len(code_hash()) == 64
    before = fingerprint({"x": 1})
    monkeypatch.setattr(kept, "code_hash", lambda: "another")
    assert fingerprint({"x": 1}) != before and parts.load("part", {"x": 1}) is None


def test_the_code_is_all_that_computes(monkeypatch, tmp_path):
    """A changed source, kernel or table changes the hash; a figure does not, nor what Python leaves."""
    for name in ("gpu_fdm", "kernels"):
        (tmp_path / name).mkdir()
    (tmp_path / "gpu_fdm/plots").mkdir()
    (tmp_path / "gpu_fdm/cosmology").mkdir()
    places = {"gpu_fdm": tmp_path / "gpu_fdm", "gpu_fdm.kernels": tmp_path / "kernels"}
    monkeypatch.setattr(kept.resources, "files", places.get)
    hashes = []
    for name in (
        "gpu_fdm/a.py",
        "gpu_fdm/cosmology/b.py",
        "gpu_fdm/cosmology/c.csv",
        "kernels/d.cu",
        "gpu_fdm/plots/e.py",
        "gpu_fdm/f.pyc",
    ):
        (tmp_path / name).write_text("1")
        hashes.append(code_hash.__wrapped__())
    assert len(set(hashes)) == 4 and len(set(hashes[3:])) == 1
