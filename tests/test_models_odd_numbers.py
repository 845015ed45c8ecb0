"""Models with numbers that are very large, very small, or none.

Small integers times a power of two are codes of every format: in 8 bits a product of them is what
it is in FP32, to the last bit, wherever the power of two lies.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import Outcome, Settings, prepare

from .conftest import Cli
from .onnx_files import SEED, save

node = helper.make_node


def small(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(-3, 4, shape).astype(np.float32)


def product(folder: Path, w: np.ndarray, kind: int = TensorProto.FLOAT) -> Path:
    nodes = [node("MatMul", ["x", "w"], ["y"], "mm")]
    return save(folder / "m.onnx", nodes, {"x": [None, None]}, ["y"], {"w": w}, kind=kind)


def run(path: Path, x: np.ndarray, **settings: Any) -> Outcome:
    return prepare(path, {"x": x}, Settings(**settings)).run({"x": x}, GoldenEngine())


@pytest.mark.parametrize("settings", [
    {}, {"format": "e5m2"}, {"format": "e4m3"}, {"first_last": "fp16"}, {"sums": "exact"},
])  # fmt: skip
@pytest.mark.parametrize("of_x, of_w", [
    (0, -149), (0, -120), (0, 122), (122, 0), (-140, 110), (122, -126), (-70, -70), (60, 60),
])  # fmt: skip
def test_a_scale_is_found_wherever_numbers_lie(
    tmp_path: Path, of_x: int, of_w: int, settings: dict[str, Any]
) -> None:
    x, w = np.ldexp(small(2, 4), of_x), np.ldexp(small(4, 3), of_w)
    y = run(product(tmp_path, w), x, **settings).outputs["y"]
    want = np.ldexp(small(2, 4).astype("f8") @ small(4, 3), of_x + of_w).astype(np.float32)
    assert np.isfinite(want).all() and want.any()
    assert (y == want).all()


@pytest.mark.parametrize("exponent", [-149, -100, 0, 120])
def test_integers_find_a_scale_too(tmp_path: Path, exponent: int) -> None:
    w = np.ldexp(np.float32([[127], [-64], [0], [1]]), exponent)
    x = np.eye(4, dtype=np.float32)
    done = run(product(tmp_path, w), x, format="int8")
    assert done.outputs["y"] == pytest.approx(w, rel=1e-6, abs=0)
    assert done.nodes[0].saturated == done.nodes[0].underflown == 0


def test_long_sums_of_integers(tmp_path: Path) -> None:
    # 2 * 10**5 * 127**2 is beyond 32 bits.
    ones = np.ones((200_000, 1), np.float32)
    done = run(product(tmp_path, ones), ones.T, format="int8")
    assert done.outputs["y"] == pytest.approx(200_000, rel=1e-6)


@pytest.mark.parametrize("exponent", [-900, 0, 900])
def test_binary64_is_rounded_once(tmp_path: Path, exponent: int) -> None:
    # Just above a tie, which binary32 would make a tie that goes down to the even code.
    w = np.ldexp([[1 + 2**-4 + 2**-40]], exponent)
    y = run(product(tmp_path, w, TensorProto.DOUBLE), np.ones((1, 1))).outputs["y"]
    assert y.dtype == np.float64 and y[0, 0] == np.ldexp(1.125, exponent)


def test_16_bits_count_what_they_lose(tmp_path: Path) -> None:
    path = product(tmp_path, np.float32([[1], [2**-60]]))
    net = prepare(path, {"x": np.ones((1, 2), np.float32)}, Settings(first_last="fp16"))
    record = net.run({"x": np.float32([[5000, 1]])}, GoldenEngine()).nodes[0]
    assert (record.where, record.saturated, record.underflown) == ("fp16", 0, 1)
    record = net.run({"x": np.float32([[1e12, 1]])}, GoldenEngine()).nodes[0]
    assert record.saturated == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_stay_in_fp32(cli: Cli, tmp_path: Path, value: float) -> None:
    bad, x = small(4, 3), small(2, 4)
    bad[0, 0] = value
    nodes = [node("MatMul", ["x", "bad"], ["y"], "bad"), node("MatMul", ["x", "w"], ["z"], "good")]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 4]}, ["y", "z"],
                {"bad": bad, "w": small(4, 3)})  # fmt: skip
    done = run(path, x)
    assert [n.name for n in done.nodes] == ["good"]
    assert not np.isfinite(done.outputs["y"]).all()
    np.savez(tmp_path / "x.npz", x=x)
    status, out, _ = cli("run", path, "--inputs", tmp_path / "x.npz")
    assert status == 0 and "NaN" in out and "y: " in out
    path = product(tmp_path, bad)
    said = cli.refused("run", path, "--inputs", tmp_path / "x.npz")
    assert "mm: a constant operand with NaN or infinities" in said


def test_activations_that_are_nan_are_told(cli: Cli, tmp_path: Path) -> None:
    nodes = [node("Sqrt", ["x"], ["a"], "root"), node("MatMul", ["a", "w"], ["y"], "mm")]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 2]}, ["y"], {"w": small(2, 3)})
    np.savez(tmp_path / "x.npz", x=np.float32([[1, 4], [-1, 9]]))
    status, out, _ = cli("run", path, "--inputs", tmp_path / "x.npz")
    assert status == 0
    assert "mm: 1 elements of its operands are NaN, which HFP8_FWD does not have" in out
    assert "3 elements are not finite" in out


def test_outputs_that_are_not_finite_are_never_called_equal(cli: Cli, tmp_path: Path) -> None:
    path, files = product(tmp_path, small(2, 3)), [tmp_path / f"{n}.npz" for n in "xy"]
    np.savez(files[0], x=np.float32([[1, 0], [0, 1]]))
    words = ["run", path, "--inputs", files[0], "--expect", files[1]]
    want = small(2, 3)
    np.savez(files[1], y=want)
    assert f"y against {files[1]}: equal, arg-max agrees in 2 of 2" in cli(*words)[1]
    want[0] = np.nan
    np.savez(files[1], y=want)
    out = cli(*words)[1]
    assert f"y against {files[1]}: equal" not in out
    assert "arg-max agrees in 1 of 2, 3 elements are not finite" in out
    np.savez(files[1], y=want * np.nan)
    assert f"y against {files[1]}: all 6 elements are not finite" in cli(*words)[1]


def test_zeros_that_give_no_scale_are_told(cli: Cli, tmp_path: Path) -> None:
    path, files = product(tmp_path, small(2, 3)), [tmp_path / f"{n}.npz" for n in "xc"]
    np.savez(files[0], x=np.float32([[1, 0], [0, 100]]))
    np.savez(files[1], x=np.zeros((1, 2), np.float32))
    out = cli("run", path, "--inputs", files[0], "--calibrate", files[1])[1]
    assert "mm: its operand 'x' is 0 in all samples that give scales" in out
    assert "in all samples" not in cli("run", path, "--inputs", files[0])[1]


def test_a_sum_of_no_products_is_0(tmp_path: Path) -> None:
    ends = {k: np.int64([v]) for k, v in {"from": 0, "to": 0, "axis": 1}.items()}
    nodes = [node("Slice", ["x", "from", "to", "axis"], ["none"]),
             node("MatMul", ["none", "w0"], ["y"], "empty"),
             node("MatMul", ["x", "w"], ["z"], "full")]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 4]}, ["y", "z"],
                {"w0": small(0, 3), "w": small(4, 3), **ends})  # fmt: skip
    done = run(path, small(2, 4))
    assert done.outputs["y"].shape == (2, 3) and not done.outputs["y"].any()
    assert (done.outputs["z"] == done.reference["z"]).all()
