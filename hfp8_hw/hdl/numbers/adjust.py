"""What is done to a number without rounding it: a power of two, the positive part."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module, Mux, Signal

from ...formats import SCALE_RANGE, FloatFormat
from .raw import Raw, wire
from .shape import Amaranth, range_shape


def times_power(m: Module, raw: Raw, power: Amaranth, name: str) -> Raw:
    """The number times ``2**power``, a signed integer in `SCALE_RANGE`."""
    low, high = raw.low + SCALE_RANGE[0], raw.high + SCALE_RANGE[1]
    exp = Signal(range_shape(low + raw.offset, high + raw.offset), name=f"{name}_scaled_exp")
    m.d.comb += exp.eq(raw.exp + power)
    return replace(raw, exp=exp, low=low, high=high)


def positive_part(
    m: Module,
    code: Amaranth,
    nan: Amaranth,
    fmt: FloatFormat,
    name: str,
    enable: Amaranth | None = None,
) -> Amaranth:
    """A code where its value is above 0, else +0; the format's NaN where ``nan`` says so.

    Parameters
    ----------
    enable : 1 bit, optional
        Where it is 0, the code stays as it is.
    """
    negative = code[-1] if enable is None else code[-1] & enable
    positive = wire(m, Mux(negative, 0, code)[: fmt.width], name)
    if fmt.nan_code is None:
        return positive
    if enable is not None:
        nan = nan & enable
    return Mux(nan, fmt.nan_code, positive)[: fmt.width]
