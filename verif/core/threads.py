"""Work in threads, for calls that leave Python most of the time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from hfp8_hw.cores import cores

Progress = Callable[[int], None]
"""Is told how much more is done."""


class _Stopped(Exception):
    """Another call failed, or the user interrupted."""


def in_threads(calls: Iterable[Callable[[Progress], Any]], progress: Progress) -> Iterator[Any]:
    """What the calls return, as many at a time as there are cores, in the order in which they end.

    Each is given a function to tell its progress with, which ends it where another has failed or
    the user has interrupted.
    """
    stop = threading.Event()
    lock = threading.Lock()
    waiting = iter(calls)

    def tell(more: int) -> None:
        if stop.is_set():
            raise _Stopped
        with lock:
            progress(more)

    with ThreadPoolExecutor(cores()) as pool:
        pending = {pool.submit(call, tell) for call in islice(waiting, cores())}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    pending |= {pool.submit(call, tell) for call in islice(waiting, 1)}
        finally:
            stop.set()
