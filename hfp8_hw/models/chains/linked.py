"""Sums of products that an engine does at one go, handed out one product at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...errors import RunError
from ...golden.engine import ChainEngine, ProductJob
from ...golden.engine.jobs import Progress
from .boundaries import Boundary
from .build import build

if TYPE_CHECKING:
    from ..deployment import Deployment


class Linked:
    """The chains of one run: the first product's job has an engine do all of a chain.

    Parameters
    ----------
    chains : sequence
        Of `hfp8_hw.models.chains.build.chains`.
    engine : ChainEngine
        Tells what all links gave.
    """

    def __init__(
        self, deployment: Deployment, chains: Sequence[Sequence[Boundary]], engine: ChainEngine
    ) -> None:
        self._deployment, self._engine = deployment, engine
        self._heads = {one[0].first: one for one in chains}
        self._done: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}

    def sums(self, name: str, job: ProductJob, progress: Progress) -> NDArray[Any] | None:
        """Codes of a product's sums with its bias, or None if it is in no chain.

        Raises
        ------
        RunError
            If what stayed on the engine is not what the job, which the host made of the same sums,
            has as its first operand.
        """
        if name in self._done:
            codes, sums = self._done.pop(name)
            # The sign of a zero operand changes no sum.
            other = int(((codes != job.a[0]) & ((codes | job.a[0]) & 0x7F != 0)).sum())
            if other:
                raise RunError(
                    f"{other} of {codes.size} codes that stayed on the core are not those that the "
                    f"host has for {name}; run with --between host"
                )
            return sums[None]
        if name not in self._heads:
            return None
        between = self._heads[name]
        done = self._engine.run_chain(build(self._deployment, between, job.a[0]), progress)
        for one, before, after in zip(between, done, done[1:], strict=False):
            assert before.codes is not None and after.sums is not None
            self._done[one.second] = before.codes, after.sums
        assert done[0].sums is not None
        return done[0].sums[None]
