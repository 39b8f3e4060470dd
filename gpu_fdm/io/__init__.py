"""Files: atomic writes, locks, digests, the cache, the schema of files; HDF5, tables, ECSV; kinds of values."""
