"""Signals while numba compiles a loop: LLVM loses exceptions of its callbacks, so that they wait until it is done."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numba.core import event

from gpu_fdm.kernels.compiled import njit
from gpu_fdm.parallel.signals import signals_as_exceptions


class Sender(event.Listener):
    """Sends a signal when the compiler begins."""

    def __init__(self, sent):
        self.sent = getattr(signal, sent)

    def on_start(self, event):
        signal.raise_signal(self.sent)

    def on_end(self, event):
        pass


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT"])
def test_a_signal_waits_for_the_compiler(sent, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))  # read from the environment once, maybe before

    def twice(values):
        return 2 * values

    loop = njit()(twice)
    with (
        signals_as_exceptions(),
        event.install_listener("numba:compile", Sender(sent)),
        pytest.raises(KeyboardInterrupt),
    ):
        loop(np.arange(3.0))
    assert len(loop.dispatcher.signatures) == 1
    assert loop(np.arange(3.0)).tolist() == [0, 2, 4]


def test_it_is_told_once_that_loops_are_compiled(tmp_path):
    """Before the first is, and not where the cache has them."""
    name = str(tmp_path / "loops.py")
    (tmp_path / "loops.py").write_text(
        "@njit()\ndef twice(x):\n    return 2 * x\n@njit()\ndef half(x):\n    return x / 2\n"
    )
    code = (
        "import logging; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "from gpu_fdm.kernels.compiled import njit\n"
        f"exec(compile(open({name!r}).read(), {name!r}, 'exec'))\n"
        "print(half(twice(2)))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
        )
        assert (done.returncode, done.stdout) == (0, "2.0\n"), done.stderr
        told.append(done.stderr.splitlines())
    assert [len(lines) for lines in told] == [1, 0]
    assert told[0][0].startswith("compiling loops, once after an installation or an update: some seconds")
