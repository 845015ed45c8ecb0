"""Sums in which one moment matters: a carry that leaves little, a sum given up, a reset."""

from __future__ import annotations

import numpy as np

from hfp8_hw.formats import parse_operand
from rtl_gen.package import Package

from .aimed_sums import choose_last, sides
from .chunk_edges import side_by_side
from .edge_sums import carries
from .edges import edge_codes
from .reference import chunk_of, chunked
from .vectors import Vectors, blank, joined

_CARRIES = 64
"""Sums that carry, at most."""

_APART = 100
"""Sums of codes at the ends."""

_FAR, _SMALL = 64, 3
"""Sums of the smallest and the largest, for each copy and turn; their items of the smallest."""

_LONG = 40
"""Items of a sum that a reset meets, where there are no chunks."""


def carried(package: Package, rng: np.random.Generator, lanes: int) -> Vectors | None:
    """Sums that a product brings over a power of 2, with little left below the last place.

    None where the accumulator is in fixed point, and where products are not added in its format.
    """
    acc, formats = package.manifest["golden"]["arguments"].get("acc"), sides(package)[1]
    if acc == "fixed" or package.manifest["parameters"]["semantics"].startswith("exact"):
        return None
    found = carries(formats[0][-1], formats[1][-1], parse_operand(acc)[0])
    chosen = [found[int(k)] for k in rng.permutation(len(found))[:_CARRIES]]
    frames = side_by_side(package, formats, chosen, lanes)
    return joined(frames) if frames else None


def given_up(package: Package, rng: np.random.Generator, lanes: int) -> Vectors:
    """Sums of edges of the formats, given up after one product, two, or about a chunk, and each
    time then 1 times 1, which is exact: no flag of theirs may show."""
    chunk = chunk_of(package.manifest)
    turns, counts = package.manifest["golden"]["sum"]["interleave"], [1, 2, 3]
    if chunked(package.manifest) and chunk <= 128:
        counts += [chunk - 1, chunk, chunk + 1] if turns == 1 else [chunk]
    (names, formats), frames = sides(package), []
    for count in counts:
        frame = blank(package, (count + 1) * turns, lanes)
        for letter, (*_, fmt) in zip("ab", formats, strict=True):
            for name in names[letter]:
                frame[name][: count * turns] = rng.choice(edge_codes(fmt), (count * turns, lanes))
            frame[names[letter][0]][count * turns :] = fmt.bias << fmt.man_bits & fmt.mag_mask
        choose_last(frame, formats)
        frame["i_first"][:turns] = 1
        frame["i_first"][-turns:] = 1
        frame["i_last"][-turns:] = 1
        frames.append(frame)
    return joined(frames)


