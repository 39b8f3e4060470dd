"""Where the files are that tests read."""

from pathlib import Path

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
PACKAGE = REPOSITORY / "gpu_fdm"
DATA = TESTS / "data"
