"""Transformers: one that goes on with a text, and one that translates."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DROPOUT = 0.1


def places(length: int, width: int) -> Tensor:
    """Sines and cosines of each place in a sequence, (length, width)."""
    angle = torch.arange(length)[:, None] * torch.exp(
        torch.arange(0, width, 2) * (-math.log(10000.0) / width)
    )
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)


def later(length: int, device: torch.device) -> Tensor:
    """True for what a place must not see: all places after it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).triu(1)


class Words(nn.Module):
    """Tokens (examples, length) to vectors (examples, length, width) that know their place."""

    places: Tensor

    def __init__(self, tokens: int, width: int, longest: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.scale = width**0.5
        self.register_buffer("places", places(longest, width), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """The vectors."""
        found = self.embedding(tokens) * self.scale + self.places[: tokens.shape[1]]
        return F.dropout(found, DROPOUT, self.training)


class Block(nn.Module):
    """Attention to the sequence itself, to another where ``other``, and two linear layers."""

    def __init__(self, width: int, heads: int, inner: int, other: bool = False) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 + other))
        self.own = nn.MultiheadAttention(width, heads, batch_first=True)
        self.other = nn.MultiheadAttention(width, heads, batch_first=True) if other else None
        self.inner, self.outer = nn.Linear(width, inner), nn.Linear(inner, width)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, DROPOUT, self.training)

    def forward(
        self, x: Tensor, unseen: Tensor | None = None, padding: Tensor | None = None,
        memory: Tensor | None = None, memory_padding: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """(examples, length, width) to the same; masks are True where nothing may be seen."""
        y = self.norms[0](x)
        y, _ = self.own(y, y, y, attn_mask=unseen, key_padding_mask=padding, need_weights=False)
        x = x + self._drop(y)
        if self.other is not None:
            y, _ = self.other(self.norms[2](x), memory, memory, key_padding_mask=memory_padding,
                              need_weights=False)  # fmt: skip
            x = x + self._drop(y)
        return x + self._drop(self.outer(F.relu(self.inner(self.norms[1](x)))))


class Reader(nn.Module):
    """Says of each place in a text what may come next."""

    def __init__(self, tokens: int, longest: int, width: int = 256, layers: int = 4) -> None:
        super().__init__()
        self.words = Words(tokens, width, longest)
        self.blocks = nn.ModuleList(Block(width, width // 64, 4 * width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (examples, length) to scores (examples, length, tokens)."""
        unseen = later(tokens.shape[1], tokens.device)
        x = self.words(tokens)
        for block in self.blocks:
            x = block(x, unseen)
        found: Tensor = self.head(self.norm(x))
        return found


class Translator(nn.Module):
    """An encoder and a decoder that share their words; token 0 is padding."""

    def __init__(self, tokens: int, longest: int, width: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.words = Words(tokens, width, longest)
        heads = width // 64
        self.encoder = nn.ModuleList(Block(width, heads, 4 * width) for _ in range(layers))
        self.decoder = nn.ModuleList(Block(width, heads, 4 * width, True) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.head = nn.Linear(width, tokens)

    def encode(self, source: Tensor) -> Tensor:
        """Tokens (examples, length) to what the decoder looks at, (examples, length, width)."""
        x, padding = self.words(source), source == 0
        for block in self.encoder:
            x = block(x, None, padding)
        found: Tensor = self.norms[0](x)
        return found

    def decode(self, memory: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """The decoder's vectors (examples, length, width) after each token of the target."""
        x, unseen = self.words(target), later(target.shape[1], target.device)
        for block in self.decoder:
            x = block(x, unseen, None, memory, source == 0)
        found: Tensor = self.norms[1](x)
        return found

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Scores of what follows each token of the target, (examples, length, tokens)."""
        found: Tensor = self.head(self.decode(self.encode(source), source, target))
        return found
