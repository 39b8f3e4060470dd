"""Signals that end a command: those of a queue before its time limit (SIGTERM, SIGUSR1, SIGUSR2), a closed terminal
(SIGHUP), Ctrl-C (SIGINT).

They become KeyboardInterrupt, so that a run ends tidily. Python handles signals only between bytecodes, so a compiled
loop delays them: a second thread ends the process where the main thread does not respond. That is safe at any moment,
since files appear only when they are complete and finished parts are cached. A loop that saves its state is waited for.
What is ignored at the start stays ignored: SIGHUP under nohup, SIGINT in a job that a script began in the background.
"""

import _thread
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2")
GRACE = 5.0  # seconds from a signal until the process ends, however busy it is, unless its state is being saved
AGAIN = 0.01  # seconds until an exception that was lost is raised once more
EXIT = 130
# what a message says about the state that a stopped command leaves
RESUME = "finished parts are cached; run the same command again to resume"
NOTHING_WRITTEN = "no result was written"

_saving = threading.Event()  # set within deferred_signals: the watcher then waits


@contextmanager
def signals_as_exceptions(outcome: str = RESUME, grace: float = GRACE) -> Iterator[None]:
    """Signals raise KeyboardInterrupt with their name; after `grace` seconds [s] the process ends.

    outcome  RESUME or NOTHING_WRITTEN, for the message of a process that is ended
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    previous = {}
    for name in SIGNALS:
        number = getattr(signal, name, None)
        # SIGINT raises as it is; what is ignored, and a handler of a library, which is not Python's, stay
        if number and name != "SIGINT" and signal.getsignal(number) not in (signal.SIG_IGN, None):
            previous[name] = signal.signal(number, stop)
    hook = sys.unraisablehook

    def raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
        """An exception in a callback of the interpreter, of a weak reference say, is lost: it is raised once more."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            number = getattr(signal, str(unraisable.exc_value) or "SIGINT")
            threading.Timer(AGAIN, _thread.interrupt_main, (number,)).start()
        else:
            hook(unraisable)

    sys.unraisablehook = raise_again
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    previous_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    finished = threading.Event()
    watcher = threading.Thread(target=_watch, args=(read_end, finished, outcome, grace), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        sys.unraisablehook = hook
        signal.set_wakeup_fd(previous_wakeup)
        os.close(write_end)
        watcher.join()
        os.close(read_end)
        for name, handler in previous.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def deferred_signals() -> Iterator[Callable[[], str]]:
    """A function that returns the name of the signal that has arrived, or an empty text, for a loop that polls it.

    The process ends when the loop has saved its state, however long that takes, or `grace` after a second signal.
    Only signals that would raise are deferred, and only in the main thread.
    """
    with _noted_signals() as noted:
        _saving.set()
        try:
            yield noted
        finally:
            _saving.clear()


@contextmanager
def _noted_signals() -> Iterator[Callable[[], str]]:
    """As deferred_signals, but the process still ends after its grace."""
    arrived: list[str] = []
    previous: dict[str, Callable[[int, FrameType | None], object]] = {}
    deferring = True

    def note_or_pass_on(number: int, frame: FrameType | None) -> None:
        if deferring:
            arrived.append(signal.Signals(number).name)
        else:  # while handlers are put back
            previous[signal.Signals(number).name](number, frame)

    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            handler = signal.getsignal(getattr(signal, name)) if hasattr(signal, name) else None
            if callable(handler):
                previous[name] = handler
                signal.signal(getattr(signal, name), note_or_pass_on)
    try:
        yield lambda: arrived[0] if arrived else ""
    finally:
        deferring = False
        for name, handler in previous.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def signals_after() -> Iterator[None]:
    """Signals that arrive in the block raise at its end: for compiled code that calls Python and loses exceptions.

    HDF5 and LLVM are such code: they go on after an exception in the file that the one writes into, or in the function
    that takes what the other has compiled, and fail later in other words.
    """
    with _noted_signals() as noted:
        yield
    if noted():
        signal.raise_signal(getattr(signal, noted()))


def _watch(read_end: int, finished: threading.Event, outcome: str, grace: float) -> None:
    """End the process `grace` seconds after a signal that ends it, unless it has finished by then."""
    while number := _next_fatal(read_end):
        if finished.wait(grace):
            continue
        name = signal.Signals(number).name
        if _saving.is_set():
            while select.select([read_end], [], [], 0)[0] and os.read(read_end, 64):
                pass  # launchers may pass one signal on twice
            log.warning("%s: the state is saved after this step; a second signal ends the run without that", name)
            while _saving.is_set() and not select.select([read_end], [], [], AGAIN)[0]:
                pass
            if finished.wait(grace):
                continue
        message = f"gpu-fdm: error: stopped by {name}, in the middle of a long loop: {outcome}\n"
        os.write(2, message.encode())
        os._exit(EXIT)


def _next_fatal(read_end: int) -> int:
    """The next signal that ends the command, or 0 at the end of the pipe."""
    fatal = {getattr(signal, name) for name in SIGNALS if hasattr(signal, name)}
    while number := os.read(read_end, 1):
        if number[0] in fatal and signal.getsignal(number[0]) != signal.SIG_IGN:
            return number[0]
    return 0
