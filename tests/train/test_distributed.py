"""Several workers give the bits of one process that does what they do."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hfp8_hw import golden
from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.nn import HFP8SGD, LossScaler, convert
from hfp8_hw.nn.codes import from_numpy, to_numpy
from hfp8_hw.nn.distributed import DistributedScaler, DistributedSGD, Exchange, start
from hfp8_hw.nn.distributed.exchange import shard
from hfp8_hw.nn.scheme.operands import decoded, encoded

from ..conftest import HOUR, later

BATCH = 24


def network() -> nn.Module:
    """With parameters of all kinds: 8 bits, 16 bits, float32; their counts divide by no number of
    workers."""
    torch.manual_seed(3)
    layers = nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 9), nn.LayerNorm(9), nn.ReLU(), nn.Linear(9, 3)
    )
    return convert(layers, "hfp8").model


def batch(step: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(step)
    x = rng.standard_normal((BATCH, 5)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy((x[:, :3] ** 2).argmax(1))


def loss(model: nn.Module, step: int, rank: int, workers: int) -> Tensor:
    """A worker's part of the mean over the whole batch; once in a while far too large."""
    device = next(model.parameters()).device
    x, y = (part[rank::workers].to(device) for part in batch(step))
    large = 1e30 if step % 23 == 22 and rank == 0 else 1.0
    return nn.functional.cross_entropy(model(x), y, reduction="sum") / BATCH * large


OPTIONS: dict[str, Any] = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "seed": 5}


def state_of(model: nn.Module, optimizer: Any, scaler: LossScaler) -> list[Any]:
    kept = optimizer.state_dict()["state"]
    found = [x.detach().clone() for x in model.state_dict().values()]
    found += [kept[k][name].clone() for k in sorted(kept) for name in sorted(kept[k])
              if isinstance(kept[k][name], Tensor)]  # fmt: skip
    return [x.cpu().numpy() for x in found] + [scaler.exponent, scaler.skipped]


def as_workers(exchange: Exchange, steps: int, stop: int, path: str = "",
               device: str = "cpu") -> list[Any]:  # fmt: skip
    """Train; with a path, go on from the state there and leave one there."""
    model = network().to(device)
    optimizer = DistributedSGD(model.parameters(), exchange, **OPTIONS)
    scaler = DistributedScaler("hfp8", growth=7)
    done = 0
    if path and Path(path).exists():
        saved = torch.load(path)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        scaler.load_state_dict(saved["scaler"])
        done = saved["done"]
    for step in range(done, min(steps, stop)):
        optimizer.zero_grad()
        scaler.backward(loss(model, step, exchange.rank, exchange.workers))
        scaler.step(optimizer)
    if path:
        saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                 "scaler": scaler.state_dict(), "done": min(steps, stop)}  # fmt: skip
        if exchange.rank == 0:
            torch.save(saved, path)
    return state_of(model, optimizer, scaler)


def alone(workers: int, steps: int, device: str = "cpu") -> list[Any]:
    """What the workers do, in one process: golden adds up their gradients."""
    model = network().to(device)
    optimizer, scaler = HFP8SGD(model.parameters(), **OPTIONS), LossScaler("hfp8", growth=7)
    params = list(model.parameters())
    for step in range(steps):
        found = []
        for rank in range(workers):
            optimizer.zero_grad()
            scaler.backward(loss(model, step, rank, workers))
            found.append([p.grad * 2.0**-scaler.exponent for p in params])
        for p, *gradients in zip(params, *found, strict=True):
            if optimizer.kept(p) is None:
                total = gradients[0]
                for gradient in gradients[1:]:
                    total = total + gradient
            else:
                codes = to_numpy(encoded(gradients[0]))
                for gradient in gradients[1:]:
                    codes = golden.add(codes, to_numpy(encoded(gradient)), "DLFLOAT16")
                total = decoded(from_numpy(np.asarray(codes))).to(device)
            p.grad = total * 2.0**scaler.exponent
        scaler.step(optimizer)
    return state_of(model, optimizer, scaler)


