"""An engine whose results are compared with golden's, code by code."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .chains import Chain, ChainEngine, Linked, one_by_one
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
        self._compare(codes, self._golden.run(job), f"job {job.a.shape!r}")
        return codes

    def run_chain(self, chain: Chain, progress: Progress = silent) -> list[Linked]:
        """As `ChainEngine.run_chain`; what the engine keeps to itself is golden's."""
        assert isinstance(self._engine, ChainEngine)
        found = self._engine.run_chain(chain, progress)
        told = []
        for k, (mine, want) in enumerate(zip(found, one_by_one(self._golden, chain), strict=True)):
            name, given = f"link {k} of a chain {chain.a.shape!r}", []
            for got, due in zip(mine, want, strict=True):
                if got is not None and due is not None:
                    self._compare(got, due, name)
                given.append(due if got is None else got)
            told.append(Linked(*given))
        return told

    def _compare(self, codes: NDArray[Any], want: NDArray[Any], name: str) -> None:
        wrong = codes != want
        self.elements += int(codes.size)
        count = int(wrong.sum())
        if count and not self.mismatches:
            at = tuple(int(k[0]) for k in wrong.nonzero())
            self.first = f"{name}, element {at!r}: {int(codes[at])}, golden has {int(want[at])}"
        self.mismatches += count
