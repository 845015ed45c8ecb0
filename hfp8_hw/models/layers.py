"""Convolutions and matrix products of a model as jobs for an engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from ..golden.engine import ProductJob, Sums, Windows

KINDS = ("Conv", "Gemm", "MatMul")
"""The operators that may run in 8 bits."""

Array = NDArray[Any]


class Unsuitable(Exception):
    """Why a node cannot run in 8 bits; the text says it."""


@dataclass(frozen=True)
class Layer:
    """A node as a product of its two operands, which are the first two inputs.

    An engine is given codes, and its sums become the node's output here. Operands of other shapes
    are taken as they come.

    Members
    -------
    node : NodeProto
    attributes : dict
    """

    node: NodeProto
    attributes: dict[str, Any]

    @property
    def operands(self) -> tuple[str, str]:
        """Names of both operands: activations and weights, or the other way round."""
        return self.node.input[0], self.node.input[1]

    @property
    def addend(self) -> str:
        """The name of the bias, or of Gemm's C; empty if there is none."""
        return self.node.input[2] if len(self.node.input) > 2 else ""

    def channels(self, w: tuple[int, ...]) -> int | None:
        """The axis of a second operand of this shape that the output's channels come from; None
        where there is none."""
        raise NotImplementedError

    def scaled(self, products: Array, factors: Array) -> Array:
        """The values of the job's results times a factor for each channel."""
        return products * factors.reshape(1, 1, -1).astype(products.dtype)

    def job(self, x: Array, w: Array, fmt: str, sums: Sums) -> ProductJob:
        """The job for the codes of both operands."""
        raise NotImplementedError

    def output(self, products: Array, x: Array, w: Array, addend: Array | None) -> Array:
        """The node's output from the values of the job's results; ``x`` and ``w`` are operands of
        the same shapes as those of the job."""
        raise NotImplementedError


def layer(node: NodeProto, x: tuple[int, ...], w: tuple[int, ...]) -> Layer:
    """A node of one of `KINDS` with operands of these shapes.

    Raises
    ------
    Unsuitable
        If it cannot run in 8 bits.
    """
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type == "Conv":
        if len(w) not in (3, 4):
            raise Unsuitable(f"a convolution along {len(w) - 2} axes")
        return Conv(node, attributes)
    if node.op_type == "Gemm":
        return Gemm(node, attributes)
    if not x or not w:
        raise Unsuitable("an operand without axes")
    return MatMul(node, attributes)


