"""python -m gpu_fdm: the command line."""

import sys

from .commands.main import main

sys.exit(main())
