"""``hfp8 build``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from ...errors import ParameterError, check_choice
from ...parameters import GENERATED, CoreParameters, UnitParameters, unit_parameters
from ...pll import check_clock
from ..options import chosen_on_command_line
from ..types import Integer, Megahertz, OutputFolder
from .filling import fill
from .loading import check_loader, load_bitstream, show_command
from .results import deliver
from .scripting import write_script


def design(name: str, words: Sequence[str]) -> UnitParameters:
    """The design that ``--design`` and ``--param`` describe.

    Raises
    ------
    ParameterError
        If there is no such design or parameter, or a value is not allowed.
    """
    check_choice("design", name, GENERATED)
    return unit_parameters(name, pairs(words))


def pairs(words: Sequence[str]) -> dict[str, str]:
    """The parameters that ``--param`` gives.

    Raises
    ------
    ParameterError
        If one is no pair, or is given twice.
    """
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        name = key.strip().replace("-", "_")
        if not equals or not name:
            raise ParameterError(f"param={word!r} is not allowed: NAME=VALUE, such as stages=3")
        if name in given:
            raise ParameterError(f"param={word!r} is not allowed: {name} is given already")
        given[name] = value
    return given


@click.command("build", short_help="Build a bitstream for a board.")
@click.argument("board")
@click.option("--design", "design_name", default="quantizer", show_default=True,
              help="The unit on the board, or core.")  # fmt: skip
@click.option("--param", "words", multiple=True, metavar="NAME=VALUE",
              help="A parameter, as 'hfp8 list UNIT' has them; may be repeated.")  # fmt: skip
@click.option("--clock", type=Megahertz(), metavar="MHZ",
              help="The clock, made by the PLL.  [default: the oscillator's]")  # fmt: skip
@click.option("--fill", "filling", is_flag=True,
              help="Find the largest core that fits and meets the clock.")  # fmt: skip
@click.option("--fill-limit", type=Integer(1, 100), metavar="PERCENT",
              help="With --fill: the most of the logic to use.  [default: 80]")  # fmt: skip
@click.option("-o", "--output", type=OutputFolder(), default=Path("."), show_default=True,
              help="Folder for the files.")  # fmt: skip
@click.option("--seed", type=Integer(0, 2**31 - 1), default=1, show_default=True,
              help="Of the placement.")  # fmt: skip
@click.option("--script", is_flag=True,
              help="For boards without an open place-and-route: a project for Vivado.")  # fmt: skip
@click.option("--load", is_flag=True, help="Load the bitstream by openFPGALoader.")
def build_command(
    board: str, design_name: str, words: tuple[str, ...], clock: int | None, filling: bool,
    fill_limit: int | None, output: Path, seed: int, script: bool, load: bool,
) -> int:  # fmt: skip
    """Build a bitstream: a unit, the protocol and a UART on a BOARD.

    Writes NAME.v (what is on the board), the bitstream, and NAME.json (what the tools say), and
    prints the command that loads it. Where the clock is not met, no bitstream is written, and the
    exit status is 1.

    A clock that the PLL cannot make is refused, and the nearest that it can are named. The same
    clock belongs behind the simulated board's name: sim://BOARD@MHZ.

    With --fill the design is the largest core that can be placed and routed and meets the clock.
    What comes of each size is printed. Sizes that are tried are kept, so that the search goes on
    where it was interrupted.

    With --script, for a board that 'hfp8 boards' has no bitstreams for, it writes a Tcl script, the
    constraints and the Verilog for Vivado, and prints what Yosys says of the design. The script has
    not been run.

    The tools come from PyPI as WebAssembly. Each is compiled when it runs first, which takes one to
    three minutes; they are quick from then on.
    """
    from fpga.boards.catalogue import check_board

    chosen = check_board(board)
    if clock is None:
        clock = chosen.clock
    check_clock(chosen.oscillator, clock)
    if script == chosen.bitstream:
        raise ParameterError(
            f"BOARD={board!r} is not allowed with script: bitstreams are built for it, without a "
            "project" if script else
            f"BOARD={board!r} is not allowed without script: no open place-and-route is at hand "
            "for its device"
        )  # fmt: skip
    for name, value in (("fill", filling), ("load", load),
                        ("seed", chosen_on_command_line("seed"))):  # fmt: skip
        if script and value:
            raise ParameterError(f"{name} is not allowed with script: no bitstream is built")
    if filling:
        if design_name != CoreParameters.unit and chosen_on_command_line("design_name"):
            raise ParameterError(f"design={design_name!r} is not allowed with fill: core")
        given = pairs(words)
    else:
        if fill_limit is not None:
            raise ParameterError(f"fill-limit={fill_limit} is not allowed without fill")
        parameters = design(design_name, words)
    from rtl_gen.extras import require

    require("amaranth_boards", *(["openfpgaloader"] if load else []))
    if load:
        check_loader()
    from fpga.boards.build import build
    from rtl_gen.board import board_module

    console = Console()
    if script:
        write_script(console, board, chosen, parameters, output)
        return 0
    if filling:
        limit = (fill_limit or 80) / 100
        module, built = fill(console, chosen, clock, given, limit, seed)
    else:
        with console.status("generating") as status:
            module = board_module(parameters, clock)
            built = build(
                module, chosen, seed=seed,
                step=lambda tool: status.update(f"{tool} (slow when it runs first)"),
            )  # fmt: skip
    path = deliver(console, board, chosen, module, built, seed, output)
    show_command(console, chosen, path)
    if load:
        load_bitstream(chosen, path)
    return 0
