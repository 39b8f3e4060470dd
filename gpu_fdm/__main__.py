"""python -m gpu_fdm: the command line."""

import sys

from .cli import main

sys.exit(main())
