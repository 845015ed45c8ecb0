"""What all units are: one stream in, one stream out, payload by named fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from amaranth.hdl import Module, ShapeLike, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...errors import ParameterError
from ...formats import RUNTIME_BIAS_WIDTH, FloatFormat
from ...parameters import (
    UNITS,
    FpMulParameters,
    MacParameters,
    MulParameters,
    UnitParameters,
)
from .pipeline import Pipeline
from .shape import Amaranth, FixedShape, FloatShape

P = TypeVar("P")
Operands = MulParameters | MacParameters | FpMulParameters

_CLASSES: list[type[StreamUnit]] = []


def class_for(parameters: object) -> type[StreamUnit] | None:
    """The class that builds the unit of these parameters; None if there is none."""
    return next((cls for cls in _CLASSES if cls.builds(parameters)), None)


class StreamUnit(wiring.Component):
    """A component with an input stream ``i`` and an output stream ``o``.

    Both are `amaranth.lib.stream` streams, so both sides may stall; the payload's fields are in
    ``inputs`` and ``outputs``, by name. All fields are sampled with the transfer, run-time
    biases and modes too.

    Members
    -------
    units : tuple of str
        Names of the units that the class builds; none of a class that only others derive from.
    semantics : tuple of str
        Of units that sum: the semantics that it builds.
    """

    units: ClassVar[tuple[str, ...]] = ()
    semantics: ClassVar[tuple[str, ...]] = ()

    i: Any
    o: Any

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "units" in vars(cls):
            _CLASSES.append(cls)

    @classmethod
    def builds(cls, parameters: object) -> bool:
        """Whether the class builds the unit of these parameters."""
        if not isinstance(parameters, UnitParameters):
            return False
        if getattr(parameters, "unit", None) not in cls.units:
            return False
        return not cls.semantics or getattr(parameters, "semantics", None) in cls.semantics

    @classmethod
    def checked(cls, parameters: P) -> P:
        """The parameters, if the class builds their unit.

        Raises
        ------
        ParameterError
            Otherwise; it names the class that does.
        """
        if cls.builds(parameters):
            return parameters
        allowed = " or ".join(UNITS[unit].__name__ for unit in cls.units)
        if cls.semantics:
            allowed += f" with semantics {' or '.join(cls.semantics)}"
        text = f"parameters={parameters!r} is not allowed for {cls.__name__}: {allowed}"
        right = class_for(parameters)
        raise ParameterError(text if right is None else f"{text}; {right.__name__} builds this one")

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
