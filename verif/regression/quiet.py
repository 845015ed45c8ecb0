"""Ctrl-C on a cluster of this machine, without the workers' tracebacks.

A terminal interrupts all that was started in it: the workers, the tools that they run, and the
command itself, which says so. This module is also what a worker loads first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

_INTERRUPT = {signal.SIGINT}


@contextmanager
def held() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block, also from the processes that it starts."""
    # It lets Ctrl-C through where the first process starts it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def dask_setup(_: object) -> None:
    """Called by Dask, in the worker's process: what was held back is for whoever started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)
    # Tools that a worker runs are interrupted too: only what is ignored would be inherited.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
