"""Ini files: what is read, what is written back, and what every mistake says."""

import attrs
import pytest
from locations import REPOSITORY

from gpu_fdm.config.config import Config, Override, parse_config, read_config
from gpu_fdm.config.presets import PRESETS, preset_ini
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.config.shared_sections import FilamentSection
from gpu_fdm.errors import InputError

SMALL = "[filament]\n[wavefunction]\n"


def message(text, overrides=()):
    with pytest.raises(InputError) as caught:
        parse_config(text, "x.ini", overrides)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 400
    return said


@pytest.mark.parametrize("kind", PRESETS)
def test_shipped_inis_are_the_presets(kind):
    assert (REPOSITORY / "ini" / f"{kind}.ini").read_text() == preset_ini(kind)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "ini").glob("*.ini")), ids=lambda p: p.name)
def test_shipped_inis_are_read_and_commented(path):
    config = read_config(path)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), line
    assert parse_config(config.to_ini()) == config
    assert parse_config(config.to_ini(comments=True)) == config


def test_every_key_is_documented():
    for section in SECTIONS.values():
        assert section.__doc__
        for item in attrs.fields(section):
            assert item.metadata["description"] and item.metadata["kind"].allowed


def test_defaults_and_absent_sections():
    config = parse_config(SMALL)
    assert config.run.seed == 1 and config.cosmology.redshift == 4
    assert config.box is None and config.power is None


def test_values():
    config = parse_config(
        SMALL + "[box]\nsize = 1.5\ncells = 64, 48 36 # comment\n[run]\noutput = a % b\n",
        overrides=["box.method=direct"],
    )
    assert config.box.size == (1.5, 1.5, 1.5) and config.box.cells == (64, 48, 36)
    assert config.run.output == "a % b" and config.box.method == "direct"


def test_set_makes_a_section():
    assert parse_config(SMALL, overrides=["power.bin_width=2"] + ["box.cells=8"]).power.bin_width == 2


@pytest.mark.parametrize(
    "text, says",
    [
        ("[box]\ncels = 3", "x.ini: [box] cels: unknown key (did you mean cells?); known: size, cells"),
        ("[bx]\n", "x.ini: [bx]: unknown section (did you mean box?); known: run, cosmology"),
        ("[dark_matter]\nm22 = nan", "x.ini: [dark_matter] m22 = nan: must be a number in [1e-06, 1e+06]"),
        ("[dark_matter]\nm22 = 0", "[dark_matter] m22 = 0: must be a number in [1e-06, 1e+06]"),
        ("[dark_matter]\nm22 = -1", "[dark_matter] m22 = -1: must be a number in [1e-06, 1e+06]"),
        ("[dark_matter]\nm22 = one", "[dark_matter] m22 = one: must be a number in [1e-06, 1e+06]"),
        ("[dark_matter]\nm22 = inf", "must be a number in [1e-06, 1e+06]"),
        ("[dark_matter]\nm22 =", "[dark_matter] m22 = (empty): must be a number in [1e-06, 1e+06]"),
        ("[filament]\nbeta = 1", "[filament] beta = 1: must be a number in [0, 1)"),
        ("[filament]\nbeta = -0.1", "[filament] beta = -0.1: must be a number in [0, 1)"),
        ("[filament]\ndirection = 0, 0, 0", "must be 3 values, each a number, not all zero"),
        ("[cosmology]\nredshift = -1", "[cosmology] redshift = -1: must be a number in [0, 10000]"),
        ("[run]\nprecision = half", "[run] precision = half: must be one of single, double"),
        ("[run]\nseed = 1.5", "[run] seed = 1.5: must be an integer"),
        ("[run]\noutput =", "[run] output = (empty): must be text that is not empty"),
        ("[run]\noutput = a\n b", "[run] output = a b: must be text"),
        (SMALL + "[box]\nfields = fdm, fdm", "[box] fields = fdm, fdm: must not name a density twice"),
        ("[box]\ncells = 8, 8", "must be one or 3 values"),
        ("m22 = 1", "x.ini, line 1: m22 = 1: an ini begins with a section"),
        ("[run]\nseed = 1\nseed = 2", "option 'seed' in section 'run' already exists"),
        ("[run]\nseed 1", "x.ini"),
        ("[wavefunction]\n", "[wavefunction] needs a section [filament] or [gas] or [one_filament], which are absent"),
        ("[filament]\n[box]\n", "[box] needs a section [wavefunction], which is absent"),
        (SMALL + "[box]\n[gas]\nnumber = 3", "[filament] and [gas]: must be one of the two"),
        ("[wavefunction]\n[gas]\nnumber = 3", "[gas] needs a section [box], which is absent"),
        ("[wavefunction]\n[box]\n[gas]\n", "[gas] number = (empty): must be given where there is no table"),
        ("[wavefunction]\nweights = table\nweights_table = a\n[box]\n[gas]\nnumber = 3", "a table is for one filament"),
        (SMALL + "[power]\n", "[power] needs a section [box], which is absent"),
        ("[filament]\n[wavefunction]\nweights = table", "[wavefunction] weights_table = (empty): must be given"),
        ("[wavefunction]\nweights = projection\ncut_out = a\n[box]\n[gas]\nnumber = 3", "a projection is for one"),
        ("[filament]\n[population]\n[wavefunction]\nweights = projection\ncut_out = a\n[one_filament]\n", "is for one"),
        (
            "[filament]\n[wavefunction]\nweights = projection",
            "[wavefunction] cut_out = (empty): must be given with weights",
        ),
        ("[filament]\n[wavefunction]\ncut_out = a.hdf5", "cut_out = a.hdf5: must be given with weights = projection"),
        (
            "[filament]\n[wavefunction]\nweights_table = a.csv",
            "weights_table = a.csv: must be given with weights = table",
        ),
        (SMALL + "[box]\nmethod = direct\nsampling = average", "[box] sampling = average: must be point"),
    ],
)
def test_mistakes(text, says):
    assert says in message(text)


def test_messages_name_the_option_that_gave_a_key():
    """The last one that gave it, and in errors that are found later too."""
    of_option = Override("dark_matter.m22", "nine", "--boson")
    assert message(SMALL, [of_option]).startswith("--boson nine: must be a number in ")
    assert message(SMALL, [of_option, "dark_matter.m22=ten"]).startswith("--set: [dark_matter] m22 = ten: must be ")
    config = parse_config(SMALL, overrides=[Override("dark_matter.m22", 9, "--boson"), "box.size=1,2,3"])
    with pytest.raises(InputError, match=r"^--boson 9: is too heavy$"), config.errors_in("filament"):
        raise config.error("dark_matter", "m22", "is too heavy")
    with pytest.raises(InputError, match=r"^--set: \[box\] size = 1, 2, 3: is small$"):
        raise config.error("box", "size", "is small")


@pytest.mark.parametrize("override", ["m22=1", "dark_matter.m22", "dark_matter.m23=1", "darkmatter.m22=1"])
def test_bad_overrides(override):
    assert f"--set {override}" in message(SMALL, [override])


def test_files_that_cannot_be_read(tmp_path):
    for path, says in ((tmp_path / "no.ini", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=says):
            read_config(path)
    (tmp_path / "binary.ini").write_bytes(b"\xff\xfe\x00[run]")
    with pytest.raises(InputError, match="not a text file"):
        read_config(tmp_path / "binary.ini")


def test_python_users_get_the_same_checks():
    with pytest.raises(InputError, match=r"beta = 1.5: must be a number in \[0, 1\)"):
        FilamentSection(beta=1.5)
    with pytest.raises(AttributeError):
        Config().run.seed = 3
