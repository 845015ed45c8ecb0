"""Running many tasks in worker processes, with Ctrl-C that leaves nothing running."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def run(
    function: Callable[[Item], Done], items: Iterable[Item], jobs: int
) -> Iterator[tuple[Item, Done]]:
    """Yield ``(item, function(item))`` as they finish, ``jobs`` at a time.

    ``function`` is a module's. Workers start afresh, lead process groups of their own, which what
    they start joins, and are ended with all that on any exception, Ctrl-C among them.
    """
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_start_worker)
    source = iter(items)
    waiting: dict[Future[Done], Item] = {}
    try:
        while True:
            # A few in hand for each worker: the list of all may be long.
            for item in source:
                waiting[pool.submit(_work, function, item)] = item
                if len(waiting) >= 3 * jobs:
                    break
            if not waiting:
                break
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(done), done.result()
    except BaseException:
        _stop_workers()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Lead a process group, which the simulators join."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_task(number: int, frame: object) -> None:
    """On SIGTERM clean up, and let no other SIGTERM break in: when the first worker has gone, the
    pool sends one of its own to those that are still cleaning up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _work(function: Callable[[Any], Any], item: Any) -> Any:
    """Run a task; once ended by a signal, clean up and go, and start no other."""
    signal.signal(signal.SIGTERM, _end_task)
    try:
        result = function(item)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return result
    except KeyboardInterrupt:
        os._exit(1)


def _stop_workers() -> None:
    """End all workers and what they run."""
    for child in active_children():
        if child.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGTERM)
