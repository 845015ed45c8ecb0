"""Automatic loss scaling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...errors import ParameterError, check_int, shown
from ...formats import SCALE_RANGE
from ..update import scale_step
from .arithmetic import Arithmetic, arithmetic


class LossScaler:
    """Scales the loss by a power of two and the gradients back, as `golden.loss_scale` does.

    A step in which a gradient is infinite or NaN is skipped and halves the scale; ``growth`` steps
    in a row without that double it.

    Parameters
    ----------
    arith : str or Arithmetic
        With ``loss_scaling=False`` the scale stays 1; steps with infinite or NaN gradients are
        skipped all the same, unless the arithmetic is ``fp32``.
    initial, floor, ceiling : int
        Exponents of two from -64 to 63, floor <= initial <= ceiling.
    growth : int
        1 to 65536 steps.

    Members
    -------
    exponent : int
        The scale is 2**exponent.
    skipped : int
        Steps that were skipped so far.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.

    Examples
    --------
    ``scaler.backward(loss)``, then ``scaler.step(optimizer)``, for one optimizer a scaler.
    """

    def __init__(self, arith: str | Arithmetic = "hfp8", *, initial: int = 16, growth: int = 2000,
                 floor: int = 0, ceiling: int = 24) -> None:  # fmt: skip
        self.arith = arithmetic(arith)
        check_int("floor", floor, *SCALE_RANGE)
        check_int("ceiling", ceiling, floor, SCALE_RANGE[1])
        check_int("initial", initial, floor, ceiling)
        check_int("growth", growth, 1, 65536)
        self.growth, self.floor, self.ceiling = growth, floor, ceiling
        self.exponent = initial if self.arith.loss_scaling else 0
        self.clean = self.skipped = 0
        self._unscaled: bool | None = None

    @property
    def scale(self) -> float:
        """2**exponent."""
        return float(2.0**self.exponent)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of the scaled loss; several times before a step they add up."""
        (loss * self.scale).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> bool:
        """Divide the gradients by the scale, exactly, at most once before each step: to look at
        them or to clip them. Returns whether all of them are finite."""
        if self._unscaled is None:
            found = [p.grad for g in optimizer.param_groups for p in g["params"]
                     if p.grad is not None]  # fmt: skip
            if self.exponent and found:
                torch._foreach_mul_(found, 2.0**-self.exponent)
            self._unscaled = self._finite(found)
        return self._unscaled

    def _finite(self, gradients: list[Tensor]) -> bool:
        if (self.arith.plain and not self.arith.loss_scaling) or not gradients:
            return True
        norms = torch._foreach_norm(gradients, float("inf"))
        return bool(torch.stack([n.to(norms[0].device) for n in norms]).isfinite().all())

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Let the optimizer take its step unless a gradient overflowed; returns whether it did."""
        good = self.unscale(optimizer)
        self._unscaled = None
        if good:
            optimizer.step()
        else:
            self.skipped += 1
        if self.arith.loss_scaling:
            state = (torch.tensor(self.exponent), torch.tensor(self.clean), torch.tensor(not good))
            done = scale_step(*state, self.growth, self.floor, self.ceiling)
            self.exponent, self.clean = (int(x) for x in done)
        return good

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"exponent": self.exponent, "clean": self.clean, "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state.

        Raises
        ------
        ParameterError
            If it is none.
        """
        names = ("exponent", "clean", "skipped")
        if not isinstance(state, dict) or set(state) != set(names):
            raise ParameterError(f"state={shown(state)} is not allowed: {', '.join(names)}")
        self.exponent = check_int("exponent", state["exponent"], *SCALE_RANGE)
        self.clean = check_int("clean", state["clean"], 0, 65536)
        self.skipped = check_int("skipped", state["skipped"], 0, 1 << 62)
        self._unscaled = None