def apart(package: Package, rng: np.random.Generator, lanes: int) -> Vectors | None:
    """Sums of one item: all lanes of the unit alike, of every two edges of the formats; then all
    but one, of codes at the ends, those of no number too. None for units of one lane."""
    names, formats = sides(package)
    if len(names["a"]) == 1:
        return None
    fmts = [several[-1] for several in formats]
    pairs = np.stack(np.meshgrid(*(edge_codes(fmt) for fmt in fmts)), axis=-1).reshape(-1, 2)
    rows = -(-len(pairs) // lanes)
    frame = blank(package, rows + _APART, lanes)
    other = rng.integers(0, len(names["a"]), (_APART, lanes))
    for side, (letter, fmt) in enumerate(zip("ab", fmts, strict=True)):
        mags = np.array([0, fmt.min_code, fmt.min_code + 1, fmt.max_code - 1, fmt.max_code,
                         fmt.mag_mask])  # fmt: skip
        ends = np.array([*mags, *(mags | fmt.sign_mask)])
        most = rng.choice(ends, (_APART, lanes))
        for k, name in enumerate(names[letter]):
            frame[name][:rows] = np.resize(pairs[:, side], (rows, lanes))
            frame[name][rows:] = np.where(other == k, rng.choice(ends, most.shape), most)
    choose_last(frame, formats)
    for port in ("i_first", "i_last"):
        frame[port][:] = 1
    return frame


def far(package: Package, rng: np.random.Generator, lanes: int) -> Vectors | None:
    """Sums of a few items of the smallest products and one of the largest in some lanes, ahead of
    them or after; the small ones may be rounded up to the accumulator's smallest number, and go on
    from there. None for units of one lane and where products are not added to an accumulator."""
    names, formats = sides(package)
    if len(names["a"]) == 1 or package.manifest["parameters"]["semantics"].startswith("exact"):
        return None
    turns = package.manifest["golden"]["sum"]["interleave"]
    frames = []
    for k in range(_FAR):
        frame = blank(package, (_SMALL + 1) * turns, lanes)
        small, large = slice(0, -turns), slice(-turns, None)
        if k % 2:
            small, large = slice(turns, None), slice(0, turns)
        # Differences of two products, which may be less than that smallest number and cancel what
        # was rounded up to it; or sums of all lanes.
        few = k // 2 % 4 > 0
        nan = few & (rng.integers(0, 3, (turns, lanes)) == 0)
        used = rng.integers(1, len(names["a"]) + 1, (turns, lanes))
        for side, (letter, (*_, fmt)) in enumerate(zip("ab", formats, strict=True)):
            # NaN times 0 too, whose significand is 0.
            ends = [fmt.max_code - 1, fmt.max_code, fmt.mag_mask, *([] if few else [0])]
            top = rng.choice(ends, (turns, lanes))
            for lane, name in enumerate(names[letter]):
                codes = fmt.min_code + rng.integers(0, 3 if few else 8, (_SMALL * turns, lanes))
                codes = np.minimum(codes, fmt.max_code)
                codes |= rng.integers(0, 2, codes.shape) * fmt.sign_mask
                frame[name][small] = 0 if few and lane > 1 else codes
                frame[name][large] = np.where(
                    nan, side * fmt.mag_mask, np.where(lane < used, top, 0)
                )
        choose_last(frame, formats)
        frame["i_first"][:turns] = 1
        frame["i_last"][-turns:] = 1
        frames.append(frame)
    return joined(frames)


def resumed(package: Package, rng: np.random.Generator, lanes: int) -> Vectors:
    """One sum of more than a chunk without a ``first``: a reset before it must leave nothing.

    Small products, a large one as the last of a chunk, and its opposite: where the chunk ends
    tells whether the small ones survive.
    """
    chunk, (names, formats) = chunk_of(package.manifest), sides(package)
    at = chunk - 1 if chunked(package.manifest) and 1 < chunk <= 128 else _LONG
    turns = package.manifest["golden"]["sum"]["interleave"]
    frame = blank(package, (at + 2) * turns, lanes)
    for letter, (*_, fmt) in zip("ab", formats, strict=True):
        for name in names[letter]:
            low = rng.integers(0, fmt.max_code // 2, (turns, lanes))
            frame[name][:turns] = low | rng.integers(0, 2, low.shape) * fmt.sign_mask
            large = rng.integers(fmt.max_code // 2, fmt.max_code + 1, (turns, lanes))
            frame[name][-2 * turns :] = np.concatenate([large, large])
            if letter == "a":
                frame[name][-turns:] ^= fmt.sign_mask
    choose_last(frame, formats)
    frame["i_last"][-turns:] = 1
    return frame


def abandoned(package: Package, rng: np.random.Generator, lanes: int) -> Vectors | None:
    """A sum of zeros, then one of two chunks that are far apart: what a reset leaves of the second,
    while its chunks are added, must not show in the first.

    None without chunks, and where they are long.
    """
    chunk, turns = chunk_of(package.manifest), package.manifest["golden"]["sum"]["interleave"]
    if not chunked(package.manifest) or not 1 < chunk <= 128:
        return None
    names, formats = sides(package)
    frame = blank(package, (chunk + 2) * turns, lanes)
    for letter, (*_, fmt) in zip("ab", formats, strict=True):
        port = frame[names[letter][0]]
        port[turns : 2 * turns] = rng.integers(fmt.max_code * 3 // 4, fmt.max_code, (turns, lanes))
        small = rng.integers(fmt.max_code // 8, fmt.max_code * 5 // 8, (turns, lanes))
        port[-turns:] = small | rng.integers(0, 2, small.shape) * fmt.sign_mask
    choose_last(frame, formats)
    for edge, item in (("i_first", 0), ("i_last", 0), ("i_first", 1), ("i_last", chunk + 1)):
        frame[edge][item * turns : (item + 1) * turns] = 1
    return frame
