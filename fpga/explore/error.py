"""Numerical error: the golden model against binary64 arithmetic on a workload.

The unit gives what the golden model gives, bit for bit, so nothing is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfp8_hw.errors import ParameterError
from rtl_gen.package import Package
from verif.simulation.compare import golden_errors
from verif.simulation.user_arrays import check_unit, prepare

from .workload import Workload


@dataclass(frozen=True)
class Error:
    """How far the results of a workload are from the exact ones.

    Members
    -------
    sqnr_db : float or None
        Energy of the exact results over that of the errors, of results that are finite in both;
        None if there is no error (see ``exact``) or nothing to measure.
    max_abs, max_rel : float or None
        The largest error, and relative to the exact result.
    exact : bool
        All results are equal to binary64's.
    own_sqnr_db, own_exact
        The same of the unit by itself: against exact results of what the numbers are after rounding
        to the formats of the inputs.
    results : int
        How many were measured; 0: none, and ``why_not`` says why.
    not_finite : int
        Results that are infinite or NaN, in the unit or in binary64; no error counts them.
    may_wrap : int
        Sums of more products than the unit's ``terms``.
    """

    sqnr_db: float | None = None
    max_abs: float | None = None
    max_rel: float | None = None
    exact: bool = False
    own_sqnr_db: float | None = None
    own_exact: bool = False
    results: int = 0
    not_finite: int = 0
    may_wrap: int = 0
    why_not: str = ""


def measure(package: Package, workload: Workload) -> Error:
    """The error of a unit. The numbers are rounded to the formats of its inputs first, and that
    error is in all but ``own_sqnr_db``.

    Raises
    ------
    ParameterError
        If the unit does not take the user's arrays.
    """
    try:
        check_unit(package)
    except ParameterError as error:
        if workload.arrays is not None:
            raise
        return Error(why_not=str(error))
    given = prepare(package, workload.inputs(package), workload.seed)
    found = golden_errors(package, given)
    own = found.pop("own")
    return Error(
        **found, own_sqnr_db=own["sqnr_db"], own_exact=own["exact"], results=given.count,
        may_wrap=given.may_wrap,
    )  # fmt: skip
