"""Fields of a core's parameters: its operands, their scratchpads, its ports."""

from __future__ import annotations

from typing import Any

from ..errors import ParameterError, check_choice
from ..fixed import scale
from ..formats import HFP8
from .base import parameter
from .layout import Layout
from .mac import ALIGNERS

CORE_PORTS = ("streams", "memory")
BUSES = (32, 64, 128)
BURSTS = (2, 4, 8, 16, 32, 64, 128, 256)
DSP_BITS = 18
"""Of an operand of a DSP block's multiplier."""
USUAL_SIZE = 4096
"""Codes of a page, at the least, by default."""


def operand_field(name: str) -> Any:
    """The field of an operand's format."""
    return parameter(
        HFP8,
        f"Format of the operand {name}. With HFP8, each job says which of its two formats {name} "
        "is in.",
        values="any format",
    )


def align_field() -> Any:
    """The field that chooses what moves products into place."""
    return parameter(
        "lut",
        "What moves products into place in a sum: logic, or a multiplier for each product that may "
        "be a DSP block.",
        values=f"lut, or dsp with exact sums of formats that have at most {DSP_BITS} bits in fixed "
        "point",
        off="lut",
    )


def check_align(p: Any) -> None:
    """Whether a core with these parameters can have it."""
    check_choice("align", p.align, ALIGNERS)
    if p.align != "dsp":
        return
    for name, formats in (("a", p.a_formats), ("b", p.b_formats)):
        bits = scale(formats).reach
        if bits > DSP_BITS:
            raise ParameterError(
                f"{name}={getattr(p, name)!r} is not allowed for align='dsp': a format that has at "
                f"most {DSP_BITS} bits in fixed point, as E4M3FN; this has {bits}"
            )


def checked_drains(p: Any) -> int:
    """The number of rounders, in place of 0 the default."""
    if type(p.drains) is int and p.drains == 0:
        return int(p.rows)
    divisors = [n for n in range(1, p.rows + 1) if p.rows % n == 0]
    if isinstance(p.drains, bool) or p.drains not in divisors:
        raise ParameterError(
            f"drains={p.drains!r} is not allowed for rows={p.rows}: "
            f"one of {', '.join(map(str, divisors))}, or 0 for {p.rows}"
        )
    return int(p.drains)


def size_field(name: str, side: str) -> Any:
    """The field of a page's size; ``side`` is the array's."""
    return parameter(
        0,
        f"Number of codes in a page of the scratchpad of operand {name}.",
        values=f"0 for the default, or {side} times lanes times a power of two, up to 2**24",
        shown=f"the least that holds {USUAL_SIZE}",
    )


def checked_size(p: Any, name: str, side: str) -> int:
    """The codes of a page, in place of 0 the default."""
    block = getattr(p, side) * p.lanes
    allowed = [block << k for k in range(25) if block << k <= 1 << 24]
    usual = next(n for n in allowed if n >= USUAL_SIZE)
    value = getattr(p, name)
    if type(value) is int and value == 0:
        return usual
    if isinstance(value, bool) or value not in allowed:
        raise ParameterError(
            f"{name}={value!r} is not allowed for {side}={getattr(p, side)} and "
            f"lanes={p.lanes}: {block} times a power of two, up to 2**24, or 0 for {usual}"
        )
    return int(value)


def beat_field(name: str, side: str) -> Any:
    """The field of a beat's width; ``side`` is the array's."""
    return parameter(
        0,
        f"Number of codes in a beat of the stream of operand {name}: more of them load faster.",
        values=f"0 for the default, or that times 2, 4 or 8, as far as a page has them for "
        f"each of min({side}, lanes) rows",
        shown=f"max({side}, lanes)",
    )


def checked_beat(p: Any, name: str, side: str, layout: Layout) -> int:
    """The codes of a beat, in place of 0 the default."""
    value = getattr(p, name)
    if type(value) is int and value == 0:
        return layout.long
    allowed = [layout.long << k for k in range(4) if layout.words >> k]
    if isinstance(value, bool) or value not in allowed:
        size = name.replace("beat", "size")
        raise ParameterError(
            f"{name}={value!r} is not allowed for {side}={getattr(p, side)}, lanes={p.lanes} and "
            f"{size}={getattr(p, size)}: one of {', '.join(map(str, allowed))}, or 0 for "
            f"{layout.long}"
        )
    return int(value)


def ports_field() -> Any:
    """The field that chooses between them."""
    return parameter(
        "streams",
        "How operands come and results leave: on AXI4-Streams, or the core is a master of AXI4 and "
        "each job says where they are in memory.",
        values=", ".join(CORE_PORTS),
        off="streams",
    )


def bus_field() -> Any:
    """The field of the bus' width."""
    return parameter(
        64,
        "Width of the data on the bus to memory.",
        values=f"{', '.join(map(str, BUSES))}, with ports=memory only",
    )


def burst_field() -> Any:
    """The field of the longest burst."""
    return parameter(
        16,
        "Longest burst on that bus, in words of its width.",
        values="a power of two, 2 to 256, with ports=memory only",
    )


def bus_idle(ports: str) -> dict[str, str]:
    """The parameters without a meaning for these ports, and why."""
    if ports == "memory":
        return {}
    return dict.fromkeys(("bus", "burst"), f"ports={ports!r}: only memory has a bus")


def check_bus(bus: int, burst: int) -> None:
    """Raise ParameterError unless there is such a bus."""
    for name, value, allowed in (("bus", bus, BUSES), ("burst", burst, BURSTS)):
        if isinstance(value, bool) or value not in allowed:
            raise ParameterError(
                f"{name}={value!r} is not allowed: one of {', '.join(map(str, allowed))}"
            )


def convolution_field() -> Any:
    """The field that says whether there are convolutions."""
    return parameter(
        "no",
        "Whether a job may take operand B as the windows of a kernel over a feature map.",
        values="no or yes; yes with semantics exact and exact_chunk, and cols a power of two",
    )


def check_convolution(p: Any) -> None:
    """Whether a core with these parameters can have it."""
    if p.convolution == "no":
        return
    if p.semantics == "chunked":
        raise ParameterError("convolution='yes' is not allowed for semantics='chunked': no")
    if p.cols & (p.cols - 1):
        raise ParameterError(
            f"cols={p.cols!r} is not allowed for convolution='yes': a power of two"
        )
