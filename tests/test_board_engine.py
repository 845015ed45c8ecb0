"""`hfp8 run --on URL`: the products of a network on a core on a board."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.cli.boards.building import design
from hfp8_hw.cli.models.engines import as_words
from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.golden.engine import CheckedEngine, ProductJob, Sums, Windows
from hfp8_hw.host import Device
from hfp8_hw.models.zoo import find
from hfp8_hw.parameters import CoreParameters
from rtl_gen.board import board_module
from verif.board.engine import BoardEngine
from verif.board.line import Line
from verif.board.model import compiled

from .conftest import Cli
from .test_board_core import CLOCK, SMALL
from .test_chains import chain


@pytest.mark.parametrize(
    "p",
    [
        CoreParameters(),
        SMALL,
        CoreParameters(rows=2, cols=2, semantics="chunked", chunk=8, epilogue="full", acc="FP16"),
        CoreParameters(a="E5M2", b="E5M2", convolution="yes", terms=5000),
        # Of this array 2 is the default, and 4 that of the default array.
        CoreParameters(rows=2, cols=2, lanes=2, drains=2, a_beat=4),
        CoreParameters(rows=1, cols=1, lanes=1, drains=1, a_beat=4, epilogue="full"),
    ],
)
def test_the_words_that_make_the_core(p: CoreParameters) -> None:
    """What is printed is what `hfp8 build` takes."""
    words = as_words(p).split()
    assert words[::2] == ["--param"] * (len(words) // 2)
    assert design("core", words[1::2]) == p


@pytest.mark.slow
def test_products_over_the_line() -> None:
    """Groups, windows and several jobs, with a reset of the board in between."""
    module = board_module(SMALL, CLOCK)
    line = Line(compiled(module))
    other = replace(module.design, manifest={**module.design.manifest, "sha256": "ab" * 32})
    with pytest.raises(RunError, match="the design on the board is another one than"):
        BoardEngine(Device(line), other, SMALL)
    engine = BoardEngine(Device(line), module.design, SMALL)
    checked, sums = CheckedEngine(engine), Sums(semantics="exact")
    rng = np.random.default_rng(4)
    resets, told = iter([True]), []

    def press(more: int) -> None:
        told.append(more)
        if next(resets, False):
            line.model.reset()

    maps = rng.integers(0, 126, (2, 4, 5, 4), np.uint8)
    kernel = rng.integers(0, 126, (2, 3, 12), np.uint8)
    windows = Windows((2, 3), (2, 1), (1, 1), (0, 1, 0, 1))
    job = ProductJob(kernel, maps, "HFP8_FWD", "HFP8_BWD", sums, windows)
    checked.run(job, press)
    assert (checked.elements, checked.mismatches) == (2 * 3 * job.n, 0) and job.n == 16
    assert sum(told) == engine.macs == job.macs and len(told) > 1
    # 8 products a clock at the most.
    assert job.macs / 8 <= engine.clocks < job.macs and engine.seconds > 0
    with pytest.raises(ParameterError, match="fmt_a='E4M3FN' is not allowed: the core takes"):
        engine.run(ProductJob(kernel, maps, "E4M3FN", "HFP8_BWD", sums, windows))
    with pytest.raises(ParameterError, match=r"sums=Sums\(.*\) is not allowed: the core has"):
        engine.run(ProductJob(kernel, maps, "HFP8_FWD", "HFP8_BWD", Sums(), windows))


@pytest.mark.slow
def test_a_chain_over_the_line() -> None:
    """With what stays on the core read back too, and without; and a reset of the board while the
    blocks of rows go through it."""
    p = CoreParameters(rows=2, cols=2, semantics="chunked", chunk=8, epilogue="full", a_size=256,
                       b_size=256)  # fmt: skip
    module = board_module(p, CLOCK)
    line = Line(compiled(module))
    engine = BoardEngine(Device(line), module.design, p)
    checked, given = CheckedEngine(engine), chain(71, 20, 7, 5)
    went = []
    for read, elements in ((False, 71 * 5), (True, 71 * 12)):
        engine.read, checked.elements, before = read, 0, engine.traffic
        pressed = iter([True])

        def press(more: int, pressed: Iterator[bool] = pressed) -> None:
            if next(pressed, False):
                line.model.reset()

        checked.run_chain(given, press)
        assert (checked.elements, checked.mismatches) == (elements, 0), checked.first
        went.append(engine.traffic - before)
    assert went[0].received < went[1].received and engine.macs == 2 * given.macs


@pytest.mark.slow
@pytest.mark.parametrize("biases", ["fp32", "acc"])
def test_digits_on_a_simulated_board(cli: Cli, tmp_path: Path, biases: str) -> None:
    """The same outputs as on golden, and the same report; with biases in the accumulator's format
    nothing of the first layer comes back."""
    example = find("digits_mlp")
    (tmp_path / "m.onnx").write_bytes(example.model())
    for what, arrays, count in (("inputs", example.evaluation(), 4),
                                ("calibrate", example.calibration(), 50)):  # fmt: skip
        np.savez(tmp_path / f"{what}.npz", **{k: v[:count] for k, v in arrays.items()})
    words = ["run", tmp_path / "m.onnx", "--inputs", tmp_path / "inputs.npz", "--calibrate",
             tmp_path / "calibrate.npz", "--biases", biases]  # fmt: skip
    golden = tmp_path / "golden.npz"
    assert cli(*words, "--output", golden)[0] == 0
    reports = [tmp_path / "r.json", tmp_path / "r.html"]
    url = "sim://ulx3s-85f"
    status, out, err = cli(*words, "--on", url, "--rows", 2, "--cols", 2, "--expect", golden,
                           "--report", reports[0], "--report", reports[1])  # fmt: skip
    assert (status, err) == (0, ""), err
    data = json.loads(reports[0].read_text())
    engine = data["engine"]
    assert (engine["on"], engine["elements"], engine["mismatches"]) == (
        url,
        4 * (64 * (biases == "fp32") + 10),
        0,
    )
    assert engine["macs"] == 4 * (64 * 64 + 64 * 10) and engine["clock_mhz"] == 25
    assert engine["macs"] / 4 <= engine["busy_clocks"]
    # The core waits for a bias, which comes over the line.
    assert engine["busy_clocks"] < engine["macs"] or biases == "acc"
    assert engine["traffic"]["requests"] > 10 and engine["traffic"]["repeated"] == 0
    stays = [(one["first"], one["why"]) for one in data["boundaries"]]
    assert stays == [
        ("sums", "" if biases == "acc" else
         "its bias is added in FP32; with --biases acc the core could"),
        ("logits", "the model gives it"),
    ]  # fmt: skip
    assert ("stay on the core, for logits" in out) == (biases == "acc")
    assert data["expected"][0]["largest_difference"] == 0
    assert (
        f"{engine['elements']} codes, 0 mismatches with golden" in out
        and "seconds with the line" in out
    )
    assert "the board's design: --design core --param" in out
    assert f"clocks in which the core on {url} was at work" in reports[1].read_text()


@pytest.mark.slow
def test_the_figures_of_a_network(cli: Cli, tmp_path: Path) -> None:
    """What stays on the core need not come back, and need not be sent."""
    path = tmp_path / "b.json"
    status, out, err = cli("bench", "board", "--samples", 70, "--json", path)
    assert (status, err) == (0, ""), err
    through, stays = json.loads(path.read_text())["rows"]
    assert (through["between"], stays["between"]) == ("host", "stay")
    assert (through["elements"], stays["elements"]) == (70 * 74, 70 * 10)
    assert through["mismatches"] == stays["mismatches"] == 0
    assert through["macs"] == stays["macs"] == 70 * 4736
    assert stays["received"] < through["received"] / 3 and stays["seconds"] < through["seconds"]
    assert f"{stays['sent']:,}" in out and stays["unit"] == "core"
