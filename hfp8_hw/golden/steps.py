"""One accumulation step, vectorised: acc' = round(acc + terms), on codes' values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat
from ..rounding import Rounding
from .codes.bits import Parts, add_to_odd, exact_sum
from .codes.operands import decode_one
from .codes.pack import pack
from .convert import pack_values
from .multiply import Products


class Accumulator(NamedTuple):
    """How an accumulator rounds."""

    fmt: FloatFormat
    rounding: Rounding
    overflow: str


def step(
    state: NDArray[np.float64], terms: Products, acc: Accumulator
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """acc' = round(acc + term), or + all terms along an extra last axis: (codes, flags)."""
    if terms.values.ndim == state.ndim:
        return add_term(state, terms, acc)
    if terms.values.shape[-1] == 1:
        return add_term(state, terms.part(0), acc)
    return _step_many(state, terms, acc)


def add_term(
    state: NDArray[np.float64],
    terms: Products,
    acc: Accumulator,
    rbits: NDArray[np.int64] | None = None,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """acc' = round(acc + term), element by element: (codes, flags)."""
    if not odd_decides(acc):
        return _step_many(
            state, Products(terms.values[..., None], terms.invalid[..., None]), acc, rbits
        )
    with np.errstate(invalid="ignore"):
        total = add_to_odd(state, terms.values)
    finite = np.isfinite(state) & np.isfinite(terms.values)
    invalid = terms.invalid
    if not finite.all():
        with np.errstate(invalid="ignore"):
            plain = state + terms.values
        total = np.where(finite, total, plain)
        invalid = invalid | (np.isinf(state) & np.isinf(terms.values) & np.isnan(plain))
    if acc.rounding.mode == "RDN":
        cancelled = (total == 0) & (np.signbit(state) != np.signbit(terms.values))
        total = np.where(cancelled, -0.0, total)
    return pack_values(total, acc.fmt, acc.rounding, acc.overflow, invalid=invalid, rbits=rbits)


def odd_decides(acc: Accumulator) -> bool:
    """Whether a sum rounded to odd in binary64 decides the accumulator's rounding.

    So it does for a second rounding to at most 51 bits (`add_to_odd`). SR(n) looks at n bits below
    the M + 1 that it keeps, and in the gap of `normal` formats at multiples of 2**-n of the
    smallest value, which has M + 1 bits; every other rounding looks at one. Nothing leaves
    binary64's range on the way: see `decode_one`.
    """
    return acc.fmt.man_bits + 1 + max(acc.rounding.sr_bits, 1) <= 51


def _step_many(
    state: NDArray[np.float64],
    terms: Products,
    acc: Accumulator,
    rbits: NDArray[np.int64] | None = None,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    every = np.concatenate([state[..., None], terms.values], axis=-1)
    nan = np.isnan(every).any(axis=-1)
    plus, minus = (every == np.inf).any(axis=-1), (every == -np.inf).any(axis=-1)
    clash = plus & minus & ~nan
    parts = exact_sum(np.where(np.isfinite(every), every, 0.0))
    inf = (plus | minus) & ~nan & ~clash
    negative_zeros = ((every == 0) & np.signbit(every)).all(axis=-1)
    positive_zeros = ((every == 0) & ~np.signbit(every)).all(axis=-1)
    zero = parts.sig == 0
    zero_sign = negative_zeros | (~positive_zeros if acc.rounding.mode == "RDN" else False)
    neg = np.where(inf, minus, np.where(zero, zero_sign, parts.neg)) & ~nan & ~clash
    return pack(
        Parts(neg, parts.sig, parts.exp, parts.sticky),
        nan | clash,
        inf,
        terms.invalid.any(axis=-1) | clash,
        acc.fmt,
        acc.rounding,
        acc.overflow,
        acc.fmt.bias,
        rbits,
    )


def run(terms: Products, group: int, acc: Accumulator) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Sum the last axis from +0 in order, ``group`` terms a rounding: (codes, flags ORed)."""
    shape, depth = terms.values.shape[:-1], terms.values.shape[-1]
    codes: NDArray[Any] = np.zeros(shape, np.uint32)
    marks = np.zeros(shape, np.uint8)
    for start in range(0, depth, group):
        members = terms.part(slice(start, min(start + group, depth)))
        codes, new = step(decode_one(codes, acc.fmt, None), members, acc)
        marks |= new
    return codes, marks
