"""Amaranth component to plain Verilog-2005, one flat module with one port a payload field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import Fragment, Module, Signal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib.wiring import In

from hfp8_hw.hdl import StreamUnit
from hfp8_hw.hdl.numbers.shape import FixedShape, FloatShape

from .net_names import name_cells
from .netlist import Netlist
from .ports import Port, meaning
from .writer import Writer

_SCRIPT = """read_rtlil <<rtlil
{rtlil}
rtlil
hierarchy -top {top}
proc
flatten
attrmap -rename init reset_value
opt_expr -mux_undef
opt_clean
opt_merge
opt_dff -simple-dffe
opt_expr
wreduce
opt_expr
opt_clean
memory_collect
write_json
"""


_ROLES = {
    "mode": "config",
    "bias": "config",
    "scale": "config",
    "first": "flag",
    "clear": "flag",
    "sticky": "flag",
    "last": "flag",
    "flags": "flag",
}


def _role(field: str) -> str:
    return _ROLES.get(_stem(field).split("_")[0], "data")


def _stem(field: str) -> str:
    """A field's name without the number of its lane."""
    return field.rstrip("0123456789")


def _axi_role(name: str) -> str:
    """The role of a port with an AXI name."""
    if name.endswith(("valid", "ready")):
        return name[-5:]
    return "data" if "data" in name else "flag"


class _Flat:
    """The unit with its payload fields as signals of their own; one that has signals only has them
    as they are."""

    def __init__(self, unit: Any) -> None:
        self.unit = unit
        self.ports: list[Port] = []
        self.signals: dict[str, tuple[Any, Any]] = {}

    def build(self) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        unit: Any = self.unit
        if not isinstance(unit, StreamUnit):
            for name, member in unit.signature.members.items():
                dir = "in" if member.flow is In else "out"
                self._port(m, name, dir, getattr(unit, name), _axi_role(name))
            return m
        self._connect(m, "i", "in", unit.i, unit.inputs)
        self._connect(m, "o", "out", unit.o, unit.outputs)
        return m

    def _connect(self, m: Module, prefix: str, dir: str, stream: Any, fields: Any) -> None:
        back = "out" if dir == "in" else "in"
        self._port(m, f"{prefix}_valid", dir, stream.valid, "valid")
        self._port(m, f"{prefix}_ready", back, stream.ready, "ready")
        for name, shape in fields.items():
            code_format = shape.fmt.name if isinstance(shape, FloatShape) else None
            if code_format is None and f"mode_{_stem(name)}" in fields:
                code_format = "HFP8"
            if code_format is None and _stem(name) == "x":
                code_format = "HFP8"
            encoding = None
            if isinstance(shape, FixedShape):
                code_format, encoding = shape.fmt.name, "fixed"
            facts = (_role(name), code_format, encoding)
            self._port(m, f"{prefix}_{name}", dir, stream.payload[name], *facts)

    def _port(
        self,
        m: Module,
        name: str,
        dir: str,
        inner: Any,
        role: str,
        fmt: str | None = None,
        encoding: str | None = None,
    ) -> None:
        value = Value.cast(inner)
        signal = Signal(value.shape(), name=name)
        m.d.comb += value.eq(signal) if dir == "in" else signal.eq(value)
        self.ports.append(Port(name, dir, len(value), role, fmt, encoding))
        direction = PortDirection.Input if dir == "in" else PortDirection.Output
        self.signals[name] = (signal, direction)


def _kept(text: str) -> str:
    """RTLIL with the attribute ``keep`` of signals also at their registers, where passes that merge
    equal cells look for it."""
    lines: list[str] = []
    names: set[str] = set()
    marked, cell = False, 0
    for line in text.splitlines():
        word, *rest = line.split(maxsplit=1) or [""]
        if word == "attribute":
            marked |= rest[0].startswith("\\keep ")
        elif word == "module":
            names.clear()
        elif word == "wire" and marked:
            names.add(line.split()[-1])
        elif word == "cell":
            cell = len(lines)
        elif line.startswith("    connect \\Q ") and line.split()[-1] in names:
            lines.insert(cell, "  attribute \\keep 1")
        marked &= word == "attribute"
        lines.append(line)
    return "\n".join(lines) + "\n"


def convert(
    unit: Any, top: str, kind: str = "", reserved: Iterable[str] = ()
) -> tuple[str, list[Port]]:
    """The Verilog text of a unit and its ports, clock and reset first.

    ``kind`` is the unit's name in `hfp8_hw.parameters`, for the ports' comments; no signal gets a
    name in ``reserved``.

    The text depends on nothing but the unit and the tool versions: no path, no date.
    """
    flat = _Flat(unit)
    fragment = Fragment.get(flat.build(), None)
    text = _kept(rtlil.convert(fragment, name=top, ports=flat.signals, emit_src=False))
    yosys = find_yosys(lambda version: version >= (0, 40))
    json = yosys.run(["-q", "-"], _SCRIPT.format(rtlil=text, top=top), ignore_warnings=True)
    ports = [Port("clk", "in", 1, "clock"), Port("rst", "in", 1, "reset"), *flat.ports]
    netlist = Netlist(json, top, [port.name for port in ports])
    order = re.findall(r"^  wire .*\\(\S+)$", text, re.MULTILINE)
    name_cells(netlist, order, reserved)
    notes = {port.name: meaning(port, kind) for port in ports}
    return Writer(netlist, top, notes).text(), ports
