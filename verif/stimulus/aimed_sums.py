"""Sums aimed at where arithmetic goes wrong: cancellation, ties, carries, overflow, both ends.

Frames (where sums begin and end) are alike in all lanes of a block; what is summed is drawn for
every lane and frame, vectorised over the lanes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import RUNTIME_BIAS_RANGE, RUNTIME_BIAS_WIDTH, FloatFormat, parse_operand
from rtl_gen.package import Package

from .edge_sums import targets
from .edges import edge_codes
from .reference import chunk_of, code_width
from .vectors import Vectors, lengths

STRATA = (
    "uniform",
    "edges",
    "moderate",
    "cancel",
    "near_cancel",
    "ties",
    "growing",
    "largest",
    "tiny",
    "rising",
    "targets",
)
"""What the operands of a sum are drawn from.

uniform: any codes. edges: zeros, ends of binades, specials. moderate: the middle of the range.
cancel: every second item is minus the one before. near_cancel: the same, one code beside it; both
of moderate, tiny, largest or edge codes.
ties: powers of two whose exponents fall, so that bits of the sum stand alone far apart.
growing: large magnitudes, one sign, so that sums carry and overflow. largest: the last three
codes below infinity, any sign. tiny: the lowest codes. rising: tiny, then largest. targets:
products, largest first, whose exact sum is an edge of the accumulator's format, beside one, or
halfway between two; then products that are zero or tiny.
"""


def _draw(
    stratum: str,
    fmt: FloatFormat,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    base: str = "moderate",
) -> NDArray[np.int64]:
    """Codes of one operand, (items, lanes); ``base`` is the stratum of what cancels."""
    signs = rng.integers(0, 2, shape) * fmt.sign_mask
    match stratum:
        case "edges":
            return rng.choice(edge_codes(fmt), shape)
        case "cancel" | "near_cancel":
            return _draw(base, fmt, rng, shape)
        case "moderate":
            low, high = fmt.max_code // 4, fmt.max_code * 3 // 4
            return rng.integers(low, high, shape) | signs
        case "ties":
            fields = -np.sort(-rng.integers(1, 1 << fmt.exp_bits, shape), axis=0)
            codes = np.minimum(fields << fmt.man_bits, fmt.max_code)
            return codes | signs
        case "growing":
            codes = fmt.max_code - rng.integers(0, 1 + (2 << fmt.man_bits), shape)
            return np.maximum(codes, 0) | signs[:1]
        case "largest":
            return np.maximum(fmt.max_code - rng.integers(0, 3, shape), 0) | signs
        case "rising":
            start, end = (_draw(name, fmt, rng, shape) for name in ("tiny", "largest"))
            return np.where(np.arange(shape[0])[:, None] < shape[0] // 2, start, end)
        case "tiny":
            return rng.integers(0, 2 << fmt.man_bits, shape) & fmt.mag_mask | signs
    return rng.integers(0, 1 << fmt.width, shape)


def sums(package: Package, rng: np.random.Generator, count: int, lanes: int) -> Vectors:
    """Transfers of an accumulating unit, (count, lanes), framed."""
    ports = {
        port["name"]: port
        for port in package.manifest["ports"]
        if port["dir"] == "in" and port["role"] in ("data", "config", "flag")
    }
    turns = package.manifest["golden"]["sum"]["interleave"]
    inputs: Vectors = {name: np.zeros((count, lanes), np.int64) for name in ports}
    for turn in range(turns):
        own = {name: values[turn::turns] for name, values in inputs.items()}
        _frames(package, ports, rng, own)
    return inputs


def _frames(
    package: Package, ports: dict[str, dict[str, Any]], rng: np.random.Generator, own: Vectors
) -> None:
    """Fill one turn's transfers, frame by frame, in place."""
    choices = np.array(lengths(chunk_of(package.manifest)))
    # More of the short ones, of which most are aimed at something.
    odds = 1 / np.sqrt(choices)
    count = len(own["i_last"])
    held = package.manifest["parameters"]["semantics"] in ("exact", "exact_chunk")
    start = 0
    while start < count:
        length = min(int(rng.choice(choices, p=odds / odds.sum())), count - start)
        frame = {name: values[start : start + length] for name, values in own.items()}
        _fill(package, ports, rng, frame, held)
        # A sum that starts after a `last` needs no `first`. One without a `last` is given up by
        # a `first` that follows, or goes on, but not where its bias would have to be the same.
        open_sum = start > 0 and not own["i_last"][start - 1, 0]
        frame["i_first"][0] = 1 if (open_sum and held) or rng.random() < 0.5 else 0
        frame["i_last"][-1] = 1 if rng.random() < 0.85 or start + length == count else 0
        start += length


