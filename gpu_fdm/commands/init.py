"""gpu-fdm init: print a commented ini file to start from."""

from argparse import ArgumentParser, Namespace

from ..errors import InputError, did_you_mean

PARALLEL = False


def add(parser: ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument("kind", nargs="?", help="kind of run; without it, the kinds are listed")


def execute(options: Namespace) -> None:
    """Print the ini, or the list of kinds."""
    from ..config.presets import PRESETS, preset_ini

    if options.kind is None:
        for name, (text, _) in PRESETS.items():
            print(f"{name}: {text}")
    elif options.kind not in PRESETS:
        meant = did_you_mean(options.kind, PRESETS)
        raise InputError(f"init {options.kind}: unknown kind: must be one of {', '.join(PRESETS)}{meant}")
    else:
        print(preset_ini(options.kind), end="")
