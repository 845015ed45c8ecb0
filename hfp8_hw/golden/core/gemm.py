"""The core's job on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError
from ...formats import FloatFormat
from ...jobs import GemmJob
from ...rounding import Rounding
from ..dot import dot


def gemm_job(
    job: GemmJob,
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    acc: FloatFormat | str,
    *,
    rounding: str | Rounding | None = None,
    overflow: str = "special",
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Compute a job as the core does: each element of C an exact sum, rounded once.

    Parameters
    ----------
    job : GemmJob
    a, b : array_like
        Codes, (m, k) and (k, n).
    fmt_a, fmt_b, acc, rounding, overflow
        As in `dot`.

    Returns
    -------
    codes, flag_bytes : ndarray
        (m, n).

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    x, y = np.asarray(a), np.asarray(b)
    for name, array, shape in (("a", x, (job.m, job.k)), ("b", y, (job.k, job.n))):
        if array.shape != shape:
            raise ParameterError(f"{name} of shape {array.shape!r} is not allowed: {shape!r}")
    given: dict[str, Any] = {}
    for name, fmt in (("a", fmt_a), ("b", fmt_b)):
        if fmt == "HFP8":
            given[f"mode_{name}"] = getattr(job, f"mode_{name}")
    found = [
        dot(row, y.T, fmt_a, fmt_b, acc, semantics="exact", rounding=rounding, overflow=overflow,
            flags=True, **given)
        for row in x
    ]  # fmt: skip
    return np.stack([codes for codes, _ in found]), np.stack([flags for _, flags in found])
