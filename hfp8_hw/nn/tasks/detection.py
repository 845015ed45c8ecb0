"""Detection: where in a scene which clothes are, by an SSD-lite network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .boxes import kept, mean_precision, overlap
from .fashion import SOURCE, normal
from .models.convnets import Inverted, norm
from .scenes import SIDE, Scenes, compose
from .task import Recipe, Task

CLASSES = 10
TRAIN, TEST = 8000, 1000
"""Scenes."""
STRIDES = (8, 16, 32)
SIZES = ((16.0, 23.0), (28.0, 36.0), (44.0,))
"""Sides of a square with an anchor's area, in pixels, for each map."""
RATIOS = (0.5, 1.0, 2.0)
"""Width over height of an anchor."""
SPREAD = (0.1, 0.1, 0.2, 0.2)
"""What a difference of an anchor and its object is divided by: place, size."""
ENOUGH = 0.5
"""Overlap from which an anchor is an object's."""
NEGATIVE = 3
"""Anchors with nothing that count in the loss, for one with an object."""


def anchors() -> Tensor:
    """All anchors (n, 4) as centre x, centre y, width, height: by map, row, column, shape."""
    found = []
    for stride, sizes in zip(STRIDES, SIZES, strict=True):
        centre = (torch.arange(SIDE // stride) + 0.5) * stride
        shapes = torch.tensor([(s * r**0.5, s / r**0.5) for s in sizes for r in RATIOS])
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        middle = torch.stack((x, y), -1).flatten(0, 1)[:, None].expand(-1, len(shapes), -1)
        found.append(torch.cat((middle, shapes.expand(len(middle), -1, -1)), -1).flatten(0, 1))
    return torch.cat(found)


def corners(boxes: Tensor) -> Tensor:
    """Centre and size (..., 4) as left, top, right, bottom."""
    half = boxes[..., 2:] / 2
    return torch.cat((boxes[..., :2] - half, boxes[..., :2] + half), -1)


def encode(boxes: Tensor, places: Tensor) -> Tensor:
    """What the network has to say for an anchor (..., 4) to give a box (..., 4) of corners."""
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    moved = (middle - places[..., :2]) / places[..., 2:]
    found = torch.cat((moved, (size / places[..., 2:]).log()), -1)
    return found / torch.tensor(SPREAD, device=boxes.device)


def decode(said: Tensor, places: Tensor) -> Tensor:
    """The boxes (..., 4), as corners, of what the network said of anchors."""
    said = said * torch.tensor(SPREAD, device=said.device)
    middle = places[..., :2] + said[..., :2] * places[..., 2:]
    return corners(torch.cat((middle, places[..., 2:] * said[..., 2:].clamp(max=4).exp()), -1))


def match(boxes: Tensor, labels: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Which object (pictures, anchors) is an anchor's, and its class; class -1 is nothing.

    An anchor has the object that it overlaps most, from `ENOUGH` on; besides, each object has the
    anchor that overlaps it most.
    """
    shares = overlap(corners(places), boxes).masked_fill(labels[:, None, :] < 0, -1)
    best, which = shares.max(2)
    own = shares.argmax(1)
    number = torch.arange(shares.shape[1], device=boxes.device)
    mine = (number[None, :, None] == own[:, None, :]) & (labels[:, None, :] >= 0)
    forced, mine_of = mine.any(2), mine.to(torch.uint8).argmax(2)
    which = torch.where(forced, mine_of, which)
    kinds = labels.gather(1, which)
    return which, torch.where(forced | (best >= ENOUGH), kinds, -1)


class Head(nn.Module):
    """A depthwise convolution and a linear layer at every place of a map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = norm(inputs, inputs, 3, groups=inputs)
        self.last = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(pictures, inputs, rows, columns) to (pictures, rows x columns, outputs)."""
        found: Tensor = self.last(F.relu6(self.depthwise(x)))
        return found.flatten(2).transpose(1, 2)


class SSDLite(nn.Module):
    """SSD on MobileNetV2's blocks: three maps, each with a head for classes and for boxes."""

    WIDTHS = (64, 96, 128)
    """Channels of the maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = norm(1, 16, 3, 2)
        one, two, three = self.WIDTHS
        self.body = nn.ModuleList([
            nn.Sequential(Inverted(16, 24, 2, 4), Inverted(24, 24, 1, 4),
                          Inverted(24, one, 2, 4), Inverted(one, one, 1, 4)),
            nn.Sequential(Inverted(one, two, 2, 4), Inverted(two, two, 1, 4)),
            nn.Sequential(Inverted(two, three, 2, 4), Inverted(three, three, 1, 2)),
        ])  # fmt: skip
        shapes = [len(sizes) * len(RATIOS) for sizes in SIZES]
        pairs = list(zip(self.WIDTHS, shapes, strict=True))
        self.classes = nn.ModuleList(Head(w, n * (CLASSES + 1)) for w, n in pairs)
        self.boxes = nn.ModuleList(Head(w, n * 4) for w, n in pairs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (pictures, 1, side, side) to scores (pictures, anchors, 1 + classes), the first
        for nothing, and boxes (pictures, anchors, 4)."""
        x = F.relu6(self.stem(x))
        scores, boxes = [], []
        for body, classes, place in zip(self.body, self.classes, self.boxes, strict=True):
            x = body(x)
            scores.append(classes(x).reshape(len(x), -1, CLASSES + 1))
            boxes.append(place(x).reshape(len(x), -1, 4))
        return torch.cat(scores, 1), torch.cat(boxes, 1)


class Detection(Task):
    """Scenes of one to five clothes; the score is mAP50 in percent."""

    name = "detection"
    unit = "mAP50 %"
    higher = True
    source = SOURCE
    recipe = Recipe(40, 64, "sgd", lr=0.05, weight_decay=2e-4, score_every=5)
    ends = ("stem.0", *(f"{kind}.{k}.last" for kind in ("classes", "boxes") for k in range(3)))

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        super().__init__(data, device)
        self.train = self._scenes(data, "train", TRAIN, 1)
        self.test = self._scenes(data, "test", TEST, 2)
        self.anchors = anchors().to(device)

    def _scenes(
        self, data: Mapping[str, np.ndarray[Any, Any]], name: str, most: int, seed: int
    ) -> Scenes:
        """As many scenes as there are, but no more than a third of the pictures."""
        images, labels = data[f"{name}_images"], data[f"{name}_labels"]
        return compose(images, labels, min(most, max(8, len(images) // 3)), seed).to(self.device)

    @property
    def size(self) -> int:
        """Training scenes."""
        return len(self.train.images)

    def model(self) -> nn.Module:
        """A new SSD-lite."""
        return SSDLite()

    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy of classes, with the worst anchors that have nothing, and the difference of
        boxes, an object; half of the scenes are mirrored."""
        index = index.to(self.device)
        images, boxes = self.train.images[index], self.train.boxes[index]
        turn = torch.randint(2, (len(index), 1, 1), generator=generator, device=self.device) == 1
        images = torch.where(turn, images.flip(2), images)
        mirrored = torch.stack(
            (SIDE - boxes[..., 2], boxes[..., 1], SIDE - boxes[..., 0], boxes[..., 3]), -1
        )
        boxes = torch.where(turn, mirrored, boxes)
        scores, said = model(normal(images)[:, None])
        which, kinds = match(boxes, self.train.labels[index], self.anchors)
        each = F.cross_entropy(scores.flatten(0, 1), (kinds + 1).flatten(), reduction="none")
        each, full = each.view(kinds.shape), kinds >= 0
        hard = each.detach().masked_fill(full, -1)
        rank = hard.argsort(dim=1, descending=True, stable=True).argsort(dim=1, stable=True)
        counted = full | (rank < NEGATIVE * full.sum(1, keepdim=True))
        wanted = encode(boxes.gather(1, which[..., None].expand(-1, -1, 4)), self.anchors)
        apart = F.smooth_l1_loss(said, wanted, reduction="none").sum(2)
        return ((each * counted).sum() + (apart * full).sum()) / full.sum().clamp(min=1)

    def find(self, model: nn.Module) -> list[tuple[np.ndarray[Any, Any], ...]]:
        """Boxes, classes and scores of up to 100 objects in each scene of the test."""
        found: list[tuple[np.ndarray[Any, Any], ...]] = []
        for images in self.test.images.split(250):
            scores, said = model(normal(images)[:, None])
            best, place = scores.softmax(-1)[..., 1:].flatten(1).topk(100)
            anchor, kinds = place // CLASSES, place % CLASSES
            boxes = decode(said, self.anchors).gather(1, anchor[..., None].expand(-1, -1, 4))
            good = (kept(boxes, kinds, 0.45) & (best > 0.01)).cpu().numpy()
            parts = [x.cpu().numpy() for x in (boxes, kinds, best)]
            found += [tuple(part[k][row] for part in parts) for k, row in enumerate(good)]
        return found

    def score(self, model: nn.Module) -> float:
        """Mean average precision with an overlap of at least a half, in percent."""
        boxes, labels = self.test.boxes.cpu().numpy(), self.test.labels.cpu().numpy()
        objects = [(b[k >= 0], k[k >= 0]) for b, k in zip(boxes, labels, strict=True)]
        return 100 * mean_precision(self.find(model), objects, CLASSES)


TASKS = {"detection": Detection}
"""The tasks of this module."""
