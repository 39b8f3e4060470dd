"""Haloes: spherical equilibria, their eigenstates, and exact phase averages of their power.

relations     mass definitions, concentration and core by name
laws          density laws: cored NFW, Burkert, Plummer, tabulated
profile       mass, potential and distribution function of a law
states        eigenstates in the potential, and their weights
wavefunction  amplitudes of the states, with random phases
spectrum      the power spectrum averaged over phases and directions, and its limit for many states
table         haloes of a box, read from a CSV file
"""
