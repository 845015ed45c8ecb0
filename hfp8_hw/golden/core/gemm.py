"""The core's job on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ParameterError, check_choice, shown
from ...formats import HFP8, FloatFormat, parse_operand
from ...jobs import REASONS, GemmJob, JobError, check_job
from ...rounding import Rounding
from ..codes.arrays import as_array, check_flag
from ..dot import accumulator, dot
from .epilogue import job_epilogue
from .windows import window_sums

JOB_SEMANTICS = ("exact", "exact_chunk", "chunked")
"""How a job may sum."""


def gemm_job(
    job: GemmJob,
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    acc: FloatFormat | str,
    *,
    semantics: str = "exact",
    chunk: int = 64,
    rounding: str | Rounding | None = None,
    overflow: str = "special",
    y: FloatFormat | str = HFP8,
    y_rounding: str | Rounding = "RNE",
    y_overflow: str = "saturate",
    c: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    rbits: ArrayLike | None = None,
    flags: bool = False,
    track: bool = False,
) -> Any:
    """What the core gives for a job, bit for bit: each element of C is `dot` of a row and a column.

    To that are added, as `add` does, what C held before and the bias, if the job asks for them.
    The result goes through `relu` if the job says so, and then, multiplied by 2**scale, through
    `quantize`: to the format ``y``, or else to the accumulator's, in which a scale of 0 changes
    nothing. The flags are those of all these steps, ORed.

    Parameters
    ----------
    job : GemmJob
        Sizes, transposes and modes; what it says of pages and loading makes no difference.
    a, b : array_like of int
        The operands' codes as they are stored: of shapes ``job.a_shape`` and ``job.b_shape``.
    fmt_a, fmt_b, acc, rounding, overflow
        As in `dot`; with ``"HFP8"`` the job says which format an operand is in.
    semantics : str
        ``exact``: the exact sum over all of k, rounded once; ``exact_chunk`` and ``chunked``: as
        in `dot`.
    chunk : int
        Products of a chunk, as in `dot`.
    y : FloatFormat or str
        The format of quantized results; with ``"HFP8"`` the job says which.
    y_rounding, y_overflow : str
        How they are quantized.
    c : array_like of int
        For a job with ``accumulate``: what C held before, codes of ``acc`` of shape (m, n).
    bias : array_like of int
        For a job with ``bias``: codes of ``acc``, one for each column of C, with a convolution
        for each row.
    rbits : array_like of int
        For SR(n): of shape (m, n), from `gemm_rbits` if the core's own are wanted, or one for all.
    flags : bool
        Whether to return the flags too.
    track : bool
        Whether to return, behind these, the largest finite magnitude of the results before scale
        and quantization, a code of ``acc``, and whether there was a NaN or an infinity.

    Returns
    -------
    codes, or a tuple: codes, flag_bytes with ``flags=True``, amax and special with ``track=True``
        Codes and flags of shape (m, n), amax an int, special a bool.

    Raises
    ------
    ParameterError
        For an operand of another shape, or one that the job does not have, for a mode 1 of a format
        without one, for a job whose sizes are not those of its convolution, and for what `dot` and
        `quantize` do not allow.
    """
    check_job(job)
    if job.convolution is not None and not job.moves(job.convolution.lanes):
        raise ParameterError(f"job={shown(job)} is not allowed: {REASONS[JobError.SHAPE]}")
    check_choice("semantics", semantics, JOB_SEMANTICS)
    check_flag(flags)
    check_flag(track, "track")
    x, z = (
        _stored(name, value, shape)
        for name, value, shape in (("a", a, job.a_shape), ("b", b, job.b_shape))
    )
    rows = x.T if job.transpose_a else x
    modes = _modes(job, fmt_a, fmt_b)
    given: dict[str, Any] = {"rounding": rounding, "overflow": overflow, "flags": True, **modes}
    formats = (fmt_a, fmt_b, acc)
    if job.convolution is not None:
        sums, marks = window_sums(
            job.convolution, rows, z, formats, semantics=semantics, chunk=chunk, **given
        )
    else:
        columns = z if job.transpose_b else z.T
        sums, marks = dot(
            rows[:, None, :], columns[None, :, :], *formats, semantics=semantics, chunk=chunk,
            **given,
        )  # fmt: skip
    done = job_epilogue(
        job,
        sums,
        marks,
        accumulator(acc, rounding, overflow),
        y=y,
        y_rounding=y_rounding,
        y_overflow=y_overflow,
        c=c,
        bias=bias,
        rbits=rbits,
    )
    found: list[Any] = [done.codes, *([done.flags] if flags else [])]
    found += [done.amax, done.special] if track else []
    return found[0] if len(found) == 1 else tuple(found)


def _modes(job: GemmJob, fmt_a: FloatFormat | str, fmt_b: FloatFormat | str) -> dict[str, int]:
    """Those of the operands that have two formats."""
    found = {}
    for name, fmt, mode in (("a", fmt_a, job.mode_a), ("b", fmt_b, job.mode_b)):
        if fmt == HFP8:
            found[f"mode_{name}"] = mode
        elif mode and len(parse_operand(fmt, f"fmt_{name}")) == 1:
            raise ParameterError(
                f"mode_{name}={mode!r} is not allowed for fmt_{name}={shown(fmt)}: only {HFP8}"
            )
    return found


def _stored(name: str, value: ArrayLike, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    array = as_array(value, name)
    if array.shape != shape:
        raise ParameterError(f"{name} of shape {array.shape!r} is not allowed for the job: {shape}")
    return array
