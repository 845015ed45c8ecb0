"""The ports of a generated module, and what each carries in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """One Verilog port.

    ``format`` names the format of a code; with ``encoding`` ``fixed`` the port carries what
    `hfp8_hw.golden.to_fixed` makes of the code.
    """

    name: str
    dir: str
    width: int
    role: str
    format: str | None = None
    encoding: str | None = None


_NAMED = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "rx": "UART, from the host",
    "tx": "UART, to the host",
    "build": "tells bitstreams apart, constant",
    "active": "a request is being dealt with",
    "irq": "interrupt, active high, until what is pending is cleared",
    "i_valid": "an input is there",
    "i_ready": "ready to take an input",
    "o_valid": "a result is there",
    "o_ready": "ready to take the result",
    "i_first": "this item starts a sum",
    "i_last": "this item ends its sum",
    "i_clear": "forget what was tracked before this transfer",
    "i_scale": "power of two that x is multiplied by, two's complement",
    "i_overflow": "the gradients of this step overflowed",
    "o_amax": "largest magnitude since clear",
    "o_sticky": "flags since clear, ORed",
}

_AXI = {
    "s_axi": "AXI4-Lite, the registers",
    "s_axis_a": "AXI4-Stream, operand A",
    "s_axis_b": "AXI4-Stream, operand B",
    "s_axis_c": "AXI4-Stream, biases and what C held before",
    "m_axis": "AXI4-Stream, results",
    "m_axi": "AXI4, operands and results in memory",
}

_FIELDS = {
    "x": "operand",
    "a": "operand a",
    "b": "operand b",
    "y": "result",
    "rbits": "random bits of the rounding, uniform, new for every item",
    "flags": "{invalid, inexact, underflow, overflow}",
}

_OF_UNIT = {
    ("loss_scale", "o_y"): "exponent of the scale from now on, two's complement",
    ("loss_scale", "o_flags"): "bit 0: skip this step",
    ("weight_update", "o_y"): "weight",
    ("sgd_update", "o_y"): "weight",
}
"""Where a unit has a meaning of its own for a name."""


def bits(width: int) -> str:
    """A width in words."""
    return "1 bit" if width == 1 else f"{width} bits"


def meaning(port: Port, unit: str) -> str:
    """What a port of a unit carries: meaning, format and width."""
    bus, _, signal = port.name.rpartition("_")
    if bus in _AXI:
        return f"{_AXI[bus]}: {signal.upper()} ({bits(port.width)})"
    field = port.name.partition("_")[2]
    stem = field.rstrip("0123456789")
    text = _OF_UNIT.get((unit, port.name)) or _NAMED.get(port.name)
    kind, _, operand = stem.partition("_")
    if text is None and kind in ("mode", "bias"):
        whose = f" of {operand}" if operand else ""
        text = f"exponent bias{whose}, two's complement"
        if kind == "mode":
            text = f"format{whose}: 0 HFP8_FWD, 1 HFP8_BWD"
    if text is None:
        text = _FIELDS.get(stem, stem.replace("_", " "))
        if stem == "y" and port.format is None:
            text = "sum in fixed point, two's complement"
    if stem != field:
        text += f" of lane {field[len(stem) :]}"
    if port.format == "HFP8":
        text += ", code of the format that the mode selects"
    elif port.encoding == "fixed":
        text += f", {port.format} in fixed point: to_fixed's result"
    elif port.format is not None:
        text += f", {port.format} code"
    return f"{text} ({bits(port.width)})"
