"""Unpacked operands in registers and ports, and the sums that leave an element."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

from ....parameters import CoreParameters
from ...numbers.pipeline import OWN, Register
from ...numbers.raw import is_const
from ...numbers.shape import Amaranth


class Unpacked(Protocol):
    """`Raw` or `Scaled`: a number whose fields pass through a register one by one."""

    def through(self, cut: Register) -> Any:
        """The number behind it."""


Operand = TypeVar("Operand", bound=Unpacked)


def _live(x: Unpacked) -> dict[str, Amaranth]:
    """The fields that are not constant."""
    found: dict[str, Amaranth] = {}

    def note(name: str, value: Amaranth) -> Amaranth:
        if not is_const(value):
            found[name] = value
        return value

    x.through(note)
    return found


def operand_layout(x: Unpacked) -> data.StructLayout:
    """A register's layout for an operand."""
    return data.StructLayout({name: value.shape() for name, value in _live(x).items()})


def operand_in(template: Operand, view: Any) -> Operand:
    """The operand in a register, with ``template``'s constants."""
    found: Operand = template.through(
        lambda name, value: value if is_const(value) else Value.cast(view[name])
    )
    return found


def joined(parts: list[Any]) -> Amaranth:
    """Operands as the bits of an array of `operand_layout`."""
    return Cat(*(value for x in parts for value in _live(x).values()))


def own_operands(m: Module, ports: list[Any]) -> list[Any]:
    """Registers for an element's operands a and b, next to it.

    What all elements of a row make of one operand would else be one logic, with wires from each
    element to all others.
    """
    held: list[Any] = [
        Signal(
            port.shape(), name=f"operand_{side}", reset_less=True, attrs={"stage": "operand", **OWN}
        )
        for side, port in zip("ab", ports, strict=True)
    ]
    m.d.sync += [register.eq(port) for register, port in zip(held, ports, strict=True)]
    return held


def finished(p: CoreParameters) -> data.StructLayout:
    """A finished sum on its way to the drain.

    Exact: ``total``, and what that cannot hold. Else the ``code`` and ``flags`` of a chunk.
    """
    if not p.element.is_exact:
        return data.StructLayout({"code": p.acc_format.width, "flags": 4})
    formats = (*p.a_formats, *p.b_formats)
    names = ["nan"] if any(f.has_nan for f in formats) else []
    if any(f.inf_code is not None for f in formats):
        names = ["nan", "invalid", "plus_inf", "minus_inf"]
    if p.element.rounding_mode.mode == "RDN":
        names += ["zero_sign"]
    return data.StructLayout({"total": p.element.fixed.width, **dict.fromkeys(names, 1)})
