"""Attention whose products are sums of rounded operands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ParameterError
from .. import sums
from .arithmetic import Arithmetic
from .functions import linear, matmul
from .layers import Layer, Linear


class _Rounded(torch.autograd.Function):
    """(1,6,9) values; the gradient passes as it is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return sums.round_any(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def softmax(
    scores: Tensor,
    blocked: Tensor | None = None,
    rounded: Callable[[Tensor], Tensor] = _Rounded.apply,
) -> Tensor:
    """The softmax over the last axis of scores whose maximum is subtracted first; what is left is
    rounded to (1,6,9), the rest is ``float32``. Where ``blocked`` is true the result is 0.
    ``rounded`` is what rounds."""
    if blocked is not None:
        scores = scores.masked_fill(blocked, -torch.inf)
    if not scores.shape[-1]:
        return scores
    most = scores.detach().amax(-1, keepdim=True)
    below = rounded((scores - most).clamp_min(-sums.LARGEST))
    if blocked is not None:
        below = below.masked_fill(blocked, -torch.inf)
    return torch.softmax(below, -1)


def attention(q: Tensor, k: Tensor, v: Tensor, arith: str | Arithmetic = "hfp8", *,
              blocked: Tensor | None = None, bias: Tensor | None = None,
              dropout: float = 0.0) -> tuple[Tensor, Tensor]:  # fmt: skip
    """softmax(q k^T / sqrt(width) + bias) v and the softmax's result.

    Parameters
    ----------
    q, k, v : Tensor
        (..., queries, width), (..., keys, width), (..., keys, any width).
    arith : str or Arithmetic
        Of both products; see `matmul` and `softmax`.
    blocked : Tensor, optional
        ``bool``, true where a query must not see a key; broadcasts to (..., queries, keys).
    bias : Tensor, optional
        Added to the scaled scores in ``float32``.
    dropout : float
        The share of the softmax's results that is set to 0.

    Raises
    ------
    ParameterError
        For an unknown arithmetic.
    """
    scores = matmul(q, k.transpose(-1, -2), arith) / math.sqrt(q.shape[-1])
    if bias is not None:
        scores = scores + bias
    shares = softmax(scores, blocked)
    if dropout:
        shares = nn.functional.dropout(shares, dropout)
    return matmul(shares, v, arith), shares


class MultiheadAttention(Layer, nn.MultiheadAttention):
    """`torch.nn.MultiheadAttention` in an arithmetic, but for ``add_bias_kv``, ``add_zero_attn``.

    Where query, key and value are one tensor, one product projects them.
    """

    _qkv_same_embed_dim: bool

    def extra_repr(self) -> str:
        """Width and heads."""
        return f"{self.embed_dim}, heads={self.num_heads}"

    def setup(self) -> None:
        """What the class needs of an instance of PyTorch's."""
        self.one_weight = self._qkv_same_embed_dim
        # PyTorch's encoder layers then call `forward`, and not a function of their own.
        self._qkv_same_embed_dim = False
        out: Any = self.out_proj
        out.__class__ = Linear
        out.arith, out.wide = self.arith, self.wide
        out.mark()

    def narrow_parameters(self) -> tuple[str, ...]:
        """The weights of the projections."""
        return ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")

    def forward(self, query: Tensor, key: Tensor, value: Tensor,
                key_padding_mask: Tensor | None = None, need_weights: bool = True,
                attn_mask: Tensor | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """As in PyTorch: the result and, if they are asked for, the attention's weights."""
        self._check(query, key, value)
        single = query.ndim == 2
        turn = not self.batch_first and not single
        parts = self._projected(query, key, value)
        heads = []
        for x in parts:
            x = x.unsqueeze(0) if single else x.transpose(0, 1) if turn else x
            width = x.shape[-1] // self.num_heads
            heads.append(x.reshape(*x.shape[:2], self.num_heads, width).transpose(1, 2))
        q, k, v = heads
        blocked, bias = self._masks(q, k, key_padding_mask, attn_mask, is_causal)
        drop = self.dropout if self.training else 0.0
        found, shares = self._attend(q, k, v, blocked, bias, drop)
        found = found.transpose(1, 2)
        out = self.out_proj(found.flatten(2))
        out = out.squeeze(0) if single else out.transpose(0, 1) if turn else out
        if not need_weights:
            return out, None
        shares = shares.mean(1) if average_attn_weights else shares
        return out, shares.squeeze(0) if single else shares

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Raise ParameterError for shapes that do not fit each other."""
        batch = slice(0, 1) if self.batch_first else slice(1, 2)
        for name, one, width in (("query", query, self.embed_dim), ("key", key, self.kdim),
                                 ("value", value, self.vdim)):  # fmt: skip
            if one.ndim not in (2, 3) or one.ndim != query.ndim or one.shape[-1] != width:
                raise ParameterError(
                    f"{name} of shape {tuple(one.shape)!r} is not allowed: {query.ndim} axes, 2 or "
                    f"3, the last one {width} long"
                )
            if one.ndim == 3 and one.shape[batch] != query.shape[batch]:
                raise ParameterError(
                    f"{name} of shape {tuple(one.shape)!r} is not allowed: "
                    f"as many sequences as the query has, {query.shape[batch][0]}"
                )
        if value.shape[:-1] != key.shape[:-1]:
            raise ParameterError(
                f"value of shape {tuple(value.shape)!r} is not allowed: as long as the key, which "
                f"has {tuple(key.shape)!r}"
            )

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor | None,
                bias: Tensor | None, dropout: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        """`attention` in the layer's arithmetic."""
        return attention(q, k, v, self.arith, blocked=blocked, bias=bias, dropout=dropout)

    def _project(self, name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """One projection, of the ``query``, the ``key`` or the ``value``; of all three by the name
        of the first."""
        return linear(x, weight, bias, self.arith, self.wide)

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        if self.one_weight and query is key and key is value:
            return self._project("query", query, self.in_proj_weight, self.in_proj_bias).chunk(
                3, -1
            )
        if self.one_weight:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        given = zip(("query", "key", "value"), (query, key, value), weights, biases, strict=True)
        return tuple(self._project(*one) for one in given)

    def _masks(self, q: Tensor, k: Tensor, padding: Tensor | None, mask: Tensor | None,
               causal: bool) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
        """What is blocked and what is added, each None or to be broadcast to the scores."""
        images, heads, rows, _ = q.shape
        columns = k.shape[-2]
        if causal and mask is None:
            mask = torch.ones(rows, columns, dtype=torch.bool, device=q.device).triu(1)
        found = []
        if mask is not None:
            if mask.shape not in ((rows, columns), (images * heads, rows, columns)):
                raise ParameterError(
                    f"attn_mask of shape {tuple(mask.shape)!r} is not allowed: "
                    f"{(rows, columns)!r} or {(images * heads, rows, columns)!r}"
                )
            found.append(mask if mask.ndim == 2 else mask.view(images, heads, rows, columns))
        if padding is not None:
            if padding.shape not in ((images, columns), *([(columns,)] if images == 1 else [])):
                raise ParameterError(
                    f"key_padding_mask of shape {tuple(padding.shape)!r} is not allowed: "
                    f"{(images, columns)!r}"
                )
            found.append(padding.view(images, 1, 1, columns))
        blocked = bias = None
        for one in found:
            if one.dtype != torch.bool and not one.is_floating_point():
                raise ParameterError(
                    f"a mask of {one.dtype} is not allowed: torch.bool or floating-point numbers"
                )
            if one.dtype == torch.bool:
                stop = one
            else:
                stop = one == -torch.inf
                one = one.masked_fill(stop, 0.0)
                bias = one if bias is None else bias + one
            blocked = stop if blocked is None else blocked | stop
        return blocked, bias
