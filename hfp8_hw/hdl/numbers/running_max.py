"""The largest magnitude so far, and the flags so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...formats import FloatFormat
from .pipeline import Pipeline
from .raw import any_of, is_const, wire
from .shape import Amaranth, less
from .unpack import specials


@dataclass(frozen=True)
class Size:
    """A magnitude as the code without its sign, which orders all but NaN; and whether it is NaN."""

    mag: Amaranth
    nan: Amaranth


def magnitude(m: Module, code: Amaranth, fmt: FloatFormat, name: str) -> Size:
    """The magnitude of a code."""
    mag = code[: fmt.width - 1]
    nan, _ = specials(m, code, mag, fmt, name)
    if fmt.zero_exp == "flush":
        # All codes with this field are zeros.
        mag = Mux(mag[fmt.man_bits :] == 0, 0, mag)[: fmt.width - 1]
    return Size(wire(m, mag, f"{name}_mag"), nan)


def larger(m: Module, sizes: Sequence[Size], name: str) -> Size:
    """The larger of two magnitudes, or the only one."""
    if len(sizes) == 1:
        return sizes[0]
    one, other = sizes
    mag = Mux(less(one.mag, other.mag), other.mag, one.mag)
    return Size(wire(m, mag, f"{name}_mag"), any_of(one.nan, other.nan))


def keep_largest(
    m: Module,
    payload: Any,
    fmt: FloatFormat,
    pipe: Pipeline,
    clear: Amaranth,
    size: Size,
    flags: Sequence[Amaranth],
) -> None:
    """The registers of ``amax`` and ``sticky``, which are the pipeline's last too."""
    largest, seen_nan, seen = largest_so_far(m, pipe, clear, size, flags)
    amax: Amaranth = Cat(largest, Const(0, 1))
    if not is_const(size.nan):
        amax = Mux(seen_nan, fmt.nan_code, amax)
    m.d.comb += [payload.amax.as_value().eq(amax[: fmt.width]), payload.sticky.eq(seen)]


def largest_so_far(
    m: Module, pipe: Pipeline, clear: Amaranth, size: Size, flags: Sequence[Amaranth]
) -> tuple[Amaranth, Amaranth, Amaranth]:
    """(the largest magnitude, whether there was a NaN, the flags), an item later, of the items
    since ``clear``, that one included."""
    largest = Signal(len(size.mag), name="largest", attrs={"stage": "track"})
    seen = Signal(4, name="sticky", attrs={"stage": "track"})
    seen_nan = Signal(name="largest_nan", attrs={"stage": "track"})
    before = wire(m, Mux(clear, 0, largest)[: len(largest)], "largest_before")
    now = larger(m, (Size(before, seen_nan & ~clear), size), "largest_now")
    marks = flags[0]
    for more in flags[1:]:
        marks = marks | more
    with m.If(pipe.valid & pipe.ready):
        m.d.sync += [largest.eq(now.mag), seen.eq(Mux(clear, 0, seen) | marks)]
        if not is_const(size.nan):
            m.d.sync += seen_nan.eq(now.nan)
    return largest, seen_nan, seen
