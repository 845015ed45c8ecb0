"""Jobs of other numbers than codes of 8 bits: INT8, to compare with, and values of 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..golden.engine import ProductJob
from ..golden.engine.jobs import Progress, silent
from ..golden.engine.unfold import blocks, padded, unfolded
from .numbers import INT8

_COLUMNS = 4096


def _dense(job: ProductJob, out: NDArray[Any], dtype: type, progress: Progress) -> NDArray[Any]:
    """The products with sums of that type, by NumPy, in place in ``out``."""
    a: NDArray[Any] = job.a.astype(dtype)
    b = padded(job, job.b)
    for block in blocks(job, _COLUMNS):
        out[:, :, block.n] = a @ unfolded(job, b, block).astype(dtype)
        progress(job.groups * job.m * job.k * (block.n.stop - block.n.start))
    return out


def single_products(job: ProductJob) -> NDArray[np.float32]:
    """Values in place of codes, sums in binary32."""
    out = np.zeros((job.groups, job.m, job.n), np.float32)
    return _dense(job, out, np.float32, silent)


class IntegerEngine:
    """Integers in place of codes. Sums are exact, whatever the job says of them."""

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `hfp8_hw.golden.engine.Engine.run`, with results in ``int64``.

        Raises
        ------
        ParameterError
            For other operands.
        """
        if (job.fmt_a, job.fmt_b) != (INT8, INT8):
            raise ParameterError(f"fmt_a={job.fmt_a!r} is not allowed: {INT8}")
        # Sums of up to 2**39 products are exact in binary64.
        return _dense(job, np.zeros((job.groups, job.m, job.n), np.int64), np.float64, progress)