def assert_same(got: list[Any], want: list[Any]) -> None:
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As workers have; sums in float32 depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("workers", "steps"),
    [(3, 30), later(1, 100), later(2, 100), later(4, 100), later(8, 100), later(3, 100)],
)
def test_any_number_of_workers_gives_the_same_bits(workers: int, steps: int) -> None:
    want = alone(workers, steps)
    assert want[-1] > 0  # Some steps were skipped.
    assert_same(start(as_workers, workers, steps, steps, patience=HOUR), want)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_gpus_of_their_own_give_the_same_bits() -> None:
    want = alone(2, 100, "cuda")
    assert_same(start(as_workers, 2, 100, 100, "", "cuda", patience=HOUR), want)


def test_another_number_of_workers_goes_on_with_the_same_state(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    start(as_workers, 2, 20, 12, path, patience=HOUR)
    saved = torch.load(path)
    model = network()
    optimizer = HFP8SGD(model.parameters(), **OPTIONS)
    optimizer.load_state_dict(saved["optimizer"])
    model.load_state_dict(saved["model"])
    assert_same([*state_of(model, optimizer, LossScaler("hfp8"))[:-2]], alone(2, 12)[:-2])
    assert_same(start(as_workers, 2, 20, 20, path, patience=HOUR), alone(2, 20))


def counted(exchange: Exchange, size: int) -> list[Any]:
    """The sums, the weights, and the bytes that everybody sent."""
    rng = np.random.default_rng(9)
    every = rng.integers(0, 1 << 16, (exchange.workers, size), np.uint16)
    mine = exchange.scatter(from_numpy(every[exchange.rank]))
    whole = exchange.gather((mine & 255).to(torch.uint8), size)
    sent = torch.zeros(exchange.workers, dtype=torch.float32)
    here, exchange.sent = exchange.sent, 0
    sent[exchange.rank] = here
    total = exchange.gather(exchange.scatter(sent), exchange.workers)
    return [every, whole.numpy(), total.tolist()]


@pytest.mark.parametrize("size", [1, later(1000), 4099])
def test_the_bytes_are_those_of_the_formula(size: int) -> None:
    workers = 3
    every, whole, sent = start(counted, workers, size, patience=HOUR)
    codes = every[0]
    for row in every[1:]:
        codes = golden.add(codes, row, "DLFLOAT16")
    np.testing.assert_array_equal(whole, codes & 255)
    assert sum(sent) == 3 * size * (workers - 1)


def test_shards_are_all_there_is() -> None:
    for size in (0, 1, 5, 7, 100):
        for workers in range(1, 9):
            parts = [shard(size, workers, rank) for rank in range(workers)]
            covered = [k for part in parts for k in range(size)[part]]
            assert covered == list(range(size))
            lengths = [part.stop - part.start for part in parts]
            assert max(lengths) - min(lengths) <= 1


def lost(exchange: Exchange, how: str) -> None:
    for step in range(1000):
        if exchange.rank == 1 and step == 3:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "stopped":
                signal.pause()
            raise ValueError("no more")
        exchange.scatter(torch.zeros(9, dtype=torch.int16))


@pytest.mark.parametrize(
    ("how", "patience", "said"),
    [
        ("killed", HOUR, r"worker 1 of 2 died \(exit status -9\); the others were ended"),
        ("raises", HOUR, "worker 1 of 2: ValueError: no more|worker 0 of 2 lost another one"),
        ("stopped", 5, "worker 0 of 2 lost another one, or waited too long"),
    ],
)
def test_a_lost_worker_ends_all(how: str, patience: float, said: str) -> None:
    with pytest.raises(RunError) as caught:
        start(lost, 2, how, patience=patience)
    assert re.search(said, str(caught.value)) and "\n" not in str(caught.value)


def misused(exchange: Exchange) -> list[str]:
    """What those are told who forget a half of it."""
    model = network()
    optimizer = DistributedSGD(model.parameters(), exchange, **OPTIONS)
    loss(model, 0, exchange.rank, exchange.workers).backward()
    said = []
    with pytest.raises(RunError) as caught:
        optimizer.step()
    said.append(str(caught.value))
    with pytest.raises(ParameterError) as refused:
        DistributedScaler("hfp8").step(torch.optim.SGD(model.parameters(), 0.1))
    return [*said, str(refused.value)]


def test_the_optimizer_and_the_scaler_belong_together() -> None:
    assert start(misused, 1, patience=HOUR) == [
        "step comes after reduce, which adds up the workers' gradients",
        "optimizer=SGD is not allowed: a DistributedSGD",
    ]


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="workers=0 is not allowed: an integer from 1 to 256"):
        start(lost, 0, "killed")
