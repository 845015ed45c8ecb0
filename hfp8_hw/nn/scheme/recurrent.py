"""LSTM layers whose products are sums of rounded operands."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ...errors import ParameterError, shown
from .. import sums
from .arithmetic import Arithmetic
from .functions import bias_gradient, linear, save, saved, with_bias
from .layers import Layer
from .operands import Operand, activation, error
from .products import product


class _Recurrence(torch.autograd.Function):
    """All time steps of a layer, its directions side by side.

    The gates are the input's part plus h times the weight, (1,6,9) values all; what follows them,
    element by element, is ``float32``. The weight's gradient is one product, over the time steps in
    the order of the computation and the sequences in each.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor | None,
                arith: Arithmetic) -> tuple[Tensor, Tensor]:  # fmt: skip
        """x (directions, steps, sequences, 4 width), the gates' parts; h and c (directions,
        sequences, width); weight (directions, 4 width, width). Returns all h and the last c."""
        w = activation(weight, arith)
        keep = any(ctx.needs_input_grad)
        used, cells, gates, outputs = [], [c], [], []
        added = None if bias is None else bias.unsqueeze(1)
        for step in x.unbind(1):
            a = activation(h, arith)
            part = with_bias(product(a, w.turned(), arith), added, arith)
            total = step + part if arith.forward_format is None else sums.round_any(step + part)
            i, f, g, o = total.chunk(4, -1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            outputs.append(h)
            if keep:
                used.append(a)
                gates.append(torch.cat((i, f, g, o), -1))
                cells.append(c)
        if keep:
            save(ctx, w, *used, rest=(torch.stack(cells, 1), torch.stack(gates, 1)))
            ctx.arith, ctx.biased = arith, bias is not None
        return torch.stack(outputs, 1), c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        to_outputs, to_c = gradients
        w, *used = saved(ctx)
        (cells, gates), arith = ctx.saved_tensors[-2:], ctx.arith
        to_h = torch.zeros_like(to_c)
        to_x, errors = torch.empty_like(gates), []
        for t in reversed(range(gates.shape[1])):
            i, f, g, o = gates[:, t].chunk(4, -1)
            bent = cells[:, t + 1].tanh()
            to_h = to_h + to_outputs[:, t]
            to_c = to_c + to_h * o * (1 - bent * bent)
            parts = (to_c * g * i * (1 - i), to_c * cells[:, t] * f * (1 - f),
                     to_c * i * (1 - g * g), to_h * bent * o * (1 - o))  # fmt: skip
            to_x[:, t] = torch.cat(parts, -1)
            errors.append(error(to_x[:, t], arith))
            to_h = product(errors[-1], w, arith)
            to_c = to_c * f
        errors.reverse()
        to_weight, to_bias = _summed(errors, used, arith, ctx.biased)
        return to_x, to_h, to_c, to_weight, to_bias, None


def _summed(
    errors: list[Operand], used: list[Operand], arith: Arithmetic, biased: bool
) -> tuple[Tensor, Tensor | None]:
    """The gradients of the weight and of the bias: one sum over all steps, unless each step has its
    own factor."""
    if errors[0].factor is None:
        pairs = [(_joined(errors), _joined(used))]
    else:
        pairs = list(zip(errors, used, strict=True))
    to_weight = [product(e.turned(), a, arith) for e, a in pairs]
    weight = sums.round_any(torch.stack(to_weight).sum(0)) if len(pairs) > 1 else to_weight[0]
    if not biased:
        return weight, None
    found = [torch.stack([bias_gradient(e.moved(one), arith) for one in e.codes]) for e, _ in pairs]
    return weight, sums.round_any(torch.stack(found).sum(0)) if len(pairs) > 1 else found[0]


def _joined(steps: list[Operand]) -> Operand:
    return steps[0].moved(torch.cat([one.codes for one in steps], 1))


class LSTM(Layer, nn.LSTM):
    """`torch.nn.LSTM` in an arithmetic, without ``proj_size`` and packed sequences.

    As a first layer, only the products of its input with the first weights have 16 bits.
    """

    def narrow_parameters(self) -> tuple[str, ...]:
        """All weights, but for a first layer those of the input."""
        wide = "weight_ih_l0" if self.wide else "biases have another name"
        return tuple(
            n for n in self._parameters if n.startswith("weight") and not n.startswith(wide)
        )

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """As in PyTorch: the last layer's outputs, and the last h and c of all layers.

        Raises
        ------
        ParameterError
            For a packed sequence, or tensors of other shapes.
        """
        if not isinstance(input, Tensor):
            raise ParameterError(
                f"input={shown(type(input).__name__)} is not allowed: a tensor; "
                "pad sequences of different lengths"
            )
        single = input.ndim == 2
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            order = "sequences, steps" if self.batch_first else "steps, sequences"
            raise ParameterError(
                f"input of shape {tuple(input.shape)!r} is not allowed: ({order}, "
                f"{self.input_size}) or (steps, {self.input_size})"
            )
        x = input.unsqueeze(1) if single else input.transpose(0, 1) if self.batch_first else input
        if not len(x):
            raise ParameterError("an input of 0 steps is not allowed: at least 1")
        ways = 2 if self.bidirectional else 1
        shape = (self.num_layers * ways, x.shape[1], self.hidden_size)
        if hx is None:
            h0 = c0 = x.new_zeros(shape)
        else:
            given = (shape[0], shape[2]) if single else shape
            h0, c0 = (self._state(one, given).reshape(shape) for one in hx)
        last_h, last_c = [], []
        for layer in range(self.num_layers):
            some = slice(layer * ways, layer * ways + ways)
            x, h, c = self._layer(layer, ways, x, h0[some], c0[some])
            last_h.append(h)
            last_c.append(c)
            if self.dropout and layer + 1 < self.num_layers:
                x = nn.functional.dropout(x, self.dropout, self.training)
        out = x.squeeze(1) if single else x.transpose(0, 1) if self.batch_first else x
        h, c = torch.cat(last_h), torch.cat(last_c)
        return out, (h.squeeze(1), c.squeeze(1)) if single else (h, c)

    def _state(self, given: Tensor, shape: tuple[int, ...]) -> Tensor:
        if given.shape != shape:
            raise ParameterError(
                f"hx of shape {tuple(given.shape)!r} is not allowed: {shape!r} here"
            )
        return given

    def _input_part(self, layer: int, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the input adds to the gates of both directions, of all time steps."""
        return linear(x, weight, bias, self.arith, self.wide and layer == 0)

    def _recurrence(self, layer: int, x: Tensor, h: Tensor, c: Tensor, weight: Tensor,
                    bias: Tensor | None) -> tuple[Tensor, Tensor]:  # fmt: skip
        """All h and the last c; arguments as those of `_Recurrence`."""
        found: tuple[Tensor, Tensor] = _Recurrence.apply(x, h, c, weight, bias, self.arith)
        return found

    def _layer(
        self, layer: int, ways: int, x: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        def stacked(name: str) -> list[Tensor]:
            ends = ("", "_reverse")[:ways]
            return [getattr(self, f"{name}_l{layer}{end}") for end in ends]

        bias_ih = torch.cat(stacked("bias_ih")) if self.bias else None
        bias_hh = torch.stack(stacked("bias_hh")) if self.bias else None
        parts = self._input_part(layer, x, torch.cat(stacked("weight_ih")), bias_ih)
        gates = parts.unflatten(-1, (ways, -1)).permute(2, 0, 1, 3)
        if ways == 2:
            gates = torch.stack((gates[0], gates[1].flip(0)))
        weight = torch.stack(stacked("weight_hh"))
        out, c = self._recurrence(layer, gates, h, c, weight, bias_hh)
        last = out[:, -1]
        if ways == 2:
            return torch.cat((out[0], out[1].flip(0)), -1), last, c
        return out[0], last, c
