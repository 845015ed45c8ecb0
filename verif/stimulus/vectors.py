"""Test vectors for a unit: every input where that is feasible, else edges and seeded random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import RUNTIME_BIAS_RANGE, FloatFormat, parse_operand
from rtl_gen.package import Package

from . import edges, operands_for_result
from .edges import edge_codes, halfway_codes
from .ports import payload
from .reference import chunk_of, code_width

_Span = tuple[int, bool, bool]
Vectors = dict[str, NDArray[np.int64]]

LANES = 16
"""Copies of the unit simulated together: more run faster, and take longer to build."""

_OVERFLOWS = (0.0, 1e-4, 1e-3, 0.02, 0.5, 1.0)
"""How often a loss overflows."""


def _operands(package: Package) -> dict[str, tuple[FloatFormat, ...]]:
    """The code inputs by port, and the formats each may be in."""
    ports = package.manifest["ports"]
    return {
        port["name"]: parse_operand(port["format"])
        for port in ports
        if port["dir"] == "in" and "format" in port
    }


def _widths(package: Package) -> dict[str, int]:
    return {
        port["name"]: code_width(port)
        for port in package.manifest["ports"]
        if port["dir"] == "in" and port["role"] in ("data", "config", "flag")
    }


def blank(package: Package, count: int, lanes: int) -> Vectors:
    """Zeros for every port: (count, lanes)."""
    ports = [field.port for field in payload(package.manifest, "in")[0]]
    return {port: np.zeros((count, lanes), np.int64) for port in ports}


def joined(parts: list[Vectors]) -> Vectors:
    """One after the other; at least one."""
    return {port: np.concatenate([part[port] for part in parts]) for port in parts[0]}


def random_inputs(package: Package, rng: np.random.Generator, count: int, lanes: int) -> Vectors:
    """Random transfers, a third of all codes from the edges; accumulating units get frames."""
    operands, shape = _operands(package), (count, lanes)
    inputs: Vectors = {}
    for port, width in _widths(package).items():
        inputs[port] = rng.integers(0, 1 << width, shape)
        if port in operands:
            fmt = operands[port][int(rng.integers(len(operands[port])))]
            edge = rng.choice(edge_codes(fmt), shape)
            inputs[port] = np.where(rng.random(shape) < 1 / 3, edge, inputs[port])
        elif port == "i_clear":
            inputs[port] = (rng.random(shape) < 0.05).astype(np.int64)
        elif port == "i_overflow":
            # Each copy has a rate of its own, so that scales climb to the ceiling and fall.
            inputs[port] = (rng.random(shape) < rng.choice(_OVERFLOWS, lanes)).astype(np.int64)
        elif port.startswith("i_bias"):
            low, high = RUNTIME_BIAS_RANGE
            inputs[port] = rng.integers(low, high + 1, shape) & ((1 << width) - 1)
    framing = package.manifest["golden"]["sum"]
    if framing is None:
        _alike(package, operands, inputs, rng)
    else:
        turns = min(framing["interleave"], count)
        own = [{port: values[k::turns] for port, values in inputs.items()} for k in range(turns)]
        inputs |= {edge: np.zeros(shape, np.int64) for edge in ("i_first", "i_last")}
        for k, part in enumerate(own):
            _frame(package, part, rng, k, turns)
            for port, values in part.items():
                inputs[port][k::turns] = values
    return inputs


def _alike(
    package: Package,
    operands: dict[str, tuple[FloatFormat, ...]],
    inputs: Vectors,
    rng: np.random.Generator,
) -> None:
    """The same edge in all lanes of the unit now and then, in place: none of them rounds, or all
    of them overflow."""
    for group in (ports for ports in _lanes(package, operands) if len(ports) > 1):
        shape = inputs[group[0]].shape
        same, edges = rng.random(shape) < 0.1, rng.choice(edge_codes(operands[group[0]][0]), shape)
        for port in group:
            inputs[port] = np.where(same, edges, inputs[port])


def _lanes(package: Package, operands: dict[str, tuple[FloatFormat, ...]]) -> list[list[str]]:
    """The ports of each operand that has one for every lane."""
    return [ports for ports in package.manifest["golden"]["inputs"].values()
            if isinstance(ports, list) and ports[0] in operands]  # fmt: skip


def lengths(chunk: int) -> list[int]:
    """Lengths of sums in transfers: single ones, about one chunk, several."""
    found = [1, 2, 3, 5, 8, 13, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 3]
    return [n for n in found if 1 <= n <= 300]


def _spans(chunk: int, turn: int, turns: int, rng: np.random.Generator) -> Iterator[_Span]:
    """Sums of many lengths, without end: (length, starts with ``first``, ends with ``last``)."""
    several = lengths(chunk)
    # About a chunk, after each way to start: after a last, marked, in mid-sum.
    about = [n for n in (2 * chunk, chunk, chunk + 1) if n <= 300] or [1]
    for length, start in list(itertools.product(about, range(3)))[turn::turns]:
        if start == 2:
            yield 3, rng.random() < 0.5, False
        yield length, start > 0, True
    mixed = itertools.cycle(about)
    ended, given_up = True, False
    while True:
        after, given_up = given_up, 1 < chunk <= 128 and not given_up and rng.random() < 0.2
        begins = after or rng.random() < 0.5
        length = int(rng.choice(several))
        if given_up:
            length = chunk  # Its flags must not show in the sum that follows, which is exact.
        elif after and rng.random() < 0.4:
            length = 1
        elif begins and not ended:
            length = next(mixed)
        ended = not given_up and (after or rng.random() < 0.85)
        yield length, begins, ended


def _frame(
    package: Package, inputs: Vectors, rng: np.random.Generator, turn: int, turns: int
) -> None:
    """Sums of many lengths, in place: single items, several chunks, starts in the middle.

    Whole sums also get products that cancel and operands of moderate size, since fully random
    ones soon end in NaN or overflow.
    """
    count, lanes = next(iter(inputs.values())).shape
    chunk = chunk_of(package.manifest)
    first, last = np.zeros(count, np.int64), np.zeros(count, np.int64)
    position = 0
    operands = _operands(package)
    for length, begins, ends in _spans(chunk, turn, turns, rng):
        span = slice(position, position + length)
        if rng.random() < 0.7:
            for port, formats in operands.items():
                inputs[port][span] = _moderate(formats[0], rng, inputs[port][span].shape)
            for port in ("i_mode_a", "i_mode_b"):
                if port in inputs and rng.random() < 0.5:
                    inputs[port][span] = int(rng.integers(2))
            if rng.random() < 0.4:
                _cancel(operands, inputs, position, length)
            if rng.random() < 0.5:
                _cancel_partly(operands, inputs, position, rng)
        first[position] = begins
        position += length
        if position >= count:
            break
        last[position - 1] = ends
    last[-1] = 1
    if package.manifest["parameters"].get("semantics") in ("exact", "exact_chunk"):
        _hold_biases(inputs, first, last)
    inputs["i_first"] = np.repeat(first[:, None], lanes, axis=1)
    inputs["i_last"] = np.repeat(last[:, None], lanes, axis=1)


def _hold_biases(inputs: Vectors, first: NDArray[np.int64], last: NDArray[np.int64]) -> None:
    """Fixed-point sums have one bias for all their items."""
    for port in ("i_bias_a", "i_bias_b"):
        if port in inputs:
            starts = first.astype(bool)
            starts[0] = True
            starts[1:] |= last[:-1].astype(bool)
            inputs[port] = inputs[port][np.flatnonzero(starts)[np.cumsum(starts) - 1]]


def _moderate(
    fmt: FloatFormat, rng: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Random signed codes from the middle of the format's range."""
    low, high = fmt.max_code // 4, fmt.max_code * 3 // 4
    return rng.integers(low, high, shape) | rng.integers(0, 2, shape) * fmt.sign_mask


