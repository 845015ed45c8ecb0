"""Convolutional networks for small pictures."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def norm(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, and batch normalization."""
    convolution = nn.Conv2d(
        inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False
    )
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two convolutions of 3 x 3 and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = norm(inputs, outputs, 3, stride)
        self.second = norm(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.around = nn.Identity() if same else norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(examples, inputs, rows, columns) to (examples, outputs, smaller rows and columns)."""
        return F.relu(self.second(F.relu(self.first(x))) + self.around(x))


class ResNet(nn.Module):
    """ResNet-20 of He et al. for small grey pictures: 3 stages of 3 blocks, 16 to 64 channels."""

    def __init__(self, classes: int = 10, blocks: int = 3, width: int = 16) -> None:
        super().__init__()
        self.stem = norm(1, width, 3)
        layers: list[nn.Module] = []
        inputs = width
        for stage in range(3):
            outputs = width << stage
            for block in range(blocks):
                layers.append(Residual(inputs, outputs, 2 if stage and not block else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (examples, 1, rows, columns) to scores (examples, classes)."""
        found: Tensor = self.head(self.layers(F.relu(self.stem(x))).mean((2, 3)))
        return found


class Inverted(nn.Module):
    """MobileNetV2's block: widen, a convolution of each channel alone, narrow."""

    def __init__(self, inputs: int, outputs: int, stride: int, widen: int) -> None:
        super().__init__()
        inner = inputs * widen
        self.widen = norm(inputs, inner, 1) if widen > 1 else None
        self.depthwise = norm(inner, inner, 3, stride, groups=inner)
        self.narrow = norm(inner, outputs, 1)
        self.around = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(examples, inputs, rows, columns) to (examples, outputs, smaller rows and columns)."""
        inner = x if self.widen is None else F.relu6(self.widen(x))
        found: Tensor = self.narrow(F.relu6(self.depthwise(inner)))
        return x + found if self.around else found


class MobileNetV2(nn.Module):
    """Sandler et al.'s network with fewer and narrower blocks: 28 x 28 shrinks to 7 x 7."""

    STAGES = ((1, 16, 1, 1), (4, 24, 2, 2), (4, 40, 3, 2), (4, 64, 2, 1))
    """How much a stage widens, its channels, its blocks, its stride."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = norm(1, 16, 3)
        layers: list[nn.Module] = []
        inputs = 16
        for widen, outputs, blocks, stride in self.STAGES:
            for block in range(blocks):
                layers.append(Inverted(inputs, outputs, 1 if block else stride, widen))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.last = norm(inputs, 256, 1)
        self.head = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (examples, 1, rows, columns) to scores (examples, classes)."""
        found: Tensor = self.head(
            F.relu6(self.last(self.layers(F.relu6(self.stem(x))))).mean((2, 3))
        )
        return found
