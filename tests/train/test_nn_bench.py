"""The bench finds what is wrong, says so, and goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hfp8_hw.nn import bench


def test_checks_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nn.json"
    words = ["--device", "cpu", "--checks", "9", "--json", str(path)]
    assert bench.main(words) == 0
    assert "checks: 9 products, " in capsys.readouterr().out
    facts = json.loads(path.read_text())
    assert facts["good"] and facts["device"] == "cpu" and len(facts["rows"]) == 9
    assert {row["different"] for row in facts["rows"]} == {0}


def test_a_wrong_code_is_found(monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    right = bench.matmul
    monkeypatch.setattr(bench, "matmul", lambda *a, **how: right(*a, **how) ^ 1)
    assert bench.main(["--device", "cpu", "--checks", "2"]) == 1
    assert "WRONG  all pairs of codes  HFP8_FWD x HFP8_FWD" in capsys.readouterr().out


def test_what_fails_does_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[bench.Row] = []
    assert not bench.run([lambda: {}["a"], lambda: {"what": "b"}], rows, show=True)
    assert rows == [{"what": "job 0", "error": "KeyError: 'a'"}, {"what": "b"}]
    assert "WRONG  job 0 KeyError: 'a'" in capsys.readouterr().out


def test_no_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch,
                            capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench.main([]) == 2
    assert capsys.readouterr().err == (
        "device='cuda' is not allowed: PyTorch finds no GPU; use --device cpu\n"
    )
