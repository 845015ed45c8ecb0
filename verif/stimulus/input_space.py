"""What a sweep drives: every input of a unit, or samples, in blocks that can be made alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError, integer
from hfp8_hw.formats import RUNTIME_BIAS_RANGE
from rtl_gen.package import Package

from . import aimed_sums
from .ports import dtype
from .reference import code_width
from .vectors import random_inputs

BLOCK = 1 << 21
"""Transfers in a block of a complete space."""

COMPLETE_BITS = 40
"""Larger spaces are not offered whole."""

PASSES = ("zeros", "ones", "random")
"""How ports that are too wide to enumerate beside the codes are set: one pass each."""

LANES, ITEMS = 32, 1 << 14
"""Streams in a block of samples of a unit with a state, and transfers in each."""


@dataclass(frozen=True)
class Axis:
    """A port that takes every one of its values: 0 .. count-1, plus ``low`` in its width."""

    port: str
    count: int
    width: int
    low: int = 0

    def values(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """The codes at some indices."""
        return (index + self.low) & ((1 << self.width) - 1) if self.low else index


@dataclass(frozen=True)
class Space:
    """Blocks of inputs.

    Members
    -------
    complete : bool
        Whether every combination of the axes is in it.
    axes : tuple of Axis
        The ports that are enumerated, the last one fastest.
    rest : tuple of (port, width)
        The others, set by the pass: all zeros, all ones, random.
    vectors : int
        Transfers in all.
    """

    complete: bool
    axes: tuple[Axis, ...]
    rest: tuple[tuple[str, int], ...]
    vectors: int
    seed: int

    @property
    def block_size(self) -> int:
        """Transfers in every block but the last."""
        return BLOCK if self.complete else LANES * ITEMS

    @property
    def blocks(self) -> int:
        """How many there are."""
        return -(-self.vectors // self.block_size)

    @property
    def text(self) -> str:
        """What it holds, in words."""
        if not self.complete:
            return f"{self.vectors:,} sampled transfers"
        if not self.axes:
            return "one input"
        axes = " x ".join(f"{axis.count:,} {axis.port}" for axis in self.axes)
        if not self.rest:
            return f"all {axes}"
        ports = ", ".join(port for port, _ in self.rest)
        return f"all {axes}, with {ports} in {len(PASSES)} passes ({', '.join(PASSES)})"

    def block(self, package: Package, number: int) -> dict[str, NDArray[Any]]:
        """The inputs of a block, (transfers, lanes)."""
        rng = np.random.default_rng([self.seed, number])
        start = number * self.block_size
        count = min(self.block_size, self.vectors - start)
        if not self.complete:
            items = -(-count // LANES)
            if package.manifest["golden"]["sum"] is not None:
                return aimed_sums.sums(package, rng, items, LANES)
            return random_inputs(package, rng, items, LANES)
        once = self.vectors // (len(PASSES) if self.rest else 1)
        index = np.arange(start % once, start % once + count)
        if index[-1] >= once:
            index %= once
        inputs: dict[str, NDArray[Any]] = {}
        for axis in reversed(self.axes):
            digit = index
            if axis is not self.axes[0]:
                # NumPy divides by a constant fast, but has no such remainder.
                index = digit // axis.count
                digit = digit - index * axis.count
            inputs[axis.port] = axis.values(digit).astype(dtype(axis.width))[:, None]
        for port, width in self.rest:
            inputs[port] = np.zeros((count, 1), dtype(width))
            for turn, name in enumerate(PASSES):
                # Most blocks lie in one pass.
                own = slice(max(0, turn * once - start), max(0, (turn + 1) * once - start))
                part = inputs[port][own, 0]
                if name == "ones":
                    part[:] = (1 << width) - 1
                elif name == "random" and len(part):
                    part[:] = rng.integers(0, 1 << width, len(part), dtype(width))
        return inputs


def has_state(package: Package) -> bool:
    """Whether what a unit gives depends on more than one transfer."""
    parameters, golden = package.manifest["parameters"], package.manifest["golden"]
    generator = golden["arguments"].get("random") is not None
    return bool(
        golden["sum"] is not None
        or generator
        or parameters.get("track", "none") != "none"
        or package.manifest["unit"] == "loss_scale"
    )


def space(package: Package, extent: str, seed: int) -> Space:
    """The space of a sweep.

    Parameters
    ----------
    extent : str
        ``all``, or a number of transfers to sample. Codes, modes and run-time biases are always
        enumerated by ``all``; other ports (random words, scales) as long as everything fits in
        2^34, else in three passes.

    Raises
    ------
    ParameterError
        For another extent, and for ``all`` where the unit has a state or too many inputs.
    """
    if extent != "all":
        try:
            count = integer(extent)
        except ValueError:
            count = 0
        if not 1 <= count <= 1 << 48:
            raise ParameterError(f"range={extent!r} is not allowed: 'all', or 1 to 2**48")
        # Whole blocks only: every lane is a stream of its own.
        size = LANES * ITEMS
        return Space(False, (), (), -(-count // size) * size, seed)
    if has_state(package):
        raise ParameterError(
            f"range='all' is not allowed for {package.manifest['unit']}: "
            "what it gives depends on more than "
            "one transfer; a number of transfers"
        )
    first: list[Axis] = []
    later: list[Axis] = []
    for port in package.manifest["ports"]:
        if port["dir"] != "in" or port["role"] not in ("data", "config", "flag"):
            continue
        name, width = port["name"], code_width(port)
        if name.startswith("i_bias"):
            low, high = RUNTIME_BIAS_RANGE
            first.insert(0, Axis(name, high - low + 1, width, low))
        elif "format" in port or "mode" in name:
            first.append(Axis(name, 1 << width, width))
        else:
            later.append(Axis(name, 1 << width, width))
    total = _product(first)
    kept: list[Axis] = []
    for axis in later:
        if total * axis.count <= 1 << 34:
            kept.append(axis)
            total *= axis.count
    rest = tuple((axis.port, axis.width) for axis in later if axis not in kept)
    if total > 1 << COMPLETE_BITS:
        raise ParameterError(
            f"range='all' is not allowed for {package.manifest['unit']}: "
            f"2^{total.bit_length() - 1} inputs, at "
            f"most 2^{COMPLETE_BITS}; a number of transfers"
        )
    return Space(True, (*kept, *first), rest, total * (len(PASSES) if rest else 1), seed)


def _product(axes: list[Axis]) -> int:
    total = 1
    for axis in axes:
        total *= axis.count
    return total


def default_extent(package: Package) -> str:
    """``all`` where that is at most 2^34 inputs, else a number."""
    try:
        whole = space(package, "all", 0)
    except ParameterError:
        whole = None
    fits = whole is not None and whole.vectors <= 1 << 34
    return "all" if fits else str(1 << 24)
