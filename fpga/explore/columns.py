"""What a table shows of a measured point: the columns, of units and of the core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfp8_hw.parameters import CoreParameters
from verif.simulation.compare import error_words

from .point import Row


@dataclass(frozen=True)
class Column:
    """One of them.

    Members
    -------
    title : what it is
    cell : the text for a row
    short : the title where there is little room; empty: it is left out there
    """

    title: str
    cell: Callable[[Row], str]
    short: str


def _number(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])


def _tenths(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]:.1f}"


def _billions(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]:.3g}" if row[name] < 100 else f"{row[name]:.0f}"


def _latency(row: Row) -> str:
    return "varies" if row["latency"] is None else str(row["latency"])


def _nanoseconds(row: Row) -> str:
    return "" if row["latency_ns"] is None else f"{row['latency_ns']:.1f}"


def _utilisation(row: Row) -> str:
    return f"{row['utilisation']:.1%}"


def _own_error(row: Row) -> str:
    return error_words(row, "own_")


_LUT, _DSP = Column("LUT", _number("luts"), "LUT"), Column("DSP", _number("dsps"), "DSP")
_CLOCK = Column("MHz", _tenths("fmax_median"), "MHz")
_ERROR = (Column("SQNR, dB", error_words, "dB"), Column("own, dB", _own_error, "own"))
_OF_UNITS = (
    _LUT, Column("FF", _number("ffs"), "FF"), _DSP, _CLOCK,
    Column("clocks", _latency, "clocks"), Column("ns", _nanoseconds, ""),
    Column("M/s", _tenths("throughput"), "M/s"), *_ERROR,
)  # fmt: skip
_OF_A_CORE = (
    _LUT, Column("FF", _number("ffs"), ""), _DSP,
    Column("block RAM", _number("memories"), "RAM"), _CLOCK,
    Column("peak GMAC/s", _billions("peak_gmacs"), "peak"), Column("in use", _utilisation, "use"),
    Column("GMAC/s", _billions("gmacs"), "GMAC/s"), *_ERROR,
)  # fmt: skip


def columns(unit: str) -> tuple[Column, ...]:
    """Those of a unit, or of the core."""
    return _OF_A_CORE if unit == CoreParameters.unit else _OF_UNITS
