"""Vision: ten kinds of clothes in grey pictures of 28 x 28, by two convolutional networks."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ParameterError
from .models.convnets import MobileNetV2, ResNet
from .sources import Arrays, Source
from .task import Recipe, Task, tensor

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
FILES = {
    "train_images": "train-images-idx3-ubyte.gz",
    "train_labels": "train-labels-idx1-ubyte.gz",
    "test_images": "t10k-images-idx3-ubyte.gz",
    "test_labels": "t10k-labels-idx1-ubyte.gz",
}
CLASSES = 10
MEAN, SPREAD = 0.2860, 0.3530
"""Of the training pictures, with black 0 and white 1."""
MARGIN = 2
"""How far a picture is moved, at the most."""


def _idx(path: Path) -> np.ndarray[Any, Any]:
    """A file of bytes with a header of sizes, as MNIST's are."""
    try:
        content = gzip.decompress(path.read_bytes())
        (magic,) = struct.unpack_from(">I", content)
        shape = struct.unpack_from(f">{magic & 0xFF}I", content, 4)
        if magic >> 8 != 8:
            raise ValueError
        return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
    except (gzip.BadGzipFile, EOFError, struct.error, ValueError):
        raise ParameterError(f"{str(path)!r} is not a compressed IDX file of bytes") from None


def read(folder: Path | None) -> Arrays:
    """The four files: pictures (examples, 28, 28) and their labels, all of them ``uint8``.

    Raises
    ------
    ParameterError
        If a file is none of these, or pictures and labels are not as many.
    """
    found = {key: _idx((folder or PACKAGE) / name) for key, name in FILES.items()}
    for part in ("train", "test"):
        images, labels = found[f"{part}_images"], found[f"{part}_labels"]
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or not len(labels):
            raise ParameterError(
                f"data={str(folder or PACKAGE)!r} is not allowed: its {part} files have shapes "
                f"{images.shape!r} and {labels.shape!r}, where (n, 28, 28) and (n,) are needed"
            )
        if labels.max() >= CLASSES:
            raise ParameterError(
                f"data={str(folder or PACKAGE)!r} is not allowed: it has the label {labels.max()}, "
                f"and labels are 0 to {CLASSES - 1}"
            )
    return found


SOURCE = Source("fashion", "apt-get install dataset-fashion-mnist", ", ".join(FILES.values()), read)


def normal(images: Tensor) -> Tensor:
    """Bytes as FP32 with mean 0 and spread 1."""
    return (images.float() / 255 - MEAN) / SPREAD


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (count, rows, columns) moved by up to `MARGIN` each way, half of them mirrored."""
    count, rows, columns = images.shape
    padded = F.pad(images, (MARGIN,) * 4)

    def draw(high: int) -> Tensor:
        return torch.randint(high, (count, 1), generator=generator, device=images.device)

    down = draw(2 * MARGIN + 1) + torch.arange(rows, device=images.device)
    right = torch.arange(columns, device=images.device).expand(count, -1)
    right = torch.where(draw(2) == 1, right.flip(1), right) + draw(2 * MARGIN + 1)
    picture = torch.arange(count, device=images.device)
    return padded[picture[:, None, None], down[:, :, None], right[:, None, :]]


class Vision(Task):
    """What the vision tasks share: the pictures, the loss, and the accuracy as the score."""

    unit = "accuracy %"
    higher = True
    source = SOURCE

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        super().__init__(data, device)
        self.images = tensor(data["train_images"], device)
        self.labels = tensor(data["train_labels"].astype(np.int64), device)
        self.test_images = tensor(data["test_images"], device)
        self.test_labels = tensor(data["test_labels"].astype(np.int64), device)

    @property
    def size(self) -> int:
        """Training pictures."""
        return len(self.images)

    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy of pictures that are moved and mirrored."""
        index = index.to(self.device)
        images = normal(moved(self.images[index], generator))
        return F.cross_entropy(model(images[:, None]), self.labels[index])

    def score(self, model: nn.Module) -> float:
        """Percent of the test pictures that are named right."""
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        for images, labels in zip(
            self.test_images.split(1000), self.test_labels.split(1000), strict=True
        ):
            right += (model(normal(images)[:, None]).argmax(1) == labels).sum()
        return 100 * int(right) / len(self.test_labels)


class VisionResNet(Vision):
    """ResNet-20, with 270,000 weights."""

    name = "vision_resnet"
    recipe = Recipe(30, 256, "sgd", lr=0.2, weight_decay=5e-4)

    def model(self) -> nn.Module:
        """A new ResNet-20."""
        return ResNet()


class VisionMobileNet(Vision):
    """A MobileNetV2 for small pictures, with depthwise convolutions."""

    name = "vision_mobilenet"
    recipe = Recipe(30, 256, "sgd", lr=0.2, weight_decay=1e-4)

    def model(self) -> nn.Module:
        """A new MobileNetV2."""
        return MobileNetV2()


TASKS = {"vision_resnet": VisionResNet, "vision_mobilenet": VisionMobileNet}
"""The tasks of this module."""
