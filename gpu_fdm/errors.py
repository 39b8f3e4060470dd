"""What can be wrong with what a user gave, and with the machine."""


class InputError(ValueError):
    """The user's input is wrong; the message is one line that names the place, the value and what is allowed."""

    on_all_ranks: bool  # there where every rank raises it: one of them then says it


class RunError(RuntimeError):
    """The input is right but the run cannot be done here: no room, no rights, no device."""

    on_all_ranks: bool  # as above
