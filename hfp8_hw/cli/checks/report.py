"""``hfp8 report``."""

from __future__ import annotations

from pathlib import Path

import click

from ..types import Output, Source


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True,
                type=Source())  # fmt: skip
@click.option("-o", "--output", default="report.html", show_default=True,
              type=Output(), help="The page.")  # fmt: skip
def report_command(runs: tuple[Path, ...], output: Path) -> int:
    """Make one page of HTML from results.

    RUN is a file that verify, regress, sweep, prove, mutate, cover, synth, explore or bench units
    wrote with --json, or a folder of such files. The page needs no network and no other file.
    """
    from rtl_gen.package import write_whole
    from verif.report import load, render

    run = load(runs)
    write_whole(output, render(run).encode())
    failed = sum(check.status == "failed" for check in run.checks)
    left = sum(check.status == "open" for check in run.checks)
    click.echo(
        f"{output}: {len(run.units)} units, {len(run.checks)} checks, {failed} failed, {left} open"
    )
    return 0
