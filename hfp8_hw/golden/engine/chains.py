"""Products that follow each other, with nothing between them but what the core's epilogue does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ..convert import quantize
from ..dot import accumulator
from ..elementwise import add, relu
from .jobs import Engine, ProductJob, Progress, Sums, silent


@dataclass(frozen=True)
class Link:
    """A product of a chain.

    Members
    -------
    b : ndarray of uint8
        Codes, (k, n).
    bias : ndarray or None
        Codes of the accumulator's format, (n,), added to the sums as `hfp8_hw.golden.add` does.
    relu : bool
        Put +0 in place of what is below 0. Not of the last link.
    scale : int
        Results times 2**scale are rounded to the operand of the next link. Not of the last link.
    """

    b: NDArray[Any]
    bias: NDArray[Any] | None = None
    relu: bool = False
    scale: int = 0


@dataclass(frozen=True)
class Chain:
    """Products in a row: the results of each, rounded to ``fmt``, are the operand A of the next.

    Members
    -------
    a : ndarray of uint8
        Codes, (m, k): the operand A of the first.
    links : tuple of Link
        At least two.
    fmt : str
        The format of 8 bits of all operands.
    sums : Sums

    Raises
    ------
    ParameterError
        For shapes that do not belong together.
    """

    a: NDArray[Any]
    links: tuple[Link, ...]
    fmt: str
    sums: Sums

    def __post_init__(self) -> None:
        depths = [self.a.shape[-1], *(link.b.shape[1] for link in self.links)]
        for k, link in zip(depths, self.links, strict=False):
            bias = link.b.shape[1:] if link.bias is None else link.bias.shape
            if link.b.shape[0] != k or bias != link.b.shape[1:]:
                raise ParameterError(
                    f"b of shape {link.b.shape!r} with a bias of shape {bias!r} is not allowed for "
                    f"sums of {k} products"
                )

    @property
    def m(self) -> int:
        """Rows of A and of all results."""
        return int(self.a.shape[0])

    @property
    def macs(self) -> int:
        """All products."""
        return self.m * sum(int(link.b.size) for link in self.links)

    def job(self, number: int, a: NDArray[Any]) -> ProductJob:
        """The product of a link as a job, of the codes of its operand A."""
        return ProductJob(a[None], self.links[number].b[None], self.fmt, self.fmt, self.sums)


class Linked(NamedTuple):
    """What a link gave: its sums with the bias, codes of the accumulator's format, and these as the
    next link takes them; None where an engine keeps them to itself, or there is no next link."""

    sums: NDArray[Any] | None
    codes: NDArray[Any] | None


@runtime_checkable
class ChainEngine(Engine, Protocol):
    """An `Engine` that does chains at one go."""

    def run_chain(self, chain: Chain, progress: Progress = silent) -> list[Linked]:
        """What each link gave: of the last one its sums, of the others nothing has to be told.

        Raises
        ------
        ParameterError
            For what the engine cannot do.
        """


def linked(chain: Chain, number: int, sums: NDArray[Any]) -> Linked:
    """What golden makes of a link's sums, (m, n): the core's epilogue, step by step."""
    link, acc = chain.links[number], accumulator(chain.sums.acc, None, None)
    if link.bias is not None:
        sums = add(sums, link.bias, acc.fmt, rounding=acc.rounding, overflow=acc.overflow)
    if number == len(chain.links) - 1:
        return Linked(sums, None)
    kept = relu(sums, acc.fmt) if link.relu else sums
    return Linked(sums, quantize(kept, chain.fmt, src=acc.fmt, scale=link.scale))


def one_by_one(engine: Engine, chain: Chain, progress: Progress = silent) -> list[Linked]:
    """A chain on an engine without chains: its products as jobs, what is between them by golden."""
    a, found = np.asarray(chain.a), []
    for number in range(len(chain.links)):
        found.append(linked(chain, number, engine.run(chain.job(number, a), progress)[0]))
        if found[-1].codes is not None:
            a = found[-1].codes
    return found
