"""``hfp8 build BOARD --fill``: the largest core that the board holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console

from .results import show

if TYPE_CHECKING:
    from fpga.boards.build import Built
    from fpga.boards.catalogue import Board
    from rtl_gen.board import BoardModule


def fill(
    console: Console, board: Board, clock: int, given: Mapping[str, str], limit: float, seed: int
) -> tuple[BoardModule, Built]:
    """Look for it, and print what comes of each try.

    Raises
    ------
    ParameterError, RunError
        As `fpga.boards.fill.ladder` and `fpga.boards.fill.search`.
    """
    from fpga.boards.fill import Try, ladder, search, shape
    from fpga.boards.tries import Tries

    cores = ladder(given)

    def tell(one: Try) -> None:
        clocks = ""
        if one.achieved is not None:
            clocks = f", {one.achieved} of {one.required:g} MHz"
        show(console, f"{shape(one.core)}: {one.share:.1%} of the logic{clocks}: {one.verdict}")

    with console.status("") as status:
        flow = Tries(board, clock, seed, status.update)
        core, built = search(cores, flow, limit, tell)
        module = flow.module(core)
    show(console, f"the largest: {shape(core)}, {core.macs} products a clock, "
         f"{core.macs * clock / 1e9:.3g} GMAC/s at the most")  # fmt: skip
    return module, built
