"""The core's job on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ParameterError, check_choice, shown
from ...formats import FloatFormat
from ...jobs import GemmJob
from ...rounding import Rounding
from ..codes.arrays import check_flag
from ..dot import dot

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
    flags: bool = False,
) -> Any:
    """What the core gives for a job, bit for bit: each element of C is `dot` of a row and a column.

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
    flags : bool
        Whether to return the flags too.

    Returns
    -------
    codes, or (codes, flag_bytes) with ``flags=True``
        Of shape (m, n).

    Raises
    ------
    ParameterError
        For an operand of another shape, and for what `dot` does not allow.
    """
    if not isinstance(job, GemmJob):
        raise ParameterError(f"job={shown(job)} is not allowed: a GemmJob")
    check_choice("semantics", semantics, JOB_SEMANTICS)
    check_flag(flags)
    x, y = (
        _stored(name, value, shape)
        for name, value, shape in (("a", a, job.a_shape), ("b", b, job.b_shape))
    )
    rows = x.T if job.transpose_a else x
    columns = y if job.transpose_b else y.T
    modes = {
        f"mode_{name}": getattr(job, f"mode_{name}")
        for name, fmt in (("a", fmt_a), ("b", fmt_b))
        if fmt == "HFP8"
    }
    result: Any = dot(
        rows[:, None, :],
        columns[None, :, :],
        fmt_a,
        fmt_b,
        acc,
        semantics=semantics,
        chunk=chunk,
        rounding=rounding,
        overflow=overflow,
        flags=flags,
        **modes,
    )
    return result


def _stored(name: str, value: ArrayLike, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.shape != shape:
        raise ParameterError(f"{name} of shape {array.shape!r} is not allowed for the job: {shape}")
    return array
