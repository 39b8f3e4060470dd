"""Imported by the process that is forked for the runs of tests/test_faults.py: what is compiled is then at hand."""

import tempfile

from fault_runs import ini, run

with tempfile.TemporaryDirectory() as folder:
    run(ini(folder))