def _cancel(
    operands: dict[str, tuple[FloatFormat, ...]], inputs: Vectors, position: int, length: int
) -> None:
    """Make every second product of a sum the negative of the one before it."""
    codes_a = [port for port in operands if port.startswith("i_a")]
    width = operands[codes_a[0]][0].width
    for k in range(position + 1, min(position + length, len(inputs[codes_a[0]])), 2):
        for port in inputs:
            inputs[port][k] = inputs[port][k - 1]
        for port in codes_a:
            inputs[port][k] ^= 1 << (width - 1)


def _cancel_partly(
    operands: dict[str, tuple[FloatFormat, ...]],
    inputs: Vectors,
    position: int,
    rng: np.random.Generator,
) -> None:
    """Start a sum of several lanes with one product, that the next item takes back in one lane
    while the other adds a far smaller or larger one."""
    if "i_a1" not in operands or position + 1 >= len(inputs["i_a0"]):
        return
    first, second = position, position + 1
    lane, other = ("0", "1") if rng.random() < 0.5 else ("1", "0")
    small_first = rng.random() < 0.5
    for port in inputs:
        inputs[port][second] = inputs[port][first]
    for port in ("i_a", "i_b"):
        fmt = operands[f"{port}0"][0]
        tiny = np.array([1, 2, 3, fmt.mag_mask >> fmt.man_bits, 1 << fmt.man_bits]) & fmt.mag_mask
        shape = inputs[f"{port}0"][first].shape
        small, large = rng.choice(tiny, shape), _moderate(fmt, rng, shape)
        kept, added = (small, large) if small_first else (large, small)
        inputs[f"{port}{lane}"][first] = kept
        inputs[f"{port}{other}"][first] = 0
        inputs[f"{port}{lane}"][second] = kept
        inputs[f"{port}{other}"][second] = added
    inputs[f"i_a{lane}"][second] ^= operands["i_a0"][0].sign_mask


