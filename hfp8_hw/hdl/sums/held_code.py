"""A running sum's code in registers, and what is added to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from amaranth.hdl import Cat, Module, Mux

from ...formats import FloatFormat
from ..numbers.raw import Raw, is_const, wire
from ..numbers.shape import Amaranth
from ..numbers.unpack import unpack


def held_widths(fmt: FloatFormat, name: str) -> dict[str, int]:
    """The registers of a code, by name, and their bits: also whether it is NaN, or zero."""
    names = {name: fmt.width}
    if fmt.has_nan:
        names[f"{name}_nan"] = 1
    if fmt.zero_exp != "gradual":
        names[f"{name}_zero"] = 1
    return names


def held_number(m: Module, state: Mapping[str, Amaranth], name: str, fmt: FloatFormat) -> Raw:
    """A code in registers; what is known of it need not wait for its bits to be compared."""
    raw = unpack(m, state[name], (fmt,), name=name)
    zero = state.get(f"{name}_zero")
    if zero is not None:
        raw = replace(raw, zero=zero, sig=Cat(raw.sig[:-1], ~zero))
    return replace(raw, nan=state.get(f"{name}_nan", raw.nan))


def zero_if(m: Module, condition: Amaranth, raw: Raw, name: str) -> Raw:
    """+0 under a condition."""
    return replace(
        raw,
        nan=raw.nan if is_const(raw.nan) else wire(m, raw.nan & ~condition, f"{name}_nan"),
        inf=raw.inf if is_const(raw.inf) else wire(m, raw.inf & ~condition, f"{name}_inf"),
        zero=wire(m, raw.zero | condition, f"{name}_zero"),
        sign=wire(m, raw.sign & ~condition, f"{name}_sign"),
    )


def nothing_unless(m: Module, condition: Amaranth, raw: Raw, sign: Amaranth, name: str) -> Raw:
    """A number, or what leaves every number of that sign as it is."""
    return replace(
        raw,
        nan=raw.nan if is_const(raw.nan) else wire(m, raw.nan & condition, f"{name}_nan"),
        inf=raw.inf if is_const(raw.inf) else wire(m, raw.inf & condition, f"{name}_inf"),
        zero=wire(m, raw.zero | ~condition, f"{name}_zero"),
        sign=wire(m, Mux(condition, raw.sign, sign), f"{name}_sign"),
    )
