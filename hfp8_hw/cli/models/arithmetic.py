"""Options that commands for ONNX models share: the samples, the arithmetic."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import ParameterError
from ..options import chosen_on_command_line
from ..types import Integer, Source

if TYPE_CHECKING:
    from ...models import Settings


samples_option = click.option(
    "--inputs",
    type=Source(),
    required=True,
    help="NumPy .npz file with samples, arrays named as the model's inputs.",
)
"""Add the option ``inputs``."""


def arithmetic_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `settings` takes, and ``batch``."""
    for option in (
        click.option("--batch", type=Integer(1), help="Samples at a time.  [default: all]"),
        click.option("--keep", multiple=True, metavar="NODE,...",
                     help="Nodes that stay in FP32; may be given more than once."),
        click.option("--first-last", default="hfp8", show_default=True,
                     help="hfp8, or fp16: the first and the last product have operands of 16 "
                     "bits."),
        click.option("--scales", default="tensor", show_default=True,
                     help="Of weights: one for each tensor, or for each channel, which is no power "
                     "of two then."),
        click.option("--sums", default="chunked", show_default=True,
                     help="In DLFLOAT16: chunked, each product rounded, by 64; or exact, rounded "
                     "once."),
        click.option("--biases", default="fp32", show_default=True,
                     help="fp32, or acc: added in DLFLOAT16, as the core's epilogue adds one."),
        click.option("--format", "kind", default="HFP8", show_default=True,
                     help="HFP8, e4m3, e5m2 or int8: of weights and activations."),
    ):  # fmt: skip
        command = option(command)
    return command


def check_apart(model: Path, outputs: Iterable[tuple[str, Path | None]]) -> None:
    """Refuse files to write, each with its option's name, in which the model has its weights.

    Raises
    ------
    ParameterError
    """
    from ...models.graph import data_files

    held = {os.path.realpath(path) for path in data_files(model)}
    for name, path in outputs:
        if path is not None and os.path.realpath(path) in held:
            raise ParameterError(
                f"{name}={str(path)!r} is not allowed: the model has its weights in it"
            )


def settings(
    kind: str, sums: str, scales: str, first_last: str, keep: tuple[str, ...], biases: str
) -> Settings:
    """What the options ask for.

    Raises
    ------
    ParameterError
        For a value that is not allowed.
    """
    from ...models import Settings

    if kind == "int8" and sums != "exact" and chosen_on_command_line("sums"):
        raise ParameterError(
            f"sums={sums!r} is not allowed for format='int8', whose sums are exact"
        )
    for text in keep:
        if not all(text.split(",")):
            raise ParameterError(
                f"keep={text!r} is not allowed: names of nodes, separated by commas"
            )
    names = tuple(name for text in keep for name in text.split(","))
    return Settings(kind, first_last, names, sums, scales, biases)
