"""Filaments of the cosmic web: from mass to shape."""
