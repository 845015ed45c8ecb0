"""A network of convolutions and linear layers in HFP8, on the golden model alone.

Written from the text of docs/numerics.md and of the scheme's docstrings, on NumPy, without anything
of `hfp8_hw.nn`: codes are gathered by lists of indices that plain loops make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden

Array = NDArray[Any]
FWD, BWD, ACC = "HFP8_FWD", "HFP8_BWD", "DLFLOAT16"


def wide(x: Array) -> Array:
    """binary32 to 16 bits."""
    return golden.quantize(x, ACC, rounding="RNA", overflow="special")


def values(codes: Array) -> Array:
    return golden.decode(codes, ACC).astype(np.float32)


def gemm(a: Array, b: Array, fmt_a: str, fmt_b: str) -> Array:
    """(groups, m, k) by (groups, k, n): one `golden.fma` a product, 64 in a chunk."""
    total = np.zeros((len(a), a.shape[1], b.shape[2]), np.uint16)
    for start in range(0, a.shape[2], 64):
        part = np.zeros_like(total)
        for k in range(start, min(start + 64, a.shape[2])):
            part = golden.fma(a[:, :, k, None], b[:, None, k], part, fmt_a, fmt_b, ACC)
        total = golden.add(total, part, ACC)
    return total


@dataclass(frozen=True)
class Shape:
    """A convolution; a linear layer is one of 1 x 1 images."""

    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def side(self, side: int) -> int:
        return (side + 2 * self.padding - self.kernel) // self.stride + 1


@cache
def taken(shape: Shape, side: int) -> Array:
    """[output pixel, input channel of a group, kernel row, kernel column] as an index of the padded
    image's pixels, -1 for padding; without the group's offset."""
    out, k = shape.side(side), shape.kernel
    found = np.full((out * out, shape.inputs // shape.groups, k, k), -1)
    for pixel, c, ky, kx in np.ndindex(*found.shape):
        y = pixel // out * shape.stride + ky - shape.padding
        x = pixel % out * shape.stride + kx - shape.padding
        if 0 <= y < side and 0 <= x < side:
            found[pixel, c, ky, kx] = (c * side + y) * side + x
    return found.reshape(out * out, -1)


@cache
def given(shape: Shape, side: int) -> Array:
    """[input pixel, output channel of a group, window row, window column] as an index of the
    errors' pixels, -1 where a window has none: the kernel's tap (k-1-row, k-1-column) met it."""
    out, k = shape.side(side), shape.kernel
    found = np.full((side * side, shape.outputs // shape.groups, k, k), -1)
    for pixel, c, row, column in np.ndindex(*found.shape):
        y = pixel // side + shape.padding - (k - 1 - row)
        x = pixel % side + shape.padding - (k - 1 - column)
        fits = y % shape.stride == 0 and x % shape.stride == 0
        y, x = y // shape.stride, x // shape.stride
        if fits and 0 <= y < out and 0 <= x < out:
            found[pixel, c, row, column] = (c * out + y) * out + x
    return found.reshape(side * side, -1)


def gathered(codes: Array, where: Array) -> Array:
    """(images, elements) by a list of indices: rows of images x pixels; -1 is +0."""
    codes = np.concatenate([codes, np.zeros((len(codes), 1), codes.dtype)], axis=1)
    return codes[:, where].reshape(-1, where.shape[1])


@dataclass
class Layer:
    """A layer with 8 or, if ``wide``, 16 bits, and what its optimizer keeps."""

    shape: Shape
    wide: bool
    weight: Array
    bias: Array
    residual: Array = field(default_factory=lambda: np.zeros(0))
    velocity: dict[str, Array] = field(default_factory=dict)
    seen: Array = field(default_factory=lambda: np.zeros(0))
    side: int = 1
    gradients: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """From binary32 parameters."""
        start = self.weight
        self.weight = self.operand(start)
        if not self.wide:
            left = start - golden.decode(self.weight, FWD).astype(np.float32)
            self.residual = wide(left)
        self.bias = wide(self.bias)
        self.velocity = {"weight": np.zeros(start.shape, np.uint16),
                         "bias": np.zeros(self.bias.shape, np.uint16)}  # fmt: skip

    @property
    def fmt(self) -> str:
        return ACC if self.wide else FWD

    def operand(self, x: Array) -> Array:
        return wide(x) if self.wide else golden.quantize(x, FWD)

    def error(self, x: Array) -> Array:
        return wide(x) if self.wide else golden.quantize(x, BWD, overflow="special")

    def groups(self, codes: Array, where: Array) -> Array:
        """(images, channels, ...) as (groups, rows, elements), by a list of indices."""
        parts = np.split(codes, self.shape.groups, axis=1)
        return np.stack([gathered(part.reshape(len(codes), -1), where) for part in parts])

    def images(self, result: Array, side: int) -> Array:
        """(groups, images x pixels, channels) as (images, channels, side, side)."""
        y = result.reshape(len(result), -1, side, side, result.shape[2])
        return np.concatenate(list(y.transpose(0, 1, 4, 2, 3)), axis=1)

    def forward(self, x: Array) -> Array:
        """binary32 (images, channels, side, side) to 16-bit codes."""
        s, self.side = self.shape, x.shape[2]
        self.seen = self.operand(x)
        rows = self.groups(self.seen, taken(s, self.side))
        w = self.weight.reshape(s.groups, s.outputs // s.groups, -1)
        y = self.images(gemm(rows, w.transpose(0, 2, 1), self.fmt, self.fmt), s.side(self.side))
        return golden.add(y, self.bias[:, None, None], ACC)

    def backward(self, gradient: Array, first: bool) -> Array | None:
        """binary32 gradient of the output to the input's codes; None for the first layer."""
        s, e = self.shape, self.error(gradient)
        fmt, pixels = ACC if self.wide else BWD, gradient.shape[2] * gradient.shape[3]
        each = s.outputs // s.groups
        every = np.arange(each * pixels).reshape(each, pixels).T
        by_row = self.groups(e, every).transpose(0, 2, 1)
        columns = self.groups(self.seen, taken(s, self.side))
        one = golden.quantize(np.ones(1, np.float32), self.fmt)[0]
        ones = np.full((*columns.shape[:2], 1), one)
        to_w = gemm(by_row, np.concatenate([columns, ones], axis=2), fmt, self.fmt)
        self.gradients = {"weight": to_w[..., :-1].reshape(self.weight.shape),
                          "bias": to_w[..., -1].reshape(-1)}  # fmt: skip
        if first:
            return None
        w = self.weight.reshape(s.groups, each, *self.weight.shape[1:])[..., ::-1, ::-1]
        turned = w.transpose(0, 1, 3, 4, 2).reshape(s.groups, -1, s.inputs // s.groups)
        return self.images(
            gemm(self.groups(e, given(s, self.side)), turned, fmt, self.fmt), self.side
        )


def mixed(x: int) -> int:
    """lowbias32 of Wellons."""
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def random_bits(seed: int, step: int, stream: int, count: int) -> Array:
    """12 bits for each element."""
    start = 0
    for word in (seed, 0, step, stream):
        start = mixed(start + word + 0x9E3779B9 & 0xFFFFFFFF)
    return np.array([mixed(mixed(k) ^ start) >> 20 for k in range(count)])


@dataclass
class Net:
    """Layers with a positive part between them, and stochastic gradient descent."""

    layers: list[Layer]
    rate: float
    momentum: float
    decay: float
    nesterov: bool
    seed: int
    moves: int = 0

    def forward(self, x: Array) -> list[Array]:
        """The codes of each layer's output."""
        outputs: list[Array] = []
        for layer in self.layers:
            x = np.maximum(values(outputs[-1]), 0) if outputs else x
            if layer.shape.kernel == 1 and layer.shape.inputs != x.shape[1]:
                x = x.reshape(len(x), -1, 1, 1)
            outputs.append(layer.forward(x))
        return outputs

    def backward(self, outputs: list[Array], gradient: Array) -> None:
        for k in reversed(range(len(self.layers))):
            shape = outputs[k].shape
            if k + 1 < len(self.layers):
                gradient = gradient.reshape(shape)
                gradient = np.where(values(outputs[k]) > 0, gradient, np.float32(0))
            codes = self.layers[k].backward(gradient.reshape(shape), first=k == 0)
            gradient = gradient if codes is None else values(codes)

    def step(self, exponent: int) -> None:
        """Move all, with gradients of a loss scaled by 2**exponent."""
        rate, mu, decay = (wide(np.float32([v])) for v in (self.rate, self.momentum, self.decay))
        sixteen = []
        for layer in self.layers:
            for name in ("weight", "bias"):
                scaled = values(layer.gradients[name])
                g = wide(scaled * np.float32(2.0**-exponent))
                kept = getattr(layer, name)
                eight = name == "weight" and not layer.wide
                w = golden.quantize(kept, ACC, src=FWD) if eight else kept
                if self.decay:
                    g = golden.fma(w, decay, g, ACC, ACC, ACC)
                v = golden.fma(mu, layer.velocity[name], g, ACC, ACC, ACC)
                layer.velocity[name] = v
                d = golden.fma(mu, v, g, ACC, ACC, ACC) if self.nesterov else v
                if eight:
                    how = {"rounding": "RNA", "overflow": "special"}
                    update = golden.mul(rate, d, ACC, ACC, ACC, **how)
                    new = golden.weight_update(kept, layer.residual, update)
                    layer.weight, layer.residual = new
                else:
                    sixteen.append((layer, name, d))
        count = sum(d.size for *_, d in sixteen)
        words = random_bits(self.seed, self.moves, 0, count)
        zero = np.zeros(1, np.uint16)
        for layer, name, d in sixteen:
            mine, words = words[: d.size].reshape(d.shape), words[d.size :]
            kept = getattr(layer, name)
            new, _ = golden.sgd_update(kept, zero, d, rate, zero, rounding="SR(12)", rbits=mine)
            setattr(layer, name, new)
        self.moves += 1
