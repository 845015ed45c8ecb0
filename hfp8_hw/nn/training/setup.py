"""The model and the optimizer of a run, in its arithmetic."""

from __future__ import annotations

import os

import torch
from torch import nn

from ...errors import ParameterError
from ..distributed import DistributedScaler, DistributedSGD, Exchange
from ..scheme import HFP8SGD, HFP8Adam, LossScaler, arithmetic, convert
from ..tasks import Task
from .job import Job


def deterministic() -> None:
    """Have PyTorch use only what gives the same bits each time, and full FP32 products."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)


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
    deterministic()
    return torch.device(name)


def device_name(where: torch.device) -> str:
    """The GPU's name, or ``cpu``."""
    return torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu"


def build(
    job: Job, task: Task, exchange: Exchange | None = None
) -> tuple[nn.Module, torch.optim.Optimizer, LossScaler]:
    """A new model with weights of the job's seed, its optimizer and its loss scaler; those of one
    of several workers with an ``exchange``."""
    torch.manual_seed(job.seed)
    changes = {name: value for name, value in job.changes.items() if name != "workers"}
    if changes.get("chunk") == "none":
        changes["chunk"] = None
    arith, recipe = arithmetic(job.arithmetic, **changes), task.recipe
    model = convert(task.model(), arith, first_last=task.ends).model.to(task.device)
    optimizer: torch.optim.Optimizer
    decay, given = recipe.weight_decay, (model.parameters(), recipe.lr)
    if exchange is not None:
        optimizer = DistributedSGD(
            model.parameters(), exchange, recipe.lr, recipe.momentum, decay, arith=arith,
            seed=job.seed,
        )  # fmt: skip
        return model, optimizer, DistributedScaler(arith)
    if recipe.optimizer == "sgd":
        optimizer = HFP8SGD(*given, recipe.momentum, decay, arith=arith, seed=job.seed)
    else:
        optimizer = HFP8Adam(*given, recipe.betas, weight_decay=decay, arith=arith, seed=job.seed)
    return model, optimizer, LossScaler(arith)
