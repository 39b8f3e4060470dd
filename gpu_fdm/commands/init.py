"""gpu-fdm init: print a commented ini to start from."""

from argparse import ArgumentParser, Namespace

from ..errors import InputError

HELP = "print a commented ini to start from"
PARALLEL = False


def add(parser: ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument("kind", nargs="?", help="which; without it, list the kinds")


def execute(options: Namespace) -> None:
    """Print the ini, or the list of kinds."""
    from ..config.presets import PRESETS, preset_ini

    if options.kind is None:
        for name, (text, _) in PRESETS.items():
            print(f"{name}: {text}")
    elif options.kind not in PRESETS:
        raise InputError(f"init {options.kind}: unknown kind; known: {', '.join(PRESETS)}")
    else:
        print(preset_ini(options.kind), end="")
