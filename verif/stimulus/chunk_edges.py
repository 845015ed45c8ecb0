"""Sums that meet the edges of the accumulator's format where chunks' sums are added."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hfp8_hw.formats import RUNTIME_BIAS_RANGE, FloatFormat, parse_operand
from hfp8_hw.golden import decode
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import Package

from .aimed_sums import choose_last, sides
from .edge_sums import Picks, magnitudes, targets
from .reference import chunk_of, chunked
from .sum_bounds import largest, product, smallest
from .vectors import Vectors, blank, joined

Formats = list[tuple[FloatFormat, ...]]
"""Of each operand, those that it can be in."""

_BOTH = 16
_OVER = 160
"""Products of a sum that overflows, at most, where that is more than a chunk."""
_FEW, _LONGEST = 300, (5000, 1 << 14)
"""Items of a sum that fills its accumulator: with fewer, others do; and the most, where rounding
does it and where nothing is rounded."""

_ACROSS = 64
"""Items that go to and fro there."""

_OTHER = 5
"""Last items of a sum that differ in each copy."""

_MOST = 640
"""Sums of one product a clock; where there are more, simulators need that much longer."""


def joints(package: Package, rng: np.random.Generator, lanes: int) -> Vectors | None:
    """Sums that meet the edges of the accumulator's format where chunks' sums are added.

    Every target with its products in two chunks, cut in every place, or all of them in both; and
    a difference below the smallest value in two chunks, then once more in a third, and a product
    that is -0: the sum of two results that were rounded to zero. Some with a difference below the
    smallest value in one chunk and an overflow in the next, or an overflow or infinity in one and
    its opposite in the next; products that cancel. Run-time biases are the formats' own, and then
    some with which products can be smaller than anything in the accumulator's format.
    Sums that are rounded with each product have the latter alone. None for exact ones, for those
    with very long chunks, and where products meet no edge.
    """
    manifest = package.manifest
    parameters, acc = manifest["parameters"], manifest["golden"]["arguments"].get("acc")
    chunk = chunk_of(manifest) if chunked(manifest) else 1
    if acc == "fixed" or parameters["semantics"] == "exact" or chunk > 128:
        return None
    own = sides(package)[1]
    found = [_frames(package, own, parse_operand(acc)[0], chunk, rng, lanes)]
    if parameters["bias"] == "runtime":
        small = _smaller(own, parse_operand(acc)[0], int(parameters.get("drop", 0)))
        found.append(_frames(package, small, parse_operand(acc)[0], chunk, rng, lanes))
    frames = [frame for some in found for frame in some]
    if not frames:
        return None
    return joined(frames)


def _smaller(formats: Formats, acc: FloatFormat, drop: int) -> Formats:
    """The formats with biases that make the smallest product, where ``drop`` bits are cut off, a
    quarter of what ``acc`` can hold."""
    products = formats[0][-1].min * formats[1][-1].min * 2.0**drop
    shift = max(0, math.ceil(math.log2(products / acc.min)) + 2)
    found: Formats = []
    for (*_, fmt), by in zip(formats, (shift // 2, -(-shift // 2)), strict=True):
        found.append((fmt.with_bias(min(fmt.bias + by, RUNTIME_BIAS_RANGE[1])),))
    return found


def _frames(
    package: Package,
    formats: Formats,
    acc: FloatFormat,
    chunk: int,
    rng: np.random.Generator,
    lanes: int,
) -> list[Vectors]:
    """Sums of operands in these formats, as many side by side as there are copies of the unit."""
    parameters, last = package.manifest["parameters"], (formats[0][-1], formats[1][-1])
    aims = targets(formats[0], formats[1], acc)
    if chunked(package.manifest):
        found, both = _aimed(aims, last, chunk)
        if not found:
            return []
    else:
        found, both = [], [picks for picks, end in aims if end and len(picks) == 2]
    products = int(parameters.get("lanes", 1))
    most = max(_MOST // products, min(128, 1024 // products))
    chosen = [found[int(k)] for k in rng.permutation(len(found))[:most]]
    over = math.ceil(acc.max / (last[0].max * last[1].max)) + 1
    top = [(last[0].max_code, last[1].max_code)] * over if over <= max(chunk, _OVER) else []
    if top:
        some = [both[int(k)] for k in rng.permutation(len(both))[:_BOTH]]
        chosen += [[*_filled(under, last, chunk), *top] for under in some]
    chosen += _opposites(top, [*both[:1], *_below(last, acc)], last, chunk) + _cancelled(last)
    return side_by_side(package, formats, chosen, lanes)


def side_by_side(
    package: Package, formats: Formats, chosen: list[Picks], lanes: int
) -> list[Vectors]:
    """Sums of one product a clock, as many at once as there are copies of the unit and turns,
    every second of the other sign; the shortest first."""
    turns = package.manifest["golden"]["sum"]["interleave"]
    names, sign = sides(package)[0], formats[0][-1].sign_mask
    chosen, frames = sorted(chosen, key=len), []
    for start in range(0, len(chosen), lanes * turns):
        some = chosen[start : start + lanes * turns]
        count = max(map(len, some))
        frame = blank(package, count * turns, lanes)
        for place, picks in enumerate(some):
            turn, lane = divmod(place, lanes)
            turned = sign * (place % 2)
            for letter, side in (("a", 0), ("b", 1)):
                column = [pick[side] ^ (turned if side == 0 else 0) for pick in picks]
                frame[names[letter][0]][turn::turns, lane][: len(picks)] = column
        choose_last(frame, formats)
        frame["i_first"][:turns] = 1
        frame["i_last"][-turns:] = 1
        frames.append(frame)
    return frames


def _filled(picks: Picks, formats: tuple[FloatFormat, FloatFormat], chunk: int) -> Picks:
    """Products, and zeros to the end of the chunk."""
    return [*picks, *[(0, formats[1].min_code)] * (-len(picks) % chunk)]


def _aimed(
    aims: list[tuple[Picks, bool]], formats: tuple[FloatFormat, FloatFormat], chunk: int
) -> tuple[list[Picks], list[Picks]]:
    """Sums whose products are in two chunks or in three; and differences of two products that are
    at an end of the accumulator's format."""
    sign, zero = formats[0].sign_mask, (0, formats[1].min_code)
    found: list[Picks] = []
    both: list[Picks] = []
    for picks, end in aims:
        if len(picks) > chunk:
            continue
        for at in range(1, len(picks) + 1):
            rest = picks[at:] or picks
            found.append([*picks[:at], *[zero] * (chunk - at), *rest])
        if end and len(picks) == 2:
            both.append(picks)
            once = [_filled([pick], formats, chunk) for pick in picks]
            three = [*once[0], *once[1], *picks]
            found += [[(a ^ s, b) for a, b in three] + [(t, zero[1])]
                      for s in (0, sign) for t in (0, sign)]  # fmt: skip
    return found, both