def complete(package: Package, limit: int = 1 << 18) -> Vectors | None:
    """Every combination of codes and modes, if there are at most ``limit``; run-time biases and
    random bits vary along. None for accumulating units and where there are more."""
    if package.manifest["golden"]["sum"] is not None:
        return None
    widths = _widths(package)
    free = [port for port in widths if port in _operands(package) or "mode" in port]
    if not free or sum(widths[port] for port in free) > limit.bit_length() - 1:
        return None
    grid = np.meshgrid(*(np.arange(1 << widths[port]) for port in free), indexing="ij")
    inputs = dict(zip(free, (axis.reshape(-1) for axis in grid), strict=True))
    rng = np.random.default_rng(len(grid[0]))
    return _with_rest(package, inputs, rng)


def _with_rest(package: Package, inputs: Vectors, rng: np.random.Generator) -> Vectors:
    """Fill in the other ports at random, and deal the transfers out to the lanes."""
    count = len(next(iter(inputs.values())))
    padded = -(-count // LANES) * LANES
    drawn = random_inputs(package, rng, padded, 1)
    full = {}
    for port, values in drawn.items():
        column = values[:, 0].copy()
        if port in inputs:
            column[:count] = inputs[port]
        full[port] = column.reshape(-1, LANES)
    return full


def directed(package: Package, rng: np.random.Generator) -> Vectors | None:
    """Edges against edges, and for one operand all ties and neighbours of the result's format."""
    if package.manifest["golden"]["sum"] is not None:
        return None
    operands = _operands(package)
    if not operands:
        return None
    groups = _lanes(package, operands)
    for _, *others in groups:
        for port in others:
            del operands[port]
    lists: list[list[Any]] = []
    for formats in operands.values():
        lists.append(sorted({int(c) for fmt in formats for c in edge_codes(fmt)}))
    if math.prod(len(codes) for codes in lists) > 1 << 14:
        tuples = np.stack([rng.choice(codes, 1 << 13) for codes in lists], axis=1)
    else:
        tuples = np.array(list(itertools.product(*lists)))
    if len(operands) == 1:
        ((source, *_),) = operands.values()
        target = parse_operand(package.manifest["golden"]["arguments"]["fmt"])[0]
        extra = halfway_codes(source, target)[:, None]
        # Where a scale or bias brings them anywhere, each edge meets each edge of the result, and
        # some are between two values and seldom rounded to one of them.
        seldom = "SR" in str(package.manifest["parameters"].get("rounding"))
        anywhere = bool({"i_scale", "i_bias"} & set(_widths(package)))
        often = (1024 if seldom else 64) if anywhere else 1
        tuples = np.concatenate([np.repeat(tuples, often, axis=0), extra])
    aimed = operands_for_result.solved(package, operands, rng)
    if aimed is not None:
        tuples = np.concatenate([tuples, aimed])
    varied = any(p.startswith(("i_bias", "i_rbits")) for p in _widths(package))
    repeats = 4 if varied and len(operands) <= 2 else 1
    if len(operands) == 2 and repeats > 1:
        repeats = 16  # Two biases put the result where they like.
    tuples = np.repeat(tuples, repeats, axis=0)
    inputs = dict(zip(operands, tuples.T, strict=True))
    for first, *others in groups:
        # Each lane gets everything, at another time.
        inputs |= {port: rng.permutation(inputs[first]) for port in others}
    found = _with_rest(package, inputs, rng)
    if {"i_scale", "i_bias"} & set(found) and len(operands) == 1:
        operands_for_result.aim(package, operands, found, rng)
    return found


def single_bits(package: Package, rng: np.random.Generator) -> Vectors | None:
    """Codes with one bit of the significand set, or one beyond a value or tie of the result's
    format, of operands wider than 8 bits; what stands beside them is random. None where there
    are no such operands."""
    wide = {port: formats for port, formats in _operands(package).items() if formats[0].width > 8}
    if not wide:
        return None
    alone = len(wide) == 1 or [*wide] in _lanes(package, wide)
    target = package.manifest["golden"]["arguments"].get("fmt") if alone else None
    dst = None if target is None else parse_operand(target)[0]
    parts = [_with_rest(package, {port: edges.single_bits(fmt, dst)}, rng)
             for port, (fmt, *_) in wide.items()]  # fmt: skip
    return joined(parts)
