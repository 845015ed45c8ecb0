"""An ordinary PyTorch model made to compute in an `Arithmetic`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...errors import ParameterError, shown
from . import layers
from .arithmetic import Arithmetic, arithmetic
from .attention import MultiheadAttention
from .recurrent import LSTM

TABLE: dict[type[nn.Module], type[Any]] = {
    nn.Linear: layers.Linear,
    nn.Conv1d: layers.Conv1d,
    nn.Conv2d: layers.Conv2d,
    nn.Embedding: layers.Embedding,
    nn.LSTM: LSTM,
    nn.MultiheadAttention: MultiheadAttention,
}
"""What becomes of which class; of exactly that class, as a subclass may compute anything."""

ENDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, nn.LSTM)
"""Layers that can be the first one; all but the last two can be the last one."""


@dataclass(frozen=True)
class Conversion:
    """What `convert` gives.

    Members
    -------
    model : Module
        The converted copy.
    arith : Arithmetic
        What it computes in.
    converted : tuple of str
        One line a converted layer: its name and what it became.
    left : tuple of str
        One line a module that was left alone: its name and why.
    """

    model: nn.Module
    arith: Arithmetic
    converted: tuple[str, ...]
    left: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{len(self.converted)} layers in {self.arith}",
                *(f"  {line}" for line in self.converted),
                f"{len(self.left)} modules left alone",
                *(f"  {line}" for line in self.left),
            ]
        )


def convert(
    model: nn.Module,
    arith: str | Arithmetic = "hfp8",
    *,
    first_last: bool | Iterable[str] = True,
    keep: Iterable[str] = (),
) -> Conversion:
    """A copy of a model whose layers compute in an arithmetic.

    Parameters
    ----------
    model : Module
        Stays as it is.
    arith : str or Arithmetic
        Such as ``"hfp8"``; with ``"fp32"`` the copy computes what the model does.
    first_last : bool or names
        True: the first and the last layer, in the order in which modules are registered, have
        operands of 16 bits; so where the arithmetic has ``first_last="dlfloat16"``. Names of
        layers: these have.
    keep : names
        Modules to be left alone, with all that is in them.

    Returns
    -------
    Conversion

    Raises
    ------
    ParameterError
        For something that is no module, or a layer that is not in ``float32``, an unknown
        arithmetic, or a name that the model lacks.
    """
    how = arithmetic(arith)
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model={shown(model)} is not allowed: a torch.nn.Module")
    names = dict(model.named_modules(remove_duplicate=False))
    if any(isinstance(module, layers.Layer) for module in names.values()):
        raise ParameterError("model is not allowed: one that has not been converted yet")
    kept = _names("keep", keep, names)
    wanted = None if isinstance(first_last, bool) else _names("first_last", first_last, names)
    copied = copy.deepcopy(model)
    # A module in several places is one: what is said of it in any place goes for all.
    every = list(copied.named_modules(remove_duplicate=False))
    alone = {m for n, m in every if _within(n, kept)}
    modules = {n: m for n, m in copied.named_modules() if m not in alone}
    chosen = {} if how.plain else _chosen(modules)
    _check_dtypes(chosen)
    if wanted is not None:
        meant = {m for n, m in every if n in wanted}
        wanted = [n for n, m in modules.items() if m in meant]
    wide = set(wanted or ()) if how.first_last == "dlfloat16" else set()
    if wanted is None and first_last and how.first_last == "dlfloat16":
        wide = _ends(chosen)
    for module in modules.values():
        if isinstance(module, nn.TransformerEncoderLayer) and chosen:
            module.activation_relu_or_gelu = 0  # So that it calls its layers when it evaluates too.
        if isinstance(module, nn.TransformerEncoder) and chosen:
            module.use_nested_tensor = False
    converted = []
    for name, module in chosen.items():
        adopt(module, how, name in wide)
        converted.append(f"{name or 'the model'}: {_shape(module)} -> {_words(module)}")
    left = [*(f"{name or 'the model'}: kept, as asked" for name in kept)]
    left += [f"{n or 'the model'}: {reason(m, how)}" for n, m in modules.items()
             if n not in chosen and _matters(m) and not _within_any(n, chosen)]  # fmt: skip
    return Conversion(copied, how, tuple(converted), tuple(left))


def adopt(module: nn.Module, arith: Arithmetic, wide: bool) -> None:
    """Turn a layer, in place, into one that computes in the arithmetic."""
    module.__class__ = TABLE[type(module)]
    module.arith, module.wide = arith, wide
    module.mark()
    module.setup()


def _names(parameter: str, given: Iterable[str], names: dict[str, nn.Module]) -> list[str]:
    try:
        listed = [given] if isinstance(given, str) else list(given)
    except TypeError:
        raise ParameterError(
            f"{parameter}={shown(given)} is not allowed: names of modules"
        ) from None
    for name in listed:
        if not isinstance(name, str) or name not in names:
            some = ", ".join([n for n in names if n][:20]) or "none"
            raise ParameterError(
                f"{parameter}={shown(name)} is not allowed: the name of a module, such as {some}"
            )
    return listed


def _check_dtypes(chosen: dict[str, nn.Module]) -> None:
    """Layers keep their parameters in ``float32``."""
    for name, module in chosen.items():
        for each, parameter in module.named_parameters(name):
            if parameter.dtype != torch.float32:
                raise ParameterError(
                    f"model is not allowed: {each} is of {parameter.dtype}, and parameters are "
                    "kept in torch.float32, which model.float() gives"
                )


def _within(name: str, outer: Iterable[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in outer)


def _within_any(name: str, outer: Iterable[str]) -> bool:
    return any(one and name.startswith(one + ".") for one in outer)


def _chosen(modules: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """The layers to convert; nothing within a layer that is converted as a whole."""
    found: dict[str, nn.Module] = {}
    for name, module in modules.items():
        if type(module) in TABLE and not _within_any(name, found) and not refused(module):
            found[name] = module
    return found


def _ends(chosen: dict[str, nn.Module]) -> set[str]:
    """The first layer and the last one."""
    firsts = [name for name, module in chosen.items() if isinstance(module, ENDS)]
    lasts = [name for name, module in chosen.items() if isinstance(module, ENDS[:3])]
    return {*firsts[:1], *lasts[-1:]}


def refused(module: nn.Module) -> str | None:
    """Why a layer of a known kind cannot be converted as it is set up; None if it can."""
    if isinstance(module, nn.Embedding):
        for option in ("max_norm", "scale_grad_by_freq", "sparse"):
            if getattr(module, option):
                return f"has {option} set, stays in float32"
    if isinstance(module, nn.LSTM) and module.proj_size:
        return "has proj_size set, stays in float32"
    if isinstance(module, nn.MultiheadAttention) and (
        module.add_zero_attn or module.bias_k is not None
    ):
        return "has add_bias_kv or add_zero_attn set, stays in float32"
    return None


REASONS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    ((nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm), "normalizes, in float32"),
    ((nn.modules.dropout._DropoutNd,), "drops, without arithmetic"),
)  # fmt: skip


def reason(module: nn.Module, arith: Arithmetic) -> str:
    """Why a module was left alone."""
    kind = type(module).__name__
    if arith.plain:
        return f"{kind} computes as PyTorch does in {arith}"
    if type(module) in TABLE:
        return f"{kind} {refused(module)}"
    for classes, words in REASONS:
        if isinstance(module, classes):
            return f"{kind} {words}"
    if any(True for _ in module.parameters(recurse=False)):
        return f"{kind} has no counterpart, stays in float32"
    return f"{kind} has no products, stays in float32"


def _matters(module: nn.Module) -> bool:
    """Whether a module computes itself: it has parameters of its own or nothing in it."""
    own = any(True for _ in module.parameters(recurse=False))
    return own or not any(True for _ in module.children())


def _shape(module: nn.Module) -> str:
    kind: Callable[[], str] = module.extra_repr
    return f"{type(module).__name__}({kind()})"


def _words(module: Any) -> str:
    how = module.arith
    return f"{'DLFLOAT16' if module.wide else how.forward}, {'exact' if how.exact else 'fast'}"
