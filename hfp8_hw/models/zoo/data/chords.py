"""Chords, synthesised: a few notes with overtones that die away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 22050
"""Samples a second."""
LENGTH = 43844
"""Samples of a piece: what the network takes, not quite two seconds."""

OVERTONES = 10


@dataclass(frozen=True)
class Note:
    """A note of a piece: its MIDI number and when it begins, in seconds."""

    pitch: int
    begin: float


def piece(random: np.random.Generator) -> tuple[NDArray[np.float32], list[Note]]:
    """Two chords of one to three notes, as samples from -1 to 1, and the notes."""
    sound = np.zeros(LENGTH)
    notes = []
    for begin in (random.uniform(0.1, 0.3), random.uniform(0.95, 1.15)):
        # From C3 to B5, no two notes of a chord nearer than three semitones.
        pitches = [int(random.integers(48, 68))]
        for _ in range(int(random.integers(0, 3))):
            pitches.append(pitches[-1] + int(random.integers(3, 9)))
        length = random.uniform(0.5, 0.7)
        for pitch in pitches:
            notes.append(Note(pitch, begin))
            _play(random, sound, pitch, begin, length)
    sound += random.normal(0, 0.002, LENGTH)
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32), notes


def _play(random: np.random.Generator, sound: NDArray[np.float64], pitch: int, begin: float,
          length: float) -> None:  # fmt: skip
    first = int(begin * RATE)
    time = np.arange(min(int(length * RATE), LENGTH - first)) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    tone = np.zeros(len(time))
    for k in range(1, OVERTONES + 1):
        if k * frequency < RATE / 2:
            strength = random.uniform(0.5, 1.0) / k**1.3
            wave = np.sin(2 * np.pi * k * frequency * time + random.uniform(0, 2 * np.pi))
            tone += strength * np.exp(-(1 + 0.5 * k) * time) * wave
    # Ten milliseconds in, thirty out: no clicks.
    rise = np.minimum(1, time / 0.01) * np.minimum(1, (time[-1] - time) / 0.03)
    sound[first : first + len(time)] += random.uniform(0.5, 1.0) * rise * tone


def pieces(count: int, seed: int) -> tuple[NDArray[np.float32], list[list[Note]]]:
    """Pieces, (count, LENGTH, 1), and the notes of each."""
    random = np.random.default_rng(seed)
    made = [piece(random) for _ in range(count)]
    return np.stack([sound for sound, _ in made])[:, :, None], [notes for _, notes in made]
