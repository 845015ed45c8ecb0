"""`hfp8 bench core --array`: figures of arrays that have names, and the file that keeps them."""

from __future__ import annotations

import itertools
import json
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fpga.arrays
from fpga.arrays import ARRAYS, FIGURES, keep
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.kept import generate_once
from verif.core.configurations import CORES

from .conftest import Cli


def rows(path: Path) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(path.read_text())["rows"]}


def test_a_row_is_measured_alone(tmp_path: Path) -> None:
    """Others stay; of the same Verilog what else is known stays too, of another nothing does."""
    path = tmp_path / "core.json"
    keep(path, "smallest", {"name": "smallest", "luts": 7, "sha256": "s"})
    keep(path, "exact_256", {"name": "exact_256", "luts": 5, "sha256": "e"})
    keep(path, "smallest", {"name": "smallest", "sha256": "s", "utilisation": {"1x2x3": 0.5}})
    keep(path, "smallest", {"name": "smallest", "sha256": "s", "utilisation": {"4x4x4": 1.0}})
    assert list(rows(path)) == ["exact_256", "smallest"]
    assert rows(path)["exact_256"] == {"name": "exact_256", "luts": 5, "sha256": "e"}
    assert rows(path)["smallest"]["luts"] == 7
    assert rows(path)["smallest"]["utilisation"] == {"1x2x3": 0.5, "4x4x4": 1.0}
    keep(path, "smallest", {"name": "smallest", "luts": 9, "sha256": "t"})
    assert rows(path)["smallest"] == {"name": "smallest", "luts": 9, "sha256": "t"}


def test_utilisation_of_an_array(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(ARRAYS["smallest"], parameters=CORES[0], products=("8x8x40",))
    monkeypatch.setitem(fpga.arrays.ARRAYS, "smallest", small)
    path = tmp_path / "core.json"
    status, out, err = cli("bench", "core", "--array", "smallest", "--only", "utilisation",
                           "--json", path)  # fmt: skip
    assert (status, err) == (0, "") and "8x8x40" in out
    found = rows(path)["smallest"]
    assert (found["macs"], found["utilisation"]) == (8, {"8x8x40": 1.0})
    assert "luts" not in found


def test_what_is_refused(cli: Cli, tmp_path: Path) -> None:
    bench = ("bench", "core")
    assert "array='big' is not allowed" in cli.refused(*bench, "--array", "big")
    line = cli.refused(*bench, "--array", "smallest", "--only", "x")
    assert "only='x' is not allowed: one of area, utilisation" in line
    line = cli.refused(*bench, "--array", "smallest", "--rows", "2")
    assert "rows='2' is not allowed with array" in line
    line = cli.refused(*bench, "--array", "smallest", "--size", "2x2x2", "--only", "area")
    assert "size='2x2x2' is not allowed with only='area': nothing is run" in line
    assert "seeds=2 is not allowed without array" in cli.refused(*bench, "--seeds", "2")
    for text in ("[]", "{", '{"rows": [1]}'):
        path = tmp_path / "other.json"
        path.write_text(text)
        line = cli.refused(*bench, "--array", "smallest", "--json", path)
        assert "is not allowed: it is there, and has no rows with names" in line
        assert path.read_text() == text


def test_committed_figures_are_of_the_arrays_that_there_are() -> None:
    found = rows(FIGURES)
    assert found and set(found) <= set(ARRAYS)
    for name, row in found.items():
        p = CoreParameters(**ARRAYS[name].parameters)
        assert (CoreParameters(**row["parameters"]), row["macs"]) == (p, p.macs)
        assert row["device"] == ARRAYS[name].device and row["dsp"] == ARRAYS[name].dsp
        assert row["fmax_median"] == statistics.median(row["fmax"])
        assert row["seeds"] == len(row["fmax"]) and row["critical"] and row["tools"]
        assert all(0 < share <= 1 for share in row.get("utilisation", {}).values())


@pytest.mark.parametrize("given", [{"lanes": 2}, {"semantics": "chunked"}])
def test_each_element_keeps_operand_registers_of_its_own(given: dict[str, Any]) -> None:
    """Synthesis must not merge them: they hold the same for a whole row or column."""
    verilog = generate_once(unit_parameters("core", {"rows": 2, "cols": 2, **given})).verilog
    for row, col, side in itertools.product(range(2), range(2), "ab"):
        name = rf"core_array_e{row}_{col}_operand_{side}"
        assert re.search(rf"\(\* keep \*\) reg (\[\d+:0\] )?{name};", verilog), name
