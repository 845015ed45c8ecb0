"""ONNX models in 8 bits."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from hfp8_hw.cli import main
from hfp8_hw.formats import parse_format
from hfp8_hw.golden import scalar
from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import Settings, prepare
from hfp8_hw.rounding import parse_rounding

from .onnx_files import SEED, normal, save, small_net


def by_hand(x: np.ndarray, w: np.ndarray) -> float:
    """The sum of products of two vectors in the exact-rational model: rounded to (1,4,3) with a
    power of two that brings the largest magnitude to at most 30, that of x to at most 15, sums in
    (1,6,9) by 64."""
    fmt, acc = parse_format("HFP8_FWD"), parse_format("DLFLOAT16")
    nearest, away = parse_rounding("RNE"), parse_rounding("RNA")
    scales, values = [], []
    for each, most, room in ((x, MOST["x"], 1), (w, MOST["w"], 0)):
        scale = 0
        while Fraction(most) * Fraction(2) ** -scale > 30:
            scale += 1
        while Fraction(most) * Fraction(2) ** -(scale - 1) <= 30:
            scale -= 1
        scale += room
        codes = [
            scalar.quantize(Fraction(float(v)) * Fraction(2) ** -scale, fmt, nearest, "saturate")[0]
            for v in each
        ]
        values.append([scalar.decode(code, fmt) for code in codes])
        scales.append(scale)
    code, _ = scalar.dot(*values, acc, away, "special", "chunked", 64)
    found = scalar.decode(code, acc)
    assert isinstance(found, Fraction)
    return float(found * Fraction(2) ** sum(scales))


MOST = {"x": 0.0, "w": 0.0}
"""Largest magnitudes of the operands at work."""


def test_a_convolution_has_the_sums_of_the_exact_rationals(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    w, b = normal(rng, 4, 3, 5, 3), normal(rng, 4)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", pads=[2, 0, 1, 1],
                              strides=[2, 1], dilations=[1, 2], group=2)]  # fmt: skip
    path = save(tmp_path / "c.onnx", nodes, {"x": ["N", 6, 7, 8]}, ["y"], {"w": w, "b": b})
    x = normal(rng, 2, 6, 7, 8) * np.float32(37)
    done = prepare(path, {"x": x}).run({"x": x}, GoldenEngine())
    y, reference = done.outputs["y"], done.reference["y"]
    assert y.shape == reference.shape
    MOST.update(x=float(np.abs(x).max()), w=float(np.abs(w).max()))
    padded = np.pad(x, ((0, 0), (0, 0), (2, 1), (0, 1)))
    for image, out, line, column in [(0, 0, 0, 0), (1, 3, 1, 4), (0, 2, 2, 2), (1, 1, 2, 0)]:
        group = out // 2
        taps = [
            (padded[image, 3 * group + c, 2 * line + i, column + 2 * j], w[out, c, i, j])
            for i in range(5) for j in range(3) for c in range(3)
        ]  # fmt: skip
        want = np.float32(by_hand(*(np.array(v) for v in zip(*taps, strict=True)))) + b[out]
        assert y[image, out, line, column] == want
    assert done.nodes[0].macs == y.size * 45


def test_a_small_net_is_close_to_fp32_and_says_how_close(tmp_path: Path) -> None:
    path, samples = small_net(tmp_path)
    net = prepare(path, samples)
    assert [(n.name, n.where, n.macs) for n in net.nodes if n.macs] == [
        ("conv", "hfp8", 3 * 4 * 25 * 27), ("gemm", "hfp8", 3 * 10 * 4),
    ]  # fmt: skip
    done = net.run(samples, GoldenEngine())
    want = onnxruntime.InferenceSession(path).run(None, samples)[0]
    assert np.allclose(done.reference["y"], want, rtol=1e-4, atol=1e-4)
    error = done.outputs["y"].astype(float) - want
    sqnr = 10 * np.log10((want.astype(float) ** 2).sum() / (error**2).sum())
    assert 20 < sqnr < 40
    assert done.compared[0].errors.sqnr_db == pytest.approx(sqnr, abs=0.01)
    assert done.nodes[1].sqnr_db == pytest.approx(sqnr, abs=0.01)
    alone = net.run({"x": samples["x"][:1]}, GoldenEngine())
    assert (alone.outputs["y"] == done.outputs["y"][:1]).all()


@pytest.mark.parametrize("settings", [Settings(first_last="fp16"), Settings(keep=("conv", "gemm"))])
def test_16_bits_are_closer_and_kept_nodes_are_fp32(tmp_path: Path, settings: Settings) -> None:
    path, samples = small_net(tmp_path)
    record = prepare(path, samples, settings).run(samples, GoldenEngine()).compared[0]
    if settings.keep:
        assert record.errors.largest < 1e-5
    else:
        assert record.errors.sqnr_db is not None and 55 < record.errors.sqnr_db < 75


def test_run_prints_where_nodes_run_and_what_that_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, samples = small_net(tmp_path)
    np.savez(tmp_path / "x.npz", **samples)  # type: ignore[arg-type]
    out, report = tmp_path / "y.npz", tmp_path / "r.json"
    words = ["run", str(path), "--inputs", str(tmp_path / "x.npz")]
    assert main([*words, "--output", str(out), "--report", str(report)]) == 0
    text = capsys.readouterr().out
    assert "conv" in text and "8,100" in text and "1 Relu, 1 ReduceMean" in text
    data = json.loads(report.read_text())
    assert [node["where"] for node in data["plan"]] == ["hfp8", "host", "host", "hfp8"]
    with np.load(out) as file:
        assert file["y"].shape == (3, 10)


def test_the_plan_counts_the_products_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, samples = small_net(tmp_path)
    np.savez(tmp_path / "c.npz", x=samples["x"][:2])
    np.savez(tmp_path / "x.npz", x=np.concatenate([samples["x"], samples["x"][:2]]))
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    # Batches of 3 and of 2, after a calibration with 2.
    words = ["run", str(path), "--inputs", str(tmp_path / "x.npz"), "--calibrate",
             str(tmp_path / "c.npz"), "--batch", "3", "--keep", "gemm"]  # fmt: skip
    assert main([*words, "--report", str(report), "--report", str(page)]) == 0
    conv, gemm = 5 * 4 * 25 * 27, 5 * 4 * 10
    text = capsys.readouterr().out
    assert f"MACs of 5 samples: {conv:,} in 8 bits, {gemm} in FP32" in text
    data = json.loads(report.read_text())
    assert data["samples"] == 5 and [n["macs"] for n in data["plan"]] == [conv, 0, 0, gemm]
    assert [(n["name"], n["macs"]) for n in data["nodes"]] == [("conv", conv)]
    assert data["plan"][0]["shape"] == [3, 4, 5, 5]
    html = page.read_text()
    assert f"<b>{conv:,}</b> MACs in 8 bits" in html and f'class="n">{gemm}</td>' in html
