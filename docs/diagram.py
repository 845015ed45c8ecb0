"""The picture docs/images/blocks.svg: what the project is made of, and how it is checked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hfp8_hw.formats import CATALOGUE
from hfp8_hw.parameters import UNITS
from hfp8_hw.rounding import DETERMINISTIC

sys.path.insert(0, str(Path(__file__).parent))
from svg import AMBER, BLUE, GREEN, PALE, box, path, picture, text

RESULTS = Path(__file__).parent / "results"
GROUPS = (
    ("change the format", ("quantizer", "dequantizer", "convert", "to_fixed")),
    ("multiply, sum", ("mul", "mac", "dot")),
    ("elementwise", ("fp_add", "fp_mul", "fp_max", "relu")),
    ("train", ("weight_update", "sgd_update", "loss_scale")),
)
"""The units by what they are for; every unit is in one group."""


def block(
    x: float, y: float, width: float, height: float, fill: str, title: str, lines: list[str]
) -> list[str]:
    """A box with a title and lines below it."""
    parts = [box(x, y, width, height, fill), text(x + width / 2, y + 24, title, 15, weight="600")]
    for k, line in enumerate(lines):
        parts.append(text(x + width / 2, y + 46 + 18 * k, line, 12))
    return parts


def svg() -> str:
    """The picture, with its counts from the project's own data."""
    assert sorted(UNITS) == sorted(u for _, units in GROUPS for u in units), "GROUPS lacks a unit"
    runs = json.loads((RESULTS / "verify.json").read_text())["runs"]
    vectors = sum(run["vectors"] for run in runs)
    wrong = sum(run["mismatches"] for run in runs)
    parameters = [
        f"{len(UNITS)} units",
        f"{len(CATALOGUE)} formats by name,",
        "or any you describe",
        f"{len(DETERMINISTIC) + 1} roundings",
    ]
    checks = [
        "cocotb on Icarus, Verilator:",
        f"{vectors / 1e6:.1f} million results, {wrong} wrong",
        "sweeps of every input",
        "proofs for all inputs",
        "your own tensors",
    ]
    golden = ["NumPy: every bit and flag,", "held against exact rationals"]
    package = ["NAME.v: Verilog-2005", "NAME.json: manifest", "NAME.core: FuseSoC"]
    design = ["put it into Verilog,", "Amaranth or FuseSoC;", "hfp8 synth: LUTs, clock"]
    parts = [
        *block(16, 104, 158, 118, AMBER, "parameters", parameters),
        *block(222, 16, 302, 84, BLUE, "golden model", golden),
        *block(222, 128, 302, 188, GREEN, "Amaranth units", []),
        *block(556, 172, 158, 100, GREEN, "Verilog package", package),
        *block(748, 16, 200, 142, BLUE, "the same bits?", checks),
        *block(748, 198, 200, 104, AMBER, "your design", design),
        path([(174, 146), (198, 146), (198, 58), (220, 58)], end=True),
        path([(174, 180), (198, 180), (198, 222), (220, 222)], end=True),
        path([(524, 222), (554, 222)], end=True),
        path([(524, 58), (746, 58)], end=True),
        path([(714, 206), (731, 206), (731, 112), (746, 112)], end=True),
        path([(714, 246), (746, 246)], end=True),
        text(635, 50, "codes and flags", 12, fill=PALE),
    ]
    for k, (name, members) in enumerate(GROUPS):
        y = 174 + 36 * k
        parts.append(text(373, y, name, 11, fill=PALE))
        parts.append(text(373, y + 16, ", ".join(members), 11, mono=True))
    return picture(964, 332, "Parameters make a golden model and Verilog; both are compared", parts)
