"""How a product's sums are shared out among a GPU's blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

PROCESSORS = 132
"""Multiprocessors of an H100 or H200, which the blocks' sizes are chosen for."""


@dataclass(frozen=True)
class Plan:
    """A block's warps down and across, a warp's rows by 16 and columns by 8, a block's chunks."""

    down: int
    across: int
    high: int
    wide: int
    span: int = 1

    @property
    def rows(self) -> int:
        """Rows of a block's sums."""
        return self.down * self.high * 16

    @property
    def cols(self) -> int:
        """Columns of a block's sums."""
        return self.across * self.wide * 8

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.down * self.across * 32


SHAPES = (
    (1, 4, 4, 4), (2, 2, 4, 4), (2, 2, 4, 2), (2, 2, 2, 4), (4, 1, 4, 2), (4, 1, 2, 4),
    (4, 1, 2, 2), (2, 1, 4, 2),
)  # fmt: skip
"""What a plan may be. The narrow ones are for few columns, as a network's first layers have them: a
block computes what is beyond the edge too. Those with few sums a thread are for few sums."""


@lru_cache(maxsize=1024)
def choose(m: int, n: int, batch: int, chunks: int, chunk: int) -> Plan:
    """The plan with the least estimated time."""
    plans = [
        Plan(*shape, -(-chunks // splits))
        for shape in SHAPES
        for splits in range(1, min(chunks, 64) + 1)
    ]
    return min(plans, key=lambda plan: estimate(plan, m, n, batch, chunks, chunk))


def estimate(plan: Plan, m: int, n: int, batch: int, chunks: int, chunk: int) -> float:
    """Products' worth of time on the multiprocessor that has the most to do.

    A code that is read costs about as much as four products, the end of a chunk eight a sum, and a
    start of a block about 1.5 microseconds, which other blocks fill. A warp alone keeps a scheduler
    about half busy, four nearly wholly. Splitting writes each chunk's sum and reads it again.
    """
    blocks = -(-m // plan.rows) * -(-n // plan.cols) * batch * -(-chunks // plan.span)
    each = -(-blocks // PROCESSORS)
    area, edge = plan.rows * plan.cols, plan.rows + plan.cols
    work = plan.span * (chunk * (area + 4 * edge) + 8 * area)
    warps = min(each * plan.threads / 32, 12 + 4 * (plan.high * plan.wide == 16)) / 4
    time = each * work * (1 + 0.6 / warps) + 90_000
    if plan.span < chunks:
        time += 150_000 + 12 * m * n * batch * chunks / PROCESSORS
    return time
