"""One filament, and a gas of them: from mass and shape to the wave function.

profile, tabulated   equilibria: density, potential, distribution function
eigenstates          the library of modes in a profile's potential
weights              their weights, by four methods or from a table
wavefunction         psi with random phases
model                a filament as data, and its solution
gas_table, gas       filaments of a box, read from a table or drawn at random
overlap              distances between filaments in a periodic box

Lengths, times and masses inside profile, eigenstates, weights and wavefunction are in code units (gpu_fdm.units).
"""
