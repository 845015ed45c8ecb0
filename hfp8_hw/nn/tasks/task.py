"""What a task is, for the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from .sources import Source


@dataclass(frozen=True)
class Recipe:
    """How a model of a task is trained unless the caller says otherwise.

    The learning rate rises for the first ``warmup`` of all steps and then falls along a cosine to
    nothing.
    """

    epochs: int
    batch: int
    optimizer: str
    """``sgd`` or ``adam``."""
    lr: float
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.0
    warmup: float = 0.1
    score_every: int = 1
    """Epochs between scores; the last epoch has one in any case."""


class Task(ABC):
    """Data on a device, and what to do with it.

    Parameters
    ----------
    data : mapping of str to array
        As ``source`` reads it.
    device : torch.device
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    """What the score is counted in."""
    higher: ClassVar[bool]
    """Whether a higher score is the better one."""
    source: ClassVar[Source]
    recipe: ClassVar[Recipe]
    ends: ClassVar[bool | tuple[str, ...]] = True
    """Layers that compute in 16 bits; True for the first and the last one."""

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        self.device = device

    @property
    @abstractmethod
    def size(self) -> int:
        """Training examples."""

    @abstractmethod
    def model(self) -> nn.Module:
        """A new model, on the CPU, with weights from PyTorch's global generator."""

    @abstractmethod
    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """The mean loss of the training examples in ``index``, a tensor on the CPU.

        ``generator`` is on the task's device and is for augmentation.
        """

    @abstractmethod
    def score(self, model: nn.Module) -> float:
        """The score of a model on the test examples, which no training example shares."""

    def batches(self, batch: int, generator: torch.Generator) -> list[Tensor]:
        """The examples of one epoch, in batches; ``generator`` is on the CPU.

        What is left over after the last full batch is left out, unless it is all there is.
        """
        order = torch.randperm(self.size, generator=generator)
        if self.size < batch:
            return [order]
        return list(order[: self.size // batch * batch].split(batch))


def tensor(values: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """A tensor on a device, with a memory of its own."""
    return torch.tensor(values, device=device)
