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


SHAPES = {
    (1, 4, 4, 4): 1.0, (2, 2, 4, 4): 1.03, (2, 2, 4, 2): 1.25, (2, 2, 2, 4): 1.14,
    (4, 1, 4, 2): 1.52, (4, 1, 2, 4): 1.25, (4, 1, 2, 2): 1.41, (2, 1, 4, 2): 1.41,
}  # fmt: skip
"""What a plan may be, and what a product costs where there is plenty to do, measured at 4096^3. The
narrow ones are for few columns, as a network's first layers have them: a block computes what is
beyond the edge too. Those with few sums a thread are for few sums."""


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
    """Microseconds on an H200, within about 7 percent for 116 plans of products of networks.

    The multiprocessor that has the most blocks counts. One with few warps does less at a time: a
    warp alone keeps a scheduler about two thirds busy. A launch takes 7 microseconds, a second one
    for the sums of chunks one more, and each million of these 3.
    """
    blocks = -(-m // plan.rows) * -(-n // plan.cols) * batch * -(-chunks // plan.span)
    each = -(-blocks // PROCESSORS)
    shape = plan.down, plan.across, plan.high, plan.wide
    work = each * plan.span * chunk * plan.rows * plan.cols * SHAPES[shape]
    most = 16 if plan.high * plan.wide == 16 else 12
    warps = min(each * plan.threads / 32, most) / 4
    time = work / 56_400 * (1 + 0.44 / warps) + 7
    if plan.span < chunks:
        time += 1 + 3.3e-6 * m * n * batch * chunks
    return time
