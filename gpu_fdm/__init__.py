"""Interference of fuzzy dark matter in cosmic filaments."""

__version__ = "0.1.0"
