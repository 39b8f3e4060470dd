"""python -m gpu_fdm: the command line."""

import sys

from . import require_installation

try:
    require_installation()
except ImportError as error:
    sys.exit(str(error))

from .commands.main import main

sys.exit(main())
