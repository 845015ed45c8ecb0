"""Sound as a picture: the power in bands of pitch, frame by frame."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ParameterError
from .sources import Arrays

BANDS = 32
HOP = 0.02
"""Seconds from frame to frame."""
WINDOW = 0.032
"""Seconds of a frame."""
FLOOR = -100
"""Decibels, of a full-scale sample, that count as silence and have the code 0."""


def samples(path: Path) -> tuple[np.ndarray[Any, Any], int]:
    """The samples of a mono file of 16 bits, full scale 1, and how many a second has."""
    try:
        with wave.open(str(path)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise wave.Error
            found = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return found / 32768, file.getframerate()
    except (wave.Error, EOFError):
        raise ParameterError(f"{str(path)!r} is not a mono WAV file of 16 bits") from None


def _pitch(hertz: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mel: about how high a tone sounds."""
    return 2595 * np.log10(1 + hertz / 700)


def bands(rate: int, size: int, high: float) -> np.ndarray[Any, Any]:
    """Weights (`BANDS`, size // 2 + 1) of triangles that are equally wide in pitch."""
    low, top = _pitch(np.array([60.0, high]))
    edges = np.linspace(low, top, BANDS + 2)
    pitch = _pitch(np.arange(size // 2 + 1) * rate / size)
    up = (pitch - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - pitch) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(up, down), 0, None)


def frames(sound: np.ndarray[Any, Any], rate: int, high: float) -> np.ndarray[Any, Any]:
    """Decibels above `FLOOR` in steps of one, (frames, `BANDS`) of ``uint8``, up to ``high`` Hz."""
    width, hop = round(WINDOW * rate), round(HOP * rate)
    sound = np.pad(sound, (0, max(0, width - len(sound))))
    pieces = np.lib.stride_tricks.sliding_window_view(sound, width)[::hop]
    size = 1 << (width - 1).bit_length()
    power = np.abs(np.fft.rfft(pieces * np.hanning(width), size) / (width / 4)) ** 2
    decibels = 10 * np.log10(power @ bands(rate, size, high).T + 1e-12)
    return np.clip(np.round(decibels - FLOOR), 0, 255).astype(np.uint8)


def together(rows: list[np.ndarray[Any, Any]]) -> Arrays:
    """Pictures of different length one after the other, and where each starts."""
    starts = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    return {"frames": np.concatenate(rows), "starts": starts}
