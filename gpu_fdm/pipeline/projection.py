"""What the projection of a simulated psi on the eigenstates found: amplitudes by state and phases, in a result."""

from typing import Any

import numpy as np
from attrs import asdict

from ..config.cache_keys import key_of
from ..config.config import Config
from ..filament.model import Model
from ..filament.phases import PhaseTests
from ..filament.weights import wkb_weights
from ..io import schema
from ..io.result_file import GroupWriter
from .cut_out import cut_out_of, projection_of
from .models import Models, model_keys
from .projection_spectra import (
    MANY,
    box_power,
    log_weights_in_words,
    polar_power,
    ratios_in_words,
    scatter_in_words,
)
from .stage import Context

_FOLDER = f"/{schema.FILAMENTS}/{schema.filament(0)}/{schema.PROJECTION}"


def write_projection(context: Context, models: Models) -> list[str]:
    """Write the projection of the filament; returns lines of the summary. All ranks call this."""
    config = context.config
    key = key_of(config, "projection", {*model_keys(config), "run.seed"})

    def record(file: GroupWriter) -> None:
        _record(file, config, models.model(0))

    found = context.ranks.on_root(lambda: context.part("projection", key, record))
    found.write(context.file)
    return _lines(found.attributes_of(_FOLDER))


def _record(file: GroupWriter, config: Config, model: Model) -> None:
    units, library = model.units, model.library
    found = projection_of(config, units, model.profile, library)
    wkb = wkb_weights(model.profile, library, config.wavefunction.l0_angular_momentum)
    tests, correlation = found.phase_tests(), found.correlation
    rayleigh = np.full((len(library), 2), np.nan)
    tested = found.tested
    own, other = np.split(tests.rayleigh, [np.count_nonzero(tested)])
    rayleigh[tested, 0], rayleigh[tested & (library.l > 0), 1] = own, other
    rms, chance = found.log_ratio(wkb)
    columns = {"n": library.n, "l": library.l}
    columns |= {name: getattr(found, name) for name in ("weight", "scatter", "error", "inside")}
    columns |= {"wkb": wkb, "rayleigh": rayleigh, "correlation": np.abs(correlation.value)}
    if found.momentum is not None:
        columns["momentum"] = found.momentum / units.length
    if found.centre is not None:
        columns["centre"] = found.centre * units.length
    cut = cut_out_of(config)
    polar = polar_power(cut, model, found, {"model": model.wave.weight, "wkb": wkb})
    box, mean = box_power(cut, model, found), polar.exact["model"]
    many = box.modes >= MANY
    of_slices = asdict(polar)
    file.group(f"{_FOLDER}/polar", of_slices | of_slices.pop("exact"))
    file.group(f"{_FOLDER}/box", asdict(box))
    file.dataset(f"{_FOLDER}/energy", library.energy, scale=units.velocity**2)
    file.group(
        _FOLDER,
        columns,
        source=str(config.wavefunction.cut_out),
        radius=found.outer * units.length,
        step=correlation.step * units.length,
        correlation_length=correlation.length * units.length,
        effective_slices=correlation.effective,
        line_mass=found.mass * library.line_mass * units.line_mass,
        bound_share=found.held,
        outside=found.outside,
        axis_told=found.axis_told,
        relative_scatter=found.relative_scatter,
        rms_log_wkb=rms,
        rms_log_chance=chance,
        wkb_ratio=found.ratio_by_energy(wkb, library.energy),
        axial_momentum=correlation.momentum / units.length,
        momentum_across=_rms(found.momentum, 1 / units.length),
        centre_across=_rms(found.centre, units.length),
        tested_slices=tests.slices,
        p_uniform=tests.uniform,
        p_independent=tests.independent,
        axial="coherent" if model.wave.axial is None else "thermal",
        polar_ratio=ratios_in_words(polar.k, polar.mean / mean, polar.error / mean),
        box_ratio=ratios_in_words(box.k[many], (box.reconstruction / box.cut_out)[many]),
    )


def _rms(curve: np.ndarray | None, unit: float) -> float:
    return 0.0 if curve is None else float(np.sqrt(np.mean(np.sum(curve**2, axis=1)))) * unit


def _lines(about: dict[str, Any]) -> list[str]:
    """What was found, in words."""
    moved = []
    if about["momentum_across"]:
        moved.append(f"a mean momentum across of {about['momentum_across']:.3g} h/cMpc (rms)")
    if about["centre_across"]:
        moved.append(f"centres {about['centre_across']:.3g} cMpc/h off the axis (rms)")
    subtracted = " and ".join(moved) if moved else "nothing"
    before, after = about["outside"]
    axis = f"the axis was moved to where psi lies in states, but for {after:.2g} of it ({before:.2g} before)"
    tests = PhaseTests(about["tested_slices"], np.empty(0), about["p_uniform"], about["p_independent"])
    return [
        f"psi of {about['source']} within {about['radius']:.3g} cMpc/h of the axis: {about['bound_share']:.1%} of its "
        f"line mass of {about['line_mass']:.4g} (Msun/h)/(cMpc/h) is in the states; subtracted from slices: "
        f"{subtracted}",
        *([axis] if about["axis_told"] else []),
        log_weights_in_words("wkb", about["rms_log_wkb"], about["rms_log_chance"], about["effective_slices"]),
        scatter_in_words(about["relative_scatter"]),
        f"mass over that of wkb, in thirds by energy: {', '.join(f'{value:.3g}' for value in about['wkb_ratio'])}",
        tests.text,
        f"polar spectrum of the slices over the exact average: {about['polar_ratio']}",
        f"power of the reconstruction ({about['axial']} along the axis) over that of the cut-out: {about['box_ratio']}",
    ]
