"""What a line of text says: rapidocr's recogniser, the hard case."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .data.lines import Line, written
from .example import Arrays, Example
from .packages import file_of, needed

BLANK = 0
"""The class that stands for no letter, and between two that are the same."""


class TextRecognition(Example):
    """A LCNet with two blocks of attention, and 6,625 classes in each of 24 places: 0.8 billion
    multiply-adds a line."""

    name = "text_recognition"
    unit = "letters %"
    about = "what a drawn line of text says (rapidocr-onnxruntime 1.4.4)"
    batch = 10

    def model(self) -> bytes:
        """The package's file."""
        name = "models/ch_PP-OCRv4_rec_infer.onnx"
        return file_of("rapidocr_onnxruntime", name).read_bytes()

    def calibration(self) -> Arrays:
        """20 lines."""
        return {"x": _lines(20, 2)[0]}

    def evaluation(self) -> Arrays:
        """60 lines of one or two words."""
        return {"x": _lines(60, 1)[0]}

    def answers(self, outputs: Arrays) -> list[Any]:
        """What it reads in each line."""
        letters = _letters(self.model())
        return [decoded(places, letters) for places in next(iter(outputs.values())).argmax(2)]

    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """Percent of the letters, less those to be put in, taken out or replaced."""
        return letters_right(answers, _lines(60, 1)[1])

    def agreement(self, answers: list[Any], fp32: list[Any]) -> float:
        """The same, if what FP32 reads were right."""
        return letters_right(answers, fp32)


@cache
def _lines(count: int, seed: int) -> tuple[Line, list[str]]:
    return written(count, seed)


@cache
def _letters(model: bytes) -> list[str]:
    """What each class stands for: the file has them, but for the first and the last."""
    entries = needed("onnx").load_from_string(model).metadata_props
    held = next(entry.value for entry in entries if entry.key == "character")
    return ["", *held.splitlines(), " "]


def decoded(places: Any, letters: list[str]) -> str:
    """What the likeliest classes of all places say: each run of one class is one letter."""
    before = np.concatenate([[BLANK], places[:-1]])
    return "".join(letters[p] for p, b in zip(places, before, strict=True) if p not in (b, BLANK))


def letters_right(answers: list[str], wanted: list[str]) -> float:
    """100 less the edits that all answers need, in percent of the letters wanted; 0 at least."""
    edits = sum(distance(a, w) for a, w in zip(answers, wanted, strict=True))
    return max(0.0, 100.0 * (1 - edits / max(1, sum(map(len, wanted)))))


def distance(found: str, wanted: str) -> int:
    """The least number of letters to be put in, taken out or replaced."""
    row = list(range(len(wanted) + 1))
    for i, letter in enumerate(found, 1):
        last, row = row, [i]
        for j, other in enumerate(wanted, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != other)))
    return row[-1]
