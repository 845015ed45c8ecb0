"""The unpacked number that goes between the parts of a unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from .shape import Amaranth


@dataclass(frozen=True)
class Raw:
    """An unpacked number: signals, with constants where a format decides.

    Members
    -------
    nan, inf, zero : 1 bit
        Class flags; at most one is set. ``sig`` and ``exp`` mean nothing under ``nan`` and
        ``inf``; under ``zero`` ``sig`` is 0.
    sign : 1 bit
    exp
        ``floor(log2(abs(value))) + offset``.
    sig : unsigned
        Significand with the hidden bit as its top bit, which is 1 unless zero:
        ``abs(value) = 2**(exp-offset) * sig / 2**(len(sig)-1)``. Where arithmetic had to drop
        bits, the lowest bit is their sticky bit (rounding to odd), far enough below any rounding
        point.
    low, high : int
        The least and greatest ``exp - offset`` of a nonzero value.
    offset : int
        A constant, such as a format's bias, that was not subtracted so that it can be merged
        with the next one.
    """

    nan: Amaranth
    inf: Amaranth
    zero: Amaranth
    sign: Amaranth
    exp: Amaranth
    sig: Amaranth
    low: int
    high: int
    offset: int = 0

    def through(self, cut: Callable[[str, Amaranth], Amaranth]) -> Raw:
        """The same number with every signal passed through ``cut(name, signal)``."""
        names = ("nan", "inf", "zero", "sign", "exp", "sig")
        crossed = {name: cut(name, getattr(self, name)) for name in names}
        return replace(self, **crossed)


def shifted_exp(raw: Raw, bias: int) -> Amaranth:
    """``floor(log2(abs(value))) + bias``."""
    difference = bias - raw.offset
    if difference == 0:
        return raw.exp
    return raw.exp + difference if difference > 0 else raw.exp - -difference


def is_const(value: Amaranth) -> bool:
    """Whether a value is a constant, which needs no wire and no register."""
    return isinstance(value, Const)


def wire(m: Module, value: Amaranth, name: str) -> Amaranth:
    """A named combinational signal; constants stay constants."""
    if is_const(value):
        return value
    signal = Signal(value.shape(), name=name)
    m.d.comb += signal.eq(value)
    return signal


def choose(select: Amaranth, if_set: Amaranth, if_clear: Amaranth) -> Amaranth:
    """A multiplexer that folds where both inputs are the same constant."""
    if is_const(if_set) and is_const(if_clear) and if_set.value == if_clear.value:
        return if_clear
    return Mux(select, if_set, if_clear)


def any_of(*values: Amaranth) -> Amaranth:
    """The OR of single bits, leaving out constant zeros."""
    live = [v for v in values if not (is_const(v) and v.value == 0)]
    if not live:
        return Const(0, 1)
    result = live[0]
    for value in live[1:]:
        result = result | value
    return result


def leading_zeros(m: Module, value: Amaranth, name: str) -> tuple[Amaranth, Amaranth]:
    """(count, value shifted left until its top bit is set), by a logarithmic shifter.

    For value 0 the count is all ones.
    """
    count: list[Amaranth] = []
    stages = max(1, (len(value) - 1).bit_length())
    for k in reversed(range(stages)):
        step = 1 << k
        if step >= len(value):
            continue
        empty = wire(m, value[-step:] == 0, f"{name}_empty{step}")
        shifted = Cat(Const(0, step), value[:-step])
        value = wire(m, Mux(empty, shifted, value), f"{name}_by{step}")
        count.insert(0, empty)
    return Cat(*count), value
