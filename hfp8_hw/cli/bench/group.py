"""``hfp8 bench``: what it measures."""

from __future__ import annotations

import click

from .core import core_command
from .golden import golden_command
from .units import units_command


@click.group("bench", short_help="Measure the golden model's speed, or area and clock.")
def bench_command() -> None:
    """Measure the golden model's speed, the core's utilisation, or the units' area and clock."""


for command in (golden_command, core_command, units_command):
    bench_command.add_command(command)
