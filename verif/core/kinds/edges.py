"""Programs whose results lie at the ends of what formats hold, where random ones seldom are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.formats import FloatFormat
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters

from ..program import Program, Task

Codes = NDArray[Any]


def edges(p: CoreParameters, rng: np.random.Generator, count: int) -> Program:
    """``count`` jobs of a core with an epilogue, of these kinds by turns.

    - Sums of the least operands, to which nearly their opposite is added, or the least numbers of
      ``acc``: what is left is at the lower end of ``acc``.
    - A product and a much smaller one beside it, for the lowest bit of a sum.
    - The largest numbers of ``acc`` added to nothing, or to their like.
    - Any operands, of which a product alone is one of powers of two, with a scale that puts one of
      the results near an end of ``y``.
    - The largest operands, whose sums are exact all the same.

    Before them, where there is a C before, jobs that let more of it wait than any other.
    """
    program = Program(p)
    if p.epilogue == "full":
        for job in _waiting(p):
            program.random(rng, job)
    while len(program.tasks) < count:
        _add(program, rng, len(program.tasks) % 5)
    return program


def _waiting(p: CoreParameters) -> Iterator[GemmJob]:
    """A long job, and one whose C before comes meanwhile."""
    side = max(p.rows, p.tile_cols, p.lanes)
    for times in (4, 2, 1):
        long = GemmJob(times * side, times * side, min(times * side, p.terms or times * side))
        more = GemmJob(8 * side, 8 * side, 1, accumulate=True, page_a=1, page_b=1)
        if p.refusal(long) is p.refusal(more) is JobError.NONE:
            yield from (long, more)
            return


def _add(program: Program, rng: np.random.Generator, kind: int) -> None:
    p = program.parameters
    acc, full = p.acc_format, p.epilogue == "full"
    k = 2 if kind == 1 else int(rng.integers(1, 4))
    size: dict[str, Any] = {"m": 4 * p.rows, "n": 4 * p.tile_cols, "k": min(k, p.terms or k)}
    modes: dict[str, Any] = {
        f"mode_{side}": int(rng.integers(len(formats)))
        for side, formats in (("a", p.a_formats), ("b", p.b_formats), ("y", p.y_formats))
    }
    added: dict[str, Any] = {
        "bias": full and bool(rng.integers(2)),
        "accumulate": full and kind in (0, 2),
    }
    added["bias"] &= size["n"] <= (p.bias_size or 0)
    job = GemmJob(**size, **modes)
    if p.refusal(job) is not JobError.NONE:
        job = GemmJob(p.rows, p.tile_cols, 1, **modes)
    formats = p.a_formats[job.mode_a], p.b_formats[job.mode_b]
    a, b = (
        _operand(rng, fmt, shape, kind)
        for fmt, shape in zip(formats, (job.a_shape, job.b_shape), strict=True)
    )
    if kind == 1 and job.k == 2:
        # The second product of each sum is the least there is.
        a[:, 1], b[1, :] = _signed(rng, formats[0].min_code, formats[0], job.m), formats[1].min_code
    total = golden.gemm_job(job, a, b, **p.element.golden_arguments)
    c = _addend(rng, acc, total, kind) if added["accumulate"] else None
    bias = _addend(rng, acc, total[0], kind) if added["bias"] else None
    scale = 0
    quantize = kind == 3 or bool(rng.integers(2))
    if quantize and (kind == 3 or rng.integers(2)):
        y = p.y_formats[job.mode_y]
        at = _exponent(acc, int(rng.choice(total.reshape(-1))))
        end = _exponent(y, int(rng.choice([y.min_code, y.max_code])))
        scale = int(np.clip(end - at + rng.integers(-3, 4), -64, 63))
    job = GemmJob(job.m, job.n, job.k, **modes, **added, quantize=quantize, scale=scale)
    program.tasks.append(Task(job, a=a, b=b, c=c, bias=bias))


def _operand(
    rng: np.random.Generator, fmt: FloatFormat, shape: tuple[int, ...], kind: int
) -> Codes:
    """Codes for one side: finite ones as the kind asks for."""
    few, fraction = min(8, fmt.max_code), (1 << fmt.man_bits) - 1
    least, most = {0: (0, few), 4: (fmt.max_code - few, fmt.max_code + 1)}.get(
        kind, (0, fmt.max_code + 1)
    )
    magnitudes = rng.integers(least, most, shape, np.uint32)
    if kind == 2:
        magnitudes = np.where(rng.random(shape) < 0.8, np.uint32(0), magnitudes)
    if kind == 3 and 1 in shape:
        magnitudes = np.where(magnitudes > fraction, magnitudes & ~np.uint32(fraction), magnitudes)
    return magnitudes | fmt.sign_mask * rng.integers(0, 2, shape, np.uint32)


def _addend(rng: np.random.Generator, acc: FloatFormat, total: Codes, kind: int) -> Codes:
    """Codes of ``acc``: nearly the opposite of ``total``, or at an end."""
    near = (total ^ acc.sign_mask) + rng.integers(-2, 3, total.shape)
    near = near & ((1 << acc.width) - 1)
    binade = 1 << acc.man_bits
    if kind == 2:
        end = acc.max_code - rng.choice([0, 1, 2, binade // 2, binade - 1, binade], total.shape)
    else:
        end = acc.min_code + rng.integers(0, 3, total.shape)
    end = _signed(rng, end, acc, total.shape)
    return np.where(rng.random(total.shape) < 0.5, near, end).astype(np.uint32)


def _signed(rng: np.random.Generator, codes: Any, fmt: FloatFormat, shape: Any) -> Codes:
    """The codes with random signs."""
    return np.asarray(codes | fmt.sign_mask * rng.integers(0, 2, shape), np.uint32)


def _exponent(fmt: FloatFormat, code: int) -> int:
    """The exponent of a code's magnitude, to one or so."""
    return ((code & (fmt.sign_mask - 1)) >> fmt.man_bits) - fmt.bias
