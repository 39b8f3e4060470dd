"""Kinds of run to start from: `gpu-fdm init KIND` prints one, and ini/ holds them."""

from .config import Config
from .sections import (
    BoxSection,
    CrossSectionSection,
    FiguresSection,
    OneFilamentSection,
    PopulationSection,
    PowerSection,
    SimulationSection,
    SinglePowerSection,
    SteadyStateSection,
)
from .shared_sections import (
    FilamentSection,
    GasSection,
    Run,
    WavefunctionSection,
)

PRESETS = {
    "single_filament": (
        "one filament of 5e9 Msun/h at z = 4 in a box that resolves its fringes",
        Config(
            run=Run(output="output/single_filament"),
            filament=FilamentSection(),
            wavefunction=WavefunctionSection(),
            cross_section=CrossSectionSection(),
            single_power=SinglePowerSection(),
            box=BoxSection(),
            power=PowerSection(bin_width=3),  # the box is three times as long as wide
            figures=FiguresSection(),
        ),
    ),
    "filament_gas": (
        "the published gas of eight filaments in 2 cMpc/h, for any number of MPI ranks (mpirun -n 4 gpu-fdm run ...)",
        Config(
            run=Run(output="output/filament_gas"),
            gas=GasSection(table="filament_gas.csv"),
            wavefunction=WavefunctionSection(),
            # 1080 cells a side would resolve the fringes of the heaviest; averages keep its mass all the same
            box=BoxSection(size=(2.0,) * 3, cells=(512,) * 3, sampling="average"),
            power=PowerSection(),
            figures=FiguresSection(),
        ),
    ),
    "mass_function": (
        "mass functions of filaments from ellipsoidal collapse, for CDM and four boson masses",
        Config(run=Run(output="output/mass_function"), population=PopulationSection(), figures=FiguresSection()),
    ),
    "one_filament": (
        "the one-filament power spectrum of a population, for three boson masses and any redshift",
        Config(
            run=Run(output="output/one_filament"),
            wavefunction=WavefunctionSection(),
            population=PopulationSection(m22=(1.0, 2.0, 4.0)),
            one_filament=OneFilamentSection(),
            figures=FiguresSection(),
        ),
    ),
    "simulation": (
        "the same random modes as a wave and as particles, z = 31 to 1.5: where the wave has less power, where more",
        Config(
            run=Run(output="output/simulation", seed=12),
            # modes at the cut-off of m22 = 1 fit into the box once and collapse by z = 1.5; 160 cells resolve how they
            # flow, and particles begin a cell off their lattice. Add particles_cdm to runs for the ratio over CDM
            simulation=SimulationSection(
                size=(0.85,) * 3,
                cells=(160,) * 3,
                runs=("wave_fdm", "particles_fdm"),
                redshift_start=31,
                redshift_end=1.5,
            ),
            figures=FiguresSection(),
        ),
    ),
    "steady_state": (
        "whether a filament of 5e9 Msun/h stays as it is in its own gravity, for three boson masses: minutes",
        Config(
            run=Run(output="output/steady_state"),
            filament=FilamentSection(),
            wavefunction=WavefunctionSection(),
            steady_state=SteadyStateSection(m22=(1.0, 2.0, 4.0)),
            figures=FiguresSection(),
        ),
    ),
}


def preset_ini(kind: str) -> str:
    """The commented ini of a kind."""
    text, config = PRESETS[kind]
    return f"# {text[0].upper()}{text[1:]}.\n# gpu-fdm run ini/{kind}.ini\n\n{config.to_ini(comments=True)}"
