"""Kinds of run to start from: `gpu-fdm init KIND` prints one, and ini/ holds them."""

from .config import (
    BoxSection,
    Config,
    CrossSectionSection,
    FiguresSection,
    FilamentSection,
    PowerSection,
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
            box=BoxSection(),
            power=PowerSection(bin_width=3),  # the box is three times as long as wide
            figures=FiguresSection(),
        ),
    ),
}


def preset_ini(kind: str) -> str:
    """The commented ini of a kind."""
    text, config = PRESETS[kind]
    return f"# {text[0].upper()}{text[1:]}.\n# gpu-fdm run ini/{kind}.ini\n\n{config.to_ini(comments=True)}"
