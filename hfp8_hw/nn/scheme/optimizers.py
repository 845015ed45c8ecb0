"""Optimizers that keep weights as codes.

A weight of 8 bits is a code and a (1,6,9) round-off residual, and moves as in
`golden.weight_update`. Parameters of 16 bits, those of the first and the last layer and biases, are
(1,6,9) codes, and move with stochastic rounding as in `golden.sgd_update`. All others, such as
those of normalizations, are ``float32`` and move as in PyTorch. A parameter's ``data`` holds the
values of its codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...errors import ParameterError, check_int, shown
from ...formats import FloatFormat
from ..codes import decode
from ..rounding import quantize
from ..sums import ACC, BEYOND
from ..update import fma, sgd_update, weight_update
from .arithmetic import Arithmetic, arithmetic
from .layers import kept_format
from .operands import decoded, encoded
from .random import random_bits

SR_BITS = 12
"""Random bits of the stochastic rounding of 16-bit parameters."""

_CODES = ("residual", "velocity")
"""What a parameter's state has in (1,6,9) codes."""


class Coded:
    """What optimizers of codes have in common; goes before a class of `torch.optim`."""

    arith: Arithmetic
    param_groups: list[dict[str, Any]]
    state: dict[Tensor, dict[str, Any]]

    only: ClassVar[dict[str, Any]]
    """Options of PyTorch's class that have this value alone, which codes are moved by."""

    def _setup(self, arith: str | Arithmetic, seed: int) -> None:
        self.arith = arithmetic(arith)
        check_int("seed", seed, 0, (1 << 64) - 1)
        for group in self.param_groups:
            group.setdefault("seed", seed)
            group.setdefault("moves", 0)
            self._round(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in PyTorch; weights are rounded to codes and residuals at once."""
        super().add_param_group(param_group)  # type: ignore[misc]
        if "arith" in self.__dict__:
            group = self.param_groups[-1]
            group.setdefault("seed", self.param_groups[0]["seed"])
            group.setdefault("moves", 0)
            self._round(group)

    def kept(self, parameter: Tensor) -> FloatFormat | None:
        """The format in which a parameter is kept; None for ``float32``."""
        mine = self.arith.weight_format
        found = None if mine is None else kept_format(parameter)
        if found not in (None, ACC, mine):
            raise ParameterError(
                f"arith={str(self.arith)!r} is not allowed for a weight of {found}: "
                "the arithmetic of the model"
            )
        return found

    @torch.no_grad()
    def _round(self, group: dict[str, Any]) -> None:
        self._check(group)
        for p in group["params"]:
            fmt = self.kept(p)
            if fmt == ACC:
                p.data = decoded(encoded(p.data))
            elif fmt is not None:
                value = decode(quantize(p.data, fmt, rounding=self.arith.rounding), fmt)
                self.state[p]["residual"] = encoded(p.data - value)
                p.data = value

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse what PyTorch's class would do with other parameters only."""
        if self.arith.weight_format is None:
            return
        for name, value in self.only.items():
            if group[name] != value:
                raise ParameterError(f"{name}={shown(group[name])} is not allowed: {value!r}")

    def _check_state(self, given: dict[str, Any]) -> None:
        """Refuse the state of an optimizer that kept other parameters as codes, or none."""
        for group in given["param_groups"]:
            self._check(self.only | group)
        mine = [p for group in self.param_groups for p in group["params"]]
        for p, number in zip(mine, _numbers(given), strict=False):
            fmt, names = self.kept(p), set(given["state"].get(number, {}))
            want = {"residual"} if fmt not in (None, ACC) else set()
            if want != names & {"residual"} or (fmt is not None and "momentum_buffer" in names):
                raise ParameterError(
                    "state_dict is not allowed: that of an optimizer of the same arithmetic; here "
                    f"parameter {number!r} is kept in {fmt or 'float32'}"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; ``closure``, if given, computes the loss with its gradients and returns it.

        Raises
        ------
        ParameterError
            Before anything moves, for a rate and the like that (1,6,9) does not hold.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        given = [p for g in self.param_groups for p in g["params"] if p.grad is not None]
        kept = {p: fmt for p in given if (fmt := self.kept(p)) is not None}
        for group in self.param_groups:
            if any(p in kept for p in group["params"]):
                check_numbers(group)
        self._only(lambda p: p not in kept)
        self._prepare(list(kept))
        for number, group in enumerate(self.param_groups):
            for fmt in (self.arith.weight_format, ACC):
                some = [p for p in group["params"] if p in kept and kept[p] == fmt]
                if some and fmt is not None:
                    self._move(group, number, some, fmt)
            group["moves"] += 1
        return loss

    def _only(self, wanted: Callable[[Tensor], bool]) -> None:
        """PyTorch's own step, of some of the parameters."""
        hidden = {p: p.grad for g in self.param_groups for p in g["params"]
                  if p.grad is not None and not wanted(p)}  # fmt: skip
        for p in hidden:
            p.grad = None
        super().step()  # type: ignore[misc]
        for p, gradient in hidden.items():
            p.grad = gradient

    def _prepare(self, kept: list[Tensor]) -> None:
        """What comes before any parameter that is kept as codes moves."""

    def _move(
        self, group: dict[str, Any], number: int, some: list[Tensor], fmt: FloatFormat
    ) -> None:
        raise NotImplementedError

    def _apply(self, group: dict[str, Any], number: int, some: list[Tensor], fmt: FloatFormat,
               rate: Tensor, direction: Tensor) -> None:  # fmt: skip
        """Move parameters by rate x direction, (1,6,9) codes, all parameters in one flat tensor."""
        codes = self._codes(some, fmt)
        residual = None if fmt == ACC else flattened([self.state[p]["residual"] for p in some])
        codes, residual = self._moved(group, number, fmt, codes, residual, rate, direction)
        if residual is not None:
            self._put("residual", some, residual)
        self._set(some, codes, fmt)

    def _codes(self, some: list[Tensor], fmt: FloatFormat) -> Tensor:
        """The codes of parameters, in one flat tensor."""
        return quantize(flattened([p.data for p in some]), fmt, rounding=self.arith.rounding)

    def _set(self, some: list[Tensor], codes: Tensor, fmt: FloatFormat) -> None:
        """Give parameters the values of codes in a flat tensor."""
        torch._foreach_copy_([p.data for p in some], split_like(decode(codes, fmt), some))

    def _moved(self, group: dict[str, Any], number: int, fmt: FloatFormat, codes: Tensor,
               residual: Tensor | None, rate: Tensor, direction: Tensor,
               start: int = 0) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Codes and residuals of parameters, moved; the first is number ``start`` of its group."""
        if residual is not None:
            update = encoded(decoded(direction) * decoded(rate))
            return weight_update(codes, residual, update, fmt=fmt, rounding=self.arith.rounding)
        zero = torch.zeros_like(rate)
        count = start + codes.numel()
        rbits = random_bits(group["seed"], group["moves"], number, count, SR_BITS, codes.device)
        how = f"SR({SR_BITS})"
        moved, _ = sgd_update(codes, zero, direction, rate, zero, rounding=how, rbits=rbits[start:])
        return moved, None

    def _put(self, name: str, some: list[Tensor], flat: Tensor) -> None:
        for p, part in zip(some, split_like(flat, some), strict=True):
            self.state[p][name] = part

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in PyTorch; codes come back as codes.

        Raises
        ------
        ParameterError
            For the state of an optimizer of another arithmetic.
        """
        self._check_state(state_dict)
        super().load_state_dict(state_dict)  # type: ignore[misc]
        for state in self.state.values():
            for name in _CODES:
                if name in state:
                    state[name] = state[name].to(torch.int16)


def _numbers(state: dict[str, Any]) -> list[Any]:
    return [number for group in state["param_groups"] for number in group["params"]]


def flattened(tensors: list[Tensor]) -> Tensor:
    """All elements in one row."""
    return torch.cat([t.reshape(-1) for t in tensors])


def split_like(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Parts of a flat tensor, in the shapes of others."""
    parts = flat.split([t.numel() for t in like])
    return [part.view(t.shape) for part, t in zip(parts, like, strict=True)]


def number_code(value: Any, device: torch.device) -> Tensor:
    """The (1,6,9) code of a number; not to be written to."""
    return _number_code(float(value), device)


def check_numbers(group: dict[str, Any]) -> None:
    """Raise ParameterError for a number of a group that (1,6,9) does not hold."""
    for name in ("lr", "momentum", "weight_decay"):
        if not abs(float(group.get(name, 0))) < BEYOND:
            raise ParameterError(
                f"{name}={shown(group[name])} is not allowed: a magnitude below {BEYOND:.0f}, "
                "as (1,6,9) holds"
            )


@lru_cache(maxsize=64)
def _number_code(value: float, device: torch.device) -> Tensor:
    return encoded(torch.full((1,), value, dtype=torch.float64, device=device))


class HFP8SGD(Coded, torch.optim.SGD):
    """Stochastic gradient descent with momentum, all of it in (1,6,9).

    g = gradient + weight_decay w; v' = g + momentum v; the direction d is v', or g + momentum v'
    with ``nesterov``: each one exact sum rounded once, w the weight without its residual. A weight
    of 8 bits moves by rate d, rounded, in `golden.weight_update`; one of 16 bits as in
    `golden.sgd_update` with SR(12).

    Parameters
    ----------
    params
        Parameters or groups, as in PyTorch, of a model that `convert` gave.
    lr, momentum, weight_decay : float
        Rounded to (1,6,9) for weights that are kept as codes.
    nesterov : bool
        As in `torch.optim.SGD`.
    arith : str or Arithmetic
        That of the model. With one that keeps no codes this is `torch.optim.SGD`.
    seed : int
        Of the stochastic rounding, 0 to 2**64 - 1.

    Raises
    ------
    ParameterError
        For an unknown arithmetic, or a weight kept in another one's format.
    """

    only: ClassVar[dict[str, Any]] = {"dampening": 0, "maximize": False}

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0,
                 weight_decay: float = 0.0, nesterov: bool = False, *,
                 arith: str | Arithmetic = "hfp8", seed: int = 1) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )
        self._setup(arith, seed)

    def _move(
        self, group: dict[str, Any], number: int, some: list[Tensor], fmt: FloatFormat
    ) -> None:
        gradient = encoded(flattened([p.grad for p in some]))
        weights = encoded(flattened([p.data for p in some]))
        velocity = None
        if group["momentum"]:
            for p in some:
                if "velocity" not in self.state[p]:
                    self.state[p]["velocity"] = torch.zeros_like(p.data, dtype=torch.int16)
            velocity = flattened([self.state[p]["velocity"] for p in some])
        direction, velocity = momentum_direction(group, weights, gradient, velocity)
        if velocity is not None:
            self._put("velocity", some, velocity)
        rate = number_code(group["lr"], weights.device)
        self._apply(group, number, some, fmt, rate, direction)


def momentum_direction(group: dict[str, Any], weights: Tensor, gradient: Tensor,
               velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The direction and the new velocity of `HFP8SGD`, of (1,6,9) codes; None without momentum."""
    device = gradient.device
    if group["weight_decay"]:
        gradient = fma(number_code(group["weight_decay"], device), weights, gradient)
    if velocity is None:
        return gradient, None
    decay = number_code(group["momentum"], device)
    velocity = fma(decay, velocity, gradient)
    return (fma(decay, velocity, gradient) if group["nesterov"] else velocity), velocity


class HFP8Adam(Coded, torch.optim.Adam):
    """Adam, whose direction is computed in ``float32`` and rounded to (1,6,9).

    The update of a weight, `torch.optim.Adam`'s of a weight of 0 with that gradient, is rounded,
    and taken off as in `golden.weight_update` (8 bits) or with SR(12) (16 bits).

    Parameters
    ----------
    params
        Parameters or groups, as in PyTorch, of a model that `convert` gave.
    lr, betas, eps, weight_decay, amsgrad
        As in `torch.optim.Adam`.
    decoupled : bool
        Whether weights decay beside the gradient, as in `torch.optim.AdamW`.
    arith : str or Arithmetic
        That of the model. With one that keeps no codes this is PyTorch's optimizer.
    seed : int
        Of the stochastic rounding, 0 to 2**64 - 1.

    Raises
    ------
    ParameterError
        For an unknown arithmetic, or a weight kept in another one's format.
    """

    only: ClassVar[dict[str, Any]] = {"maximize": False}

    def __init__(self, params: Iterable[Any], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, amsgrad: bool = False, *, decoupled: bool = False,
                 arith: str | Arithmetic = "hfp8", seed: int = 1) -> None:  # fmt: skip
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                         amsgrad=amsgrad, decoupled_weight_decay=decoupled)  # fmt: skip
        self._updates: dict[Tensor, Tensor] = {}
        self._setup(arith, seed)

    def _prepare(self, kept: list[Tensor]) -> None:
        """PyTorch's step of weights of 0, without its decay, is less the update."""
        values = {p: p.data for p in kept}
        gradients = {p: p.grad for p in kept}
        decays = [group["weight_decay"] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays, strict=True):
            for p in group["params"]:
                if p in values:
                    if decay and not group["decoupled_weight_decay"]:
                        p.grad = p.grad.add(values[p], alpha=decay)
                    p.data = torch.zeros_like(values[p])
            group["weight_decay"] = 0.0
        # PyTorch takes a state with anything in it for one that it has begun.
        ours = {p: self.state[p].pop("residual") for p in kept if "residual" in self.state[p]}
        self._only(lambda p: p in values)
        for p, residual in ours.items():
            self.state[p]["residual"] = residual
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        self._updates = {p: -p.data for p in kept}
        for p in kept:
            p.data, p.grad = values[p], gradients[p]

    def _move(
        self, group: dict[str, Any], number: int, some: list[Tensor], fmt: FloatFormat
    ) -> None:
        update = flattened([self._updates.pop(p) for p in some])
        if group["weight_decay"] and group["decoupled_weight_decay"]:
            rate = float(group["lr"]) * group["weight_decay"]
            update = update.add(flattened([p.data for p in some]), alpha=rate)
        self._apply(group, number, some, fmt, number_code(1, update.device), encoded(update))
