"""Layers that compute in an `Arithmetic`: PyTorch's own with another forward and backward pass.

A layer keeps its parameters, in ``float32`` and under the same names, so that state dicts of both
kinds fit each other. Products are (1,6,9) sums of rounded operands; a bias is rounded to (1,6,9)
and added with one rounding. What comes out has (1,6,9) values.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...formats import FloatFormat
from ..sums import ACC
from .arithmetic import Arithmetic
from .functions import embedding, linear

MARK = "hfp8_format"
"""The attribute of a parameter that says in which format an optimizer keeps it."""


class Layer:
    """What all layers have in common.

    Members
    -------
    arith : Arithmetic
        How the layer computes.
    wide : bool
        Whether its operands have 16 bits.
    """

    arith: Arithmetic
    wide: bool

    def narrow_parameters(self) -> tuple[str, ...]:
        """The names of the parameters that are operands of products, or are looked up."""
        return () if self.wide else ("weight",)

    def mark(self) -> None:
        """Say of each parameter in which format it is kept. Where two layers share one, the wider
        format wins."""
        narrow = self.arith.weight_format
        if narrow is None:
            return
        eight = self.narrow_parameters()
        for name, parameter in self._parameters.items():  # type: ignore[attr-defined]
            if parameter is not None and getattr(parameter, MARK, None) != ACC:
                setattr(parameter, MARK, narrow if name in eight else ACC)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self.mark()


def kept_format(parameter: Tensor) -> FloatFormat | None:
    """The format in which an optimizer keeps a parameter; None for ``float32``."""
    return getattr(parameter, MARK, None)


class Linear(Layer, nn.Linear):
    """`torch.nn.Linear` in an arithmetic."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return linear(input, self.weight, self.bias, self.arith, self.wide)


class Embedding(Layer, nn.Embedding):
    """`torch.nn.Embedding` in an arithmetic: rows of a rounded table."""

    def forward(self, input: Tensor) -> Tensor:
        """Integers of any shape to that shape with embedding_dim added."""
        return embedding(self.weight, input, self.padding_idx, self.arith, self.wide)
