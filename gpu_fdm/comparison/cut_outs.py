"""The model of a result beside the psi of a filament of a snapshot: weights, phases and spectra of a cut-out.

psi is projected on the eigenstates of the result's filament, as a run with weights = projection does, whatever weights
the result has; spectra are those of pipeline.projection_spectra, with the weights of the result, of psi and of WKB.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..errors import InputError
from ..filament.model import Model
from ..filament.phases import PhaseTests
from ..filament.projection import Projection
from ..filament.weights import wkb_weights
from ..pipeline.cut_out import cut_out_of, projection_of
from ..pipeline.inputs import read_inputs
from ..pipeline.model import build_model
from ..pipeline.projection_spectra import (
    MANY,
    BoxPower,
    PolarPower,
    box_power,
    log_weights_in_words,
    polar_power,
    ratios_in_words,
    scatter_in_words,
)
from ..plots.report import Picture, ReportSection, Table
from .compare import write_rows
from .drawn import Drawn, Pairs, picture_of
from .models import config_of

TABLE, SPECTRA = "cut_out.csv", "cut_out_spectra.csv"
MARKS = {TABLE: b"cut_out,model,weights,", SPECTRA: b"cut_out,model,spectrum,"}  # by the names of files


@frozen(eq=False)
class ComparedCutOut:
    """A cut-out beside the model of a result.

    cut_out, model  their files
    solved  the model;  found  psi of the cut-out on its states;  wkb  WKB weights, shape (modes,)
    tests   of the phases of psi
    polar   spectra in the plane: of the slices, and exact averages of weights, by the names of these
    box     power in the box of the cut-out
    """

    cut_out: Path
    model: Path
    solved: Model
    found: Projection
    wkb: NDArray
    tests: PhaseTests
    polar: PolarPower
    box: BoxPower

    @property
    def weights(self) -> str:
        """The name of the model's weights."""
        return self.solved.weights.method

    @property
    def line_masses(self) -> tuple[float, float]:
        """Of the cut-out, and of the model, in the disc of the projection [(Msun/h)/(cMpc/h)]."""
        found, unit = self.found, self.solved.library.line_mass * self.solved.units.line_mass
        return found.mass * unit, float(np.sum(found.multiplicity * self.solved.wave.weight * found.inside)) * unit

    @property
    def left_out(self) -> float:
        """Share of the mass of psi in states that the model has not."""
        mass = self.found.multiplicity * self.found.weight
        return float(mass[self.solved.wave.weight == 0].sum() / mass.sum())

    @property
    def axial(self) -> str:
        """Momentum along the axis of the model."""
        return "coherent" if self.solved.wave.axial is None else "thermal"

    @property
    def row(self) -> dict[str, object]:
        """Numbers of the comparison, by the names of columns."""
        found, filament = self.found, self.solved.filament
        masses, ln_model, ln_wkb = self.line_masses, *map(found.log_ratio, (self.solved.wave.weight, self.wkb))
        return {
            "cut_out": str(self.cut_out),
            "model": str(self.model),
            "weights": self.weights,
            "axial": self.axial,
            "m22": filament.m22,
            "redshift": filament.redshift,
            "radius": found.outer * self.solved.units.length,
            "line_mass": masses[0],
            "model_line_mass": masses[1],
            "bound_share": found.held,
            "rms_log_model": ln_model[0],
            "rms_log_model_chance": ln_model[1],
            "left_out": self.left_out,
            "rms_log_wkb": ln_wkb[0],
            "rms_log_chance": ln_wkb[1],
            "relative_scatter": found.relative_scatter,
            "effective_slices": found.correlation.effective,
            "tested_slices": self.tests.slices,
            "p_uniform": self.tests.uniform,
            "p_independent": self.tests.independent,
        }

    @property
    def lines(self) -> list[str]:
        """What was found, in words."""
        row, found, polar, box = self.row, self.found, self.polar, self.box
        ratio, many = polar.exact[self.weights] / polar.mean, box.modes >= MANY
        logs = {self.weights: found.log_ratio(self.solved.wave.weight), "wkb": found.log_ratio(self.wkb)}
        logs.pop("projection", None)
        lacks = f"; {self.left_out:.1%} of the mass of psi is in states that the model has not" * (self.left_out > 0)
        return [
            f"{self.cut_out} beside {self.model}: m22 = {row['m22']:g}, z = {row['redshift']:.4g}, weights = "
            f"{self.weights}, axial = {self.axial}",
            f"line mass within {row['radius']:.3g} cMpc/h of the axis: {row['line_mass']:.4g} (Msun/h)/(cMpc/h), "
            f"{found.held:.1%} of it, {found.held * self.line_masses[0]:.4g}, in the states; of the model "
            f"{row['model_line_mass']:.4g}{lacks}",
            *(log_weights_in_words(name, *log, found.correlation.effective) for name, log in logs.items()),
            scatter_in_words(found.relative_scatter),
            self.tests.text,
            "polar spectrum of the model over that of the slices: "
            + ratios_in_words(polar.k, ratio, ratio * polar.error / polar.mean),
            "power of the reconstruction over that of the cut-out: "
            + ratios_in_words(box.k[many], (box.reconstruction / box.cut_out)[many]),
        ]

    @property
    def spectra(self) -> list[dict[str, object]]:
        """Rows of the polar spectrum and of the power in the box, by the names of columns; None where one has none."""
        files = {"cut_out": str(self.cut_out), "model": str(self.model)}
        polar, exact = self.polar, self.polar.exact
        columns = {"k": polar.k, "measured": polar.mean, "scatter": polar.scatter, "error": polar.error}
        columns |= {"model_power": exact[self.weights], "projection": exact["projection"], "wkb": exact["wkb"]}
        none = dict.fromkeys(("k", "modes", *columns))
        box = {"k": self.box.k, "modes": self.box.modes}
        box |= {"measured": self.box.cut_out, "model_power": self.box.reconstruction}
        return [
            files | {"spectrum": name} | none | dict(zip(part, values, strict=True))
            for name, part in (("polar", columns), ("box", box))
            for values in zip(*(column.tolist() for column in part.values()), strict=True)
        ]


