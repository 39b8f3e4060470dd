"""Hostile files, options and numbers: they may only give a result or one clear line, in bounded time and memory."""

import io
import re
import signal
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings

from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError, RunError

SECONDS = 60  # that one input may take on a busy core: amply more than any needs
MOST_MEMORY = 256 << 20  # bytes; the libraries that a command loads are part of it
MOST_LINE = 1100  # characters of an error
# the same examples on every machine; fixtures of pytest are made once for all examples, which is meant
HOSTILE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
# numbers in forms that nobody should write
NUMBERS = (
    *("nan", "-nan", "inf", "-inf", "infinity", "1e400", "-1e400", "1e-400", "4.9e-324", "1e308", "-1e308", "1e300"),
    *("0", "-0", "-0.0", "1", "-1", "2", "8", "0.5", "1e3", "512.0", "1e999999999", "-1e999999999", "1e-999999999"),
    *("9" * 400, "-" + "9" * 400, "9" * 5000, "0." + "0" * 5000 + "1", "2" * 25, str(2**63), str(2**64), str(-(2**63))),
    *("0x10", "0b11", "0o7", "1_000", "_1", "1__0", "1e1_0", "１２", "١٢", "½", "²", "Ⅷ", "一", "1\u200b", "\u22121"),
    *(
        "1,2",
        "1.2.3",
        "1e",
        "e1",
        "+",
        "-",
        ".",
        "--1",
        "1+1j",
        "True",
        "None",
        "",
        " ",
        ",",
        ",,,",
        "1,2,3",
        "1 2 3 4",
    ),
    *(
        "%(home)s",
        "%",
        "%%",
        "${x}",
        "$(id)",
        "`id`",
        "__import__('os')",
        "!!python/object/apply:os.system",
        "'1'",
        '"1"',
    ),
    *("\0", "1\0", "\ud800", "\x1b[31m1", "\u2028", "\x85", "\ufeff1", "\U0001f4a5", "../../etc/passwd", "-" * 3000),
)


class TooLong(BaseException):
    """Raised after SECONDS; not an Exception, which a reader of damaged files might catch."""


class Hostile:
    """Runs hostile inputs, and counts them and their tracebacks."""

    def __init__(self):
        self.tried = self.tracebacks = 0

    def __call__(self, action, *arguments):
        """What an action returns, or the InputError or RunError that it raises; anything else fails the test."""
        self.tried += 1
        try:
            with watched():
                return action(*arguments)
        except (InputError, RunError) as error:
            _check_line(str(error))
            return error
        except BaseException:
            self.tracebacks += 1
            raise

    def command(self, *arguments) -> tuple[int, str, str]:
        """Exit code, standard output and error of gpu-fdm, run here."""
        self.tried += 1
        try:
            with watched():
                code, out, error = gpu_fdm(*arguments)
        except BaseException:
            self.tracebacks += 1
            raise
        assert "Traceback" not in error
        messages = [line for line in error.splitlines() if line.startswith("gpu-fdm: error: ")]
        assert code in (0, 1, 2) and len(messages) == (code != 0), (code, error)
        for line in messages:
            _check_line(line)
        return code, out, error


def _check_line(message):
    assert message.strip(), "an empty message"
    assert len(message) <= MOST_LINE and len(message.splitlines()) == 1 and message.isprintable(), ascii(message)


def gpu_fdm(*arguments) -> tuple[int, str, str]:
    """A command, run in this process with streams as strict as those of a terminal."""
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
    with redirect_stdout(out), redirect_stderr(error):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as stop:
            code = stop.code
        sys.stdout.flush()
        sys.stderr.flush()
    return code or 0, *(stream.buffer.getvalue().decode("utf-8") for stream in (out, error))


@contextmanager
def watched(seconds=SECONDS):
    """TooLong where it takes longer."""

    def stop(number, frame):
        raise TooLong(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def limits(most=MOST_MEMORY):
    """A bound of a test file: an AssertionError if resident memory grew by more than `most` at any time."""
    Path("/proc/self/clear_refs").write_text("5")  # Linux then forgets an earlier peak
    before = _resident("VmRSS")
    yield
    grown = _resident("VmHWM") - before
    assert grown < most, f"resident memory grew by {grown >> 20} MiB"


def _resident(name):
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10


def spoiled(octets: bytes, random: np.random.Generator, begin: int = 0, end: int | None = None) -> bytes:
    """A copy with a few bytes between begin and end changed, deleted or inserted, or the end cut off."""
    end = len(octets) if end is None else min(end, len(octets))
    made = bytearray(octets)
    for _ in range(random.integers(1, 5)):
        start, length = int(random.integers(begin, max(end, begin + 1))), int(random.integers(1, 17))
        other = int(random.integers(begin, max(end, begin + 1)))
        match random.integers(8):
            case 0:
                del made[start : start + length]
            case 1:
                made[start:start] = made[other : other + length]
            case 2:
                made[start : start + length] = bytes([0xFF if random.integers(2) else 0]) * length
            case 3:
                made[start:start] = random.bytes(length)
            case 4:
                del made[int(random.integers(len(made) + 1)) :]
            case _:
                if start < len(made):
                    made[start] ^= 1 << int(random.integers(8))
    return bytes(made)
