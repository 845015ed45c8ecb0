"""What a training run is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import ParameterError, check_choice, check_int
from ..tasks import TASKS, find

ARITHMETICS = ("fp32", "hfp8", "hfp8-fast", "e5m2", "ocp")
"""What a model can be trained in."""


@dataclass(frozen=True)
class Job:
    """One training run: all that its bits depend on, but for the machine.

    Parameters
    ----------
    task : str
        One of `hfp8_hw.nn.tasks.TASKS`.
    arithmetic : str
        One of `ARITHMETICS`.
    seed : int
        Of the first weights, the order of the examples and their augmentation.
    epochs, batch : int, optional
        Instead of the task's own.
    chunk : int or str, optional
        Products that are added up before the sum is added to the others: ``"none"`` for no chunks.
        Instead of the arithmetic's own.
    loss_scaling : bool
    workers : int
        Processes that share each batch, 1 to 256; more than one for tasks that SGD trains.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    task: str
    arithmetic: str = "fp32"
    seed: int = 1
    epochs: int | None = None
    batch: int | None = None
    chunk: int | str | None = None
    loss_scaling: bool = True
    workers: int = 1

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        check_choice("arith", self.arithmetic, ARITHMETICS)
        check_int("seed", self.seed, 0, 2**32 - 1)
        for name in ("epochs", "batch"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 1, 1_000_000)
        if self.chunk is not None and self.chunk != "none":
            check_int("chunk", self.chunk, 1, 65536)
        check_int("workers", self.workers, 1, 256)
        if self.workers > 1 and find(self.task).recipe.optimizer != "sgd":
            raise ParameterError(
                f"workers={self.workers!r} is not allowed: {self.task} is trained by Adam, and the "
                "distributed update is that of SGD"
            )
        if self.arithmetic != "fp32":
            return
        if self.chunk is not None:
            raise ParameterError(f"chunk={self.chunk!r} is not allowed: fp32 has no chunks")
        if not self.loss_scaling:
            raise ParameterError("loss_scaling=False is not allowed: fp32 has no loss scaling")

    @property
    def changes(self) -> dict[str, Any]:
        """What differs from the arithmetic's own setting."""
        found: dict[str, Any] = {}
        if self.chunk is not None:
            found["chunk"] = self.chunk
        if not self.loss_scaling:
            found["loss_scaling"] = False
        if self.workers > 1:
            found["workers"] = self.workers
        return found

    def to_dict(self) -> dict[str, Any]:
        """The job as JSON has it."""
        return asdict(self)
