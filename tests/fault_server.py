"""Imported by the process that is forked for runs of tests: loops are compiled there, and libraries are loaded."""

import tempfile
from importlib import import_module

from fault_runs import ini, run

for name in (
    "matplotlib.backends.backend_agg",
    "gpu_fdm.comparison.compare",
    "gpu_fdm.pipeline.snapshot",
    "gpu_fdm.plots.box",
    "gpu_fdm.plots.comparison",
    "gpu_fdm.plots.filament",
    "gpu_fdm.plots.projections",
    "gpu_fdm.plots.report",
    "gpu_fdm.plots.simulation",
    "gpu_fdm.snapshots.registry",
):
    import_module(name)
with tempfile.TemporaryDirectory() as folder:
    run(ini(folder))
