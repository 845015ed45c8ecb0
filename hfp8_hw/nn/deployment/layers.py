"""Layers for inference: operands rounded to values, sums in FP32.

They are those of the scheme with other forward passes. A layer's parameters hold the values of
codes; activations go through its rounders, whose names begin with ``round_``. In arithmetics
without scales, and in layers with operands of 16 bits, sums are rounded to (1,6,9) once and a bias
is added with one more rounding, so that the results are those of the scheme's layers; in others
they stay in FP32.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scheme import layers, recurrent
from ..scheme.attention import MultiheadAttention as SchemeAttention
from ..scheme.attention import softmax
from ..scheme.products import single
from .rounders import Rounder, to_sums
from .weights import Stored


class Deployed(layers.Layer):
    """What the layers have in common.

    Members
    -------
    stored : dict
        By the name of a parameter: its codes.
    """

    stored: dict[str, Stored]

    def __call__(self, *given: Any, **named: Any) -> Any:
        """As in PyTorch, with sums in FP32 also within `torch.autocast`."""
        with single(next(self.parameters())):  # type: ignore[attr-defined]
            return super().__call__(*given, **named)  # type: ignore[misc]

    def rounders(self) -> dict[str, bool]:
        """The names of what is rounded, and whether it has 16 bits."""
        return {"input": self.wide}

    def settle(self) -> None:
        """Give the layer its rounders, where its parameters are."""
        device = next(self.parameters()).device  # type: ignore[attr-defined]
        for name, wide in self.rounders().items():
            setattr(self, f"round_{name}", Rounder(self.arith, wide).to(device))

    def finish(self, total: Tensor, bias: Tensor | None, wide: bool | None = None) -> Tensor:
        """A sum of products with its bias, rounded as the arithmetic says."""
        if self.arith.scaling == "none" or (self.wide if wide is None else wide):
            total = to_sums(total)
            return total if bias is None else to_sums(total + bias)
        return total if bias is None else total + bias


class Linear(Deployed, layers.Linear):
    """`torch.nn.Linear`, deployed."""

    round_input: Rounder

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return self.finish(self.round_input(input) @ self.weight.t(), self.bias)


class Conv2d(Deployed, layers.Conv2d):
    """`torch.nn.Conv2d`, deployed."""

    round_input: Rounder

    def forward(self, input: Tensor) -> Tensor:
        """(images, in_channels, rows, columns), or without images."""
        x, padding = layers.outside(self, self.round_input(input), 2)
        y = F.conv2d(x, self.weight, None, self.stride, padding, self.dilation, self.groups)
        return self.finish(y, None if self.bias is None else self.bias.view(-1, 1, 1))


class Conv1d(Deployed, layers.Conv1d):
    """`torch.nn.Conv1d`, deployed."""

    round_input: Rounder

    def forward(self, input: Tensor) -> Tensor:
        """(images, in_channels, columns), or without images."""
        x, padding = layers.outside(self, self.round_input(input), 1)
        y = F.conv1d(x, self.weight, None, self.stride, padding, self.dilation, self.groups)
        return self.finish(y, None if self.bias is None else self.bias.view(-1, 1))


class Embedding(Deployed, layers.Embedding):
    """`torch.nn.Embedding`, deployed."""

    def rounders(self) -> dict[str, bool]:
        """Nothing but the table is rounded."""
        return {}

    def forward(self, input: Tensor) -> Tensor:
        """Integers of any shape to that shape with embedding_dim added."""
        return F.embedding(input, self.weight)


class LSTM(Deployed, recurrent.LSTM):
    """`torch.nn.LSTM`, deployed; both directions of a layer share their rounders."""

    def rounders(self) -> dict[str, bool]:
        """The input and h of each layer."""
        found = {}
        for layer in range(self.num_layers):
            found[f"input_l{layer}"] = self.wide and layer == 0
            found[f"state_l{layer}"] = False
        return found

    def _input_part(self, layer: int, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rounded = getattr(self, f"round_input_l{layer}")(x)
        return self.finish(rounded @ weight.t(), bias, self.wide and layer == 0)

    def _recurrence(self, layer: int, x: Tensor, h: Tensor, c: Tensor, weight: Tensor,
                    bias: Tensor | None) -> tuple[Tensor, Tensor]:  # fmt: skip
        rounder, turned = getattr(self, f"round_state_l{layer}"), weight.transpose(-1, -2)
        added, outputs = None if bias is None else bias.unsqueeze(1), []
        for step in x.unbind(1):
            part = self.finish(rounder(h) @ turned, added, False)
            i, f, g, o = self.finish(step + part, None, False).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1), c


class MultiheadAttention(Deployed, SchemeAttention):
    """`torch.nn.MultiheadAttention`, deployed."""

    round_q: Rounder
    round_k: Rounder
    round_v: Rounder
    round_shares: Rounder

    def rounders(self) -> dict[str, bool]:
        """What is projected, what comes of that, and the softmax's results."""
        names = ("query", "key", "value", "q", "k", "v", "shares")
        return dict.fromkeys(names, False)

    def _project(self, name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.finish(getattr(self, f"round_{name}")(x) @ weight.t(), bias)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor | None,
                bias: Tensor | None, dropout: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        scores = self.finish(self.round_q(q) @ self.round_k(k).transpose(-1, -2), None)
        scores = scores / math.sqrt(q.shape[-1])
        if bias is not None:
            scores = scores + bias
        shares = softmax(scores, blocked, to_sums)
        return self.finish(self.round_shares(shares) @ self.round_v(v), None), shares


TABLE: dict[type[Any], type[Any]] = {
    layers.Linear: Linear,
    layers.Conv1d: Conv1d,
    layers.Conv2d: Conv2d,
    layers.Embedding: Embedding,
    recurrent.LSTM: LSTM,
    SchemeAttention: MultiheadAttention,
}
"""What becomes of which of the scheme's layers."""


def adopt(module: nn.Module) -> None:
    """Turn one of the scheme's layers, in place, into a deployed one, with weights as they are."""
    layer: Any = module
    layer.__class__ = TABLE[type(module)]
    layer.settle()
