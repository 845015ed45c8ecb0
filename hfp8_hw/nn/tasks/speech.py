"""Speech: which language is spoken, and which letters, by bidirectional LSTMs of two layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .audio import BANDS
from .recordings import ALPHABET, LANGUAGES, PROMPT_SOURCE, SPOKEN_SOURCE
from .task import Recipe, Task, tensor

STACK = 2
"""Frames that the network takes at a time."""
PIECE = 40
"""Frames of which the language is told."""


class Listener(nn.Module):
    """Two layers of LSTM both ways and a linear layer; the mean over time, or every time."""

    def __init__(self, classes: int, width: int, mean: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(STACK * BANDS, width, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, classes)
        self.mean = mean

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (examples, length, bands) to scores (examples, [length / `STACK`,] classes)."""
        count, length, _ = frames.shape
        x, _ = self.lstm(frames.reshape(count, length // STACK, STACK * BANDS))
        found: Tensor = self.head(x.mean(1) if self.mean else x)
        return found


class Sounds:
    """Frames of many sounds on a device, each band of each sound with mean 0."""

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        starts = data["starts"].astype(np.int64)
        lengths = np.diff(starts)
        flat = data["frames"].astype(np.float32)
        means = np.add.reduceat(flat, starts[:-1]) / lengths[:, None]
        self.frames = tensor(
            ((flat - np.repeat(means, lengths, 0)) / 20).astype(np.float32), device
        )
        # A frame of nothing, for what is after the end.
        self.frames = torch.cat((self.frames, torch.zeros_like(self.frames[:1])))
        self.starts, self.lengths = tensor(starts[:-1], device), tensor(lengths, device)

    def cut(self, sounds: Tensor, begin: Tensor, count: int) -> Tensor:
        """``count`` frames of some sounds from ``begin`` on, (sounds, count, bands)."""
        place = begin[:, None] + torch.arange(count, device=begin.device)
        inside = place < self.lengths[sounds][:, None]
        nothing = len(self.frames) - 1
        return self.frames[torch.where(inside, self.starts[sounds][:, None] + place, nothing)]


class SpeechLanguage(Task):
    """Which of five languages: English, French, Spanish, Italian, Russian, from 0.8 s of speech.

    The prompts of the test are in no language part of the training. A language is one speaker
    here, and English and Spanish are the same one, so it is speakers and recordings as much as
    languages that are told apart.
    """

    name = "speech_language"
    unit = "accuracy %"
    higher = True
    source = PROMPT_SOURCE
    recipe = Recipe(40, 64, "adam", lr=2e-3, betas=(0.9, 0.99))

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        super().__init__(data, device)
        self.sounds = Sounds(data, device)
        self.labels = tensor(data["labels"].astype(np.int64), device)
        self.train = tensor(np.flatnonzero(~data["test"]), device)
        # The test: every piece that fits, and the whole of what is shorter.
        pieces = [
            (sound, begin)
            for sound in np.flatnonzero(data["test"])
            for begin in range(0, max(1, np.diff(data["starts"])[sound] - PIECE + 1), PIECE)
        ]
        self.pieces = tensor(np.array(pieces, np.int64), device)

    @property
    def size(self) -> int:
        """Training sounds."""
        return len(self.train)

    def model(self) -> nn.Module:
        """A new network."""
        return Listener(len(LANGUAGES), 128, mean=True)

    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy of a random piece of each sound."""
        sounds = self.train[index.to(self.device)]
        room = (self.sounds.lengths[sounds] - PIECE).clamp(min=0) + 1
        share = torch.rand(len(sounds), generator=generator, device=self.device)
        begin = (share.double() * room).long()
        return F.cross_entropy(model(self.sounds.cut(sounds, begin, PIECE)), self.labels[sounds])

    def score(self, model: nn.Module) -> float:
        """Percent of the test's pieces that are named right."""
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        for part in self.pieces.split(512):
            found = model(self.sounds.cut(part[:, 0], part[:, 1], PIECE)).argmax(1)
            right += (found == self.labels[part[:, 0]]).sum()
        return 100 * int(right) / len(self.pieces)


def distance(a: list[int], b: list[int]) -> int:
    """The fewest letters to put in, take out or change that make one text of another."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        corner, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            corner, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, corner + (x != y))
    return row[-1]


class SpeechLetters(Task):
    """The letters of what espeak-ng says, with CTC; the score is the error rate of letters."""

    name = "speech_letters"
    unit = "letter errors %"
    higher = False
    source = SPOKEN_SOURCE
    recipe = Recipe(16, 32, "adam", lr=3e-3, betas=(0.9, 0.99), score_every=4)

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        super().__init__(data, device)
        self.sounds = Sounds(data, device)
        self.lengths = torch.from_numpy(np.diff(data["starts"]).astype(np.int64))
        cuts = data["letters_starts"][1:-1]
        self.texts = [
            torch.from_numpy(text.astype(np.int64)) for text in np.split(data["letters"], cuts)
        ]
        self.train = torch.from_numpy(np.flatnonzero(~data["test"]))
        self.test = torch.from_numpy(np.flatnonzero(data["test"]))

    @property
    def size(self) -> int:
        """Training sentences."""
        return len(self.train)

    def model(self) -> nn.Module:
        """A new network."""
        return Listener(len(ALPHABET), 192, mean=False)

    def batches(self, batch: int, generator: torch.Generator) -> list[Tensor]:
        """Sentences of about the same length together, in batches of random order."""
        order = torch.randperm(self.size, generator=generator)
        order = order[self.lengths[self.train[order]].argsort(stable=True)]
        parts = list(order.split(batch))
        return [parts[k] for k in torch.randperm(len(parts), generator=generator).tolist()]

    def _scores(self, model: nn.Module, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (sounds, length, letters), and how many of them are of each sound."""
        steps = (self.lengths[sounds] + STACK - 1) // STACK
        where = sounds.to(self.device)
        begin = torch.zeros_like(where)
        return model(self.sounds.cut(where, begin, int(steps.max()) * STACK)), steps

    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """CTC's loss a letter, on the CPU: PyTorch's on a GPU has not the same bits each time."""
        sounds = self.train[index]
        scores, steps = self._scores(model, sounds)
        texts = [self.texts[k] for k in sounds.tolist()]
        logs = F.log_softmax(scores, -1).cpu().transpose(0, 1)
        counts = torch.tensor([len(text) for text in texts])
        return F.ctc_loss(logs, torch.cat(texts), steps, counts, zero_infinity=True)

    def score(self, model: nn.Module) -> float:
        """Percent of letters that are wrong, missing or too many, of the likeliest letters."""
        wrong = total = 0
        for part in self.test[self.lengths[self.test].argsort(stable=True)].split(200):
            scores, steps = self._scores(model, part)
            for sound, row, count in zip(part.tolist(), scores.argmax(-1).cpu(), steps.tolist(),
                                         strict=True):  # fmt: skip
                found = torch.unique_consecutive(row[:count]).tolist()
                text = self.texts[sound].tolist()
                wrong += distance([letter for letter in found if letter], text)
                total += len(text)
        return 100 * wrong / total


TASKS = {"speech_language": SpeechLanguage, "speech_letters": SpeechLetters}
"""The tasks of this module."""
