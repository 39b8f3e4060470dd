"""Boosts beside each other: spectra from whatever holds them, the boosts of models, and models compared with tables."""
