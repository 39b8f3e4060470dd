"""gpu-fdm completion: print a script with which a shell completes commands, options and files."""

from argparse import ArgumentParser, Namespace

from .shared import file_name

PARALLEL = False
SHELLS = ("bash", "zsh", "fish")


def add(parser: ArgumentParser) -> None:
    """Add the argument."""
    text = 'shell that the script is for; in bash: eval "$(gpu-fdm completion bash)"'
    parser.add_argument("shell", choices=SHELLS, help=text)


def execute(options: Namespace) -> None:
    """Print the script."""
    import shtab

    from ..config.presets import PRESETS

    parser = options.parser
    (commands,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    for command in commands.values():
        command.add_arguments()
        for action in command._actions:
            if action.type is file_name:
                action.complete = shtab.FILE
            elif action.dest == "kind":
                action.choices = list(PRESETS)
    print(shtab.complete(parser, options.shell), end="")
