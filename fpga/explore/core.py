"""What a core makes of the workload: clocks by the cycle model, and the error of its products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hfp8_hw.errors import ParameterError
from hfp8_hw.jobs import Size
from hfp8_hw.parameters import CoreParameters
from verif.core.golden_errors import valued_product
from verif.core.matrices import prepare_matrices
from verif.core.planned_jobs import check_product, product_clocks
from verif.simulation.compare import errors

from .error import Error
from .workload import Workload

FIGURES = ("macs", "jobs", "clocks", "utilisation", "peak_gmacs", "gmacs")
"""What the row of a core has besides those of a unit."""


@dataclass(frozen=True)
class CoreWork:
    """The workload on a core.

    Members
    -------
    macs : int
        Products that the array can sum in a clock.
    products : int
        In all sums of the workload.
    jobs : int
        That it is cut into.
    clocks : int
        For all of it, each product among others like it.
    alone : int
        Likewise, each product by itself, its operands' loading included.
    error : Error
    """

    macs: int
    products: int
    jobs: int
    clocks: int
    alone: int
    error: Error

    def figures(self, clock: float) -> dict[str, Any]:
        """What a row has of it at so many MHz: `FIGURES`, and in the place of a unit's own
        ``latency`` the clocks of all products, each by itself."""
        used = self.products / self.clocks
        return {
            "macs": self.macs,
            "jobs": self.jobs,
            "clocks": self.clocks,
            "utilisation": round(used / self.macs, 4),
            "peak_gmacs": round(clock * self.macs / 1e3, 4),
            "gmacs": round(clock * used / 1e3, 4),
            "throughput": round(clock * used, 2),
            "latency": self.alone,
            "latency_ns": round(1e3 * self.alone / clock, 2),
        }


def sizes(p: CoreParameters, workload: Workload) -> list[tuple[Size, bool]]:
    """The products of a workload, and whether each has a bias; refused as `core_work` does.

    Raises
    ------
    ParameterError
    """
    found = [(size, False) for size in workload.sizes]
    if workload.arrays is not None:
        given = prepare_matrices(p, workload.arrays)
        (m, k), n = given.a.shape, given.b.shape[1]
        found = [((m, n, k), given.bias is not None)]
    if workload.quantize and p.epilogue == "none":
        raise ParameterError(
            "epilogue='none' is not allowed for a workload with quantize: quantize or full"
        )
    for size, biased in found:
        check_product(p, *size, biased)
    return found


def core_work(p: CoreParameters, workload: Workload) -> CoreWork:
    """Count the clocks of a workload's products, and measure their error.

    Raises
    ------
    ParameterError
        If a core cannot do one of them: for the reasons of `prepare_matrices`, and those of
        `check_product`.
    """
    found = sizes(p, workload)
    times = [product_clocks(p, *size, biased) for size, biased in found]
    return CoreWork(
        macs=p.macs,
        products=sum(m * n * k for (m, n, k), _ in found),
        jobs=sum(one.jobs for one in times),
        clocks=sum(one.steady for one in times),
        alone=sum(one.alone for one in times),
        error=_error(p, workload),
    )


def _error(p: CoreParameters, workload: Workload) -> Error:
    """Of all results together."""
    products = [
        valued_product(p, prepare_matrices(p, one), workload.quantize)
        for one in workload.matrices()
    ]
    values, exact, rounded = (
        np.concatenate([getattr(one, name).ravel() for one in products])
        for name in ("found", "exact", "own")
    )
    all_, own = errors(values, exact), errors(values, rounded)
    return Error(
        **all_,
        exact=all_["max_abs"] == 0.0 and not all_["not_finite"],
        own_sqnr_db=own["sqnr_db"],
        own_exact=own["max_abs"] == 0.0 and not own["not_finite"],
        results=int(values.size),
    )
