"""Whether any point takes the workload: to be known before hours of work."""

from __future__ import annotations

from collections.abc import Sequence

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import CoreParameters, UnitParameters
from rtl_gen.package import generate
from verif.simulation.user_arrays import check_unit, prepare

from .core import sizes
from .workload import Workload

_TRIED = 8
"""Points that are asked whether they take the user's arrays; to ask all may take long."""


def check_workload(points: Sequence[UnitParameters], workload: Workload, given: str) -> None:
    """Refuse a workload, before any work, if no point takes it; of many points only some are asked.

    ``given`` is the option that it comes from, and its value.

    Raises
    ------
    ParameterError
    """
    if workload.arrays is not None and len(points) > _TRIED:
        return
    reasons = []
    for point in points:
        try:
            _check(point, workload)
        except ParameterError as error:
            reasons.append(str(error))
        else:
            return
    raise ParameterError(f"{given} is not allowed: {reasons[0]}")


def _check(point: UnitParameters, workload: Workload) -> None:
    if isinstance(point, CoreParameters):
        sizes(point, workload)
    elif workload.arrays is not None:
        package = generate(point)
        check_unit(package)
        prepare(package, workload.inputs(package), workload.seed)
