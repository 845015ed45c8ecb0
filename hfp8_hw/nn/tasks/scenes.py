"""Scenes: clothes of different sizes on a background, each with its box and its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 96
"""Pixels of a side of a scene."""
MOST = 5
"""Objects in a scene, at the most; there is at least one."""
SIZES = (20, 48)
"""The side of an object's picture in pixels, from and up to."""
CROWDED = 0.15
"""How much two pictures may overlap, intersection over union."""


@dataclass(frozen=True)
class Scenes:
    """Pictures and what is in them; tensors on one device.

    ``boxes`` (scenes, `MOST`, 4) are left, top, right, bottom of what is bright; ``labels``
    (scenes, `MOST`) are -1 where there is no object.
    """

    images: Tensor
    boxes: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Scenes:
        """The same on another device."""
        return Scenes(self.images.to(device), self.boxes.to(device), self.labels.to(device))


def _apart(place: np.ndarray[Any, Any], others: list[np.ndarray[Any, Any]]) -> bool:
    for other in others:
        low, high = np.maximum(place[:2], other[:2]), np.minimum(place[2:], other[2:])
        common = np.clip(high - low, 0, None).prod()
        if common > CROWDED * ((place[2] - place[0]) ** 2 + (other[2] - other[0]) ** 2 - common):
            return False
    return True


def _resized(
    images: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any]
) -> dict[int, np.ndarray[Any, Any]]:
    """The pictures of all objects in their sizes, by the object's number."""
    found: dict[int, np.ndarray[Any, Any]] = {}
    for size in np.unique(sizes):
        which = np.flatnonzero(sizes == size)
        part = torch.from_numpy(images[chosen[which]]).float()[:, None]
        grown = F.interpolate(part, (int(size), int(size)), mode="bilinear", antialias=True)
        rounded = grown[:, 0].round().clamp(0, 255).to(torch.uint8).numpy()
        found.update(zip(which.tolist(), rounded, strict=True))
    return found


def compose(
    images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], count: int, seed: int
) -> Scenes:
    """Scenes from pictures (examples, 28, 28) of objects on black; the same ones for a seed."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(images), (count, MOST))
    sizes = rng.integers(SIZES[0], SIZES[1] + 1, (count, MOST))
    wanted = rng.integers(1, MOST + 1, count)
    pictures = _resized(images, chosen.ravel(), sizes.ravel())
    # A background of light and shade, darker than most clothes.
    shade = torch.from_numpy(rng.random((count, 1, 4, 4), np.float32))
    smooth = F.interpolate(shade, (SIDE, SIDE), mode="bilinear")[:, 0].numpy() * 60
    scenes = (smooth + rng.integers(0, 30, smooth.shape)).astype(np.uint8)
    boxes = np.zeros((count, MOST, 4), np.float32)
    kinds = np.full((count, MOST), -1, np.int64)
    for scene in range(count):
        taken: list[np.ndarray[Any, Any]] = []
        for k in range(wanted[scene]):
            size = sizes[scene, k]
            picture = pictures[scene * MOST + k]
            for _ in range(20):
                corner = rng.integers(0, SIDE - size + 1, 2)
                place = np.concatenate((corner, corner + size))
                if _apart(place, taken):
                    break
            else:
                continue
            left, top, right, bottom = place
            part = scenes[scene, top:bottom, left:right]
            part[:] = np.where(picture > 20, picture, part)
            rows = np.flatnonzero((picture > 20).any(1))
            columns = np.flatnonzero((picture > 20).any(0))
            if not len(rows):
                continue
            boxes[scene, len(taken)] = (left + columns[0], top + rows[0],
                                        left + columns[-1] + 1, top + rows[-1] + 1)  # fmt: skip
            kinds[scene, len(taken)] = labels[chosen[scene, k]]
            taken.append(place)
    return Scenes(torch.from_numpy(scenes), torch.from_numpy(boxes), torch.from_numpy(kinds))
