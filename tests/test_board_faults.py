"""Faults on the line: seeded, counted, and none of them makes a wrong result."""

import json
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.host import Device
from hfp8_hw.parameters import unit_parameters
from rtl_gen.board import board_module
from verif.board.faults import CLOCK, KINDS, FaultyLine, campaign
from verif.board.model import compiled

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("unit", "faults"), [
    ("quantizer", 60), pytest.param("mac", 600, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_short_campaign(unit: str, faults: int) -> None:
    found = campaign(unit_parameters(unit, {}), faults, seed=3)
    assert found.total >= faults and found.good, found
    assert found.batches >= 5 and found.slowest < 20
    assert set(found.faults) <= {*KINDS, "noise", "host restarted"} and len(found.faults) >= 7


def test_a_wrong_result_would_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"o_y": np.zeros(40, int), "o_flags": np.zeros(40, int)}
    monkeypatch.setattr(Device, "run", lambda *_: wrong)
    found = campaign(unit_parameters("quantizer", {}), 1, seed=3)
    assert found.wrong > 0 and not found.good


def test_the_committed_campaign() -> None:
    data = json.loads((ROOT / "docs" / "results" / "board-faults.json").read_text())
    assert data["total"] == sum(data["faults"].values()) >= 10_000
    assert data["wrong"] == data["lost"] == 0 and data["batches"] > 500
    assert set(data["faults"]) == {*KINDS, "noise", "host restarted"}


def test_the_line_does_what_it_says() -> None:
    model = compiled(board_module(unit_parameters("quantizer", {}), CLOCK))
    line = FaultyLine(model, np.random.default_rng(1), 1.0)
    data = bytes(range(1, 30))
    assert len(line._spoilt(data, 5, "dropped")) in (26, 27, 28)
    assert len(line._spoilt(data, 5, "inserted")) in (30, 31, 32)
    flipped = line._spoilt(data, 5, "flipped")
    assert len(flipped) == 29 and flipped != data and flipped[:5] == data[:5]
    assert line._spoilt(data, 28, "repeated") == data + data[-1:]
