"""Entry point: one line and exit status 2 for bad input, never a traceback for it."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import click

from .. import __version__
from ..errors import ParameterError, RunError
from .bench.group import bench_command
from .boards.building import build_command
from .boards.listing import boards_command
from .checks.cover import cover_command
from .checks.mutate import mutate_command
from .checks.prove import prove_command
from .checks.regress import regress_command
from .checks.report import report_command
from .checks.sweep import sweep_command
from .checks.verify import verify_command
from .compare import compare_command
from .demo import demo_command
from .deploy import deploy_command
from .explore.command import explore_command
from .export import export_command
from .gen import gen_command, list_command
from .models.retune import retune_command
from .models.run import run_command
from .models.scores import models_command
from .synth import synth_command
from .train import train_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hfp8")
def cli() -> None:
    """Open HFP8 hardware: generate units, verify them, compare them with the golden model."""


for _command in (
    list_command,
    gen_command,
    verify_command,
    sweep_command,
    prove_command,
    mutate_command,
    cover_command,
    regress_command,
    report_command,
    compare_command,
    demo_command,
    synth_command,
    explore_command,
    bench_command,
    boards_command,
    build_command,
    train_command,
    deploy_command,
    export_command,
    run_command,
    retune_command,
):
    cli.add_command(_command)
bench_command.add_command(models_command)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status.

    0: done. 1: a mismatch, or a tool or a package that is missing or failed. 2: bad input.
    130: Ctrl-C.
    """
    try:
        result: Any = cli.main(arguments, prog_name="hfp8", standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except ParameterError as error:
        return _fail(_one_line(str(error)), 2)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        return 2
    except click.ClickException as error:
        return _fail(_one_line(error.format_message()), 2)
    except RunError as error:
        return _fail(str(error), 1)
    except ModuleNotFoundError as error:
        from rtl_gen.extras import EXTRAS, missing

        module = (error.name or "").split(".")[0]
        if module not in EXTRAS:
            raise
        return _fail(missing(module.replace("_", "-"), EXTRAS[module]), 1)
    except (click.Abort, KeyboardInterrupt):
        # A unit that was being elaborated goes with the exception, and Amaranth would warn of it.
        warnings.filterwarnings("ignore", message=".* created but never used")
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 2)


def _fail(text: str, status: int) -> int:
    print(f"hfp8: error: {text}", file=sys.stderr)
    return status
