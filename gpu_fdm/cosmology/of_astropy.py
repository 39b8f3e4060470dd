"""Cosmologies of astropy as parameters of [cosmology]; those with names of astropy need no object, see named.py."""

from typing import Any

from ..errors import InputError
from .named import NamedCosmology
from .parameters import CosmologicalParameters

_FLAT = 1e-9  # largest curvature density that is taken for none
_NEUTRINOS, _SAME_NEUTRINOS = 3.044, 0.05  # effective number of species, of CAMB too, and how far others are from it


def cosmology_values(cosmology: Any) -> dict[str, float]:
    """h, omega_m, omega_b_h2, m_nu, n_s and sigma8 of a cosmology of astropy, as in [cosmology], to ten digits.

    cosmology  a flat one with a cosmological constant, with Ob0, and with n (or n_s) and sigma8 in its `meta`
    Raises InputError for another object, and names what a cosmology lacks.
    """
    kind = type(cosmology).__name__
    if not all(hasattr(cosmology, name) for name in ("H0", "Om0", "Ob0", "Ok0", "meta")):
        name = f"; [cosmology] name = {cosmology} takes a name" if isinstance(cosmology, str) else ""
        raise InputError(f"cosmology: {kind}: must be a cosmology of astropy{name}")
    if hasattr(cosmology, "w0") or hasattr(cosmology, "wp") or abs(cosmology.Ok0) > _FLAT:
        raise InputError(f"cosmology: {cosmology.name or kind}: must be flat, with a cosmological constant")
    if cosmology.Tcmb0.value > 0 and abs(cosmology.Neff - _NEUTRINOS) > _SAME_NEUTRINOS:
        allowed = f"must be {_NEUTRINOS}, which the linear power has"
        raise InputError(f"cosmology: {cosmology.name or kind}: Neff = {cosmology.Neff:g}: {allowed}")
    meta = dict(cosmology.meta or {})
    found: dict[str, Any] = {"n_s": meta.get("n", meta.get("n_s")), "sigma8": meta.get("sigma8")}
    missing = [f"{name} in its meta" for name, value in found.items() if value is None]
    if missing or not cosmology.Ob0:
        lacks = ", ".join([*([] if cosmology.Ob0 else ["Ob0"]), *missing])
        example = 'FlatLambdaCDM(70, 0.3, Ob0=0.05, meta={"n": 0.97, "sigma8": 0.8})'
        raise InputError(f"cosmology: {cosmology.name or kind} lacks {lacks}: make it as {example}")
    masses = cosmology.m_nu
    m_nu = 0.0 if masses is None else float(masses.to_value("eV").sum())
    named = NamedCosmology(
        cosmology.H0.to_value("km/(s Mpc)"), cosmology.Om0, cosmology.Ob0, m_nu, found["n_s"], found["sigma8"]
    )
    return named.values


def parameters_of(cosmology: Any) -> tuple[CosmologicalParameters, float]:
    """Parameters, and the sigma8 that takes the place of their ln10As; as for cosmology_values."""
    values = cosmology_values(cosmology)
    sigma8 = values.pop("sigma8")
    return CosmologicalParameters(omega_c_h2=None, **values), sigma8
