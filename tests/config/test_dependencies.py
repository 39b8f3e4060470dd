"""A part is kept under a key of everything that it depends on, and of nothing else."""

import copy

import pytest
from attrs import evolve, fields

from gpu_fdm.config.cache_keys import key_of, selected_keys
from gpu_fdm.config.config import parse_config
from gpu_fdm.config.priors import PriorOf
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.io.kinds import Choice, InputFile, Maybe, Number, Series, Several, Text
from gpu_fdm.pipeline.models import model_keys
from gpu_fdm.pipeline.stages import STAGES, result_key, stages_of

SECTION_LINES = "\n".join(f"[{name}]" for name in SECTIONS if name != "gas")
# where results go, how fast, how far a run that goes wrong is let go on, and the figures
WITHOUT_INFLUENCE = {
    "run.output",
    "run.backend",
    "run.mpi_buffers",
    "run.threads",
    "figures.dpi",
    "figures.format",
    "simulation.checkpoint_minutes",
    "simulation.alarms",
    *(f"fit.{item.name}" for item in fields(SECTIONS["fit"])),  # of gpu-fdm fit, which is no stage of a run
}
# sections whose keys no part of a stage may depend on, whatever is added to them
FOREIGN = {
    "wavefunction": {"cross_section", "single_power", "box", "power", "correlation", "simulation", "steady_state"},
    "cross_section": {"single_power", "box", "power", "correlation", "simulation", "population"},
    "single_power": {"cross_section", "box", "power", "correlation", "simulation", "population"},
    "steady_state": {"cross_section", "single_power", "box", "power", "correlation", "simulation"},
    "box": {"cross_section", "single_power", "power", "correlation", "simulation", "steady_state"},
    "power": {"cross_section", "single_power", "correlation", "simulation", "population"},
    "correlation": {"cross_section", "single_power", "power", "simulation", "population"},
    "population": {"run", "dark_matter", "filament", "wavefunction", "box", "one_filament", "simulation"},
    "one_filament": {"run", "dark_matter", "filament", "box", "power", "correlation", "simulation"},
    "total_power": {"run", "dark_matter", "filament", "box", "power", "correlation", "simulation"},
    "simulation": {"run", "filament", "wavefunction", "box", "power", "population", "steady_state"},
}
# sections all of whose keys matter to it, but for those that select parts
WHOLLY = {
    "wavefunction": {"cosmology", "dark_matter", "filament"},
    "cross_section": {"cosmology", "dark_matter", "filament", "wavefunction", "cross_section"},
    "single_power": {"cosmology", "dark_matter", "filament", "single_power"},
    "steady_state": {"cosmology", "dark_matter", "filament"},
    "box": {"cosmology", "dark_matter", "filament"},
    "power": {"cosmology", "dark_matter", "filament", "power"},
    "correlation": {"cosmology", "dark_matter", "filament", "correlation"},
    "population": {"cosmology", "population"},
    "one_filament": {"cosmology"},
    "total_power": {"cosmology", "halo", "total_power"},
    "simulation": {"dark_matter"},
}


def key(config, stage):
    """What a part of a stage depends on."""
    return key_of(config, stage.section, stage.keys(config))


def whole(config):
    """What a result depends on."""
    return result_key(config, "cpu")


def all_keys(config):
    return [(name, item) for name, owner in config.sections().items() for item in fields(type(owner))]


def other_value(kind, value, table):
    """Another value of a key, of its kind."""
    if isinstance(kind, Maybe):
        return other_value(kind.kind, value, table)
    if isinstance(kind, Choice):
        return next(name for name in kind.names if name != value)
    if isinstance(kind, PriorOf):
        return "log_uniform(1, 2)" if kind.logarithm else "uniform(0.5, 0.7)"
    if isinstance(kind, Series):
        return (1.0, 2.0)
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


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.section)
def test_keys_that_matter_and_keys_that_do_not(stage, table):
    config = parse_config(SECTION_LINES)
    before = key(config, stage)
    for section, item in all_keys(config):
        matters = key(with_another(config, section, item, table), stage) != before
        name = f"{section}.{item.name}"
        if section in (*FOREIGN.get(stage.section, ()), "figures") and name not in stage.keys(config):
            assert not matters, name
        if section in WHOLLY.get(stage.section, ()) and name not in {*WITHOUT_INFLUENCE, *stage.selects}:
            assert matters, name


def test_no_key_is_forgotten(table):
    """Each has an influence on the result, or is said to have none; it is in the key of a part, or selects parts."""
    config = parse_config(SECTION_LINES)
    gas = parse_config("[gas]\nnumber = 2\n[wavefunction]\n[box]\n")
    for each in (config, gas):
        selecting = {name for stage in stages_of(each) for name in selected_keys(each, stage.selects)}
        for section, item in all_keys(each):
            name, other = f"{section}.{item.name}", with_another(each, section, item, table)
            matters = any(key(other, stage) != key(each, stage) for stage in stages_of(each))
            assert (whole(other) != whole(each)) == (name not in WITHOUT_INFLUENCE), name
            always = name in ("run.seed", "run.precision")  # which a result records
            assert (matters or name in selecting or always) == (name not in WITHOUT_INFLUENCE), name
    known = {f"{section}.{item.name}" for section, kind in SECTIONS.items() for item in fields(kind)}
    assert known >= WITHOUT_INFLUENCE


def stage_of(section):
    return next(stage for stage in STAGES if stage.section == section)


def test_a_simulation_has_redshifts_of_its_own():
    config, simulation = parse_config("[simulation]"), stage_of("simulation")
    for name, value, matters in (("redshift", 1.0, False), ("h", 0.7, True)):
        other = changed(config, "cosmology", name, value)
        assert (key(other, simulation) != key(config, simulation)) == matters, name


def test_shapes_from_collapse_depend_on_the_population():
    filaments = stage_of("wavefunction")
    for text in ("[filament]\nshape = {}\n[population]\n", "[gas]\nnumber = 2\nshape = {}\n[box]\n[population]\n"):
        for shape, matters in (("published", False), ("collapse", True)):
            config = parse_config(text.format(shape) + "[wavefunction]")
            for name, value, among in (("window", "top_hat", True), ("mass_max", 2e12, True), ("masses", 300, False)):
                other = changed(config, "population", name, value)
                assert (key(other, filaments) != key(config, filaments)) == (matters and among), (shape, name)


def test_a_gas_that_is_drawn_depends_on_seed_and_box():
    one, gas = (f"[{name}]\n{more}\n[wavefunction]\n[box]" for name, more in (("filament", ""), ("gas", "number = 2")))
    for text, matters in ((one, False), (gas, True)):
        config = parse_config(text)

        def models(config):
            return key_of(config, "model", model_keys(config))

        for override in ("run.seed=2", "box.size=3,4,5"):
            assert (models(parse_config(text, overrides=[override])) != models(config)) == matters
        assert models(parse_config(text, overrides=["box.cells=20"])) == models(config)


def test_tables_enter_by_what_is_in_them(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in (first, second):
        path.write_text("radius,density\n1,2\n")
    configs = [parse_config(f"[filament]\nprofile_table = {path}\n[wavefunction]") for path in (first, second)]
    assert whole(configs[0]) == whole(configs[1])
    second.write_text("radius,density\n1,3\n")
    assert whole(configs[0]) != whole(configs[1])
