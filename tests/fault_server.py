"""Imported by the process that tests/pipeline/test_faults.py forks for its runs, so that loops are compiled there."""

import tempfile

from fault_runs import ini, run

with tempfile.TemporaryDirectory() as folder:
    run(ini(folder))
