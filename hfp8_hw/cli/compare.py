"""``hfp8 compare``."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..errors import ParameterError, check_choice
from ..parameters import GENERATED, CoreParameters
from .boards.urls import check_port, check_url
from .comparisons import of_core, of_unit, on_board
from .options import (
    GeneratorCommand,
    chosen_on_command_line,
    configured,
    parameter_options,
    seed_option,
    sim_option,
    simulators,
)
from .types import Output, Source, Unit

if TYPE_CHECKING:
    from verif.simulation.compare import Comparison


VIAS = ("cocotb", "native")


def load_arrays(path: Path, what: str = "inputs") -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file; ``what`` is the option that names it.

    Raises
    ------
    ParameterError
        If it cannot be read, is not such a file, or holds anything but plain arrays.
    """
    refusal = f"{what}={str(path)!r} is not allowed: an .npz file of plain arrays"
    try:
        with path.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = np.load(handle, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ParameterError(f"{refusal}, as numpy.savez writes")
            return {name: _array(file, name, refusal) for name in file.files}
    except ParameterError:
        raise
    except OSError as error:
        if error.strerror is None:
            raise ParameterError(refusal) from None
        raise ParameterError(f"{what}={str(path)!r} cannot be read: {error.strerror}") from None
    except Exception as error:
        # zipfile, zlib and NumPy have many words for a file that is not whole.
        raise ParameterError(f"{refusal} ({_why(error)})") from None


def _array(file: Any, name: str, refusal: str) -> NDArray[Any]:
    try:
        array = file[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ParameterError(
                f"array {name!r} is not allowed: it holds Python objects, not numbers"
            ) from None
        if "dtype descriptor" in str(error):
            raise ParameterError(
                f"array {name!r} is not allowed: its dtype is unknown to NumPy ({error}); save the "
                f"codes as unsigned integers, {name}.view(np.uint8)"
            ) from None
        raise ParameterError(f"{refusal}, and {name!r} is none ({_why(error)})") from None
    if not isinstance(array, np.ndarray):
        raise ParameterError(f"{refusal}, and {name!r} is none")
    return array


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "allow_pickle" in text:  # NumPy takes whatever it does not know for pickled data.
        return "not an .npz file"
    return text[:100] or type(error).__name__


def _ways(sim: str, via: str) -> list[str]:
    """How the RTL is run: simulators, or ``native``."""
    check_choice("via", via, VIAS)
    if via == "cocotb":
        return simulators(sim)
    if chosen_on_command_line("sim"):
        raise ParameterError(f"sim={sim!r} is not allowed for via={via!r}, which has no simulator")
    return [via]


def _no_ways(sim: str, via: str, device: str) -> list[str]:
    """With a board there is nothing else to choose."""
    check_url(device, "device")
    for name, value in (("sim", sim), ("via", via)):
        if chosen_on_command_line(name):
            raise ParameterError(f"{name}={value!r} is not allowed for device={device!r}")
    check_port(device)
    return []


def _written(comparison: Comparison) -> bytes:
    """``--output``: an .npz file with the codes that the RTL gave, and their format's name."""
    width = max(8, 1 << (comparison.width - 1).bit_length())
    arrays = {"y": comparison.y.astype(f"u{width // 8}")}
    if comparison.format is not None:
        arrays["y_format"] = np.array(comparison.format)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


@click.command(
    "compare",
    cls=GeneratorCommand,
    short_help="Compare the RTL with the golden model on your own arrays.",
)
@click.argument("unit", required=False, type=Unit(GENERATED))
@click.option("--inputs", type=Source(), required=True,
              help="NumPy .npz file with your arrays; see above.")  # fmt: skip
@sim_option
@click.option(
    "--via",
    default="cocotb",
    show_default=True,
    help="How the RTL is run: by simulators under cocotb, or native, compiled to machine code.",
)
@click.option("--device", metavar="URL",
              help="Run a unit on a board instead: serial://PATH, such as serial:///dev/ttyUSB0, "
              "or sim://BOARD, a board in simulation.")  # fmt: skip
@seed_option
@click.option(
    "--json",
    "--report",
    "report",
    type=Output(),
    help="Write the figures as JSON.",
)
@click.option("--output", type=Output(),
              help="Write the codes that the RTL gave, as y of an .npz file.")  # fmt: skip
@click.option("--config", type=Source(), help="TOML file with parameters.")
@parameter_options
def compare_command(
    unit: str | None,
    inputs: Path,
    sim: str,
    via: str,
    device: str | None,
    seed: int,
    report: Path | None,
    output: Path | None,
    config: Path | None,
    **options: Any,
) -> int:
    """Run your own tensors through the RTL and through the golden model.

    Prints how many elements and mismatches there are, the flags and the error against float64. The
    exit status is 1 if anything differs. The RTL is simulated under cocotb, or compiled: the core
    by Verilator, units by CXXRTL. Where several simulators run, --output has what the first gave.

    The .npz file holds x, or a and b. Their shapes broadcast; mac and dot sum the last axis. The
    core multiplies a (M, K) and b (K, N) in as many jobs as it takes, and with epilogue=full adds
    bias (N,). Exact sums of more than `terms` products are refused, as they may wrap; with
    acc=fixed they run, and the report counts them.

    \b
    float16, float32, float64  values; the golden model first rounds them to
                               the input's format (RNE)
    unsigned integers          codes of the input's format
    with x_format (a_format,   codes of the format that this array names, such
    b_format) in the file      as "BF16"; also as signed integers or as raw
                               bytes (V1, V2, V4: what np.save makes of
                               bfloat16). A format other than the input's is
                               decoded and rounded like values

    Where the unit has such inputs, the file may also hold these, as integers: mode, mode_a and
    mode_b (by default 0; for the core one for the matrix), bias, bias_a and bias_b (by default the
    format's own), scale (by default 0) and rbits (by default random).

    \b
    np.savez("t.npz", a=a, b=b.view(np.uint16), b_format="BF16")
    """
    parameters, name = configured(unit, options, config, GENERATED)
    ways = _ways(sim, via) if device is None else _no_ways(sim, via, device)
    arrays = load_arrays(inputs)
    from rtl_gen.package import write_whole

    console = Console(stderr=False)
    if device is not None:
        found = on_board(parameters, name, arrays, device, seed, console)
    elif isinstance(parameters, CoreParameters):
        found = of_core(parameters, name, arrays, ways, seed, console)
    else:
        found = of_unit(parameters, name, arrays, ways, seed, console)
    _table(found, console)
    if report is not None:
        data = {"inputs": inputs.name, "seed": seed, "runs": [c.to_dict() for c in found]}
        write_whole(report, (json.dumps(data, indent=2) + "\n").encode())
        console.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)
    if output is not None:
        write_whole(output, _written(found[0]))
        console.print(f"output: {output}", markup=False, highlight=False, soft_wrap=True)
    return 1 if any(c.mismatches for c in found) else 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _table(found: list[Comparison], console: Console) -> None:
    first = found[0]
    words = " ".join(f"{k}={v}" for k, v in first.parameters.items())
    console.print(f"{first.unit} {words}", markup=False, highlight=False, soft_wrap=True)
    table = Table()
    table.add_column("")
    for comparison in found:
        table.add_column(f"{comparison.simulator} ({comparison.via})", justify="right")
    rows: list[tuple[str, list[str]]] = [
        ("elements", [f"{c.elements:,}" for c in found]),
        ("mismatches with golden", [f"{c.mismatches:,}" for c in found]),
        ("max abs error to float64", [_number(c.max_abs) for c in found]),
        ("max relative error", [_number(c.max_rel) for c in found]),
        ("SQNR, dB", [_number(c.sqnr_db) for c in found]),
        ("not finite", [f"{c.not_finite:,}" for c in found]),
        *((f"flag {n}", [f"{c.flags[n]:,}" for c in found]) for n in first.flags),
        ("seconds", [f"{c.seconds:.1f}" for c in found]),
    ]
    for label, cells in rows:
        table.add_row(label, *cells)
    console.print(table)
    if first.may_wrap:
        terms = first.parameters["terms"]
        console.print(
            f"{first.may_wrap:,} sums have more than terms={terms} products and may wrap",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    for comparison in found:
        if comparison.first:
            console.print(
                f"{comparison.simulator}: first mismatch {json.dumps(comparison.first)}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
