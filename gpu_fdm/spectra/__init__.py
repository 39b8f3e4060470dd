"""Power spectra: of density grids, of single filaments and of populations."""