def compare_cut_out(model: Path, cut_out: Path) -> ComparedCutOut:
    """Compare the cut-out that gpu-fdm filament wrote with the model of a result.

    Raises InputError for a result without one filament, or of another boson or redshift, for a cut-out without phases
    or too small for the states, and where config_of does.
    """
    config = config_of(model)
    if config.filament is None or config.wavefunction is None:
        what = "is of a gas of filaments" if config.gas else "has no [filament] with a [wavefunction]"
        raise InputError(f"{model}: {what}: {cut_out} is compared with the result of one filament")
    projecting = _projecting(config, model, cut_out)
    solved = build_model(config)
    library = solved.library
    found = projection_of(projecting, solved.units, solved.profile, library)
    wkb = wkb_weights(solved.profile, library, config.wavefunction.l0_angular_momentum)
    weights = {solved.weights.method: solved.wave.weight, "projection": found.weight, "wkb": wkb}
    cut = cut_out_of(projecting)
    spectra = polar_power(cut, solved, found, weights), box_power(cut, solved, found)
    return ComparedCutOut(cut_out, model, solved, found, wkb, found.phase_tests(), *spectra)


def compare_cut_outs(pairs: Pairs) -> dict[Path, ComparedCutOut | InputError]:
    """Compare models with cut-outs; in place of a comparison, why a cut-out is not compared with one of several models.

    Raises InputError for a cut-out that can be compared with none.
    """
    found: dict[Path, ComparedCutOut | InputError] = {}
    for path, pair in pairs.items():
        try:
            found[path] = compare_cut_out(*pair)
        except InputError as error:
            found[path] = error
    for cut_out in dict.fromkeys(other for _, other in pairs.values()):
        of_it = [found[path] for path, (_, other) in pairs.items() if other == cut_out]
        errors = [one for one in of_it if isinstance(one, InputError)]
        if len(errors) == len(of_it):
            raise errors[0]
    return found


def draw_cut_outs(compared: Mapping[Path, ComparedCutOut | InputError], folder: Path, dpi: int) -> Drawn:
    """Draw every comparison, and write the tables of all into a folder.

    Raises InputError for a file of others, which is not replaced, RunError where one cannot be written.
    """
    drawn = Drawn()
    found: list[ComparedCutOut] = []
    for path, one in compared.items():
        if isinstance(one, InputError):
            drawn.lines.append(f"not compared: {one}")
            continue
        caption = "Spectra of slices of the cut-out, and of its box, beside the model's."
        drawn.sections.append(_section(one, picture_of(partial(_draw, one, dpi), path, caption)))
        drawn.lines += [one.lines[0], *(f"  {line}" for line in one.lines[1:]), f"figure: {path}"]
        found.append(one)
    if found:
        tables = {TABLE: [one.row for one in found], SPECTRA: [row for one in found for row in one.spectra]}
        drawn.lines += [f"table: {write_rows(rows, folder / name, MARKS[name])}" for name, rows in tables.items()]
    return drawn


def _projecting(config: Config, model: Path, cut_out: Path) -> Config:
    """The config of a run of the same filament with the weights of the cut-out; messages name both files."""
    wave = attrs.evolve(config.wavefunction, weights="projection", weights_table=None, cut_out=str(cut_out))
    sections = {name: getattr(config, name) for name in ("run", "cosmology", "dark_matter", "filament")}
    return read_inputs(Config(**sections, wavefunction=wave, source=f"{model} beside {cut_out}"))


def _draw(one: ComparedCutOut, dpi: int, path: Path) -> Path:
    from ..plots.cut_out import draw_cut_out

    polar, box = attrs.asdict(one.polar), attrs.asdict(one.box)
    return draw_cut_out(one.model, path, dpi, polar, one.polar.exact, box, one.axial, one.found.held)


def _section(one: ComparedCutOut, picture: Picture) -> ReportSection:
    """The part of the report."""
    rows, names = one.spectra, ("k", "measured", "scatter", "error", "model_power", "projection", "wkb")
    polar = Table(
        ("k across [h/Mpc]", "slices, mean", "scatter", "error", f"model, {one.weights}", "projection", "wkb"),
        tuple(tuple(row[name] for name in names) for row in rows if row["spectrum"] == "polar"),
        "Polar spectrum over the line mass squared: of slices, and exact averages of weights",
    )
    in_box = [row for row in rows if row["spectrum"] == "box"]
    box = Table(
        ("k [h/Mpc]", "modes", "cut-out", "model"),
        tuple(tuple(row[name] for name in ("k", "modes", "measured", "model_power")) for row in in_box),
        "Power in the box of the cut-out, (Mpc/h)^3",
    )
    return ReportSection(one.lines[0], tuple(one.lines[1:]), (picture,), (polar, box))
