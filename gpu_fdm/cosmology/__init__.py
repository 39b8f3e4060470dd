"""Expansion and growth, linear power, the cut-off of fuzzy dark matter, and the variance of the density contrast."""
