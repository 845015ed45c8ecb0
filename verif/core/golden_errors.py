"""How far the golden model's product is from the exact one, without a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.formats import HFP8
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


def valued_product(p: CoreParameters, given: Matrices) -> Valued:
    """The product of a user's matrices by the golden model, and in binary64."""
    with np.errstate(all="ignore"):
        codes, _ = golden_product(p, given)
        rounded = _decoded(given.a, p.a, given.mode_a) @ _decoded(given.b, p.b, given.mode_b)
        if given.bias is not None:
            rounded = rounded + golden.decode(given.bias, p.acc_format)
        return Valued(golden.decode(codes, p.acc_format), given.exact, rounded)


def _decoded(codes: NDArray[Any], fmt: str, mode: int) -> Numbers:
    return golden.decode(codes, fmt, mode=mode if fmt == HFP8 else None)
