"""From a boson mass to spectra in a millisecond, and back to its posterior."""