def _fill(
    package: Package,
    ports: dict[str, dict[str, Any]],
    rng: np.random.Generator,
    frame: Vectors,
    held: bool,
) -> None:
    shape = frame["i_last"].shape
    # The last one, which is aimed best, is drawn twice as often as others.
    picks: NDArray[np.int64] = rng.integers(0, len(STRATA) + 1, size=shape[1:])
    picks = np.minimum(picks, len(STRATA) - 1)
    base = str(rng.choice(["moderate", "moderate", "tiny", "largest", "edges"]))
    modes: dict[str, NDArray[np.int64]] = {}
    for name in ports:
        if name.startswith("i_mode"):
            drawn = rng.integers(0, 2, (1, shape[1]) if rng.random() < 0.7 else shape)
            frame[name][:] = drawn
            modes[name.removeprefix("i_mode_")] = frame[name]
    for name, port in ports.items():
        if "format" in port:
            formats = parse_operand(port["format"])
            mode = modes.get(name.removeprefix("i_").rstrip("0123456789"))
            for k, stratum in enumerate(STRATA):
                which = np.flatnonzero(picks == k)
                part = (shape[0], len(which))
                codes = _draw(stratum, formats[0], rng, part, base)
                if len(formats) > 1 and mode is not None:
                    other = _draw(stratum, formats[1], rng, part, base)
                    codes = np.where(mode[:, which] == 1, other, codes)
                frame[name][:, which] = codes
        elif name.startswith("i_bias"):
            low, high = RUNTIME_BIAS_RANGE
            rows = 1 if held else shape[0]
            values = rng.integers(low, high + 1, (rows, shape[1]))
            frame[name][:] = values & ((1 << code_width(port)) - 1)
        elif port["role"] != "flag" and name not in ("i_first", "i_last") and "mode" not in name:
            frame[name][:] = rng.integers(0, 1 << port["width"], shape)
    _cancel(ports, rng, frame, picks)
    _aim(package, rng, frame, np.flatnonzero(picks == STRATA.index("targets")))


def _aim(
    package: Package, rng: np.random.Generator, frame: Vectors, which: NDArray[np.int64]
) -> None:
    """Fill some lanes with sums that hit a target: one product an item, zeros after them."""
    arguments = package.manifest["golden"]["arguments"]
    acc = arguments.get("acc")
    if acc in (None, "fixed"):
        return
    first, formats = sides(package)
    count = len(frame["i_last"])
    found = targets(formats[0], formats[1], parse_operand(acc)[0])
    fitting = [picks for picks, _ in found if len(picks) <= count]
    ends = [picks for picks, end in found if end and len(picks) <= count]
    for lane in which if fitting else ():
        some = ends if ends and rng.random() < 0.4 else fitting
        picks = some[int(rng.integers(len(some)))]
        if rng.random() < 0.7:
            # What cancels before leaves no trace.
            code_a, code_b = (int(rng.choice(_finite_edges(formats[k][-1]))) for k in (0, 1))
            picks = [(code_a, code_b), (code_a ^ formats[0][-1].sign_mask, code_b), *picks]
        picks = picks[:count]
        sign = int(rng.integers(2)) * formats[0][0].sign_mask
        for letter, side in (("a", 0), ("b", 1)):
            for name in first[letter]:
                frame[name][:, lane] = 0
            column = [pick[side] ^ (sign if side == 0 else 0) for pick in picks]
            frame[first[letter][0]][: len(picks), lane] = column
        _fill_up(rng, [frame[first[k][0]][len(picks) :, lane] for k in "ab"],
                 [formats[k][-1] for k in (0, 1)])  # fmt: skip
        choose_last({name: values[:, lane] for name, values in frame.items()}, formats)


def choose_last(
    inputs: Vectors, formats: list[tuple[FloatFormat, ...]], bias: int | None = None
) -> None:
    """Run-time modes for the last of each operand's formats, in place, and run-time biases:
    the format's own, or another."""
    for name, values in inputs.items():
        if name.startswith("i_mode"):
            values[:] = 1
        elif name.startswith("i_bias"):
            own = formats["ab".index(name[-1])][-1].bias if bias is None else bias
            values[:] = own & ((1 << RUNTIME_BIAS_WIDTH) - 1)


def sides(
    package: Package,
) -> tuple[dict[str, list[str]], list[tuple[FloatFormat, ...]]]:
    """The ports of each operand, a and b, and the formats that it may be in."""
    ports = {p["name"]: p for p in package.manifest["ports"] if p["dir"] == "in"}
    names = {
        letter: sorted(n for n in ports if re.fullmatch(rf"i_{letter}\d*", n)) for letter in "ab"
    }
    return names, [parse_operand(ports[names[letter][0]]["format"]) for letter in "ab"]


def _fill_up(
    rng: np.random.Generator, columns: list[NDArray[np.int64]], formats: list[FloatFormat]
) -> None:
    """Products of zero with anything finite, or now and then of tiny codes, in place."""
    tiny = rng.random() < 0.3
    order = rng.permutation(2)
    for column, fmt, zero in zip(columns, formats, order, strict=True):
        signs = rng.integers(0, 2, column.shape) * fmt.sign_mask
        if tiny:
            column[:] = fmt.min_code + rng.integers(0, 2, column.shape) | signs
        elif not zero:
            column[:] = rng.choice(_finite_edges(fmt), column.shape) | signs


def _finite_edges(fmt: FloatFormat) -> NDArray[np.int64]:
    codes = edge_codes(fmt)
    return codes[codes <= fmt.max_code]


def _cancel(
    ports: dict[str, dict[str, Any]],
    rng: np.random.Generator,
    frame: Vectors,
    picks: NDArray[np.int64],
) -> None:
    """Every second item becomes minus the one before it, or one code beside that."""
    pairs = len(frame["i_last"]) // 2
    for stratum in ("cancel", "near_cancel"):
        which = np.flatnonzero(picks == STRATA.index(stratum))
        for name, port in ports.items():
            if name in ("i_first", "i_last"):
                continue
            values = frame[name][0 : 2 * pairs : 2, which].copy()
            if name.startswith("i_a"):
                fmt = parse_operand(port["format"])[0]
                values ^= fmt.sign_mask
                if stratum == "near_cancel":
                    values ^= rng.integers(0, 2, values.shape)
            frame[name][1 : 2 * pairs : 2, which] = values