class Conv(Layer):
    """Conv along one or two axes; with one, maps have one line."""

    def channels(self, w: tuple[int, ...]) -> int | None:
        """See `Layer`."""
        return 0

    def scaled(self, products: Array, factors: Array) -> Array:
        """See `Layer`."""
        return products * factors.reshape(len(products), -1, 1).astype(products.dtype)

    def windows(self, x: tuple[int, ...], w: tuple[int, ...]) -> Windows:
        """How the kernel moves over a map of shape ``x``."""
        axes = len(w) - 2
        strides, dilations = (
            _two(self.attributes.get(name) or [1] * axes, 1) for name in ("strides", "dilations")
        )
        kernel, size = _two(w[2:], 1), _two(x[2:], 1)
        pads = list(self.attributes.get("pads") or [0] * 2 * axes)
        how = self.attributes.get("auto_pad", b"NOTSET").decode()
        if how in ("SAME_UPPER", "SAME_LOWER"):
            begin, end = [], []
            for k in range(2):
                reach = (kernel[k] - 1) * dilations[k] + 1
                out = -(-size[k] // strides[k])
                total = max(0, (out - 1) * strides[k] + reach - size[k])
                less, more = total // 2, total - total // 2
                begin.append(less if how == "SAME_UPPER" else more)
                end.append(more if how == "SAME_UPPER" else less)
            return Windows(kernel, strides, dilations, (begin[0], begin[1], end[0], end[1]))
        if how == "VALID":
            pads = [0] * 2 * axes
        top, left = _two(pads[:axes], 0)
        bottom, right = _two(pads[axes:], 0)
        return Windows(kernel, strides, dilations, (top, left, bottom, right))

    def job(self, x: Array, w: Array, fmt: str, sums: Sums) -> ProductJob:
        """See `Layer`."""
        groups = int(self.attributes.get("group", 1))
        windows = self.windows(x.shape, w.shape)
        taps = w.reshape(groups, w.shape[0] // groups, w.shape[1], windows.taps)
        a = taps.transpose(0, 1, 3, 2).reshape(groups, w.shape[0] // groups, -1)
        maps = x if x.ndim == 4 else x[:, :, None, :]
        return ProductJob(np.ascontiguousarray(a), maps, fmt, fmt, sums, windows)

    def output(self, products: Array, x: Array, w: Array, addend: Array | None) -> Array:
        """See `Layer`."""
        lines, columns = self.windows(x.shape, w.shape).places(*_two(x.shape[2:], 1))
        y = products.reshape(w.shape[0], x.shape[0], lines, columns).swapaxes(0, 1)
        if x.ndim == 3:
            y = y[:, :, 0]
        if addend is not None:
            y = y + addend.reshape(-1, *[1] * (x.ndim - 2))
        return np.ascontiguousarray(y)


def _two(values: Any, first: int) -> tuple[int, int]:
    """Along two axes, of which the first has ``first`` where there is only one."""
    found = [int(v) for v in values]
    return (first, found[0]) if len(found) == 1 else (found[0], found[1])


class Gemm(Layer):
    """Gemm: alpha A' B' + beta C."""

    def channels(self, w: tuple[int, ...]) -> int | None:
        """See `Layer`."""
        return 0 if self.attributes.get("transB", 0) else 1

    def _turned(self, array: Array, name: str) -> Array:
        return array.T if self.attributes.get(name, 0) else array

    def job(self, x: Array, w: Array, fmt: str, sums: Sums) -> ProductJob:
        """See `Layer`."""
        a, b = self._turned(x, "transA"), self._turned(w, "transB")
        return ProductJob(a[None], b[None], fmt, fmt, sums)

    def output(self, products: Array, x: Array, w: Array, addend: Array | None) -> Array:
        """See `Layer`."""
        y = products[0] * np.float32(self.attributes.get("alpha", 1.0))
        if addend is not None:
            y = y + np.float32(self.attributes.get("beta", 1.0)) * addend
        return np.asarray(y)


class MatMul(Layer):
    """MatMul as NumPy has it: batches broadcast, and vectors have one row or column."""

    def channels(self, w: tuple[int, ...]) -> int | None:
        """See `Layer`."""
        return len(w) - 1 if len(w) > 1 else None

    def job(self, x: Array, w: Array, fmt: str, sums: Sums) -> ProductJob:
        """See `Layer`."""
        a = x[None] if x.ndim == 1 else x
        b = w[:, None] if w.ndim == 1 else w
        if b.ndim == 2:  # One B for all: its products are one.
            rows = math.prod(a.shape[:-1])
            return ProductJob(a.reshape(1, rows, a.shape[-1]), b[None], fmt, fmt, sums)
        outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (np.broadcast_to(o, (*outer, *o.shape[-2:])) for o in (a, b))
        count = math.prod(outer)
        a, b = (o.reshape(count, *o.shape[-2:]) for o in (a, b))
        return ProductJob(a, b, fmt, fmt, sums)

    def output(self, products: Array, x: Array, w: Array, addend: Array | None) -> Array:
        """See `Layer`."""
        outer = np.broadcast_shapes(x.shape[:-2], w.shape[:-2])
        rows = () if x.ndim == 1 else (x.shape[-2],)
        columns = () if w.ndim == 1 else (w.shape[-1],)
        return products.reshape((*outer, *rows, *columns))
