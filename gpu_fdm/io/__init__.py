"""Files: whole or not at all, checked, kept for later runs; tables, ECSV, HDF5, kinds of values."""