def _below(formats: tuple[FloatFormat, FloatFormat], acc: FloatFormat) -> list[Picks]:
    """A product that is nearest to half of the smallest number, of those that are less."""
    codes = [magnitudes(fmt) for fmt in formats]
    values = np.outer(decode(codes[0], formats[0]), decode(codes[1], formats[1])) / acc.min
    at = np.unravel_index(np.argmin(np.abs(values - 0.5)), values.shape)
    return [[(int(codes[0][at[0]]), int(codes[1][at[1]]))]] if values[at] < 1 else []


def _cancelled(formats: tuple[FloatFormat, FloatFormat]) -> list[Picks]:
    """A product and its opposite, of codes of all classes."""
    ends = [(fmt.min_code, fmt.min_code + 1, fmt.max_code // 2, fmt.max_code) for fmt in formats]
    return [[(x, y), (x ^ formats[0].sign_mask, y)] for x in ends[0] for y in ends[1]]


def _opposites(
    top: Picks, under: list[Picks], formats: tuple[FloatFormat, FloatFormat], chunk: int
) -> list[Picks]:
    """An overflow or an infinity in one chunk, its opposite in the next or not, after nothing, an
    inexact chunk, an underflow, an overflow or two of them; an infinity times zero, and NaN."""
    a, b = formats
    inexact = [(a.max_code // 2, b.max_code // 2), (a.min_code, b.min_code)]
    before = [[], _filled(inexact, formats, chunk)]
    before += [_filled(picks, formats, chunk) for picks in under]
    before += [[*some, *_filled(top, formats, chunk)] for some in before if top]
    pairs = [(a.inf_code, b.max_code), (a.max_code, b.inf_code)]
    found = []
    for picks in [top, *([(x, y)] for x, y in pairs if x is not None and y is not None)]:
        if picks:
            high = _filled(picks, formats, chunk)
            low = [(x ^ a.sign_mask, y) for x, y in high]
            found += [[*some, *high, *rest] for some in before for rest in ([], low)]
            found += [[*high, *low, inexact[0]], [*high, *high, *low]]
    invalid = [(a.inf_code, 0), (0, b.inf_code)]
    nothing = [(a.nan_code, b.max_code), (a.max_code, b.nan_code), (a.nan_code, b.min_code)]
    return found + [[*some, (x, y)] for x, y in invalid + nothing
                    if x is not None and y is not None for some in before]  # fmt: skip


def first(package: Package, lanes: int) -> Vectors:
    """The first sums after power-up, when registers that a reset leaves alone are still zero: one
    product each, of small codes and then others, of both signs."""
    names, formats = sides(package)
    frame = blank(package, 4, lanes)
    for letter, side in (("a", 0), ("b", 1)):
        fmt = formats[side][-1]
        # Each copy its own: which products are rounded to zero depends on what `drop` leaves.
        frame[names[letter][0]][0] = np.minimum(fmt.min_code + np.arange(lanes) // 2, fmt.max_code)
        frame[names[letter][0]][1:] = np.array(
            [[fmt.min_code], [fmt.max_code // 2], [fmt.max_code]]
        )
    frame[names["a"][0]][:, ::2] |= formats[0][-1].sign_mask
    choose_last(frame, formats)
    frame["i_last"][:] = 1
    return frame


def growth(package: Package, lanes: int) -> Vectors | None:
    """A sum of the largest products, of both signs, that rounding alone brings to overflow; or one
    that fills every bit of an accumulator that needs no rounding before.

    None where neither can be, or more than `_LONGEST` items are needed, or a few.
    """
    manifest = package.manifest
    parameters, name = manifest["parameters"], manifest["golden"]["arguments"].get("acc")
    once = parameters["semantics"] in ("fma", "fmma", "dotN") or (
        parameters["semantics"] == "chunked" and parameters["chunk"] == 1
    )
    if name in (None, "fixed") or not once:
        return None
    acc, products = parse_operand(name)[0], int(parameters.get("lanes", 1))
    units, step = 1 << acc.man_bits, largest(package, 1)
    filled = math.ceil(units * smallest(package) / (products * product(package)))
    if products == 1 and parse_rounding(parameters["rounding"]).mode in ("RUP", "RDN", "RTO"):
        # From where a product is less than a unit in the last place, `units` of them to each
        # binade.
        binades = math.log2(acc.max) - math.log2(step) - acc.man_bits
        count = units * (math.ceil(max(binades, 0)) + 4) + 129
        if binades >= 1 and count <= _LONGEST[0]:
            return _grown(package, count, lanes, ())
    if _FEW < filled <= _LONGEST[1]:
        return _grown(package, filled + filled // 4 + 193, lanes, range(lanes // 2), filled)
    return None


def _grown(
    package: Package, count: int, lanes: int, less: Sequence[int], filled: int = 0
) -> Vectors:
    """So many largest products in every lane of the unit, in some pairs of copies in one of them
    a little less; at the end codes of all classes, where there are such pairs the smallest too,
    and some that go to and fro across the power of 2 that it reaches after ``filled`` items."""
    names, formats = sides(package)
    turns = package.manifest["golden"]["sum"]["interleave"]
    frame = blank(package, count * turns, lanes)
    for letter, side in (("a", 0), ("b", 1)):
        fmt = formats[side][-1]
        for port in names[letter] if less else names[letter][:1]:
            frame[port][:] = fmt.max_code
        for pair in less:
            code = max(fmt.min_code, fmt.max_code - pair % fmt.max_code)
            frame[names[letter][-1]][:, 2 * pair : 2 * pair + 2] = code
        for step in range(_ACROSS) if less else ():
            now = slice((filled + step) * turns, (filled + step + 1) * turns)
            frame[names[letter][-1]][now] = fmt.min_code if step % 3 else 0
            if letter == "a" and step // 4 % 2 == 0:
                frame[names[letter][0]][now] ^= fmt.sign_mask
    # Then, at the top, with codes of all classes.
    for letter, side, end in (("a", 0, -1), ("b", 1, -65)):
        fmt = formats[side][-1]
        low = fmt.min_code + np.arange(15)
        codes = np.concatenate([[0], low, np.linspace(0, fmt.max_code, 48).astype(np.int64)])
        codes = np.minimum(codes, fmt.max_code).repeat(turns)
        frame[names[letter][0]][(end - 64) * turns : end * turns] = codes[:, None]
    if less:
        # And with the smallest, whose lowest bits are beside the highest of the sum and of others.
        own = np.arange(64).repeat(turns)[:, None]
        for letter, (*_, fmt), k in zip("ab", formats, (own, own // 8), strict=True):
            signs = k // 2 % 2 * fmt.sign_mask if letter == "a" else 0
            frame[names[letter][0]][-193 * turns : -129 * turns] = fmt.min_code + k % 3 | signs
            frame[names[letter][-1]][-193 * turns : -129 * turns] = fmt.max_code - own % 4
            own = own // 4
    for port in names["a"] if less else names["a"][:1]:
        frame[port][:, ::2] ^= formats[0][-1].sign_mask
    choose_last(frame, formats, RUNTIME_BIAS_RANGE[0])
    frame["i_first"][:turns] = 1
    frame["i_last"][-turns:] = 1
    if less:
        # Whose low bits are other ones in each copy,
        for letter, (*_, fmt), by in zip("ab", formats, (3, 5), strict=True):
            for item in range(_OTHER):
                codes = (np.arange(lanes) // 2 * by + item * 7) % max(1, fmt.max_code - 1)
                rows = slice((item - _OTHER) * turns, (item - _OTHER + 1) * turns or None)
                frame[names[letter][0]][rows] &= fmt.sign_mask
                frame[names[letter][0]][rows] |= fmt.min_code + codes
        # and a short sum, while the long one is still in the registers.
        short = {port: values[: 2 * turns].copy() for port, values in frame.items()}
        short["i_last"][-turns:] = 1
        frame = joined([frame, short])
    return frame
