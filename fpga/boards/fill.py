"""The largest core that a board holds: which are tried, and in what order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.tools import ToolError

from ..utilisation import PLACEABLE, logic_share, too_large
from .build import Built

_SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_NUMBER = re.compile(r"[0-9]{1,8}")
LARGEST_PAGE = 1 << 24
"""Codes, as `hfp8_hw.parameters.CoreParameters` has it."""
_LANES = (1, 2, 4, 8)
_SURE = 1.25
"""What is expected beyond the limit by this much is not synthesised."""


@dataclass(frozen=True)
class Try:
    """What came of a core.

    Members
    -------
    core : CoreParameters
    share : float
        Logic cells used, of those there are.
    verdict : str
    achieved, required : float or None
        MHz, if it was placed and routed.
    """

    core: CoreParameters
    share: float
    verdict: str
    achieved: float | None = None
    required: float | None = None


class Flow(Protocol):
    """The tools for a board."""

    def estimate(self, core: CoreParameters) -> Mapping[str, tuple[int, int]]:
        """By kind of cell: how many a core takes once it is synthesised, and how many there are."""

    def place(self, core: CoreParameters) -> Built:
        """The bitstream; raises RunError if the core does not fit, ToolError if it does not
        route."""


def ladder(given: Mapping[str, Any]) -> list[CoreParameters]:
    """The cores that are tried, smallest first: for each number of products a clock the one with
    the most lanes, up to 8, and then the one that is nearest to a square.

    Parameters
    ----------
    given : mapping
        Parameters that are fixed; ``rows``, ``cols`` and ``lanes`` among them are not grown.
        ``a_size`` and ``b_size`` are what a page holds at the least, as it depends on the
        size which pages there can be.

    Raises
    ------
    ParameterError
        If a parameter is not allowed, for any size.
    """
    if given.get("ports", "streams") != "streams":
        raise ParameterError(
            f"ports={given['ports']!r} is not allowed on a board: streams, which the link feeds"
        )
    sides = [[given[name]] if name in given else _SIDES for name in ("rows", "cols")]
    lanes = [given["lanes"]] if "lanes" in given else _LANES
    found: dict[int, CoreParameters] = {}
    refused: ParameterError | None = None
    for high, wide, deep in product(*sides, lanes):
        try:
            size = {"rows": high, "cols": wide, "lanes": deep}
            core = unit_parameters(CoreParameters.unit, {**given, **size, **_pages(given, size)})
        except ParameterError as error:
            refused = refused or error
            continue
        assert isinstance(core, CoreParameters)
        if _balanced(core, given):
            other = found.get(core.macs)
            if other is None or _rank(core) > _rank(other):
                found[core.macs] = core
    if refused and not found:
        raise refused
    return [found[macs] for macs in sorted(found)]


def _pages(given: Mapping[str, Any], size: Mapping[str, Any]) -> dict[str, int]:
    """The least pages of whole blocks that hold what is given."""
    found = {}
    for name, side in (("a_size", "rows"), ("b_size", "cols")):
        numbers = [str(n) for n in (given.get(name, 0), size[side], size["lanes"])]
        # Anything else is left to the parameters' own check, which has the value as it is given.
        if all(_NUMBER.fullmatch(n) for n in numbers) and 0 < int(numbers[0]) <= LARGEST_PAGE:
            least, rows, lanes = map(int, numbers)
            page = max(rows * lanes, 1)
            while page < least:
                page *= 2
            found[name] = page
    return found


def _balanced(core: CoreParameters, given: Mapping[str, Any]) -> bool:
    """Whether what may be grown is grown evenly, so that operands are used often."""
    even = core.rows <= core.cols <= 2 * core.rows or "rows" in given or "cols" in given
    return even and (core.lanes <= 2 * min(core.rows, core.cols) or "lanes" in given)


def _rank(core: CoreParameters) -> tuple[int, int]:
    return core.lanes, -abs(core.cols - core.rows)


def shape(core: CoreParameters) -> str:
    """Rows, columns and lanes."""
    return f"{core.rows} x {core.cols} x {core.lanes}"


def search(
    cores: Sequence[CoreParameters],
    flow: Flow,
    limit: float = PLACEABLE,
    tell: Callable[[Try], None] = lambda _: None,
) -> tuple[CoreParameters, Built]:
    """The last core of a `ladder` that routes and meets the clock, and its bitstream.

    Cores are synthesised in steps of at least twice the size, and by bisection from the first that
    does not fit; what the smaller ones let expect far beyond the limit is not even that. From the
    largest that fits downwards they are placed and routed until one meets the clock. After the
    first miss the smallest is, so that a clock that none meets does not take all of them.

    Parameters
    ----------
    limit : float
        The share of logic cells that a core may take to be placed. Beyond 80 percent the placer may
        take hours, or never end.
    tell : callable
        Is told what comes of each try.

    Raises
    ------
    RunError
        If there is none; why not the smallest.
    ToolMissing, ToolError
        If a tool is missing, or Yosys fails.
    """
    shares: dict[int, float] = {}
    top = _fitting(cores, flow, limit, tell, shares)
    missed = False
    for index in range(top, -1, -1):
        built = _place(cores[index], flow, tell, last=index == 0)
        if built is not None and built.in_time:
            return cores[index], built
        if built is not None and not missed and index > 0:
            missed = True
            least = _place(cores[0], flow, tell, last=True)
            if least is not None and not least.in_time:
                break
    raise RunError(f"no core meets the clock, not even {shape(cores[0])}; a lower --clock may help")


def _fitting(
    cores: Sequence[CoreParameters],
    flow: Flow,
    limit: float,
    tell: Callable[[Try], None],
    shares: dict[int, float],
) -> int:
    """The index of the largest core that fits by synthesis."""

    def fits(index: int) -> bool:
        core = cores[index]
        expected = _expected(shares, core.macs)
        if expected is not None and expected > limit * _SURE:
            tell(Try(core, expected, "skipped: smaller ones let expect it"))
            return False
        used = flow.estimate(core)
        shares[core.macs] = share = logic_share(used)
        over = too_large(used, limit)
        tell(Try(core, share, f"does not fit: {', '.join(over)}" if over else "fits"))
        if over and index == 0:
            raise RunError(
                f"not even a core of {shape(core)} fits: {', '.join(over)}; other parameters may "
                "make it smaller, such as a_size and b_size its memories"
            )
        return not over

    low, high = 0, len(cores)
    fits(0)
    while high == len(cores):
        above = [k for k in range(low, len(cores)) if cores[k].macs >= 2 * cores[low].macs]
        if not above:
            break
        if fits(above[0]):
            low = above[0]
        else:
            high = above[0]
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _expected(shares: Mapping[int, float], macs: int) -> float | None:
    """The share that two smaller cores let expect, by a straight line."""
    below = sorted(m for m in shares if m < macs)[-2:]
    if len(below) < 2:
        return None
    one, two = below
    return shares[two] + (shares[two] - shares[one]) / (two - one) * (macs - two)


def _place(
    core: CoreParameters, flow: Flow, tell: Callable[[Try], None], last: bool
) -> Built | None:
    """Place and route a core; None if it does not fit or route, which is raised for the last."""
    try:
        built = flow.place(core)
    except RunError as error:
        if last or not (isinstance(error, ToolError) or "does not fit" in str(error)):
            raise
        tell(Try(core, logic_share(flow.estimate(core)), f"does not route: {error}"))
        return None
    verdict = "routed" if built.in_time else "the clock is not met"
    tell(Try(core, logic_share(built.used), verdict, built.achieved, built.required))
    return built
