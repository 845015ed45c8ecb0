"""The unpacked number that goes between the parts of a unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from .shape import Amaranth, plus, range_shape, zero_extended

TABLE_BITS = 6
"""Inputs of a truth table that a LUT fabric still holds in one level of logic."""

_ZERO = Const(0, 1)
_FEW = 4
"""Fewer bits than these are not worth to be ORed before the rounder does it."""


@dataclass(frozen=True)
class Raw:
    """An unpacked number: signals, with constants where a format decides.

    Members
    -------
    nan, inf, zero : 1 bit
        Class flags; at most one is set. ``sig`` and ``exp`` mean nothing where one is.
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


def select(m: Module, condition: Amaranth, one: Raw, other: Raw, name: str) -> Raw:
    """One of two numbers of one offset, significands aligned at the hidden bit."""
    assert one.offset == other.offset
    width = max(len(one.sig), len(other.sig))
    low, high = min(one.low, other.low), max(one.high, other.high)
    exp = Signal(range_shape(low + one.offset, high + one.offset), name=f"{name}_exp")
    m.d.comb += exp.eq(Mux(condition, one.exp, other.exp))
    sig = Mux(condition, zero_extended(one.sig, width), zero_extended(other.sig, width))
    nan, inf, zero, sign = (
        wire(m, choose(condition, getattr(one, n), getattr(other, n)), f"{name}_{n}")
        for n in ("nan", "inf", "zero", "sign")
    )
    return Raw(nan, inf, zero, sign, exp, wire(m, sig, f"{name}_sig"), low, high, one.offset)


def with_offset(m: Module, raw: Raw, offset: int, name: str) -> Raw:
    """The same number with another offset."""
    if raw.offset == offset:
        return raw
    low, high = raw.low + offset, raw.high + offset
    if raw.exp.shape().signed or low < 0:
        exp = Signal(range_shape(low, high), name=f"{name}_offset_exp")
        m.d.comb += exp.eq(shifted_exp(raw, offset))
    else:
        exp = plus(raw.exp, offset - raw.offset, high.bit_length())
        exp = wire(m, exp, f"{name}_offset_exp")
    return replace(raw, exp=exp, offset=offset)


def leading_zeros(
    m: Module,
    value: Amaranth,
    name: str,
    *,
    least: int = 1,
    most: int | None = None,
    still: int = 0,
    keep: int | None = None,
) -> tuple[Amaranth, Amaranth]:
    """(count, value shifted left until its top bit is set), by a logarithmic shifter.

    For value 0 the count is all ones. Shifts are made two at a time, both decided on the value as
    it comes.

    Parameters
    ----------
    least, most : int, optional
        Powers of two: only the shifts from or up to that one; the count then lacks the bits below
        ``least``.
    still : int
        So many bits at the bottom are known to be 0 wherever the value is shifted.
    keep : int, optional
        So many bits of the result matter each for itself, and all below are ORed into one: a bit
        is given up as soon as no shift that is left can bring it up there.
    """
    count: list[Amaranth] = []
    if len(value) < 2:
        return Cat(), value
    highest = 1 << ((len(value) - 1).bit_length() - 1)
    step = highest if most is None else min(most, highest)
    while step >= least:
        twice, step = step, step >> 1
        if step < least:
            empty = wire(m, value[-twice:] == 0, f"{name}_empty{twice}")
            count.insert(0, empty)
            shift, last = {twice: empty}, twice
        else:
            groups = [
                wire(m, value[max(0, len(value) - (k + 1) * step) : len(value) - k * step] == 0,
                     f"{name}_empty{step}_{k}")
                for k in range(3)
            ]  # fmt: skip
            high = wire(m, groups[0] & groups[1], f"{name}_count{twice}")
            low = wire(m, groups[0] & (~groups[1] | groups[2]), f"{name}_count{step}")
            count[:0] = [low, high]
            shift, last = {step: low, twice: high}, step
        kept = len(value) if keep is None else keep + last - 1
        value, still = _shifted(value, shift, still, kept)
        value = wire(m, value, f"{name}_by{last}")
        step = last >> 1
    return Cat(*count), value


def _shifted(
    value: Amaranth, shift: dict[int, Amaranth], still: int, keep: int
) -> tuple[Amaranth, int]:
    """(``value`` shifted left within its bits by the sum of the steps whose condition is set, all
    but ``keep`` bits and one more ORed into that one; what `still` then is)."""

    def either(part: Callable[[int], Amaranth], steps: list[int], by: int = 0) -> Amaranth:
        if not steps:
            return part(by)
        *fewer, step = steps
        moved, unmoved = either(part, fewer, by + step), either(part, fewer, by)
        return unmoved if moved is unmoved else choose(shift[step], moved, unmoved)

    def bit(k: int) -> Amaranth:
        if k < still:
            return value[k]
        return either(lambda by: value[k - by] if k - by >= (still if by else 0) else _ZERO, steps)

    def rest(by: int) -> Amaranth:
        first, end = still if by else 0, low - by
        return value[first:end].any() if end > first else _ZERO

    steps = sorted(shift)
    low = max(0, len(value) - keep)
    if low < _FEW:
        return Cat(*map(bit, range(len(value)))), still
    return Cat(either(rest, steps), *map(bit, range(low, len(value)))), max(0, still - low + 1)


def table(m: Module, index: Amaranth, rows: Sequence[int], width: int, name: str) -> Amaranth:
    """The truth table ``rows[index]``, one constant a bit."""
    bits = []
    for k in range(width):
        truth = sum((row >> k & 1) << number for number, row in enumerate(rows))
        bits.append((Const(truth, len(rows)) >> index)[0])
    return wire(m, Cat(*bits), name)
