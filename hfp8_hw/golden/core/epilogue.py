"""What becomes of a job's sums: addends, scale, ReLU, quantization."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError, check_choice, check_int, shown
from ...formats import HFP8, FloatFormat, parse_operand
from ...jobs import GemmJob, check_job
from ...rounding import OVERFLOWS, Rounding, check_overflow, parse_rounding
from ..codes.operands import check_codes
from ..convert import decode, quantize
from ..elementwise import add, relu
from ..random import SEED_RANGE, lane_seeds, xorshift32
from ..steps import Accumulator


class Outcome(NamedTuple):
    """A job's results.

    Members
    -------
    codes, flags : ndarray of shape (m, n)
    amax : int
        The largest finite magnitude before scale and quantization, a code of the accumulator's
        format; 0 if there is none.
    special : bool
        There was a NaN or an infinity.
    """

    codes: NDArray[Any]
    flags: NDArray[np.uint8]
    amax: int
    special: bool


def job_epilogue(
    job: GemmJob,
    codes: NDArray[Any],
    flags: NDArray[np.uint8],
    how: Accumulator,
    *,
    y: FloatFormat | str,
    y_rounding: str | Rounding,
    y_overflow: str,
    c: ArrayLike | None,
    bias: ArrayLike | None,
    rbits: ArrayLike | None,
) -> Outcome:
    """The epilogue: arguments as in `gemm_job`, ``codes`` and ``flags`` those of the sums."""
    acc = how.fmt
    for name, value, member, shape in (
        ("c", c, "accumulate", (job.m, job.n)),
        ("bias", bias, "bias", (job.biases,)),
    ):
        wanted = getattr(job, member)
        if (value is not None) != wanted:
            raise ParameterError(
                f"{name} is {'needed' if wanted else 'not allowed'} for this job: {member}={wanted}"
            )
        if value is None:
            continue
        addend = check_codes(value, acc, name)
        if addend.shape != shape:
            raise ParameterError(
                f"{name} of shape {addend.shape!r} is not allowed for the job: {shape}"
            )
        if name == "bias" and job.convolve:
            addend = addend[:, None]
        codes, more = add(
            codes, addend, acc, rounding=how.rounding, overflow=how.overflow, flags=True
        )
        flags = flags | more
    if job.relu:
        codes = relu(codes, acc)
    values = decode(codes, acc)
    finite = np.isfinite(values)
    largest = np.where(finite, np.abs(values), 0.0).max(initial=0.0)
    given: dict[str, Any] = {"src": acc, "scale": job.scale, "flags": True}
    formats, chosen = parse_operand(y, "y"), parse_rounding(y_rounding, "y_rounding")
    check_choice("y_overflow", y_overflow, OVERFLOWS)
    if rbits is not None and np.shape(rbits) not in ((), (job.m, job.n)):
        raise ParameterError(
            f"rbits of shape {np.shape(rbits)!r} is not allowed for the job: {(job.m, job.n)}"
        )
    if job.quantize:
        if job.mode_y >= len(formats):
            raise ParameterError(f"mode_y={job.mode_y!r} is not allowed for y={y!r}: only {HFP8}")
        fmt = formats[job.mode_y]
        policy = check_overflow(y_overflow, fmt, "y_overflow")
        done, more = quantize(codes, fmt, rounding=chosen, overflow=policy, rbits=rbits, **given)
    else:
        done, more = quantize(codes, acc, rounding=how.rounding, overflow=how.overflow, **given)
    amax = int(quantize(largest, acc, overflow="saturate"))
    return Outcome(done, flags | more, amax, not bool(finite.all()))


def gemm_rbits(
    job: GemmJob, rows: int, drains: int, rounding: str | Rounding, seed: int, drawn: int = 0
) -> tuple[NDArray[np.int64], int]:
    """(the random bits of each of a job's results, the words drawn until then).

    Of a core with so many ``rows`` and ``drains``: results leave by groups of ``rows`` rows of C,
    in each column by column, in each ``drains`` rows at a time. Each of these has a generator of
    its own, as the lanes of a `quantizer` have, and takes its next word, whether that row belongs
    to C or not. A job that is not quantized draws none, and its bits are 0.

    Parameters
    ----------
    rounding : str
        SR(n).
    seed : int
        1 to 2**32 - 1.
    drawn : int
        Words drawn since reset; with those of this job at most 2**32 - 1.

    Raises
    ------
    ParameterError
        For a value that is not allowed.
    """
    check_job(job)
    check_int("rows", rows, 1, 64)
    if type(drains) is not int or not 1 <= drains <= rows or rows % drains:
        raise ParameterError(f"drains={shown(drains)} is not allowed: a divisor of rows={rows}")
    n = parse_rounding(rounding).sr_bits
    if not n:
        raise ParameterError(f"rounding={shown(rounding)} is not allowed: SR(n)")
    check_int("seed", seed, *SEED_RANGE)
    tops = np.arange(0, job.m, drains)
    count = len(tops) * job.n
    check_int("drawn", drawn, 0, 2**32 - 1 - count)
    if not job.quantize:
        return np.zeros((job.m, job.n), np.int64), drawn
    # Those of a group of rows stand side by side, column by column.
    blocks = tops // rows
    first = np.searchsorted(blocks, blocks)
    many = np.bincount(blocks)[blocks]
    order = first * job.n + (np.arange(len(tops)) - first)
    places = order[:, None] + np.arange(job.n) * many[:, None]
    bits = np.empty((job.m, job.n), np.int64)
    for lane, own in enumerate(lane_seeds(seed, drains)):
        words = xorshift32(own, drawn + count)[drawn:].astype(np.int64) >> (32 - n)
        mine = bits[lane::drains]
        mine[:] = words[places[: len(mine)]]
    return bits, drawn + count
