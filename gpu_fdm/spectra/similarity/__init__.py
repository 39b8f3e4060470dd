"""Spectra of filaments from a table of one number, nu = m r0 sigma / hbar, instead of sums over their states.

Lengths in r0/a and energies in 2 sigma^2 leave one number, beside the anisotropy, in the equation of the states of a
steady-state filament, so that states, weights and the spectrum in the plane depend on it alone; the average over
orientations adds the ratio of length and radius. Derivation, limits and errors: docs/theory.md.

recipe    what a table is of, and its nodes
node      rows of the table for one nu, from sums over states
limit     rows for nu -> infinity, a field in local equilibrium: no states
table     the table: made, stored, read, interpolated
"""
