"""Times the exchange where bandwidth is limited: ``python -m hfp8_hw.nn.distributed.traffic``.

Each worker has a network namespace of its own, joined to a bridge by a pair of virtual interfaces
that send at a limited rate (token buckets). Linux and the rights of root are needed. The time of a
step is held against a model: the time of the worker's own sums, and the bits that it sends divided
by the rate. With ``--device cuda`` each worker has a GPU of this machine, and NCCL carries the
codes; what joins the GPUs has no rate that a model could name.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from ...errors import ParameterError, RunError, ToolMissing
from ...files import check_output, write_whole
from ...version import __version__
from ..programs import Options, choice, guarded, number
from ..update import add
from .exchange import Exchange
from .workers import connected, start

MODULE = "hfp8_hw.nn.distributed.traffic"
FRAME = 1514 / 1448
"""Bytes of an Ethernet frame by bytes of data in it, with TCP's time stamps."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Scheme:
    """A way to add up gradients and to spread new weights."""

    cost: int
    """Bytes a weight that a worker sends, times (W-1)/W."""
    run: Callable[[Exchange], Any]
    """One exchange."""
    own: Callable[[Exchange], Any] = lambda exchange: None
    """The sums that a worker computes before it sends on. Those of an all-reduce take place while
    other parts travel."""


def schemes(size: int, device: str = "cpu") -> dict[str, Scheme]:
    """The ways, by name, for tensors on a device."""
    zeros = partial(torch.zeros, size, device=device)
    wide, half = zeros(dtype=torch.float32), zeros(dtype=torch.float16)
    codes, narrow = zeros(dtype=torch.int16), zeros(dtype=torch.uint8)

    def hfp8(exchange: Exchange) -> None:
        exchange.scatter(codes)
        exchange.gather(narrow[exchange.shard(size)], size)

    def sixteen(exchange: Exchange) -> None:
        exchange.gather(exchange.scatter(codes), size)

    def sums(exchange: Exchange) -> None:
        reduce(add, [codes[exchange.shard(size)]] * exchange.workers)

    return {
        "FP32 all-reduce": Scheme(8, lambda exchange: dist.all_reduce(wide)),
        "FP16 all-reduce": Scheme(4, lambda exchange: dist.all_reduce(half)),
        "16-bit scatter, 16-bit gather": Scheme(4, sixteen, sums),
        "16-bit scatter, 8-bit gather": Scheme(3, hfp8, sums),
    }


def timed(exchange: Exchange, size: int, repeats: int, device: str = "cpu") -> Row:
    """Seconds of each scheme and of its own sums, the medians of some exchanges."""
    ready = torch.cuda.synchronize if device == "cuda" else lambda: None
    return {
        name: [_median(how, exchange, repeats, ready) for how in (scheme.run, scheme.own)]
        for name, scheme in schemes(size, device).items()
    }


