"""One filament: profile, distribution function, eigenstates, weights and wave function, in code units."""
