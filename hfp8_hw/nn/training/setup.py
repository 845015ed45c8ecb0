"""The model and the optimizer of a run, in its arithmetic."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ..tasks import Recipe, Task
from .job import Job


class Scaler(Protocol):
    """What the loop needs of a loss scaler."""

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, scaled."""

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Move the weights; False if the step was left out as a gradient overflowed."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


class NoScaling:
    """The scaler of FP32: it scales nothing."""

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss."""
        loss.backward()

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Move the weights."""
        optimizer.step()
        return True

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


def deterministic() -> None:
    """Have PyTorch use only what gives the same bits each time, and full FP32 products."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def device(name: str) -> torch.device:
    """The device of a name.

    Raises
    ------
    ParameterError
        If it is neither ``cpu`` nor ``cuda``, or PyTorch finds no GPU.
    """
    if name not in ("cpu", "cuda"):
        raise ParameterError(f"device={name!r} is not allowed: one of cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device='cuda' is not allowed: PyTorch finds no GPU; use --device cpu")
    return torch.device(name)


def device_name(where: torch.device) -> str:
    """The GPU's name, or ``cpu``."""
    return torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu"


def build(job: Job, task: Task) -> tuple[nn.Module, torch.optim.Optimizer, Scaler]:
    """A new model with weights of the job's seed, its optimizer and its loss scaler."""
    torch.manual_seed(job.seed)
    model = task.model().to(task.device)
    recipe = task.recipe
    if job.arithmetic == "fp32":
        return model, _plain(model, recipe), NoScaling()
    twin: Any = import_module("hfp8_hw.nn")
    changes = dict(job.changes)
    if changes.get("chunk") == "none":
        changes["chunk"] = None
    arith = twin.arithmetic(job.arithmetic, **changes)
    model = twin.convert(model, arith).model.to(task.device)
    parameters = list(model.parameters())
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = twin.HFP8SGD(parameters, lr=recipe.lr, momentum=recipe.momentum,
                                 weight_decay=recipe.weight_decay, arith=arith)  # fmt: skip
    else:
        optimizer = twin.HFP8Adam(parameters, lr=recipe.lr, betas=recipe.betas,
                                  weight_decay=recipe.weight_decay, arith=arith)  # fmt: skip
    return model, optimizer, twin.LossScaler(arith)


def _plain(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum,
                               weight_decay=recipe.weight_decay)  # fmt: skip
    return torch.optim.Adam(model.parameters(), lr=recipe.lr, betas=recipe.betas,
                            weight_decay=recipe.weight_decay)  # fmt: skip
