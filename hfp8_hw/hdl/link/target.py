"""What a board computes with, behind streams of whole records."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, ResetInserter, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...records import Record, record
from ..numbers.stream_unit import StreamUnit, field_value

REGISTER_BITS = 15
"""Of addresses of a design's own registers."""


def layout(fields: dict[str, ShapeLike]) -> Record:
    """The record of a payload with these fields."""
    return record((name, Value.cast(Signal(shape)).shape().width) for name, shape in fields.items())


def byte_of(value: Any, at: Any) -> Any:
    """The byte of a value that a signal chooses, lowest first."""
    return Array(value[8 * k :][:8] for k in range(-(-len(value) // 8)))[at]


class Target(wiring.Component):
    """A design: streams of records in, one stream of records out, and registers.

    Parameters
    ----------
    streams : int
        Input streams, told apart by ``select``.
    item, result : int
        Bytes of the longest record in, and of a record out.

    Members
    -------
    clear : in, 1 bit
        Reset the design.
    select, last, i_data, i_valid, i_ready
        A record for one of the streams; ``last``: it is the last one of its packet.
    o_data, o_valid, o_ready
        A result.
    address, write, read, w_data : in
        A register, held until ``acknowledge``.
    r_data, acknowledge, refused : out
        ``refused`` with ``acknowledge``: there is no such register.
    """

    def __init__(self, streams: int, item: int, result: int) -> None:
        self.streams, self.item, self.result = streams, item, result
        super().__init__({
            "clear": In(1), "select": In(range(max(streams, 2))), "last": In(1),
            "i_data": In(8 * item), "i_valid": In(1), "i_ready": Out(1),
            "o_data": Out(8 * result), "o_valid": Out(1), "o_ready": In(1),
            "address": In(REGISTER_BITS), "write": In(1), "read": In(1), "w_data": In(32),
            "r_data": Out(32), "acknowledge": Out(1), "refused": Out(1),
        })  # fmt: skip


class UnitTarget(Target):
    """A unit: its payload fields are the fields of the records; it has no registers."""

    def __init__(self, unit: StreamUnit) -> None:
        self.unit = unit
        self.inputs, self.outputs = layout(unit.inputs), layout(unit.outputs)
        super().__init__(1, self.inputs.size, self.outputs.size)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = ResetInserter(self.clear)(self.unit)
        i, o = self.unit.i, self.unit.o
        for field in self.inputs.fields:
            value = field_value(i.payload, field.name)
            m.d.comb += value.eq(self.i_data[8 * field.byte :][: field.width])
        parts = []
        for field in self.outputs.fields:
            value = field_value(o.payload, field.name)
            parts += [value, Signal(8 * field.bytes - field.width, name=f"pad_{field.name}")]
        m.d.comb += [
            i.valid.eq(self.i_valid),
            self.i_ready.eq(i.ready),
            self.o_data.eq(Cat(*parts)),
            self.o_valid.eq(o.valid),
            o.ready.eq(self.o_ready),
            self.acknowledge.eq(1),
            self.refused.eq(1),
        ]
        return m
