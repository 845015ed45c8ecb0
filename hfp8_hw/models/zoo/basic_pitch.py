"""Which notes sound: Basic Pitch."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data.chords import RATE, Note, pieces
from .example import Arrays, Example
from .packages import file_of

NOTES, ONSETS = "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"
HOP = 256
"""Samples between frames of the network's outputs."""
LOWEST = 21
"""The MIDI number of the first of 88 keys."""
ONSET, SOUNDING = 0.5, 0.3
"""Likelihoods from which a note begins, and from which it goes on, as in the package."""
SHORTEST = 11
"""Frames; a shorter note is dropped, as in the package."""
NEAR = 0.05
"""Seconds by which a note may begin early or late, as scores of transcription allow."""


class BasicPitch(Example):
    """Six convolutions over a spectrum, which 26 more compute: 484 million multiply-adds for two
    seconds."""

    name = "basic_pitch"
    unit = "notes F %"
    about = "the notes of synthesised chords (basic-pitch 0.4.0), its spectral front end in FP32"
    keep = ("*cq_t2010v2*",)
    batch = 4

    def model(self) -> bytes:
        """The package's file."""
        return file_of("basic_pitch", "saved_models/icassp_2022/nmp.onnx").read_bytes()

    def calibration(self) -> Arrays:
        """8 pieces of two chords."""
        return {"serving_default_input_2:0": _pieces(8, 2)[0]}

    def evaluation(self) -> Arrays:
        """40 pieces."""
        return {"serving_default_input_2:0": _pieces(40, 1)[0]}

    def answers(self, outputs: Arrays) -> list[Any]:
        """The notes of each piece."""
        return [notes(*pair) for pair in zip(outputs[NOTES], outputs[ONSETS], strict=True)]

    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """F-measure of the notes that were played."""
        return f_measure(answers, _pieces(40, 1)[1])

    def agreement(self, answers: list[Any], fp32: list[Any]) -> float:
        """F-measure of the notes that FP32 hears."""
        return f_measure(answers, fp32)


@cache
def _pieces(count: int, seed: int) -> tuple[NDArray[np.float32], list[list[Note]]]:
    return pieces(count, seed)


def notes(sounding: NDArray[np.float32], onsets: NDArray[np.float32]) -> list[Note]:
    """The notes in likelihoods by frame and key, (frames, 88) each.

    One begins where its onset is likely, and likelier than just before and after, and lasts while
    it is likely to sound.
    """
    frames = len(onsets)
    around = np.pad(onsets, ((1, 1), (0, 0)))
    begins = (onsets >= ONSET) & (onsets > around[:-2]) & (onsets >= around[2:])
    heard = []
    for begin, key in np.argwhere(begins):
        silent = np.flatnonzero(sounding[begin:, key] < SOUNDING)
        # The onset is often a frame or two before the note is likely to sound.
        later = silent[silent > 2]
        end = begin + later[0] if len(later) else frames
        if end - begin > SHORTEST:
            heard.append(Note(LOWEST + int(key), float(begin) * HOP / RATE))
    return heard


def f_measure(answers: list[list[Note]], wanted: list[list[Note]]) -> float:
    """2 hits / (notes heard + notes wanted), in percent; a hit has the pitch and begins near."""
    hits = total = 0
    for heard, played in zip(answers, wanted, strict=True):
        total += len(heard) + len(played)
        left = list(heard)
        for note in played:
            near = [h for h in left if h.pitch == note.pitch and abs(h.begin - note.begin) <= NEAR]
            if near:
                left.remove(min(near, key=lambda h: abs(h.begin - note.begin)))
                hits += 1
    return 100.0 * 2 * hits / total if total else 100.0
