"""An engine whose results are compared with golden's, code by code."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .golden_engine import GoldenEngine
from .jobs import Engine, ProductJob, Progress, silent


class CheckedEngine:
    """Gives what another engine gives, and counts what golden would give otherwise.

    Parameters
    ----------
    engine : Engine

    Members
    -------
    elements, mismatches : int
        Codes compared, and those that differ.
    first : str
        Where the first mismatch is; empty if there is none.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._golden = engine, GoldenEngine()
        self.elements = self.mismatches = 0
        self.first = ""

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `Engine.run`."""
        codes = self._engine.run(job, progress)
        want = self._golden.run(job)
        wrong = codes != want
        self.elements += int(codes.size)
        count = int(wrong.sum())
        if count and not self.mismatches:
            at = tuple(int(k[0]) for k in wrong.nonzero())
            self.first = f"job {job.a.shape!r}, element {at!r}: {int(codes[at])}, golden has " \
                         f"{int(want[at])}"  # fmt: skip
        self.mismatches += count
        return codes
