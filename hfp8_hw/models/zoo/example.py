"""What an example is: a network with its weights, data, and a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""Arrays by the name of a model's input or output; the first axis counts samples."""


class Example(ABC):
    """A trained network, data to calibrate it, other data to score it, and the score.

    All data are the same each time: they come from seeds, or from files in a fixed order.

    Members
    -------
    name : what it is called in tables and by commands
    unit : of the score
    about : one sentence for the tables
    keep : names of nodes that stay in FP32, with ``*`` for any characters
    batch : samples to compute at once
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "accuracy %"
    about: ClassVar[str]
    keep: ClassVar[tuple[str, ...]] = ()
    batch: ClassVar[int] = 100

    @abstractmethod
    def model(self) -> bytes:
        """The ONNX file.

        Raises
        ------
        ToolMissing
            If the package that has it is not installed; so do the other methods.
        """

    @abstractmethod
    def calibration(self) -> Arrays:
        """Inputs from which scales may be taken; none of them is in `evaluation`."""

    @abstractmethod
    def evaluation(self) -> Arrays:
        """Inputs to score."""

    def answers(self, outputs: Arrays) -> list[Any]:
        """What the network says of each sample: here the likeliest class."""
        return list(np.argmax(next(iter(outputs.values())), axis=1))

    @abstractmethod
    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """How good the answers to `evaluation` are; ``fp32`` has those of onnxruntime."""

    def agreement(self, answers: list[Any], fp32: list[Any]) -> float:
        """Percent of the answers that are FP32's."""
        return share(answers, fp32)


def share(answers: list[Any], wanted: Any) -> float:
    """Percent of the answers that are wanted."""
    return 100.0 * float(np.mean([a == w for a, w in zip(answers, wanted, strict=True)]))
