"""Starts workers, and ends them all when one is lost."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import multiprocessing

from ...errors import ParameterError, RunError, check_int
from .exchange import Exchange

PATIENCE = 300.0
"""Seconds that a worker waits for another's message."""
BOTH = "cpu:gloo,cuda:nccl"
"""NCCL has no way for tensors of the processor, which a worker beside a GPU may train on too."""


@contextmanager
def connected(rank: int, workers: int, address: str, patience: float = PATIENCE,
              backend: str | None = None) -> Iterator[Exchange]:  # fmt: skip
    """The exchange among workers that know each other by an address.

    Parameters
    ----------
    rank, workers : int
        This worker's number, from 0, and how many there are.
    address : str
        HOST:PORT of worker 0.
    patience : float
        Seconds to wait for the others' messages.
    backend : str, optional
        ``gloo`` or ``nccl``, or one for each kind of device; by default Gloo, and NCCL for tensors
        on GPUs where there is one for each worker of a machine.

    Raises
    ------
    RunError
        If the others do not come, or one is lost.
    """
    check_int("rank", rank, 0, check_int("workers", workers, 1, 1 << 16) - 1)
    chosen = backend or (BOTH if torch.cuda.device_count() >= workers else "gloo")
    try:
        dist.init_process_group(
            chosen, init_method=f"tcp://{address}", rank=rank, world_size=workers,
            timeout=timedelta(seconds=patience),
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise RunError(
            f"worker {rank} of {workers} found no others at {address}: {first}"
        ) from None
    try:
        yield Exchange()
    finally:
        dist.destroy_process_group()


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(work: Callable[..., Any], workers: int, *given: Any, patience: float = PATIENCE) -> Any:
    """Run ``work(exchange, *given)`` in several processes of this machine; what worker 0 returns.

    Each has one thread, so that the bits of ``float32`` layers do not depend on the machine.
    When a worker dies or fails the others are ended, at once where their connection breaks and
    otherwise within ``patience`` seconds.

    Raises
    ------
    RunError
        Which worker was lost, and why.
    ParameterError
        If ``work`` raised one.
    """
    check_int("workers", workers, 1, 256)
    context = multiprocessing.get_context("spawn")
    address = f"127.0.0.1:{free_port()}"
    ends = [context.Pipe(duplex=False) for _ in range(workers)]
    made = [
        context.Process(target=_worker, args=(work, rank, workers, address, patience, end, given))
        for rank, (_, end) in enumerate(ends)
    ]
    try:
        for process in made:
            process.start()
        for _, end in ends:
            end.close()
        return _watch(made, [inlet for inlet, _ in ends])
    finally:
        for process in made:
            if process.is_alive():
                process.kill()
            process.join()


def _watch(made: list[Any], inlets: list[Any]) -> Any:
    """Wait for all; the first that fails is the one to speak of."""
    results: dict[int, Any] = {}
    open_ends = dict(zip(inlets, range(len(inlets)), strict=True))
    while open_ends:
        for inlet in cast("list[Connection]", wait(list(open_ends))):
            rank = open_ends.pop(inlet)
            try:
                failed, value = inlet.recv()
            except EOFError:
                made[rank].join()
                raise RunError(
                    f"worker {rank} of {len(made)} died (exit status {made[rank].exitcode}); "
                    "the others were ended"
                ) from None
            if failed is not None:
                _let_the_dead_speak(made)
                raise failed(value)
            results[rank] = value
    return results[0]


def _let_the_dead_speak(made: list[Any]) -> None:
    """A worker that lost its neighbour may be heard before the neighbour's death is noticed."""
    time.sleep(0.2)
    for rank, process in enumerate(made):
        if not process.is_alive() and process.exitcode not in (0, None):
            raise RunError(
                f"worker {rank} of {len(made)} died (exit status {process.exitcode}); "
                "the others were ended"
            )


def _worker(work: Callable[..., Any], rank: int, workers: int, address: str, patience: float,
            end: Any, given: tuple[Any, ...]) -> None:  # fmt: skip
    torch.set_num_threads(1)  # PyTorch's float32 sums depend on the number of threads.
    try:
        if torch.cuda.device_count() >= workers:
            torch.cuda.set_device(rank)
        with connected(rank, workers, address, patience) as exchange:
            value = work(exchange, *given)
        end.send((None, value if rank == 0 else None))
    except (RunError, ParameterError) as error:
        end.send((type(error), str(error)))
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:
        text = f"worker {rank} of {workers}: {type(error).__name__}: {error}"
        end.send((RunError, text))
