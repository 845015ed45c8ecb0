"""Which numbers a network computes in: one setting for its layers, its optimizer and its loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ...errors import ParameterError, check_choice, check_int, shown
from ...formats import FloatFormat, parse_format
from ...golden.codes.arrays import check_flag
from ..sums import ACC
from ..update import held

INT8 = "INT8"
"""The name of 8-bit integers with a scale, in place of a format."""


@dataclass(frozen=True)
class Arithmetic:
    """How a network computes; `arithmetic` makes one by name.

    Members
    -------
    name : str
        What it was made from.
    forward : str or None
        The format of weights and activations, a name or literal of at most 8 bits, or ``INT8``.
        None: nothing is rounded, the layers are PyTorch's own.
    backward : str or None
        The format of errors, that is gradients of activations. None: there is no training.
    exact : bool
        Whether products are summed in (1,6,9) with RNA after every product, in chunks, with the
        hardware's bits; or in binary32, and rounded to (1,6,9) once.
    chunk : int or None
        Products in a chunk of an exact sum, 1 to 65536; None for one chunk.
    loss_scaling : bool
        Whether `LossScaler` scales the loss.
    first_last : str
        ``dlfloat16``: the operands of the first and the last layer have 16 bits, (1,6,9), also the
        errors; their products are summed as all others are, an exact sum in PyTorch's operations on
        any device, with all chunks side by side. ``none``: they are as in all other layers.
    rounding : str
        How operands are rounded: RNE, RNA or RTZ.
    scaling : str
        ``none``: operands are rounded as they are. ``tensor``: each tensor is multiplied so that
        its largest magnitude comes close to the format's largest value: by a power of two, with
        ``INT8`` by any number. Not with ``exact``.
    weights : str
        What an optimizer keeps of a layer's weights. ``codes``: codes of ``forward`` and a (1,6,9)
        round-off residual. ``master``: binary32 values, rounded at each use.

    Raises
    ------
    ParameterError
        For a member that is not allowed.
    """

    name: str
    forward: str | None
    backward: str | None
    exact: bool = False
    chunk: int | None = 64
    loss_scaling: bool = True
    first_last: str = "dlfloat16"
    rounding: str = "RNE"
    scaling: str = "none"
    weights: str = "codes"

    def __post_init__(self) -> None:
        if self.chunk is not None:
            check_int("chunk", self.chunk, 1, 65536)
        check_flag(self.exact, "exact")
        check_flag(self.loss_scaling, "loss_scaling")
        check_choice("first_last", self.first_last, ("dlfloat16", "none"))
        check_choice("rounding", self.rounding, ("RNE", "RNA", "RTZ"))
        check_choice("scaling", self.scaling, ("none", "tensor"))
        check_choice("weights", self.weights, ("codes", "master"))
        for member in ("forward", "backward"):
            text = getattr(self, member)
            if text is None or (text == INT8 and member == "forward"):
                continue
            fmt = parse_format(text, member)
            if fmt.width > 8 or not held(fmt):
                raise ParameterError(
                    f"{member}={shown(text)} is not allowed: at most 8 bits and only values of "
                    f"{ACC}"
                )
        if self.forward is None and self.backward is not None:
            raise ParameterError(
                f"backward={shown(self.backward)} is not allowed without forward: None"
            )
        if self.forward == INT8 and (self.backward is not None or self.scaling == "none"):
            raise ParameterError(
                f"forward={INT8!r} is not allowed here: only for inference, with backward=None and "
                "scaling='tensor'"
            )
        if self.exact and self.scaling != "none":
            raise ParameterError("scaling='tensor' is not allowed with exact=True: 'none'")

    def __str__(self) -> str:
        return self.name

    @property
    def plain(self) -> bool:
        """Whether nothing is rounded."""
        return self.forward is None

    @property
    def trains(self) -> bool:
        """Whether there is a backward pass."""
        return self.plain or self.backward is not None

    @property
    def forward_format(self) -> FloatFormat | None:
        """``forward`` as a format; None for ``INT8`` and where nothing is rounded."""
        return None if self.forward in (None, INT8) else parse_format(self.forward)

    @property
    def backward_format(self) -> FloatFormat | None:
        """``backward`` as a format."""
        return None if self.backward is None else parse_format(self.backward)

    @property
    def weight_format(self) -> FloatFormat | None:
        """The format of the codes that an optimizer keeps of weights; None if it keeps none."""
        return self.forward_format if self.weights == "codes" and self.trains else None


NAMES: MappingProxyType[str, Arithmetic] = MappingProxyType(
    {
        one.name: one
        for one in (
            Arithmetic("fp32", None, None, loss_scaling=False, first_last="none"),
            Arithmetic("hfp8", "HFP8_FWD", "HFP8_BWD", exact=True),
            Arithmetic("hfp8-fast", "HFP8_FWD", "HFP8_BWD"),
            Arithmetic("e5m2", "HFP8_BWD", "HFP8_BWD"),
            Arithmetic("ocp", "E4M3FN", "E5M2", scaling="tensor", weights="master"),
            Arithmetic("int8", INT8, None, loss_scaling=False, scaling="tensor", weights="master"),
        )
    }
)
"""Every named arithmetic."""


def arithmetic(name: str | Arithmetic, **changes: Any) -> Arithmetic:
    """An `Arithmetic` by its name, with some members changed.

    Parameters
    ----------
    name : str or Arithmetic
        ``fp32``: as PyTorch computes. ``hfp8``: the hardware's bits. ``hfp8-fast``: the same
        operands, binary32 sums rounded once. ``e5m2``: as ``hfp8-fast`` with (1,5,2) for all
        operands. ``ocp``: E4M3FN forward, E5M2 backward, scaled tensors, binary32 weights.
        ``int8``: inference with 8-bit integers.
    **changes
        Members of `Arithmetic` and their values.

    Raises
    ------
    ParameterError
        For an unknown name or member, or a value that is not allowed.
    """
    allowed = [m for m in Arithmetic.__dataclass_fields__ if m != "name"]
    for member in changes:
        check_choice("member of an arithmetic", member, allowed)
    if isinstance(name, Arithmetic):
        return replace(name, **changes)
    return replace(NAMES[check_choice("arithmetic", name, NAMES)], **changes)
