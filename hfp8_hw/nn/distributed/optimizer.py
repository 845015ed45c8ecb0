"""The distributed update: each worker moves its shard.

A weight takes two bytes on its way as a gradient and one on its way back, where an all-reduce in
FP32 takes four each way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ...errors import ParameterError, RunError
from ...formats import FloatFormat
from ..codes import decode
from ..scheme import HFP8SGD, Arithmetic, LossScaler
from ..scheme.operands import encoded
from ..scheme.optimizers import flattened, momentum_direction, number_code, split_like
from ..sums import ACC
from .exchange import Exchange

Key = tuple[int, FloatFormat]


class DistributedSGD(HFP8SGD):
    """`HFP8SGD` of several workers, which all hold the same weights.

    The gradients of all workers are added in the order of ranks, in (1,6,9): a worker's loss is its
    part of the whole batch's mean. Each worker then moves its shard of the weights, whose residuals
    and velocities it alone has, and gives the others the new codes. Parameters that are kept in
    ``float32`` have their gradients summed and move everywhere. The bits are those of one process
    whose gradients are such sums, for any number of workers.

    Parameters
    ----------
    exchange : Exchange
        Among the workers.
    params, lr, momentum, weight_decay, nesterov, arith, seed
        As in `HFP8SGD`, the same for all.

    Notes
    -----
    `reduce` comes before `step`; a `DistributedScaler` calls both. All workers call `reduce`,
    `step` and `state_dict` together. `step` without `reduce` raises RunError.
    """

    def __init__(self, params: Iterable[Any], exchange: Exchange, lr: float = 1e-3,
                 momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False, *,
                 arith: str | Arithmetic = "hfp8", seed: int = 1) -> None:  # fmt: skip
        self.exchange = exchange
        self._sums: dict[Key, Tensor] = {}
        self._shards: dict[Key, dict[str, Tensor]] = {}
        super().__init__(params, lr, momentum, weight_decay, nesterov, arith=arith, seed=seed)

    def _kept(self, group: dict[str, Any], fmt: FloatFormat | None) -> list[Tensor]:
        return [p for p in group["params"] if p.grad is not None and self.kept(p) == fmt]

    @torch.no_grad()
    def reduce(self) -> bool:
        """Add up the gradients of all workers; whether all sums are finite, everywhere."""
        self._sums.clear()
        bad = []
        for number, group in enumerate(self.param_groups):
            for fmt in (self.arith.weight_format, ACC):
                some = self._kept(group, fmt) if fmt is not None else []
                if some and fmt is not None:
                    mine = self.exchange.scatter(encoded(flattened([p.grad for p in some])))
                    self._sums[number, fmt] = mine
                    bad.append(~decode(mine, ACC).isfinite().all())
            some = self._kept(group, None)
            if some:
                whole = flattened([p.grad for p in some])
                total = self.exchange.gather(self.exchange.scatter(whole), len(whole))
                for p, values in zip(some, split_like(total, some), strict=True):
                    p.grad = values
                bad.append(~total.isfinite().all())
        good = not bad or not bool(torch.stack(bad).any())
        device = bad[0].device if bad else torch.device("cpu")
        return self.exchange.agree(good, device)

    def _move(
        self, group: dict[str, Any], number: int, some: list[Tensor], fmt: FloatFormat
    ) -> None:
        if (number, fmt) not in self._sums:
            raise RunError("step comes after reduce, which adds up the workers' gradients")
        gradient = self._sums.pop((number, fmt))
        whole = self._codes(some, fmt)
        own = self.exchange.shard(len(whole))
        mine = self._shard(group, number, some, fmt)
        codes = whole[own]
        values = codes if fmt == ACC else encoded(decode(codes, fmt))
        way, velocity = momentum_direction(group, values, gradient, mine.get("velocity"))
        if velocity is not None:
            mine["velocity"] = velocity
        rate = number_code(group["lr"], codes.device)
        codes, residual = self._moved(
            group, number, fmt, codes, mine.get("residual"), rate, way, own.start
        )
        if residual is not None:
            mine["residual"] = residual
        self._set(some, self.exchange.gather(codes, len(whole)), fmt)

    def _shard(self, group: dict[str, Any], number: int, some: list[Tensor],
               fmt: FloatFormat) -> dict[str, Tensor]:  # fmt: skip
        """What this worker keeps of parameters, taken out of their states the first time."""
        if (number, fmt) not in self._shards:
            names = [] if fmt == ACC else ["residual"]
            names += ["velocity"] if group["momentum"] else []
            own = self.exchange.shard(sum(p.numel() for p in some))
            self._shards[number, fmt] = {}
            for name in names:
                found = [
                    self.state[p].pop(name, torch.zeros_like(p.data, dtype=torch.int16))
                    for p in some
                ]
                self._shards[number, fmt][name] = flattened(found)[own].clone()
        return self._shards[number, fmt]

    def state_dict(self) -> dict[str, Any]:
        """That of an `HFP8SGD`, with all workers' shards: any number of workers can go on from it.
        All workers call it together."""
        for (number, fmt), kept in self._shards.items():
            some = [p for p in self.param_groups[number]["params"] if self.kept(p) == fmt]
            for name, part in kept.items():
                self._put(name, some, self.exchange.gather(part, sum(p.numel() for p in some)))
        self._shards.clear()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state, of any number of workers."""
        self._shards.clear()
        self._sums.clear()
        super().load_state_dict(state_dict)


class DistributedScaler(LossScaler):
    """`LossScaler` of a `DistributedSGD`: a step is skipped by all workers or by none."""

    def unscale(self, optimizer: torch.optim.Optimizer) -> bool:
        """Divide the gradients by the scale and add up those of all workers; whether all sums are
        finite. All workers call it together. Another optimizer raises ParameterError."""
        if self._unscaled is None:
            if not isinstance(optimizer, DistributedSGD):
                raise ParameterError(
                    f"optimizer={type(optimizer).__name__} is not allowed: a DistributedSGD"
                )
            super().unscale(optimizer)
            self._unscaled = optimizer.reduce()
        return self._unscaled
