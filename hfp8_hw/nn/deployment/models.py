"""A model deployed in an arithmetic: calibration, weights rounded once, batch norm re-tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from ...errors import check_choice
from ..scheme import Arithmetic, arithmetic, convert
from ..scheme.layers import Layer
from .layers import adopt
from .rounders import Rounder
from .weights import freeze

DEPLOYED = ("hfp8", "hfp8-fast", "e5m2", "ocp", "int8")
"""What a model can be deployed in."""

Run = Callable[[nn.Module], object]
"""Runs a model on one batch."""


def deploy(
    model: nn.Module,
    arith: str | Arithmetic,
    *,
    first_last: bool | Iterable[str] = True,
    batches: Iterable[Run] = (),
) -> nn.Module:
    """A copy of an FP32 model for inference in an arithmetic.

    Weights are rounded once, to nearest with ties to even. In ``hfp8``, ``hfp8-fast`` and ``e5m2``
    weights and activations are rounded as they are, without a scale. In ``ocp`` each tensor is
    divided by a power of two first, so that its largest magnitude comes close to the format's
    largest value. In ``int8`` each output channel of a weight and each tensor of activations has a
    scale, the largest magnitude / 127. The scales of activations come from calibration.

    Parameters
    ----------
    model : Module
        Stays as it is.
    arith : str or Arithmetic
        One of `DEPLOYED`. ``hfp8`` has the bits of the hardware; the others sum in FP32.
    first_last : bool or names
        The layers with operands of 16 bits, as in `convert`.
    batches : iterable of callable
        What runs a model on a batch each; for calibration, see `calibrate`.

    Returns
    -------
    Module
        In evaluation mode.

    Raises
    ------
    ParameterError
        For another arithmetic, or a model that `convert` refuses.
    """
    if not isinstance(arith, Arithmetic):
        check_choice("arith", arith, DEPLOYED)
    how = arithmetic(arith)
    found = convert(model, how, first_last=first_last).model.eval().requires_grad_(False)
    layers: list[Any] = [module for module in found.modules() if isinstance(module, Layer)]
    if not how.exact:
        for layer in layers:
            adopt(layer)
    if how.scaling == "tensor":
        calibrate(found, batches)
    for layer in layers:
        layer.stored = freeze(layer)
    return found


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable[Run]) -> int:
    """Set the scales of a deployed model's activations by the largest magnitude of each tensor over
    some batches, of a run in which only operands of 16 bits are rounded; how many batches."""
    watched = [module for module in model.modules() if isinstance(module, Rounder)]
    for rounder in watched:
        rounder.watch(True)
    count = 0
    for run in batches:
        run(model)
        count += 1
    for rounder in watched:
        rounder.watch(False)
    return count


def norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch normalizations with running statistics."""
    return [
        module for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]  # fmt: skip


@torch.no_grad()
def retune(model: nn.Module, batches: Iterable[Run]) -> int:
    """Estimate the running statistics of a model's batch normalizations anew, as the mean over
    batches that it runs in its own arithmetic; all else evaluates.

    Returns
    -------
    int
        How many batches there were. 0 if the model has no batch normalization: then none is run.
    """
    found = norms(model)
    if not found:
        return 0
    before = [module.momentum for module in found]
    model.eval()
    for module in found:
        module.reset_running_stats()
        module.momentum = None
        module.train()
    count = 0
    for run in batches:
        run(model)
        count += 1
    for module, momentum in zip(found, before, strict=True):
        module.momentum = momentum
        module.eval()
    return count
