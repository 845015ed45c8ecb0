"""What is measured of a run, node by node."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .numbers import Coded

_BLOCK = 1 << 13
"""Elements compared at a time: they fit a cache, and are too few for BLAS to wake its threads."""


@dataclass
class Errors:
    """How far values are from others, summed up over batches.

    Members
    -------
    signal, noise : float
        Sums of squares: of the values to compare with, and of the differences.
    largest : float
        The largest difference.
    elements, odd : int
        Compared, and left out as they are not finite on one side.
    """

    signal: float = 0.0
    noise: float = 0.0
    largest: float = 0.0
    elements: int = 0
    odd: int = 0

    def add(self, got: NDArray[Any], want: NDArray[Any]) -> None:
        """Compare more of them, of one shape."""
        every = np.reshape(got, -1), np.reshape(want, -1)
        self.elements += int(every[0].size)
        for start in range(0, every[0].size, _BLOCK):
            x, y = (one[start : start + _BLOCK].astype(np.float64) for one in every)
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                difference = x - y
                signal, noise = float(y @ y), float(difference @ difference)
                if not math.isfinite(signal + noise):
                    good = np.isfinite(x) & np.isfinite(y)
                    same = ~good & ((x == y) | (np.isnan(x) & np.isnan(y)))
                    self.odd += int((~good & ~same).sum())
                    y, difference = y[good], difference[good]
                    signal, noise = float(y @ y), float(difference @ difference)
            self.signal, self.noise = self.signal + signal, self.noise + noise
            self.largest = max(self.largest, float(np.abs(difference).max(initial=0.0)))

    @property
    def sqnr_db(self) -> float | None:
        """Signal to noise in dB; None where one of them is 0, or no number."""
        if not all(0 < one < math.inf for one in (self.signal, self.noise)):
            return None
        return 10 * math.log10(self.signal / self.noise)


@dataclass
class Operand:
    """What became of a node's operand.

    Members
    -------
    kind : str
    scale : float
    channels : int
        How many have a factor of their own beside the scale; 0 where none has.
    elements, saturated, underflown, zeroed, invalid : int
        As in `hfp8_hw.models.numbers.Coded`, of all batches.
    histogram : ndarray or None
        How often each code was, by code; None of 16 bits.
    errors : Errors or None
        Of the values that the codes stand for, against the tensor's own.
    """

    kind: str
    scale: float
    channels: int = 0
    elements: int = 0
    saturated: int = 0
    underflown: int = 0
    zeroed: int = 0
    invalid: int = 0
    histogram: NDArray[np.int64] | None = None
    errors: Errors | None = None

    def add(self, coded: Coded) -> None:
        """Count more of them."""
        self.elements += int(coded.codes.size)
        for name in ("saturated", "underflown", "zeroed", "invalid"):
            setattr(self, name, getattr(self, name) + getattr(coded, name))
        if coded.codes.dtype.itemsize > 1:
            return
        counts = np.bincount(coded.codes.reshape(-1).view(np.uint8), minlength=256)
        self.histogram = counts if self.histogram is None else self.histogram + counts

    def to_dict(self) -> dict[str, Any]:
        """All members, as JSON takes them."""
        histogram = None if self.histogram is None else self.histogram.tolist()
        found = {name: value for name, value in vars(self).items() if name != "errors"}
        sqnr = self.errors.sqnr_db if self.errors else None
        return {**found, "histogram": histogram, "sqnr_db": sqnr}


@dataclass
class NodeRecord:
    """Of a node that ran in 8 or 16 bits.

    Members
    -------
    name, op, where : str
    macs : int
        Of all batches.
    a, b : Operand or None
        Its first and second input; None before it ran.
    overflown : int
        Results that are not finite.
    errors, own : Errors
        Against the FP32 model, and against FP32 with the same inputs as this node had.
    seconds : float
    """

    name: str
    op: str
    where: str
    macs: int = 0
    a: Operand | None = None
    b: Operand | None = None
    overflown: int = 0
    errors: Errors | None = None
    own: Errors | None = None
    seconds: float = 0.0

    @property
    def sqnr_db(self) -> float | None:
        """Against the FP32 model; None if that was not measured, or nothing differs."""
        return self.errors.sqnr_db if self.errors else None

    @property
    def own_sqnr_db(self) -> float | None:
        """Against FP32 with the same inputs."""
        return self.own.sqnr_db if self.own else None

    @property
    def saturated(self) -> int:
        """Elements of both operands."""
        return sum(one.saturated for one in (self.a, self.b) if one)

    @property
    def invalid(self) -> int:
        """Elements of both operands that were NaN, which their format may not have."""
        return sum(one.invalid for one in (self.a, self.b) if one)

    @property
    def underflown(self) -> int:
        """Elements of both operands."""
        return sum(one.underflown for one in (self.a, self.b) if one)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "name": self.name, "op": self.op, "where": self.where, "macs": self.macs,
            "sqnr_db": self.sqnr_db, "own_sqnr_db": self.own_sqnr_db,
            "largest_difference": self.errors.largest if self.errors else None,
            "saturated": self.saturated, "underflown": self.underflown,
            "overflown": self.overflown,
            "a": self.a.to_dict() if self.a else None, "b": self.b.to_dict() if self.b else None,
            "seconds": round(self.seconds, 3),
        }  # fmt: skip


@dataclass
class OutputRecord:
    """Of one of the model's outputs.

    Members
    -------
    name : str
    errors : Errors
        Against the FP32 model.
    agreed, compared : int
        Rows along the last axis in which the largest element is the same one, and all rows; 0 where
        that axis has one element. A row with a NaN on one side only does not agree.
    """

    name: str
    errors: Errors
    agreed: int = 0
    compared: int = 0

    def add(self, got: NDArray[Any], want: NDArray[Any]) -> None:
        """Compare more of it; nothing of what is no array of numbers, or has another shape."""
        if not isinstance(got, np.ndarray) or got.dtype.kind not in "fiub":
            return
        if got.shape != want.shape or not got.size:
            self.errors.odd += int(np.size(want))
            return
        self.errors.add(got, want)
        if got.ndim and got.shape[-1] > 1 and got.dtype.kind == "f":
            same = got.argmax(-1) == want.argmax(-1)
            same &= np.isnan(got).any(-1) == np.isnan(want).any(-1)
            self.agreed += int(same.sum())
            self.compared += int(same.size)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "name": self.name, "sqnr_db": self.errors.sqnr_db,
            "largest_difference": self.errors.largest, "elements": self.errors.elements,
            "not_comparable": self.errors.odd,
            "argmax_agreed": self.agreed, "argmax_compared": self.compared,
        }  # fmt: skip


@dataclass
class Outcome:
    """What a run gave.

    Members
    -------
    outputs : dict of ndarray
        By name, of all samples.
    reference : dict of ndarray
        The same in FP32; empty if nothing was compared.
    nodes : list of NodeRecord
        Of all nodes in 8 or 16 bits.
    compared : list of OutputRecord
        Of all outputs; empty if nothing was compared.
    seconds : float
        Of the run in 8 bits, without FP32.
    """

    outputs: dict[str, Any]
    reference: dict[str, Any] = field(default_factory=dict)
    nodes: list[NodeRecord] = field(default_factory=list)
    compared: list[OutputRecord] = field(default_factory=list)
    seconds: float = 0.0
