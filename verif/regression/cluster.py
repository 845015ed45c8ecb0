"""Tasks on a Dask cluster: one that is started here, or a running one elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from hfp8_hw.errors import ParameterError

Task = TypeVar("Task")
Done = TypeVar("Done")

ANSWER_SECONDS = 10
"""How long a scheduler elsewhere may take to answer."""
_PATIENCE = dict.fromkeys(
    ("distributed.comm.timeouts.connect", "distributed.scheduler.worker-ttl"), "1h"
)
"""Dask's limits for a cluster on this machine, where who does not answer is busy and not lost."""
_RETRIES = 5
"""A lost worker's tasks run again elsewhere; so many losses of one task are its fault."""


def distributed(
    function: Callable[[Task], Done], tasks: Sequence[Task], jobs: int, scheduler: str | None = None
) -> Iterator[tuple[Task, Done | None, BaseException | None]]:
    """Yield ``(task, function(task), None)`` in the order they finish.

    A task that is lost with its workers, or whose function raises, has None and the exception.

    Parameters
    ----------
    function : callable
        A module's.
    jobs : int
        Workers of the cluster that is started here.
    scheduler : str, optional
        The address of a running Dask scheduler instead. Its workers need this package and what
        the function runs, and one thread each.

    Raises
    ------
    ParameterError
        If the scheduler does not answer, or a worker has several threads.
    """
    import dask
    from distributed import Client, LocalCluster, as_completed

    cluster = None
    if scheduler is None:
        with dask.config.set(_PATIENCE):
            cluster = LocalCluster(
                n_workers=min(jobs, len(tasks)), threads_per_worker=1, processes=True,
                # Any free port: the usual one is taken where another cluster runs.
                dashboard_address=":0", silence_logs=50,
            )  # fmt: skip
    try:
        try:
            limit = ANSWER_SECONDS if cluster is None else 3600
            client = Client(scheduler if cluster is None else cluster, timeout=limit)
        except (OSError, ValueError) as error:
            raise ParameterError(f"scheduler={scheduler!r} is not allowed: {error}") from None
        with client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            if any(worker["nthreads"] > 1 for worker in workers.values()):
                raise ParameterError(
                    f"scheduler={scheduler!r} is not allowed: its workers must have one thread "
                    "each (dask worker --nthreads 1)"
                )
            futures: dict[Any, Task] = {}
            with warnings.catch_warnings():
                # Of tasks with much data, which there is no other way to send.
                warnings.filterwarnings("ignore", message="Sending large graph")
                for task in tasks:
                    futures[client.submit(function, task, pure=False, retries=_RETRIES)] = task
            for future in as_completed(futures):
                if future.status == "finished":
                    yield futures[future], future.result(), None
                else:
                    yield futures[future], None, future.exception()
                future.release()
    finally:
        if cluster is not None:
            cluster.close()
