"""Where a run is after an epoch, as a file that is whole or not there."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ParameterError
from ...files import write_whole
from ..scheme import LossScaler
from .job import Job

KEYS = {"job", "done", "curve", "seconds", "model", "optimizer", "scaler"}


def read(path: Path) -> dict[str, Any]:
    """What a file has, by `KEYS`.

    Raises
    ------
    ParameterError
        If it is no checkpoint.
    OSError
        If it cannot be read.
    """
    content = path.read_bytes()
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError):
        found = None
    if not isinstance(found, dict) or not found.keys() >= KEYS:
        raise ParameterError(f"checkpoint={str(path)!r} is not allowed: not a checkpoint")
    return found


class State:
    """A run's model, optimizer and scaler, and what it has done so far."""

    def __init__(
        self, job: Job, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: LossScaler
    ) -> None:
        self.job, self.model, self.optimizer, self.scaler = job, model, optimizer, scaler
        self.done = 0
        """Epochs that are complete."""
        self.curve: list[dict[str, Any]] = []
        self.seconds = 0.0

    def save(self, path: Path, write: bool = True) -> None:
        """Write the file, or only help the other workers to it, who all call this together.

        Raises
        ------
        OSError
            If it cannot be written; a file that was there stays as it was.
        """
        buffer = io.BytesIO()
        torch.save(
            {
                "job": self.job.to_dict(), "done": self.done, "curve": self.curve,
                "seconds": self.seconds, "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            },
            buffer,
        )  # fmt: skip
        if write:
            write_whole(path, buffer.getvalue())

    def load(self, path: Path) -> None:
        """Go on from a file.

        Raises
        ------
        ParameterError
            If it is no checkpoint, or one of another run.
        OSError
            If it cannot be read.
        """
        found = read(path)
        for name, value in self.job.to_dict().items():
            if found["job"].get(name) != value:
                raise ParameterError(
                    f"{name}={value!r} is not allowed: "
                    f"the checkpoint {str(path)!r} is of a run with {found['job'].get(name)!r}"
                )
        self.model.load_state_dict(found["model"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.scaler.load_state_dict(found["scaler"])
        self.done, self.curve, self.seconds = found["done"], found["curve"], found["seconds"]
