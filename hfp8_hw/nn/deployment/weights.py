"""Weights rounded once, from the FP32 values to nearest, ties to even."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...formats import parse_format
from ...scales import INT8_MOST
from ..codes import decode
from ..rounding import quantize
from ..scheme.arithmetic import INT8, Arithmetic
from ..scheme.operands import decoded, encoded
from .rounders import WIDE, scale_of


@dataclass(frozen=True)
class Stored:
    """A weight as codes.

    Members
    -------
    kind : str
        ``INT8``, ``DLFLOAT16`` or the name of a format of 8 bits.
    codes : Tensor
        ``int8``, ``int16`` or ``uint8``, in the weight's shape.
    scale : Tensor or None
        ``float32``; a scalar, or of INT8 one number for each index of the first axis. None for 1.
    """

    kind: str
    codes: Tensor
    scale: Tensor | None = None

    def values(self) -> Tensor:
        """The values, times the scale, in ``float32``."""
        if self.kind == WIDE:
            return decoded(self.codes)
        if self.kind == INT8:
            assert self.scale is not None
            return self.codes.to(torch.float32) * _along_first(self.scale, self.codes)
        values = decode(self.codes, parse_format(self.kind))
        return values if self.scale is None else values * self.scale


def _along_first(scale: Tensor, codes: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (codes.ndim - 1))


def stored(weight: Tensor, arith: Arithmetic, wide: bool = False) -> Stored:
    """A weight rounded to the codes of an arithmetic, saturating.

    Formats without scales take the weight as it is; ``ocp`` divides it by a power of two, one for
    the tensor; INT8 divides what belongs to an index of the first axis, an output channel, by its
    largest magnitude / 127. With ``wide`` the codes are (1,6,9), without a scale.
    """
    x = weight.detach().to(torch.float32)
    if wide:
        return Stored(WIDE, encoded(x))
    if arith.forward == INT8:
        scale = scale_of(x.abs().flatten(1).amax(1), arith)
        codes = (x / _along_first(scale, x)).round().clamp(-INT8_MOST, INT8_MOST)
        return Stored(INT8, codes.to(torch.int8), scale)
    fmt = arith.forward_format
    assert fmt is not None
    scale = scale_of(x.abs().amax(), arith) if arith.scaling == "tensor" else None
    divided = x if scale is None else x / scale
    return Stored(str(arith.forward), quantize(divided, fmt, rounding=arith.rounding), scale)


@torch.no_grad()
def freeze(layer: nn.Module) -> dict[str, Stored]:
    """Round the weights of one of the scheme's layers in place; their codes by name.

    Biases become (1,6,9) values where sums have such values.
    """
    mine: Any = layer
    eight, every = mine.narrow_parameters(), mine.arith.scaling == "none" or mine.wide
    found = {}
    for name, parameter in layer.named_parameters(recurse=False):
        if name in eight or every:
            found[name] = stored(parameter, mine.arith, name not in eight)
            parameter.copy_(found[name].values())
    return found
