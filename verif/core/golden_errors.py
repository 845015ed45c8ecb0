"""How far the golden model's product is from the exact one, without a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.formats import HFP8
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters

from .compare_core import golden_product
from .matrices import Matrices

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Valued:
    """A product as numbers.

    Members
    -------
    found : ndarray
        What the codes of the golden model are worth.
    exact : ndarray
        The same product in binary64, of the numbers as they were given.
    own : ndarray
        Likewise, of what these are after rounding to the formats of the operands.
    """

    found: Numbers
    exact: Numbers
    own: Numbers


def valued_product(p: CoreParameters, given: Matrices, quantized: bool = False) -> Valued:
    """The product of a user's matrices by the golden model, and in binary64.

    With ``quantized`` the results are rounded to ``y`` as a job with ``quantize`` does; stochastic
    rounding has the bits of one job.
    """
    with np.errstate(all="ignore"):
        codes, _ = golden_product(p, given)
        values = golden.decode(codes, p.acc_format)
        rounded = _decoded(given.a, p.a, given.mode_a) @ _decoded(given.b, p.b, given.mode_b)
        if given.bias is not None:
            rounded = rounded + golden.decode(given.bias, p.acc_format)
        return Valued(_quantized(p, given, values) if quantized else values, given.exact, rounded)


def _quantized(p: CoreParameters, given: Matrices, values: Numbers) -> Numbers:
    rbits = None
    if p.result_rounding.sr_bits:
        job = GemmJob(*given.shape, given.a.shape[1], quantize=True)
        rbits, _ = golden.gemm_rbits(job, p.rows, p.drains, p.result_rounding, p.random_seed or 1)
    fmt = p.y_formats[0]
    codes = golden.quantize(
        values, fmt, rounding=p.result_rounding, overflow=p.y_overflow, rbits=rbits
    )
    return golden.decode(codes, fmt)


def _decoded(codes: NDArray[Any], fmt: str, mode: int) -> Numbers:
    return golden.decode(codes, fmt, mode=mode if fmt == HFP8 else None)
