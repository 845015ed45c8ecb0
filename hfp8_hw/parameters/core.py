"""Parameters of the GEMM core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..errors import ParameterError, check_int
from ..jobs import GemmJob
from .dot import LANES, DotParameters
from .mac import MacParameters

ROUNDING = 6
"""Clocks that a sum takes from an element to the output."""


@dataclass(frozen=True)
class CoreParameters:
    """An array of exact dot products, each with an output of its own, fed from scratchpads.

    Parameters
    ----------
    rows, cols : int
        Elements, 1 to 32 each way. A tile of C is as large.
    lanes : int
        Products a clock in an element: 1, 2, 4, 8, 16, 32 or 64.
    a, b : str
        Formats of the operands; ``HFP8`` is either of its two, by the job's mode.
    acc : str
        Format of the results.
    rounding, overflow : str
        How a sum is rounded to it, as in `MacParameters`.
    depth : int
        Words of ``lanes`` codes in each bank of a scratchpad, a power of two up to 65536. Half of
        them hold one job while the other half is loaded with the next.
    stages : int
        Register stages of an element up to its adder tree, as in `DotParameters`.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    rows: int = 4
    cols: int = 8
    lanes: int = 8
    a: str = "HFP8_FWD"
    b: str = "HFP8_FWD"
    acc: str = "DLFLOAT16"
    rounding: str = ""
    overflow: str = "special"
    depth: int = 512
    stages: int = 0

    def __post_init__(self) -> None:
        check_int("rows", self.rows, 1, 32)
        check_int("cols", self.cols, 1, 32)
        if isinstance(self.lanes, bool) or self.lanes not in (1, *LANES):
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed: one of 1, {', '.join(map(str, LANES))}"
            )
        if check_int("depth", self.depth, 2, 65536) & (self.depth - 1):
            raise ParameterError(f"depth={self.depth!r} is not allowed: a power of two")
        if self.acc == "fixed":
            raise ParameterError(f"acc={self.acc!r} is not allowed for a core: a format")
        object.__setattr__(self, "rounding", self.element.rounding)
        object.__setattr__(self, "stages", self.element.stages)

    @cached_property
    def element(self) -> MacParameters:
        """The exact sum that an element computes, of as many terms as a scratchpad holds."""
        given = {"a": self.a, "b": self.b, "acc": self.acc, "semantics": "exact",
                 "rounding": self.rounding, "overflow": self.overflow, "stages": self.stages,
                 "terms": self.half * self.lanes}  # fmt: skip
        if self.lanes == 1:
            return MacParameters.from_mapping(given)  # type: ignore[return-value]
        return DotParameters.from_mapping(given | {"lanes": self.lanes})  # type: ignore[return-value]

    @property
    def half(self) -> int:
        """Words of a bank that a job may take."""
        return self.depth // 2

    def words(self, job: GemmJob) -> int:
        """Words of a row of A or a column of B."""
        return -(-job.k // self.lanes)

    def tiles(self, job: GemmJob) -> tuple[int, int]:
        """Tiles of C, down and across."""
        return -(-job.m // self.rows), -(-job.n // self.cols)

    def check(self, job: GemmJob) -> None:
        """See whether the scratchpads hold a job.

        Raises
        ------
        ParameterError
            If they do not; the text says what would fit.
        """
        words = self.words(job)
        if words > self.half:
            raise ParameterError(
                f"k={job.k!r} is not allowed: at most {self.half * self.lanes}, the products of "
                f"{self.half} words"
            )
        for name, size, tiles in (("m", self.rows, self.tiles(job)[0]),
                                  ("n", self.cols, self.tiles(job)[1])):  # fmt: skip
            if tiles * words > self.half:
                raise ParameterError(
                    f"{name}={getattr(job, name)!r} is not allowed with k={job.k!r}: at most "
                    f"{self.half // words * size}, as a bank holds {self.half} words of a job"
                )

    def cycles(self, jobs: Sequence[GemmJob]) -> int:
        """Clocks from a reset to the last result of jobs, if no stream ever pauses.

        A model, not a simulation: a job's operands take max(m, n) words of each stream, and the
        job then waits for the one before; a tile takes its words, or as long as the results of the
        tile before keep the rounders busy; half of the scratchpads is free for the job after the
        next when the last word of a job is read.
        """
        accepted = issued = captured = drained = 0
        freed = [0, 0]
        for number, job in enumerate(jobs):
            self.check(job)
            words, (down, across) = self.words(job), self.tiles(job)
            loaded = max(accepted, freed[number % 2]) + 2 + max(job.m, job.n) * words
            accepted = loaded
            issued = max(loaded, issued)
            for tile in range(down * across):
                last = tile % across == across - 1
                issued = max(issued + words, drained - self.latency)
                captured = issued + self.latency
                drained = captured + (job.n - (across - 1) * self.cols if last else self.cols)
            freed[number % 2] = issued
        return drained + ROUNDING

    @property
    def latency(self) -> int:
        """Clocks from an address to the sum in which its products are."""
        e = self.element
        return e.stages + e.segments - 1 + (e.products - 1).bit_length()
