"""Filaments of the cosmic web as a population: how many there are of a mass, and what shape they have.

collapse         collapse of a homogeneous ellipsoid
barrier          the overdensity that collapses in time, against the variance
mass_function    number densities by first crossing of the barrier
collapse_shapes  length, radius and velocity dispersion by collapse, at any redshift
shapes           the published fits of both, at z = 4
sampling         masses drawn from a mass function
population       all of these for one universe at one redshift, each computed once
"""
