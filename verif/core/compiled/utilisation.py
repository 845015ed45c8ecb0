"""How busy the array is, by the core's own counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters, core_cycles

from ...errors import SimulationError
from ..program import Program, counters
from .native import Model
from .native_run import NativeRan, run_natively

REPEATS = 4
"""Products of a run, and twice as many of the other."""


@dataclass(frozen=True)
class Utilisation:
    """Of one size of product, each a job of its own.

    Members
    -------
    m, n, k : int
    alone : float
        Products summed, by the counter MACS, to what the array could sum in the clocks of the
        counters BUSY and STALL_IN: of one product, its loading included.
    steady : float
        The same of products that follow each other: what more of them add to the counters.
    modelled : float
        ``utilisation`` of `hfp8_hw.parameters.core_cycles`.
    clocks : int
        That one more product takes.
    load : int
        Beats of the longer operand.
    beat : int
        Codes that a beat would need for loading to be no longer than the products; what it has,
        where it is not.
    """

    m: int
    n: int
    k: int
    alone: float
    steady: float
    modelled: float
    clocks: int
    load: int
    beat: int

    def to_dict(self) -> dict[str, Any]:
        """All members."""
        return asdict(self)


def utilisation(
    model: Model,
    p: CoreParameters,
    size: tuple[int, int, int],
    progress: Callable[[int], None] | None = None,
) -> Utilisation:
    """Run products of a size on a compiled core.

    Raises
    ------
    ParameterError
        If the pages do not hold such matrices.
    SimulationError
        If the core does not give what it should.
    """
    job = GemmJob(*size)
    expected = core_cycles(p, job)
    runs = [_ran(model, p, job, count, progress) for count in (1, REPEATS, 2 * REPEATS)]
    one, some, many = map(_counts, runs)
    macs, busy = (more - less for more, less in zip(many, some, strict=True))
    has = beat = max(p.a_layout.beat, p.b_layout.beat)
    while beat * expected.busy < has * expected.load:
        beat *= 2
    return Utilisation(
        *size,
        alone=one[0] / (one[1] * p.macs),
        steady=macs / (busy * p.macs),
        modelled=expected.utilisation,
        clocks=int(runs[2].finished[-1] - runs[2].finished[-1 - REPEATS]) // REPEATS,
        load=expected.load,
        beat=beat,
    )


def _ran(
    model: Model,
    p: CoreParameters,
    job: GemmJob,
    count: int,
    progress: Callable[[int], None] | None,
) -> NativeRan:
    program = Program(p)
    rng = np.random.default_rng(1)
    for k in range(count):
        program.random(rng, replace(job, page_a=k % 2, page_b=k % 2))
    ran = run_natively(model, program, progress=progress)
    if ran.error:
        raise SimulationError(f"native: {ran.error}")
    return ran


def _counts(ran: NativeRan) -> tuple[int, int]:
    """(products, clocks in which there was a job at work or loading)."""
    found = counters(ran.registers)
    return found["MACS"], found["BUSY"] + found["STALL_IN"]
