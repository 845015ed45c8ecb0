"""What engines on a core share: jobs are checked, cut, run and put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.golden.engine import Chain, Linked, ProductJob
from hfp8_hw.golden.engine.jobs import Progress, silent
from hfp8_hw.parameters import CoreParameters

from ..program import check_streams
from ..tiling import slices
from .chains import LinkPart, chain_pieces
from .pieces import Piece, modes, pieces

Results = Iterator[tuple[Piece, list[NDArray[Any]]]]
"""Pieces that are done, and the codes of each of their `Piece.sent`."""


class CutEngine:
    """An engine on a core: a subclass says how pieces are run.

    Parameters
    ----------
    p : CoreParameters
        With ``ports=streams``.

    Members
    -------
    macs, clocks : int
        Products of all jobs until now, and clocks that the core took for them, as the subclass
        counts them.
    read : bool
        Whether the results of all links of a chain are told, not only those of the last one.
    room : int or None
        Beats of results that may wait outside of the core; None if that is all of them.

    Raises
    ------
    ParameterError
        For a core without streams.
    """

    room: int | None = None

    def __init__(self, p: CoreParameters) -> None:
        check_streams(p)
        self.p, self.read = p, False
        self.macs = self.clocks = 0

    @property
    def utilisation(self) -> float:
        """Products, to what the array could sum in these clocks."""
        return self.macs / (self.clocks * self.p.macs) if self.clocks else 0.0

    def perform(self, found: Iterable[Piece], progress: Progress) -> Results:
        """Run pieces, in any order."""
        raise NotImplementedError

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `hfp8_hw.golden.engine.Engine.run`.

        Raises
        ------
        ParameterError
            For formats and sums that are not the core's, and sums that its pages do not hold.
        RunError
            If the core does not give what it should; as the subclass has it.
        """
        modes(self.p, job)
        codes = np.zeros((job.groups, job.m, job.n), np.uint32)
        if not (codes.size and job.k):
            return codes
        for step in slices(self.p, job.m, job.n, job.k):
            before = codes.copy() if step.start else None
            cut = pieces(self.p, job, step, before, self.room)
            for piece, blocks in self.perform(cut, progress):
                whole = codes[piece.group, :, piece.columns]
                for part, block in zip(piece.sent, blocks, strict=True):
                    whole[part.rows, part.columns] = block
        self.macs += job.macs
        return codes

    def run_chain(self, chain: Chain, progress: Progress = silent) -> list[Linked]:
        """As `hfp8_hw.golden.engine.ChainEngine.run_chain`; raises as `run`."""
        whole = [np.zeros((chain.m, link.b.shape[1]), np.uint32) for link in chain.links]
        for piece, blocks in self.perform(chain_pieces(self.p, chain, self.read), progress):
            for part, block in zip(piece.sent, blocks, strict=True):
                assert isinstance(part, LinkPart)
                whole[part.link][part.rows] = block
        self.macs += chain.macs
        *inner, last = whole
        return [*(Linked(None, one if self.read else None) for one in inner), Linked(last, None)]
