"""``hfp8 bench board``: how long a network takes on a simulated board."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..models.engines import core_for
from ..types import Integer, Output

NETWORK, BOARD = "digits_mlp", "ulx3s-85f"
SIZE = {"rows": 2, "cols": 2}


@click.command("board")
@click.option("--samples", type=Integer(1, 360), default=360, show_default=True,
              help="Images to read.")  # fmt: skip
@click.option("--json", "path", type=Output(), help="Write the figures as JSON.")
def board_command(samples: int, path: Path | None) -> int:
    """How long a network takes on a simulated board, in the board's own time.

    The network digits_mlp, with biases in the accumulator's format, on a core of 2 x 2: with the
    results of its first layer through the host, and where they stay on the core. Every code is
    compared with golden. Counts what goes over the line. The board's clock is that of ulx3s-85f; no
    time of this computer is in the figures.
    """
    from rtl_gen.extras import require

    require("onnx", "onnxruntime", "cobs")
    from ...files import write_whole
    from ...models import Settings, prepare
    from ...models.zoo import find

    console, example = Console(), find(NETWORK)
    given = {name: array[:samples] for name, array in example.evaluation().items()}
    rows = []
    with tempfile.TemporaryDirectory() as folder, console.status("") as status:
        model = Path(folder) / f"{NETWORK}.onnx"
        model.write_bytes(example.model())
        deployment = prepare(model, example.calibration(), Settings(biases="acc"))
        for between in ("host", "stay"):
            status.update(f"results between the layers: {between}; compiling takes a minute")
            rows.append(_row(deployment, given, between, samples))
    table = Table("between the layers")
    for name in ("requests", "bytes to the board", "bytes back", "seconds", "mismatches"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["between"], f"{row['requests']:,}", f"{row['sent']:,}", f"{row['received']:,}",
            f"{row['seconds']:.3f}", f"{row['mismatches']:,}",
        )  # fmt: skip
    if path is not None:
        write_whole(path, (json.dumps({"rows": rows}, indent=1) + "\n").encode())
    console.print(table)
    return 1 if any(row["mismatches"] for row in rows) else 0


def _row(deployment: Any, given: Any, between: str, samples: int) -> dict[str, Any]:
    from rtl_gen.board import board_module
    from verif.board.engine import BoardEngine
    from verif.board.line import Line
    from verif.board.model import compiled

    from ...golden.engine import CheckedEngine
    from ...host import Device
    from ...oscillators import OSCILLATORS

    core = core_for(deployment, SIZE, between, f"sim://{BOARD}")
    module = board_module(core.p, OSCILLATORS[BOARD].clock)
    device = Device(Line(compiled(module)))
    engine = BoardEngine(device, module.design, core.p)
    checked = CheckedEngine(engine)
    deployment.run(given, checked, compare=False, chains=core.chains)
    return {
        "network": NETWORK, "samples": samples, "board": BOARD, "between": between,
        "unit": "core", "parameters": core.p.to_dict(),
        "clock_mhz": module.clock / 1e6, "baud": device.link.baud,
        **vars(engine.traffic),
        "seconds": round(engine.seconds, 6), "busy_clocks": engine.clocks, "macs": engine.macs,
        "elements": checked.elements, "mismatches": checked.mismatches,
    }  # fmt: skip
