"""Boxes in pictures: how much two overlap, which to keep, and how good those found are.

A box is (left, top, right, bottom) in pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (..., m, 4) and (..., n, 4), as (..., m, n)."""
    a, b = a.unsqueeze(-2), b.unsqueeze(-3)
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    sizes = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return common / (sizes[0] + sizes[1] - common).clamp(min=1e-6)


def kept(boxes: Tensor, classes: Tensor, limit: float) -> Tensor:
    """Which boxes (pictures, n, 4), best first, overlap no better kept one of the same class by
    more than ``limit``; ``bool`` (pictures, n)."""
    hides = overlap(boxes, boxes) > limit
    hides &= classes[:, :, None] == classes[:, None, :]
    found = torch.ones(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    after = torch.arange(boxes.shape[1], device=boxes.device)
    for k in range(boxes.shape[1]):
        found &= ~(hides[:, k] & found[:, k, None] & (after > k))
    return found


def average_precision(hits: np.ndarray[Any, Any], objects: int) -> float:
    """The mean of the precision at the recalls 0, 0.01, ... 1, as COCO counts it.

    Parameters
    ----------
    hits : array
        ``bool``: which of the boxes found, best first, are right.
    objects : int
        How many there are to be found.

    Returns
    -------
    float
        From 0 to 1. At each recall it is the best precision at that recall or a higher one.
    """
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    # In binary64, as COCO's own program has it.
    places = np.searchsorted(right / objects, np.linspace(0, 1, 101))
    return float(best[np.minimum(places, len(hits))].mean())


def mean_precision(found: list[tuple[np.ndarray[Any, Any], ...]],
                   objects: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]],
                   classes: int, enough: float = 0.5) -> float:  # fmt: skip
    """The mean over classes of the average precision; with ``enough`` 0.5 it is called mAP50.

    Parameters
    ----------
    found : list
        For each picture boxes (n, 4), classes (n,), scores (n,).
    objects : list
        For each picture boxes (m, 4), classes (m,).
    classes : int
        Classes of which there is no object are left out.
    enough : float
        The overlap from which a box is right. Each object is found once, by the best box that has
        it as the one of its class with the largest overlap not found yet.
    """
    results = []
    for kind in range(classes):
        scores: list[float] = []
        hits: list[bool] = []
        count = 0
        for (boxes, kinds, rating), (true_boxes, true_kinds) in zip(found, objects, strict=True):
            mine, truth = kinds == kind, true_boxes[true_kinds == kind]
            count += len(truth)
            order = np.argsort(-rating[mine], kind="stable")
            some = torch.from_numpy(boxes[mine][order]).double()
            shares = overlap(some, torch.from_numpy(truth).double()).numpy()
            free = np.ones(len(truth), bool)
            for row in shares:
                row = np.where(free, row, -1)
                place = int(row.argmax()) if len(row) else -1
                hit = place >= 0 and bool(row[place] >= enough)
                free[place : place + hit] = False
                hits.append(hit)
            scores += rating[mine][order].tolist()
        if count:
            best = np.argsort(-np.array(scores), kind="stable")
            results.append(average_precision(np.array(hits, bool)[best], count))
    return sum(results) / len(results) if results else 0.0
