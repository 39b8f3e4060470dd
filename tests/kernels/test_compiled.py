"""Signals while numba compiles a loop: LLVM loses exceptions of its callbacks, so that they wait until it is done."""

import signal

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
