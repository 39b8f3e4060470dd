"""Kinds of run to start from: `gpu-fdm init KIND` prints one, and ini/ holds them."""

from typing import Any

from .config import Config
from .emulator_section import EmulatorSection
from .section import Section
from .sections import (
    SECTIONS,
    BoxSection,
    CrossSectionSection,
    FiguresSection,
    OneFilamentSection,
    PopulationSection,
    PowerSection,
    SinglePowerSection,
    TotalPowerSection,
)
from .shared_sections import GasSection, HaloSection, Run
from .simulation_sections import SimulationSection, SteadyStateSection


def _preset(run: Run, *chosen: Section) -> Config:
    """The config of chosen sections, of figures, and of the sections that these need, with their defaults."""
    names = {kind: name for name, kind in SECTIONS.items()}
    sections: dict[str, Any] = {names[type(section)]: section for section in (run, *chosen, FiguresSection())}
    waiting = list(sections.values())
    while waiting:
        for group in waiting.pop().needs:
            if not sections.keys() & set(group):
                sections[group[0]] = SECTIONS[group[0]]()
                waiting.append(sections[group[0]])
    return Config(**sections)


PRESETS = {
    "single_filament": (
        "one filament of 5e9 Msun/h at z = 4 in a box that resolves its fringes",
        _preset(
            Run(output="output/single_filament"),
            CrossSectionSection(),
            SinglePowerSection(),
            BoxSection(),
            PowerSection(bin_width=3),  # the box is three times as long as wide
        ),
    ),
    "filament_gas": (
        "the published gas of eight filaments in 2 cMpc/h, for any number of MPI ranks (mpirun -n 4 gpu-fdm run ...)",
        _preset(
            Run(output="output/filament_gas"),
            GasSection(table="filament_gas.csv"),
            # 1080 cells a side would resolve the fringes of the heaviest; averages keep its mass all the same
            BoxSection(size=(2.0,) * 3, cells=(512,) * 3, sampling="average"),
            PowerSection(),
        ),
    ),
    "haloes": (
        "a halo with a soliton beside a filament, in a box that resolves their fringes",
        _preset(
            Run(output="output/haloes"),
            GasSection(table="short_filament.csv", haloes="haloes.csv"),
            HaloSection(soliton="yes"),
            BoxSection(size=(0.32, 0.36, 0.28), cells=(256, 288, 224), sampling="average"),
            PowerSection(),
        ),
    ),
    "mass_function": (
        "mass functions of filaments from ellipsoidal collapse, for CDM and four boson masses",
        _preset(Run(output="output/mass_function"), PopulationSection()),
    ),
    "one_filament": (
        "the one-filament power spectrum of a population, for three boson masses and any redshift",
        _preset(
            Run(output="output/one_filament"),
            PopulationSection(m22=(1.0, 2.0, 4.0)),
            OneFilamentSection(),
        ),
    ),
    "total_power": (
        "the power of all matter, filaments and the haloes in them, for three boson masses",
        _preset(
            Run(output="output/total_power"),
            PopulationSection(m22=(1.0, 2.0, 4.0), ellipticity="collapse"),
            OneFilamentSection(mass_min=1e9, mass_max=1e12, normalisation="matter", method="table", k_max=2500.0),
            TotalPowerSection(),
        ),
    ),
    "simulation": (
        "the same random modes as a wave and as particles, z = 31 to 2.25: where the wave has less power",
        _preset(
            Run(output="output/simulation"),
            # modes at the cut-off of m22 = 1 fit into the box once and begin to collapse by z = 2.25; until then 160
            # cells resolve how 0.99 of the mass flows, for each of the seeds 1 to 8 (docs/simulation.md)
            SimulationSection(
                size=(0.85,) * 3,
                cells=(160,) * 3,
                runs=("wave_fdm", "particles_fdm"),
                redshift_start=31,
                redshift_end=2.25,
                kinetic_phase=3,
            ),
        ),
    ),
    "steady_state": (
        "whether a filament of 5e9 Msun/h stays as it is in its own gravity, for three boson masses: minutes",
        _preset(
            Run(output="output/steady_state"),
            SteadyStateSection(m22=(1.0, 2.0, 4.0)),
        ),
    ),
    "emulator": (
        "a network trained on spectra of filaments, and the combinations of its inputs that it uses: half a minute",
        _preset(Run(output="output/emulator"), EmulatorSection()),
    ),
}


def preset_ini(kind: str) -> str:
    """The commented ini of a kind."""
    text, config = PRESETS[kind]
    return f"# {text[0].upper()}{text[1:]}.\n# gpu-fdm run ini/{kind}.ini\n\n{config.to_ini(comments=True)}"
