"""``hfp8 bench``: what it measures."""

from __future__ import annotations

import click

from .board import board_command
from .core import core_command
from .golden import golden_command
from .units import units_command


@click.group("bench", short_help="Measure the golden model's speed, or area and clock.")
def bench_command() -> None:
    """Measure the golden model's speed, the core's utilisation, the units' area and clock, or how
    long a network takes on a board."""


for command in (golden_command, core_command, units_command, board_command):
    bench_command.add_command(command)
