"""Activations rounded to values of a deployed arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...formats import FloatFormat, parse_format
from ...scales import INT8_MOST, fitting_exponent
from .. import sums
from ..rounding import quantize_values
from ..scheme.arithmetic import INT8, Arithmetic
from ..scheme.operands import floats

WIDE = "DLFLOAT16"
"""The kind of operands of 16 bits, and of sums."""


def power_of_two(most: Tensor, fmt: FloatFormat) -> Tensor:
    """The least power of two by which a magnitude, a scalar, divided is at most the format's
    largest value; see `fitting_exponent`."""
    exponent = fitting_exponent(float(most), fmt.max)
    return torch.full_like(most, 2.0**exponent, dtype=torch.float32)


def integer_scale(most: Tensor) -> Tensor:
    """What makes 127 of a magnitude; 1 for zero."""
    return torch.where(most > 0, most / INT8_MOST, 1.0).to(torch.float32)


def scale_of(most: Tensor, arith: Arithmetic) -> Tensor:
    """The scale that an arithmetic with scales gives a tensor, by its largest magnitude."""
    fmt = arith.forward_format
    return integer_scale(most) if fmt is None else power_of_two(most, fmt)


NODE = "Round"
"""What rounds is called in a graph that is traced for an ONNX file."""


class _Node(torch.autograd.Function):
    """A node of a traced graph; what it becomes is in `graph`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kind: str, scale: Tensor | None) -> Tensor:
        return x.clone()

    @staticmethod
    def symbolic(g: Any, x: Any, kind: str, scale: Any) -> Any:
        given = [x] if scale is None else [x, scale]
        return g.op(f"hfp8::{NODE}", *given, kind_s=kind).setType(x.type())


def traced(x: Tensor, kind: str, scale: Tensor | None = None) -> Tensor | None:
    """A node that rounds, while PyTorch traces a graph for ONNX; None otherwise."""
    if not torch.onnx.is_in_onnx_export():
        return None
    found: Tensor = _Node.apply(x, kind, scale)
    return found


def to_sums(x: Tensor) -> Tensor:
    """Rounded to (1,6,9) as sums are: RNA, an overflow is NaN."""
    node = traced(x, WIDE)
    return sums.round_any(x) if node is None else node


class Rounder(nn.Module):
    """Rounds one operand of a layer, saturating.

    Parameters
    ----------
    arith : Arithmetic
    wide : bool
        Whether the operand has (1,6,9) values, without a scale, whatever the arithmetic.

    Members
    -------
    kind : str
        ``DLFLOAT16``, ``INT8`` or the name of a format.
    scale : Tensor or None
        A buffer: values of the kind times the scale are what comes out; None for 1.
    watching : bool
        Whether what comes in goes out as it is, and only its largest magnitude is kept.
    """

    scale: Tensor | None
    most: Tensor

    def __init__(self, arith: Arithmetic, wide: bool = False) -> None:
        super().__init__()
        self.arith = arith
        self.kind = WIDE if wide else str(arith.forward)
        scaled = not wide and arith.scaling == "tensor"
        self.register_buffer("scale", torch.ones(()) if scaled else None)
        self.register_buffer("most", torch.zeros(()), persistent=False)
        self.watching = False

    def watch(self, watching: bool) -> None:
        """Begin or end the calibration; at its end the scale is set. Nothing without a scale."""
        if self.scale is None:
            return
        if watching:
            self.most.zero_()
        else:
            self.scale.copy_(scale_of(self.most, self.arith))
        self.watching = watching

    def forward(self, x: Tensor) -> Tensor:
        """Values of the kind, times the scale, in ``float32``.

        Raises
        ------
        ParameterError
            For a tensor of integers.
        """
        x = floats(x)
        if self.watching:
            if x.numel():
                torch.maximum(self.most, x.detach().abs().amax(), out=self.most)
            return x
        node = traced(x, self.kind, self.scale)
        if node is not None:
            return node
        if self.kind == WIDE:
            return to_sums(x)
        if self.kind == INT8:
            assert self.scale is not None
            return (x / self.scale).round().clamp(-INT8_MOST - 1, INT8_MOST) * self.scale
        fmt = parse_format(self.kind)
        if self.scale is None:
            return quantize_values(x, fmt, rounding=self.arith.rounding, overflow="saturate")[1]
        part = quantize_values(
            x / self.scale, fmt, rounding=self.arith.rounding, overflow="saturate"
        )
        return part[1] * self.scale

    def extra_repr(self) -> str:
        """The kind, and the scale if there is one."""
        return self.kind if self.scale is None else f"{self.kind}, scale={float(self.scale):.4g}"
