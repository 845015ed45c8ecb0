"""The documents' generated parts are those that the committed results give."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fpga import yosys
from fpga.figures import RESULTS
from hfp8_hw import ParameterError
from hfp8_hw.parameters import UNITS, unit_parameters
from rtl_gen.package import generate

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_current(tables: ModuleType) -> None:
    for path in tables.PARTS:
        assert tables.rewritten(path) == path.read_text(), f"run `make docs`: {path.name}"


def test_summaries_keep_their_capitals(tables: ModuleType) -> None:
    text = tables.units()
    for cls in UNITS.values():
        assert f"{cls.summary[0].upper()}{cls.summary[1:]}. Golden function" in text


def test_committed_results_can_be_replayed() -> None:
    """Every configuration in a committed result is still one that its unit takes."""
    found = 0
    for path in (*(ROOT / "docs" / "results").glob("*.json"), *RESULTS.glob("*.json")):
        waiting = [json.loads(path.read_text())]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict) and isinstance(item.get("parameters"), dict):
                assert unit_parameters(item["unit"], item["parameters"]).top
                found += 1
            waiting += item.values() if isinstance(item, dict) else []
            waiting += item if isinstance(item, list) else []
    assert found > 1000


def test_results_are_good() -> None:
    verified = json.loads((ROOT / "docs" / "results" / "verify.json").read_text())
    assert verified["runs"] and all(run["good"] for run in verified["runs"])
    golden = json.loads((ROOT / "docs" / "results" / "golden.json").read_text())
    assert golden["rows"] and all(row["bits_agree"] for row in golden["rows"])


def test_what_is_claimed_held() -> None:
    results = ROOT / "docs" / "results"
    sweeps = json.loads((results / "sweep.json").read_text())["sweeps"]
    assert sweeps and all(s["good"] and s["mismatches"] == 0 for s in sweeps)
    assert sum(s["unit"] == "mul" and s["complete"] for s in sweeps) >= 100
    proofs = json.loads((results / "prove.json").read_text())["proofs"]
    assert proofs and all(p["status"] in ("proved", "open") for p in proofs)
    for path in results.glob("mutate-*.json"):
        mutants = json.loads(path.read_text())["mutants"]
        assert len(mutants) >= 300 and all(m["status"] != "survived" for m in mutants), path

    covered = json.loads((results / "cover.json").read_text())["runs"]
    assert not [run for run in covered if run["wrong"] or run["failure"]]
    for run in covered:
        # Of units without a state, everything is hit or proved unreachable.
        if run["unit"] not in ("mac", "dot", "quantizer", "sgd_update", "weight_update"):
            assert run["good"], (run["unit"], run["parameters"])
        lines = run["code"]["line"]
        assert lines["hit"] == lines["all"], (run["unit"], run["parameters"])


def test_the_readme_program_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.split()) >= 4


def test_links_lead_somewhere() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), (path.name, target)


def test_synthesis_counts_cells() -> None:
    package = generate(unit_parameters("mul", {"a": "HFP8_FWD", "b": "HFP8_FWD"}))
    counts = yosys.cells(package.verilog, package.name)
    assert 20 < counts["SB_LUT4"] < 400
    with pytest.raises(ParameterError, match="command='abc' is not allowed"):
        yosys.cells(package.verilog, package.name, "abc")
