"""Boosts compared: spectra of every source, boosts of models, and tables compared with models."""
