"""What all units are: one stream in, one stream out, payload by named fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, ShapeLike, Value, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ...formats import RUNTIME_BIAS_WIDTH, FloatFormat
from ...parameters import (
    FpMulParameters,
    MacParameters,
    MulParameters,
)
from ..generated import Generated
from .pipeline import Pipeline
from .shape import Amaranth, FixedShape, FloatShape

Operands = MulParameters | MacParameters | FpMulParameters


class StreamUnit(Generated):
    """A component with an input stream ``i`` and an output stream ``o``.

    Both are `amaranth.lib.stream` streams, so both sides may stall; the payload's fields are in
    ``inputs`` and ``outputs``, by name. All fields are sampled with the transfer, run-time
    biases and modes too.
    """

    i: Any
    o: Any

    def __init__(self, inputs: dict[str, ShapeLike], outputs: dict[str, ShapeLike]) -> None:
        self.inputs, self.outputs = inputs, outputs
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(inputs))),
                "o": Out(stream.Signature(data.StructLayout(outputs))),
            }
        )

    def put_out(self, m: Module, pipe: Pipeline, code: Amaranth, flags: Amaranth) -> None:
        """End a pipeline: the cut ``output``, then the output stream."""
        cut = pipe.cut("output")
        m.d.comb += [
            self.o.payload.y.eq(cut("y", code)),
            self.o.payload.flags.eq(cut("flags", flags)),
            self.o.valid.eq(pipe.valid),
            self.i.ready.eq(pipe.ready),
        ]
        pipe.finish(self.o.ready)


def operand_fields(
    name: str, formats: Sequence[FloatFormat], mode_name: str, bias_name: str | None
) -> dict[str, ShapeLike]:
    """The payload fields of an operand: its code, its mode and its run-time bias, if any."""
    fields: dict[str, ShapeLike] = {}
    if len(formats) == 1:
        fields[name] = FloatShape(formats[0])
    else:
        fields[name] = unsigned(formats[0].width)
        fields[mode_name] = unsigned(1)
    if bias_name is not None:
        fields[bias_name] = signed(RUNTIME_BIAS_WIDTH)
    return fields


def lane_tags(p: Operands) -> list[str]:
    """What tells the lanes' names apart."""
    lanes = getattr(p, "lanes", 1)
    return [""] if lanes == 1 else [str(k) for k in range(lanes)]


def two_operand_fields(p: Operands) -> dict[str, ShapeLike]:
    """The payload fields of operands a and b: codes lane by lane, one mode and bias for all."""
    fields: dict[str, ShapeLike] = {}
    bias = p.bias == "runtime"
    for name, formats in (("a", p.a_formats), ("b", p.b_formats)):
        own = operand_fields(name, formats, f"mode_{name}", f"bias_{name}" if bias else None)
        if getattr(p, "operands", "codes") == "fixed":
            own[name] = FixedShape(formats[0])
        code = own.pop(name)
        fields |= {f"{name}{tag}": code for tag in lane_tags(p)} | own
    return fields


def result_fields(fmt: FloatFormat) -> dict[str, ShapeLike]:
    """A result's code and its flags."""
    return {"y": FloatShape(fmt), "flags": unsigned(4)}


def field_value(payload: Any, name: str) -> Any:
    """A payload field as a plain value; None if the payload has none of that name."""
    if name not in payload.shape().members:
        return None
    return Value.cast(payload[name])
