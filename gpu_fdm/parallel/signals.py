"""Signals that end a command: a queue's time limit (SIGTERM), a closed terminal (SIGHUP), Ctrl-C (SIGINT).

They become KeyboardInterrupt, so that a run ends tidily. Python sees to signals between two of its own steps only: a
loop in compiled code is waited for. A second thread hears of them at once, and ends the process where the first one
does not come to it. That is safe at any moment: files appear whole or not at all, and what is done is kept.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")
GRACE = 5.0  # seconds from a signal until the process ends however busy it is
EXIT = 130
# what a stop leaves
GOES_ON = "what is done is kept, the same command goes on from there"
NOTHING = "nothing was written under a final name"


@contextmanager
def signals_as_exceptions(leaves: str = GOES_ON, grace: float = GRACE):
    """KeyboardInterrupt, with the name of the signal; `grace` seconds later the process ends, whatever it does.

    leaves  GOES_ON or NOTHING, to be told if it comes to that
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            before[name] = signal.signal(getattr(signal, name), stop)
    heard, told = os.pipe()
    os.set_blocking(told, False)
    wakeup_before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(heard, over, leaves, grace), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(wakeup_before)
        os.close(told)
        watcher.join()
        os.close(heard)
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def signals_noted() -> Iterator[Callable[[], str]]:
    """A function that tells which signal came meanwhile, or nothing, for work that ends between two of its own steps.

    Only signals that would be exceptions are noted, in the main thread; the process still ends after its grace.
    """
    noted: list[str] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            handler = signal.getsignal(getattr(signal, name)) if hasattr(signal, name) else None
            if callable(handler):
                before[name] = handler
                signal.signal(getattr(signal, name), lambda number, frame: noted.append(signal.Signals(number).name))
    try:
        yield lambda: noted[0] if noted else ""
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _watch(heard, over, leaves, grace):
    """End the process `grace` seconds after a signal that ends it, unless it is over by then."""
    deadly = {getattr(signal, name) for name in SIGNALS if hasattr(signal, name)}
    while number := os.read(heard, 1):
        if number[0] not in deadly or signal.getsignal(number[0]) == signal.SIG_IGN:
            continue
        if not over.wait(grace):
            name = signal.Signals(number[0]).name
            message = f"gpu-fdm: error: stopped by {name}, in the middle of a long loop: {leaves}\n"
            os.write(2, message.encode())
            os._exit(EXIT)
