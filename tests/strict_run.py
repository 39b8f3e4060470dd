"""gpu-fdm with a stand-in for a card, in a process of its own: `python strict_run.py run INI`."""

import sys

import pytest
from strict_cupy import choose_strict_card

from gpu_fdm.commands.main import main

if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        choose_strict_card(patch)
        code = main(sys.argv[1:])
    sys.exit(code)
