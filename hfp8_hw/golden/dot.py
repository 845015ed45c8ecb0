"""Dot products and matrix products in the accumulation semantics of the hardware."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError, check_choice, check_int
from ..fixed import fixed_point
from ..formats import FloatFormat, parse_format
from ..rounding import (
    Rounding,
    check_overflow,
    default_overflow,
    default_rounding,
    parse_rounding,
)
from .codes.arrays import check_flag
from .codes.blocks import as_arrays, blocks, broadcast_shape
from .codes.operands import decode_one, full_bias, operand_formats, unbiased, used_values
from .codes.pack import code_dtype
from .fast import gemm
from .multiply import Products, decoded_operands, products
from .steps import Accumulator, run, step

SEMANTICS = ("fma", "fmma", "dotN", "chunked", "exact_chunk", "exact")
MAX_INTERLEAVE = 8
BLOCK = 1 << 16
"""Products worked on at a time."""

_FEW, _MOST = 16, 1 << 20
"""With fewer sums than `_FEW` side by side NumPy's calls take most of the time: so many, though
that is more than a block, up to `_MOST` products."""


def _rows_at_once(depth: int) -> int:
    """How many sums of ``depth`` products are worked on at a time."""
    depth = max(depth, 1)
    return max(1, BLOCK // depth, min(_FEW, _MOST // depth))


def accumulator(acc: Any, rounding: Any, overflow: Any, name: str = "acc") -> Accumulator:
    """The accumulator that the parameters ask for; None for ``rounding`` or ``overflow`` is the
    format's own, ``name`` what an error calls the format.

    Raises
    ------
    ParameterError
        For SR, which has no random words here, and anything else that is not allowed.
    """
    fmt = parse_format(acc, name)
    chosen = default_rounding(fmt) if rounding is None else parse_rounding(rounding)
    if chosen.mode == "SR":
        raise ParameterError(
            f"rounding={str(chosen)!r} is not allowed for an accumulator: "
            "choose a deterministic rounding"
        )
    policy = default_overflow(fmt) if overflow is None else check_overflow(overflow, fmt)
    return Accumulator(fmt, chosen, policy)


def _group(semantics: str, chunk: int, lanes: int, depth: int) -> int:
    """How many products go into one rounding."""
    sizes = {"fma": 1, "chunked": 1, "fmma": 2, "dotN": lanes, "exact_chunk": chunk}
    return sizes.get(semantics, max(depth, 1))


def fma(
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    acc: FloatFormat | str,
    *,
    rounding: str | Rounding | None = None,
    overflow: str | None = None,
    bias_a: ArrayLike | None = None,
    bias_b: ArrayLike | None = None,
    mode_a: ArrayLike | None = None,
    mode_b: ArrayLike | None = None,
    flags: bool = False,
) -> Any:
    """round_acc(c + a * b) element by element: one exact sum, one rounding.

    ``c`` and the result are codes of ``acc``; everything else as in `dot`.
    """
    check_flag(flags)
    how = accumulator(acc, rounding, overflow)
    given = {"bias_a": bias_a, "bias_b": bias_b, "mode_a": mode_a, "mode_b": mode_b}
    arrays = as_arrays(a=a, b=b, c=c, **given)
    shape = broadcast_shape(*arrays)
    codes = np.empty(shape, code_dtype(how.fmt))
    marks = np.empty(shape, np.uint8)
    for where, (part_a, part_b, part_c, *operands) in blocks(shape, *arrays):
        x, y = decoded_operands(part_a, part_b, fmt_a, fmt_b, *operands)
        done = step(decode_one(part_c, how.fmt, None, "c"), products(x, y), how)
        codes.reshape(-1)[where], marks.reshape(-1)[where] = done
    return (codes, marks) if flags else codes


def dot(
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    acc: FloatFormat | str,
    *,
    semantics: str = "chunked",
    chunk: int = 64,
    lanes: int = 2,
    drop: int = 0,
    interleave: int = 1,
    rounding: str | Rounding | None = None,
    overflow: str | None = None,
    bias_a: ArrayLike | None = None,
    bias_b: ArrayLike | None = None,
    mode_a: ArrayLike | None = None,
    mode_b: ArrayLike | None = None,
    flags: bool = False,
) -> Any:
    """Sum a * b over the last axis, bit for bit as the `mac` and `dot` units do.

    Parameters
    ----------
    a, b : array_like of int
        Codes; their shapes broadcast, the last axis is summed in order. An empty sum is +0.
    fmt_a, fmt_b : FloatFormat or str
        Their formats; ``"HFP8"`` with ``mode_a``/``mode_b`` (0 forward, 1 backward).
    acc : FloatFormat or str
        The accumulator's format, which is the result's.
    semantics : str
        ``fma``: acc' = round(acc + a*b). ``fmma``: two products a rounding. ``dotN``: ``lanes``
        products a rounding. ``chunked``: each run of ``chunk`` products summed by ``fma`` from
        +0, chunk sums added in order (Wang et al., "Training Deep Neural Networks with 8-bit
        Floating Point Numbers", NeurIPS 2018, section 3.1). ``exact_chunk``: each run summed
        exactly and rounded once, then added in order. ``exact``: one rounding in all.
    chunk, lanes : int
        1 to 65536 products.
    drop : int
        ``exact`` and ``exact_chunk``: cut every product off toward zero, ``drop`` bits above the
        lowest bit any product has (`hfp8_hw.fixed.fixed_point`). Before roundings, a sum of n
        products is then less than ``n * 2**lsb`` away from the exact one.
    interleave : int
        1 to 8 sums that take turns, as in the units with that parameter: item t of the last
        axis, ``lanes`` (``fmma``: 2) products in ``fmma`` and ``dotN``, else one, belongs to sum
        t mod ``interleave``. The result has a last axis for the sums. The default has none.
    rounding : str, optional
        A deterministic rounding; by default RNA for DLFLOAT16, else RNE.
    overflow : str, optional
        ``special`` or ``saturate``, of the accumulator; by default ``special`` where its format
        has an Inf or a NaN.
    bias_a, bias_b : array_like of int, optional
        Run-time biases; broadcast against the operand. Where only one is given the other is the
        format's own.
    flags : bool
        Whether to return the flags too: ORed over all roundings of a sum.

    Returns
    -------
    codes, or (codes, flag_bytes) with ``flags=True``
        The broadcast shape without its last axis.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    how = accumulator(acc, rounding, overflow)
    check_choice("semantics", semantics, SEMANTICS)
    check_int("chunk", chunk, 1, 65536)
    check_int("lanes", lanes, 1, 65536)
    check_int("drop", drop, 0, 32)
    check_flag(flags)
    check_int("interleave", interleave, 1, MAX_INTERLEAVE)
    x, y = decoded_operands(a, b, fmt_a, fmt_b, bias_a, bias_b, mode_a, mode_b)
    grid: NDArray[np.float64] | None = None
    fixed = semantics in ("exact", "exact_chunk")
    if fixed and not (bias_a is None and bias_b is None):
        unbiased(operand_formats(fmt_a, "a"), bias_a, mode_a, "a")
        unbiased(operand_formats(fmt_b, "b"), bias_b, mode_b, "b")
    if fixed and drop:
        grid = _grid(fmt_a, fmt_b, drop, bias_a, bias_b, mode_a, mode_b)
    shape = shape_with_items(x, y)
    wide = [np.broadcast_to(v, shape) for v in (x, y, 1.0 if grid is None else grid)]
    if interleave > 1:
        item = {"fmma": 2, "dotN": lanes}.get(semantics, 1)
        wide = [_take_turns(v, interleave, item) for v in wide]
        shape = wide[0].shape
    rows = int(np.prod(shape[:-1], dtype=np.int64))
    depth = shape[-1]
    codes = np.zeros(rows, code_dtype(how.fmt))
    marks = np.zeros(rows, np.uint8)
    per_block = _rows_at_once(depth)
    for start in range(0, rows, per_block):
        stop = min(start + per_block, rows)
        pick = np.unravel_index(np.arange(start, stop), shape[:-1]) if shape[:-1] else ()
        part = [v[pick].reshape(stop - start, depth) for v in wide]
        terms = products(*part[:2])
        if grid is not None:
            terms = terms._replace(values=cut_off(terms.values, part[2]))
        done = sum_products(terms, semantics, chunk, lanes, how)
        codes[start:stop], marks[start:stop] = done
    result = codes.reshape(shape[:-1])
    return (result, marks.reshape(shape[:-1])) if flags else result


def shape_with_items(x: NDArray[Any], y: NDArray[Any]) -> tuple[int, ...]:
    """The common shape of both operands, with a last axis to sum."""
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        shape = ()
    if not shape:
        raise ParameterError(
            f"shapes {x.shape!r} and {y.shape!r} are not allowed: "
            "they must broadcast and have a last axis to sum"
        )
    return shape


def _take_turns(values: NDArray[np.float64], interleave: int, item: int) -> NDArray[np.float64]:
    """(..., items) to (..., interleave, items of one sum)."""
    depth = values.shape[-1]
    if depth % (interleave * item):
        raise ParameterError(
            f"interleave={interleave!r} is not allowed for {depth} products a row: "
            f"a multiple of {interleave * item}"
        )
    turns = depth // (interleave * item)
    dealt = values.reshape(*values.shape[:-1], turns, interleave, item).swapaxes(-2, -3)
    return dealt.reshape(*values.shape[:-1], interleave, depth // interleave)


def cut_off(values: NDArray[np.float64], grid: Any) -> NDArray[np.float64]:
    """The nearest multiple of a power of two toward zero; zeros become +0, as in fixed point."""
    return np.trunc(values / grid) * grid + 0.0


def _grid(
    fmt_a: Any, fmt_b: Any, drop: int, bias_a: Any, bias_b: Any, mode_a: Any, mode_b: Any
) -> NDArray[np.float64]:
    """What products are cut off to: the fixed-point number's last bit, an item at a time.

    With a run-time bias the geometry is that of bias 0 for both operands.
    """
    formats = operand_formats(fmt_a, "a"), operand_formats(fmt_b, "b")
    runtime = bias_a is not None or bias_b is not None
    lsb = np.asarray(fixed_point(*formats, 1, runtime, drop).lsb, dtype=np.int64)
    if runtime:
        first = full_bias(formats[0], bias_a, mode_a, "a")
        second = full_bias(formats[1], bias_b, mode_b, "b")
        broadcast_shape(first, second)
        lsb = lsb - first - second
    return np.ldexp(1.0, lsb)


def sum_products(
    terms: Products, semantics: str, chunk: int, lanes: int, how: Accumulator
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Sum exact products over the last axis of (rows, depth): (codes, flags)."""
    depth = terms.values.shape[-1]
    group = _group(semantics, chunk, lanes, depth)
    if semantics not in ("chunked", "exact_chunk"):
        return run(terms, group, how)
    parts: list[tuple[NDArray[Any], NDArray[np.uint8]]] = []
    full = depth // chunk
    if full:
        shape = (terms.values.shape[0], full, chunk)
        cut = terms.part(slice(0, full * chunk))
        body = Products(cut.values.reshape(shape), cut.invalid.reshape(shape))
        codes, marks = run(body, group, how)
        parts += [(codes[:, k], marks[:, k]) for k in range(full)]
    if depth % chunk:
        parts.append(run(terms.part(slice(full * chunk, depth)), group, how))
    total: NDArray[Any] = np.zeros(terms.values.shape[0], np.uint32)
    flags = np.zeros(total.shape, np.uint8)
    for codes, marks in parts:
        values = decode_one(codes, how.fmt, None)
        addend = Products(values, np.zeros(values.shape, bool))
        total, new = step(decode_one(total, how.fmt, None), addend, how)
        flags |= marks | new
    return total, flags


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    acc: FloatFormat | str,
    *,
    semantics: str = "chunked",
    chunk: int = 64,
    lanes: int = 2,
    rounding: str | Rounding | None = None,
    overflow: str | None = None,
    bias_a: ArrayLike | None = None,
    bias_b: ArrayLike | None = None,
    mode_a: ArrayLike | None = None,
    mode_b: ArrayLike | None = None,
) -> Any:
    """The matrix product of codes (m, k) and (k, n): `dot` of every row with every column.

    The same bits as `dot`; where no accumulator can overflow or reach below its smallest normal
    value, ``fma`` and ``chunked`` run on binary32 hardware arithmetic (see `golden.fast.gemm`).
    Arguments as in `dot`; ``bias_a`` and ``mode_a`` broadcast against a, ``bias_b`` and ``mode_b``
    against b.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    how = accumulator(acc, rounding, overflow)
    check_choice("semantics", semantics, SEMANTICS)
    check_int("chunk", chunk, 1, 65536)
    check_int("lanes", lanes, 1, 65536)
    x, y = decoded_operands(a, b, fmt_a, fmt_b, bias_a, bias_b, mode_a, mode_b)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[0]:
        raise ParameterError(
            f"shapes {x.shape!r} and {y.shape!r} are not allowed: (m, k) and (k, n)"
        )
    depth = x.shape[1]
    used_x, used_y = _occurring(a, fmt_a, bias_a, x), _occurring(b, fmt_b, bias_b, y)
    run_length = chunk if semantics == "chunked" else max(depth, 1)
    if semantics in ("fma", "chunked") and gemm.applies(used_x, used_y, depth, run_length, how):
        return gemm.matmul(x, y, run_length, how)
    out = np.zeros((x.shape[0], y.shape[1]), code_dtype(how.fmt))
    columns = np.ascontiguousarray(y.T)
    per_block = _rows_at_once(depth)
    for i, row in enumerate(x):
        for start in range(0, len(columns), per_block):
            block = columns[start : start + per_block]
            terms = products(np.broadcast_to(row, block.shape), block)
            done, _ = sum_products(terms, semantics, chunk, lanes, how)
            out[i, start : start + per_block] = done
    return out


def _occurring(
    codes: ArrayLike, fmt: Any, bias: Any, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values that occur in an operand: each once where a table knows them."""
    formats = operand_formats(fmt, "a")
    if len(formats) > 1 or bias is not None or formats[0].width > 16 or not values.size:
        return values
    return used_values(codes, formats[0])
