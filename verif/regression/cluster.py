"""Tasks on a Dask cluster: one that is started here, or a running one elsewhere."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from hfp8_hw.errors import ParameterError, RunError

from .quiet import held

Task = TypeVar("Task")
Done = TypeVar("Done")

ANSWER_SECONDS = 10
"""How long a scheduler elsewhere may take to answer."""
WORKER_SECONDS = 60
"""How long it may take until it has a worker."""
_PATIENCE = dict.fromkeys(
    ("distributed.comm.timeouts.connect", "distributed.scheduler.worker-ttl"), "1h"
)
"""Dask's limits for a cluster on this machine, where who does not answer is busy and not lost."""
_HOUR = 3600
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
        If the address is none, or a worker has several threads.
    RunError
        If the scheduler does not answer, has no workers, or goes away.
    """
    import dask
    from distributed import Client, LocalCluster, as_completed

    cluster = None
    try:
        if scheduler is None:
            with dask.config.set(_PATIENCE), held():
                cluster = LocalCluster(
                    n_workers=min(jobs, len(tasks)), threads_per_worker=1, processes=True,
                    # Any free port: the usual one is taken where another cluster runs.
                    dashboard_address=":0", silence_logs=50, preload=held.__module__,
                )  # fmt: skip
        if scheduler is not None:
            _check_that_it_answers(scheduler)
        with Client(scheduler if cluster is None else cluster, timeout=_HOUR) as client:
            if scheduler is not None:
                _wait_for_a_worker(client, scheduler)
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
                if future.status in ("cancelled", "lost"):
                    raise RunError(f"the scheduler {scheduler!r} has gone, and with it the tasks "
                                   "that are left")  # fmt: skip
                if future.status == "finished":
                    yield futures[future], future.result(), None
                else:
                    yield futures[future], None, future.exception()
                future.release()
    finally:
        if cluster is not None:
            cluster.close()


def _check_that_it_answers(scheduler: str) -> None:
    """Raises ParameterError for what is no address, RunError if no scheduler answers there in time.

    `distributed.Client` waits for ever for what listens and says nothing.
    """
    import asyncio

    from distributed.comm import connect
    from distributed.security import Security

    async def ask() -> None:
        found = connect(
            scheduler, timeout=ANSWER_SECONDS, **Security().get_connection_args("client")
        )
        (await asyncio.wait_for(found, ANSWER_SECONDS)).abort()

    try:
        # What becomes of the connection is told below, or where it is missed.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        asyncio.run(ask())
    except OSError as error:
        why = " ".join(str(error).split()) or f"nothing came within {ANSWER_SECONDS} seconds"
        raise RunError(f"the scheduler {scheduler!r} does not answer: {why}") from None
    except (ValueError, TypeError) as error:  # TypeError: no certificate for tls
        raise ParameterError(
            f"scheduler={scheduler!r} is not allowed: {' '.join(str(error).split())}"
        ) from None


def _wait_for_a_worker(client: Any, scheduler: str) -> None:
    """Raises RunError if there is none in time: its tasks would wait for ever."""
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        raise RunError(
            f"the scheduler {scheduler!r} has no worker after {WORKER_SECONDS} seconds; start one: "
            f"dask worker {scheduler} --nthreads 1"
        ) from None
