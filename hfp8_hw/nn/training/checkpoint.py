"""Where a run is after an epoch, as a file that is whole or not there."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ParameterError
from ...files import write_whole
from ..scheme import LossScaler
from .job import Job

KINDS: dict[str, type | tuple[type, ...]] = {
    "job": dict, "done": int, "curve": list, "seconds": (int, float), "model": dict,
    "optimizer": dict, "scaler": dict,
}  # fmt: skip
"""What a file has, and of which types."""


def read(path: Path) -> dict[str, Any]:
    """What a file has, by `KINDS`.

    Raises
    ------
    ParameterError
        If it is no checkpoint, or not as it was written: PyTorch itself does not look whether
        weights have changed, so the checksums of the archive are compared first.
    OSError
        If it cannot be read.
    """
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # What the readers of a file of any bytes raise has no end.
        damaged, found = None, None
    if damaged is not None:
        raise ParameterError(
            f"checkpoint={str(path)!r} is not allowed: it is damaged, its part {damaged!r} has "
            "another checksum"
        )
    if not _fits(found):
        raise ParameterError(f"checkpoint={str(path)!r} is not allowed: not a checkpoint")
    return dict(found)


def _fits(found: Any) -> bool:
    if not isinstance(found, dict) or not found.keys() >= KINDS.keys():
        return False
    if not all(isinstance(found[name], kind) for name, kind in KINDS.items()):
        return False
    points = [isinstance(point, dict) and "loss" in point for point in found["curve"]]
    return len(points) == found["done"] and all(points)


@contextmanager
def fitting(path: Path | str) -> Iterator[None]:
    """Say that the states of a checkpoint do not fit, where PyTorch says so in many lines.

    Raises
    ------
    ParameterError
        In place of what PyTorch raises.
    """
    try:
        yield
    except ParameterError:
        raise
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        first = str(error).strip().splitlines()[-1].strip() if str(error).strip() else ""
        raise ParameterError(
            f"checkpoint={str(path)!r} is not allowed: its states do not fit the task's model and "
            f"optimizer ({first or type(error).__name__})"
        ) from None


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
        with fitting(path):
            self.model.load_state_dict(found["model"])
            self.optimizer.load_state_dict(found["optimizer"])
            self.scaler.load_state_dict(found["scaler"])
        self.done, self.curve, self.seconds = found["done"], found["curve"], found["seconds"]
