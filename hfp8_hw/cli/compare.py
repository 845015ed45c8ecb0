"""``hfp8 compare``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..errors import ParameterError, check_choice
from .options import UnitCommand, configured, parameter_options, seed_option, sim_option, simulators

if TYPE_CHECKING:
    from verif.compare import Comparison


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file.

    Raises
    ------
    ParameterError
        If it is not one, or holds anything but plain arrays.
    """
    refusal = f"inputs={str(path)!r} is not allowed: an .npz file of plain arrays"
    try:
        with path.open("rb") as handle:
            file = np.load(handle, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ParameterError(refusal)
            return {name: file[name] for name in file.files}
    except OSError as error:
        if error.strerror is None:
            raise ParameterError(refusal) from None
        raise ParameterError(f"inputs={str(path)!r} cannot be read: {error.strerror}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(refusal) from None


@click.command("compare", cls=UnitCommand)
@click.argument("unit", required=False)
@click.option("--inputs", type=click.Path(path_type=Path), required=True,
              help="NumPy .npz: x, or a and b (last axis summed by accumulating units); floats "
              "are quantized by the golden model, unsigned integers are codes. Also mode*, "
              "bias*, rbits.")  # fmt: skip
@sim_option
@click.option(
    "--via",
    default="cocotb",
    show_default=True,
    help="How the RTL is run; cocotb is the only way so far.",
)
@seed_option
@click.option("--report", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with parameters.")
@parameter_options
def compare_command(
    unit: str | None,
    inputs: Path,
    sim: str,
    via: str,
    seed: int,
    report: Path | None,
    config: Path | None,
    **options: Any,
) -> int:
    """Run your own tensors through the RTL and through the golden model.

    Prints elements, mismatches, flags and the error against float64; exit status 1 on any
    mismatch. The RTL is simulated under cocotb.
    """
    parameters, name = configured(unit, options, config)
    names = simulators(sim)
    check_choice("via", via, ("cocotb",))
    arrays = load_arrays(inputs)
    if report is not None and not report.resolve().parent.is_dir():
        raise ParameterError(f"report={str(report)!r} is not allowed: there is no such folder")
    from rtl_gen.package import generate, write_whole
    from verif.compare import compare

    package = generate(parameters, name)
    console = Console(stderr=False)
    found = []
    for simulator in names:
        with console.status(f"{simulator}: simulating {package.name}"):
            found.append(compare(package, arrays, simulator, seed))
    _table(found, console)
    if report is not None:
        data = {"inputs": inputs.name, "seed": seed, "runs": [c.to_dict() for c in found]}
        write_whole(report, (json.dumps(data, indent=2) + "\n").encode())
        console.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)
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
    for comparison in found:
        if comparison.first:
            console.print(
                f"{comparison.simulator}: first mismatch {json.dumps(comparison.first)}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
