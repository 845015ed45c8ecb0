"""Tables of training runs, against values by hand."""

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def _module(name: str) -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS))
    return module


@pytest.fixture(scope="module")
def training() -> ModuleType:
    return _module("training")


@pytest.fixture(scope="module")
def curves() -> ModuleType:
    return _module("curves")


def row(arithmetic: str, seed: int, score: float | None, **changes: Any) -> dict[str, Any]:
    curve = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0 + seed, "score": score}]
    return {"task": "t", "arithmetic": arithmetic, "seed": seed, "score": score, "epochs": 2,
            "unit": "accuracy %", "changes": changes, "curve": curve}  # fmt: skip


ROWS = [
    row("hfp8-fast", 1, 90.0), row("hfp8-fast", 2, 92.0), row("hfp8-fast", 3, 91.0),
    row("fp32", 1, 93.0), row("hfp8-fast", 1, 80.0, chunk="none"),
    row("hfp8-fast", 1, None, loss_scaling=False), row("hfp8-fast", 2, 50.0, loss_scaling=False),
]  # fmt: skip


def test_means_and_intervals(training: ModuleType) -> None:
    assert training.interval([3.0]) == (3.0, None)
    # Deviation 1, 3 values, 2 degrees of freedom: 4.303 / sqrt(3).
    mean, half = training.interval([90.0, 92.0, 91.0])
    assert mean == 91 and half == pytest.approx(2.4843, abs=1e-4)
    mean, half = training.interval([0.0, 2.0])
    assert mean == 1 and half == pytest.approx(12.706)


def test_tables(training: ModuleType) -> None:
    head, body = training.by_task(ROWS)
    assert head == ["task", "unit", "epochs", "`fp32`", "`hfp8-fast`"]
    assert body == [["`t`", "accuracy %", "2", "93.00 (1)", "91.00 ± 2.48 (3)"]]
    head, body = training.changed(ROWS)
    assert head == ["arithmetic", "`t`"]
    assert body == [
        ["hfp8-fast", "91.00 ± 2.48 (3)"],
        ["hfp8-fast, no chunks", "80.00 (1)"],
        ["hfp8-fast, no loss scaling", "50.00 (1), 1 diverged"],
    ]


def test_deployed_models(training: ModuleType) -> None:
    def one(task: str, arithmetic: str, seed: int, tuned: bool | None, score: float) -> Any:
        return {"task": task, "arithmetic": arithmetic, "seed": seed, "retuned": tuned,
                "score": score, "fp32": 90.0 + seed, "unit": "accuracy %"}  # fmt: skip

    rows = [one("a", "int8", 1, False, 50.0), one("a", "int8", 1, True, 60.0),
            one("a", "hfp8", 1, False, 80.0), one("a", "hfp8", 2, False, 80.0),
            one("b", "int8", 1, None, 70.0)]  # fmt: skip
    head, body = training.deployed(rows)
    assert head == ["task", "unit", "batch norm", "`fp32`", "`hfp8`", "`int8`"]
    assert body == [
        ["`a`", "accuracy %", "as it was", "91.50 ± 6.35 (2)", "80.00 ± 0.00 (2)", "50.00 (1)"],
        ["`a`", "accuracy %", "re-tuned", "91.00 (1)", "", "60.00 (1)"],
        ["`b`", "accuracy %", "none", "91.00 (1)", "", "70.00 (1)"],
    ]


def test_curves(training: ModuleType) -> None:
    fast = [r for r in ROWS if r["arithmetic"] == "hfp8-fast" and not r["changes"]]
    assert training.curve(fast, "loss") == [(1, 2.0), (2, 3.0)]
    assert training.curve(fast, "score") == [(2, 91.0)]


def test_pictures_of_curves(curves: ModuleType) -> None:
    assert curves.lines(ROWS, "t", "score") == {"fp32": [(2, 93.0)], "hfp8-fast": [(2, 91.0)]}
    more = [*ROWS, row("hfp8-fast", 3, 40.0, loss_scaling=False)]
    first = curves.svg(more)
    ET.fromstring(first)
    assert first == curves.svg(more) and curves.digest(more).encode() in first
    assert curves.digest(more) != curves.digest(ROWS)


def test_the_committed_picture_is_of_the_committed_runs(curves: ModuleType) -> None:
    picture = (DOCS / "images" / "training.svg").read_text()
    assert curves.digest(curves.load()) in picture, "run `make docs`"
