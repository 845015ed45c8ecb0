"""``hfp8 build``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ...errors import ParameterError, RunError, check_choice
from ...parameters import GENERATED, UnitParameters, unit_parameters
from ..types import Integer, OutputFolder

if TYPE_CHECKING:
    from fpga.boards.build import Built
    from fpga.boards.catalogue import Board


def design(name: str, words: Sequence[str]) -> UnitParameters:
    """The design that ``--design`` and ``--param`` describe.

    Raises
    ------
    ParameterError
        If there is no such design or parameter, or a value is not allowed.
    """
    check_choice("design", name, GENERATED)
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ParameterError(f"param={word!r} is not allowed: NAME=VALUE, such as stages=3")
        if given.setdefault(key.replace("-", "_"), value) != value:
            raise ParameterError(f"param={word!r} is not allowed: {key} is given already")
    return unit_parameters(name, given)


@click.command("build", short_help="Build a bitstream for a board.")
@click.argument("board")
@click.option("--design", "design_name", default="quantizer", show_default=True,
              help="The unit on the board, or core.")  # fmt: skip
@click.option("--param", "words", multiple=True, metavar="NAME=VALUE",
              help="A parameter, as 'hfp8 list UNIT' has them; may be repeated.")  # fmt: skip
@click.option("-o", "--output", type=OutputFolder(), default=Path("."), show_default=True,
              help="Folder for the files.")  # fmt: skip
@click.option("--seed", type=Integer(0, 2**31 - 1), default=1, show_default=True,
              help="Of the placement.")  # fmt: skip
@click.option("--load", is_flag=True, help="Load the bitstream by openFPGALoader.")
def build_command(
    board: str, design_name: str, words: tuple[str, ...], output: Path, seed: int, load: bool
) -> int:
    """Build a bitstream: a unit, the protocol and a UART on a BOARD.

    Writes NAME.v (what is on the board), the bitstream, and NAME.json (what the tools say), and
    prints the command that loads it. Where the clock is not met, no bitstream is written, and the
    exit status is 1.

    The tools come from PyPI as WebAssembly. Each is compiled when it runs first, which takes one to
    three minutes; they are quick from then on.
    """
    from fpga.boards.catalogue import check_board

    chosen = check_board(board)
    parameters = design(design_name, words)
    from rtl_gen.extras import require

    require("amaranth_boards", *(["openfpgaloader"] if load else []))
    from fpga.boards.build import build
    from rtl_gen.board import board_module
    from rtl_gen.package import write_whole

    console = Console()
    with console.status("generating") as status:
        module = board_module(parameters, chosen.clock)
        built = build(
            module, chosen, seed=seed,
            step=lambda tool: status.update(f"{tool} (slow when it runs first)"),
        )  # fmt: skip
    name = f"{board}_{module.design.name}"
    facts = {
        "board": board,
        "device": chosen.device,
        "clock": chosen.clock,
        "build": module.build.hex(),
        "design": module.design.manifest,
        "seed": seed,
        **built.to_dict(),
    }
    _print(console, f"{module.design.name} on {chosen.title}", built)
    if not built.in_time:
        raise RunError(
            f"the clock is not met: {built.achieved} MHz, and {built.required:g} MHz are required; "
            "another --seed or more stages may help"
        )
    output.mkdir(parents=True, exist_ok=True)
    files = {
        "v": module.verilog.encode(),
        "json": (json.dumps(facts, indent=2) + "\n").encode(),
        chosen.file: built.content,
    }
    for suffix, content in files.items():
        path = output / f"{name}.{suffix}"
        write_whole(path, content)
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    loader = _loader(chosen, output / f"{name}.{chosen.file}")
    console.print(
        f"load it: openFPGALoader {' '.join(loader)}", markup=False, highlight=False, soft_wrap=True
    )
    if load:
        _load(loader)
    return 0


def _print(console: Console, title: str, built: Built) -> None:
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    table = Table()
    for column in ("cells", "used", "of", "percent"):
        table.add_column(column, justify="left" if column == "cells" else "right")
    for kind, (used, available) in built.used.items():
        table.add_row(kind, f"{used:,}", f"{available:,}", f"{used / available:.1%}")
    console.print(table)
    console.print(
        f"clock: {built.achieved} MHz achieved, {built.required:g} MHz required; "
        f"{built.seconds:.0f} seconds",
        highlight=False,
    )
    console.print(", ".join(built.tools), highlight=False)


def _loader(board: Board, file: Path) -> list[str]:
    return [*board.loader, str(file)]


def _load(arguments: list[str]) -> None:
    """Run openFPGALoader.

    Raises
    ------
    RunError
        If it fails.
    """
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "openfpgaloader", *arguments], check=False)
    if done.returncode:
        raise RunError(f"openFPGALoader failed with status {done.returncode}")