def _median(run: Callable[[Exchange], Any], exchange: Exchange, repeats: int,
            ready: Callable[[], None]) -> float:  # fmt: skip
    run(exchange)
    spent = []
    for _ in range(repeats):
        ready()
        dist.barrier()
        begun = time.perf_counter()
        run(exchange)
        ready()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def _ip(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RunError(f"{' '.join(words)}: {said[0] if said else done.returncode}")


@contextmanager
def network(workers: int, rate: int) -> Iterator[list[str]]:
    """Namespaces of workers with the addresses 10.87.0.1 and on; they send at ``rate`` Mbit/s."""
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            raise ToolMissing(f"{tool} is missing; install iproute2")
    if os.geteuid():
        raise RunError("network namespaces need the rights of root: run with sudo")
    names = [f"hfp8w{k}" for k in range(workers)]
    made = []
    try:
        for name in ["hfp8hub", *names]:
            _ip("ip", "netns", "add", name)
            made.append(name)
        _ip("ip", "-n", "hfp8hub", "link", "add", "bridge", "type", "bridge")
        _ip("ip", "-n", "hfp8hub", "link", "set", "bridge", "up")
        for k, name in enumerate(names):
            _ip("ip", "-n", "hfp8hub", "link", "add", f"to{k}", "type", "veth", "peer", "name",
                "eth0", "netns", name)  # fmt: skip
            _ip("ip", "-n", "hfp8hub", "link", "set", f"to{k}", "master", "bridge", "up")
            _ip("ip", "-n", name, "addr", "add", f"10.87.0.{k + 1}/24", "dev", "eth0")
            _ip("ip", "-n", name, "link", "set", "eth0", "up")
            _ip("ip", "-n", name, "link", "set", "lo", "up")
            # Frames of the wire's size: a virtual interface would pass on 64 KiB at once.
            _ip("ip", "-n", name, "link", "set", "eth0", "gso_max_size", "1514")
            for where, link in ((name, "eth0"), ("hfp8hub", f"to{k}")):
                _ip("tc", "-n", where, "qdisc", "add", "dev", link, "root", "tbf", "rate",
                    f"{rate}mbit", "burst", "256kb", "latency", "100ms")  # fmt: skip
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def measure(workers: int, rate: int, size: int, repeats: int) -> Row:
    """Seconds by scheme and of its own sums, of workers in namespaces of their own."""
    with network(workers, rate) as names, ThreadPoolExecutor(workers) as pool:
        command = [sys.executable, "-m", MODULE, "--workers", str(workers), "--size", str(size),
                   "--repeats", str(repeats)]  # fmt: skip
        running = [
            pool.submit(
                subprocess.run,
                ["ip", "netns", "exec", name, *command, "--rank", str(k)],
                capture_output=True, text=True, env={**os.environ, "GLOO_SOCKET_IFNAME": "eth0"},
            )
            for k, name in enumerate(names)
        ]  # fmt: skip
        ends = [each.result() for each in running]
    for k, end in enumerate(ends):
        if end.returncode:
            said = end.stderr.strip() or "it said nothing"
            raise RunError(f"worker {k}: {said.splitlines()[-1]}")
    found: Row = json.loads(ends[0].stdout)
    return found


def rows(workers: int, rates: list[int], size: int, repeats: int) -> list[Row]:
    """By rate and scheme: seconds measured, and by the model."""
    found = []
    for rate in rates:
        spent = measure(workers, rate, size, repeats)
        for name, scheme in schemes(1).items():
            seconds, own = spent[name]
            sent = scheme.cost * size * (workers - 1) / workers
            model = own + sent * FRAME * 8 / (rate * 1e6)
            row = {"workers": workers, "mbit": rate, "scheme": name, "bytes": sent}
            found.append(row | {"seconds": seconds, "sums": own, "model": model})
    return found


def on_gpus(workers: int, size: int, repeats: int) -> list[Row]:
    """By scheme, seconds among GPUs of this machine.

    Raises
    ------
    ParameterError
        If there are fewer GPUs than workers.
    """
    there = torch.cuda.device_count()
    if there < workers:
        raise ParameterError(
            f"workers={workers!r} is not allowed with device='cuda': each has a GPU of its own, "
            f"and PyTorch finds {there}"
        )
    spent = start(timed, workers, size, repeats, "cuda")
    return [
        {"workers": workers, "device": torch.cuda.get_device_name(0), "scheme": name,
         "bytes": scheme.cost * size * (workers - 1) / workers,
         "seconds": spent[name][0], "sums": spent[name][1]}
        for name, scheme in schemes(1).items()
    ]  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """The command: 0, 1 if something could not be run, 2 for bad input."""
    return guarded(lambda: _main(words))


def _line(row: Row) -> str:
    if "model" not in row:
        return (f"{row['workers']} x {row['device']}, {row['scheme']}: "
                f"{row['seconds'] * 1e3:.3f} ms")  # fmt: skip
    off = row["seconds"] / row["model"] - 1
    return (f"{row['workers']} workers, {row['mbit']} Mbit/s, {row['scheme']}: "
            f"{row['seconds']:.3f} s, model {row['model']:.3f} s ({off:+.1%})")  # fmt: skip


def _main(words: list[str] | None) -> int:
    parser = Options(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--workers", type=number("workers", 2, 254), nargs="+", default=[2],
                        help="how many, 2 to 254")  # fmt: skip
    parser.add_argument("--rates", type=number("rates", 1, 100_000), nargs="+",
                        default=[100, 400], help="Mbit/s")  # fmt: skip
    parser.add_argument("--size", type=number("size", 1, 1 << 30), default=4_000_000,
                        help="weights")  # fmt: skip
    parser.add_argument("--repeats", type=number("repeats", 1, 1000), default=3)
    parser.add_argument("--device", type=choice("device", ("cpu", "cuda")), default="cpu",
                        help="cpu: namespaces of limited rates; cuda: a GPU a worker")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--rank", type=number("rank", 0, 253), help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.json:
        check_output("json", given.json)
    torch.set_num_threads(1)
    if given.rank is not None:
        (workers,) = given.workers
        with connected(given.rank, workers, "10.87.0.1:29500", 600, "gloo") as exchange:
            print(json.dumps(timed(exchange, given.size, given.repeats)))
        return 0
    found = []
    for workers in given.workers:
        if given.device == "cuda":
            found += on_gpus(workers, given.size, given.repeats)
        else:
            found += rows(workers, given.rates, given.size, given.repeats)
    for row in found:
        print(_line(row))
    if given.json:
        facts = {"version": __version__, "torch": torch.__version__, "size": given.size,
                 "rows": found}  # fmt: skip
        write_whole(given.json, (json.dumps(facts, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
