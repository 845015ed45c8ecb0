"""Products that follow each other as jobs of a core: between them nothing leaves it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden.engine import Chain
from hfp8_hw.jobs import MAX_SIZE, REASONS, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters

from ..program import Task
from ..tiling import Part
from .pieces import Piece, modes

_LONGEST = 32
"""Jobs in a piece, unless one block of rows has more."""


@dataclass(frozen=True)
class LinkPart(Part):
    """A job that computes some rows of a link's results."""

    link: int = 0


def _job(p: CoreParameters, chain: Chain, number: int, m: int, mode: int, read: bool) -> GemmJob:
    """A link's product for ``m`` rows, whose weights are loaded."""
    link, last = chain.links[number], number == len(chain.links) - 1
    given = GemmJob(
        m,
        link.b.shape[1],
        link.b.shape[0],
        # A result is kept as N x M, in the page that the product does not read.
        transpose_a=number > 0,
        load_a=number == 0,
        mode_a=mode,
        mode_b=mode,
        page_a=number % 2,
        page_b=number % p.pages,
        bias=link.bias is not None,
    )
    if last:
        return given
    return GemmJob(
        **{
            **vars(given),
            "relu": link.relu,
            "scale": link.scale,
            "quantize": True,
            "mode_y": mode if len(p.y_formats) > 1 else 0,
            "store": True,
            "silent": not read,
            "page_y": (number + 1) % 2,
        }
    )


def refusal(p: CoreParameters, chain: Chain) -> str:
    """Why a core cannot do a chain, not even one row of it; empty if it can."""
    if max(max(link.b.shape) for link in chain.links) > MAX_SIZE:
        return f"a job has at most {MAX_SIZE} columns and products of a sum"
    fmt = parse_format(chain.fmt)
    if p.epilogue != "none" and fmt not in p.y_formats:
        return f"the core has y={p.y!r}"
    if p.epilogue != "none" and (p.y_rounding, p.y_overflow) != ("RNE", "saturate"):
        return f"the core has y_rounding={p.y_rounding!r}, y_overflow={p.y_overflow!r}"
    error = _error(p, chain, 1)
    return "" if error is JobError.NONE else f"a core like this refuses it: {REASONS[error]}"


def _error(p: CoreParameters, chain: Chain, m: int) -> JobError:
    """Why a core refuses a block of so many rows."""
    mode = modes(p, chain.job(0, chain.a))[0]
    errors = (
        p.refusal(_job(p, chain, number, m, mode, read=False)) for number in range(len(chain.links))
    )
    return next((error for error in errors if error is not JobError.NONE), JobError.NONE)


def height(p: CoreParameters, chain: Chain) -> int:
    """Rows of a block: as many as pages hold, in whole tiles; 0 if not even one."""
    most = -(-min(chain.m, MAX_SIZE) // p.rows)
    tiles = bisect_left(
        range(1, most + 1),
        True,
        key=lambda n: _error(p, chain, min(n * p.rows, MAX_SIZE)) is not JobError.NONE,
    )
    if tiles:
        # Blocks that are about as large as each other.
        return -(-chain.m // (-(-chain.m // (tiles * p.rows)) * p.rows)) * p.rows
    return int(_error(p, chain, 1) is JobError.NONE)


def chain_pieces(p: CoreParameters, chain: Chain, read: bool = False) -> Iterator[Piece]:
    """A chain as jobs, block of rows by block, in pieces from a reset on.

    In a piece, weights are loaded once if there is a page for those of each link. With ``read`` the
    results of all links leave the core, too.

    Raises
    ------
    ParameterError
        For a chain that the core cannot do.
    """
    why = refusal(p, chain)
    if why:
        raise ParameterError(f"a chain of {len(chain.links)} products is not allowed: {why}")
    step, mode = height(p, chain), modes(p, chain.job(0, chain.a))[0]
    stay = len(chain.links) <= p.pages
    found: list[Part] = []
    for top in range(0, chain.m, step):
        rows = slice(top, min(top + step, chain.m))
        if len(found) + len(chain.links) > _LONGEST:
            yield Piece(0, slice(None), found)
            found = []
        first = not found
        for number, link in enumerate(chain.links):
            job = _job(p, chain, number, rows.stop - rows.start, mode, read)
            if stay and not first:
                job = GemmJob(**{**vars(job), "load_b": False})
            found.append(LinkPart(
                Task(
                    job,
                    chain.a[rows].astype(np.uint32) if job.load_a else None,
                    link.b.astype(np.uint32) if job.load_b else None,
                    None if link.bias is None else link.bias.astype(np.uint32),
                ),
                rows,
                slice(0, job.n),
                number,
            ))  # fmt: skip
    if found:
        yield Piece(0, slice(None), found)
