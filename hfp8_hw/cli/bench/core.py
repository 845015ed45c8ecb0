"""``hfp8 bench core``: how busy the core's array is, its area and clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ...errors import ParameterError, check_choice
from ...jobs import REASONS, GemmJob, Size, parse_size
from ...parameters import CoreParameters, unit_parameters
from ..options import CoreCommand, given, parameter_options
from ..types import Integer, Output

if TYPE_CHECKING:
    from verif.core.compiled.utilisation import Utilisation

_PARTS = ("area", "utilisation")
_CORE: dict[str, Any] = {"rows": 4, "cols": 8, "lanes": 8, "a_size": 65536, "b_size": 65536}
_PRODUCTS = ("256x256x256", "64x64x64", "16x16x512")
"""What ``hfp8 bench core`` measures by default."""


@click.command("core", cls=CoreCommand)
@click.option("--size", "sizes", multiple=True, metavar="MxNxK",
              help=f"A product; may be repeated.  [default: {', '.join(_PRODUCTS)}]")  # fmt: skip
@click.option("--array", metavar="NAME",
              help="Area, clock and utilisation of an array that has a name: exact_256, dsp_128, "
              "chunked_64, exact_64, dsp_32, chunked_16 or smallest.")  # fmt: skip
@click.option("--only", metavar="WHAT", help="With --array: area or utilisation alone.")
@click.option("--seeds", type=Integer(1, 32), help="With --array: placements.  [default: 3]")
@click.option("--jobs", type=Integer(1),
              help="With --array: number of parallel placements.  [default: cores]")  # fmt: skip
@click.option("--json", "path", type=Output(),
              help="Write the figures as JSON. With --array: as a row among those that the file "
              "has.")  # fmt: skip
@parameter_options
def core_command(
    sizes: tuple[str, ...],
    array: str | None,
    only: str | None,
    seeds: int | None,
    jobs: int | None,
    path: Path | None,
    **options: Any,
) -> int:
    """How busy the core's array is, by its own counters, as compiled code; its area and clock.

    Each product is a job; alone, and where many follow each other: then the operands of the next
    one come while one is computed. The parameters are those of 'hfp8 gen core'; by default an
    array of 4 x 8 with 8 lanes and pages of 65536 codes. It is compiled once, which takes minutes.

    An array with a name is also placed and routed, which for a large one takes an hour.
    """
    from rtl_gen.package import write_whole

    parameters = given(options)
    if array is not None:
        check_choice("only", only or _PARTS[0], _PARTS)
        if parameters:
            first = next(iter(parameters))
            raise ParameterError(
                f"{first}={parameters[first]!r} is not allowed with array: it has its parameters"
            )
        if only == "area" and sizes:
            shown = ",".join(sizes)
            raise ParameterError(f"size={shown!r} is not allowed with only='area': nothing is run")
        return _named(array, only, sizes, seeds or 3, jobs, path)
    for name, value in (("only", only), ("seeds", seeds), ("jobs", jobs)):
        if value is not None:
            raise ParameterError(f"{name}={value!r} is not allowed without array")
    p = unit_parameters(CoreParameters.unit, {**_CORE, **parameters})
    console = Console()
    rows = _busy(console, p, sizes or _PRODUCTS)
    if path is not None:
        data = {"unit": "core", "parameters": p.to_dict(), "rows": [row.to_dict() for row in rows]}
        write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
    return 0


def _named(
    name: str,
    only: str | None,
    sizes: tuple[str, ...],
    seeds: int,
    jobs: int | None,
    path: Path | None,
) -> int:
    """Measure an array of `fpga.arrays`."""
    from fpga.arrays import ARRAYS, area, check_file, keep
    from fpga.synth import synthesise
    from rtl_gen.kept import generate_once

    check_choice("array", name, ARRAYS)
    array = ARRAYS[name]
    if path is not None:
        check_file(path)
    p = unit_parameters(CoreParameters.unit, array.parameters)
    console = Console()
    fresh: dict[str, Any] = {"name": name, "title": array.title, "macs": p.macs}
    if only != "utilisation":
        with console.status("generating") as status:
            report = synthesise(
                generate_once(p), array.device, seeds=seeds, dsp=array.dsp, jobs=jobs,
                step=lambda text: status.update(f"{name}: {text}"),
            )  # fmt: skip
        fresh |= area(report)
        if path is not None:
            # It may have taken hours, and whoever reads what is printed may leave.
            keep(path, name, fresh)
        console.print(
            f"{name}: {p.macs} MACs, {report.luts} LUT, {report.ffs} FF, {report.dsps} DSP, "
            f"{report.memories} block RAMs, {report.median:.1f} MHz "
            f"({min(report.fmax):.1f}-{max(report.fmax):.1f}, {seeds} seeds)",
            highlight=False,
        )  # fmt: skip
        for step in report.critical:
            console.print(f"  {step}", markup=False, highlight=False)
    if only != "area":
        rows = _busy(console, p, sizes or array.products)
        fresh["sha256"] = generate_once(p).manifest["sha256"]
        fresh["utilisation"] = {f"{r.m}x{r.n}x{r.k}": round(r.steady, 4) for r in rows}
        if path is not None:
            keep(path, name, fresh)
    return 0


def _busy(console: Console, p: CoreParameters, sizes: Sequence[str]) -> list[Utilisation]:
    """Run the products, and show how busy the array was."""
    from rtl_gen.kept import generate_once
    from verif.core.compiled.native import model
    from verif.core.compiled.utilisation import utilisation
    from verif.core.program import check_streams

    check_streams(p)
    products = [_product(size, p) for size in sizes]
    rows = []
    with console.status(f"generating and compiling {p.top}") as status:
        core = model(generate_once(p))
        for size in products:
            status.update("x".join(map(str, size)))
            rows.append(utilisation(core, p, size))
    table = Table(title=f"{p.rows} x {p.cols} x {p.lanes}", title_justify="left")
    for column in ("MxNxK", "alone", "back to back", "model", "clocks", "load", "codes a beat"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row.m}x{row.n}x{row.k}",
            *(f"{share:.1%}" for share in (row.alone, row.steady, row.modelled)),
            f"{row.clocks:,}", f"{row.load:,}", str(row.beat),
        )  # fmt: skip
    console.print(table)
    console.print("codes a beat: at least so many, for loading to take no longer than computing")
    return rows


def _product(text: str, p: CoreParameters) -> Size:
    """M, N and K of a job that the core can do."""
    size = parse_size("size", text)
    error = p.refusal(GemmJob(*size))
    if error:
        raise ParameterError(f"size={text!r} is not allowed for this core: {REASONS[error]}")
    return size
