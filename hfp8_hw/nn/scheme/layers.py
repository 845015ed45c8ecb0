"""Layers that compute in an `Arithmetic`: PyTorch's own with another forward and backward pass.

A layer keeps its parameters, in ``float32`` and under the same names, so that state dicts of both
kinds fit each other. Products are (1,6,9) sums of rounded operands; a bias is rounded to (1,6,9)
and added with one rounding. What comes out has (1,6,9) values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...formats import FloatFormat
from ..sums import ACC
from .arithmetic import Arithmetic
from .convolution import Geometry, Pair, check_input, convolution
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

    def setup(self) -> None:
        """What else a layer needs when it has become one of this class."""

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


def _pair(values: Any) -> Pair:
    """Rows and columns; a one-dimensional convolution has one row."""
    return values[0], values[1]


class Conv2d(Layer, nn.Conv2d):
    """`torch.nn.Conv2d` in an arithmetic, with all its options."""

    def forward(self, input: Tensor) -> Tensor:
        """(images, in_channels, rows, columns), or without images."""
        check_input(input, self.in_channels, "rows, columns")
        if input.ndim == 3:
            return self.forward(input.unsqueeze(0)).squeeze(0)
        x, padding = outside(self, input, 2)
        geometry = Geometry(_pair(self.stride), _pair(padding), _pair(self.dilation), self.groups)
        return convolution(x, self.weight, self.bias, geometry, self.arith, self.wide)


class Conv1d(Layer, nn.Conv1d):
    """`torch.nn.Conv1d` in an arithmetic, with all its options."""

    def forward(self, input: Tensor) -> Tensor:
        """(images, in_channels, columns), or without images."""
        check_input(input, self.in_channels, "columns")
        if input.ndim == 2:
            return self.forward(input.unsqueeze(0)).squeeze(0)
        x, padding = outside(self, input, 1)
        geometry = Geometry(
            (1, self.stride[0]), (0, padding[0]), (1, self.dilation[0]), self.groups
        )
        weight = self.weight.unsqueeze(2)
        y = convolution(x.unsqueeze(2), weight, self.bias, geometry, self.arith, self.wide)
        return y.squeeze(2)


def outside(layer: Any, x: Tensor, axes: int) -> tuple[Tensor, tuple[int, ...]]:
    """The input and the zeros that are still to be put around it: none if the layer pads otherwise,
    or by different numbers on both sides."""
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return x, layer.padding
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    around = layer._reversed_padding_repeated_twice
    return torch.nn.functional.pad(x, around, mode=mode), (0,) * axes


class Embedding(Layer, nn.Embedding):
    """`torch.nn.Embedding` in an arithmetic: rows of a rounded table."""

    def forward(self, input: Tensor) -> Tensor:
        """Integers of any shape to that shape with embedding_dim added."""
        return embedding(self.weight, input, self.padding_idx, self.arith, self.wide)
