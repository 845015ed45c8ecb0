"""Samples that are given some at a time: which arrays are cut, and which outputs make a whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from hfp8_hw.errors import ParameterError
from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import prepare

from .conftest import Cli
from .onnx_files import SEED, save

node = helper.make_node


def small(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(-3, 4, shape).astype(np.float32)


def stateful(folder: Path) -> Path:
    """As recurrent networks have it: samples first in one input, second in another, and a size."""
    nodes = [
        node("MatMul", ["x", "w"], ["q"], "mm"),
        node("ReduceSum", ["state"], ["r"], "sum", axes=[0], keepdims=0),
        node("Add", ["q", "r"], ["s"], "add"),
        node("Mul", ["s", "rate"], ["y"], "scale"),
    ]
    shapes = {"x": ["N", 4], "state": [2, "N", 3], "rate": []}
    return save(folder / "s.onnx", nodes, shapes, ["y"], {"w": small(4, 3)}, opset=11)


@pytest.mark.parametrize("n", [1, 5])
def test_states_are_no_samples(tmp_path: Path, n: int) -> None:
    given = {"x": small(n, 4), "state": small(2, n, 3), "rate": np.float32(2)}
    net = prepare(stateful(tmp_path), given, batch=1)
    assert net.plan.samples == n and net.work(given) == n * 12
    # A state goes with its samples, so that --batch does not tear them apart.
    done = net.run(given, GoldenEngine(), batch=1)
    want = (given["x"] @ small(4, 3) + given["state"].sum(0)) * 2
    assert (done.outputs["y"] == want).all() and done.nodes[0].macs == n * 12


def test_what_has_no_samples_is_given_whole(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["q"], "mm"), node("Add", ["q", "c"], ["r"], "add"),
             node("Mul", ["r", "s"], ["y"], "mul")]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, {"x": ["N", 4], "c": [3], "s": []}, ["y", "w", "c"],
                {"w": small(4, 3)})  # fmt: skip
    given = {"x": small(5, 4), "c": np.float32([1, 2, 3]), "s": np.float32(2)}
    done = prepare(path, given, batch=2).run(given, GoldenEngine(), batch=2)
    assert (done.outputs["y"] == (given["x"] @ small(4, 3) + given["c"]) * 2).all()
    # Neither a constant nor an input that is given whole is repeated for each batch.
    for name, want in (("w", small(4, 3)), ("c", given["c"])):
        assert (done.outputs[name] == want).all() and done.outputs[name].shape == want.shape
        assert (done.reference[name] == want).all()


BROKEN: dict[str, tuple[list[Any], str]] = {
    "the samples summed up": (
        [node("Gemm", ["x", "x"], ["y"], "mm", transA=1)],
        r"batch=2 is not allowed: output 'y' has shape \(4, 4\) for one sample and \(4, 4\) for two"
    ),
    "a sum over all": (
        [node("MatMul", ["x", "w"], ["q"], "mm"), node("ReduceSum", ["q"], ["y"], keepdims=0)],
        r"batch=2 is not allowed: output 'y' has shape \(\) for one sample and \(\) for two",
    ),
    "samples along the second axis": (
        [node("MatMul", ["x", "w"], ["q"], "mm"), node("Transpose", ["q"], ["y"])],
        r"batch=2 is not allowed: output 'y' has shape \(3, 1\) for one sample and \(3, 2\) for",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_outputs_that_batches_would_tear_are_refused(tmp_path: Path, case: str) -> None:
    nodes, said = BROKEN[case]
    constants = {} if "transA" in str(nodes) else {"w": small(4, 3)}
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 4]}, ["y"], constants)
    net = prepare(path, {"x": small(6, 4)}, batch=2)
    with pytest.raises(ParameterError, match=said):
        net.run({"x": small(6, 4)}, GoldenEngine(), batch=2)
    done = net.run({"x": small(6, 4)}, GoldenEngine(), batch=6)
    assert (done.outputs["y"] == done.reference["y"]).all()


def test_outputs_of_several_shapes_are_refused(tmp_path: Path) -> None:
    # Columns whose largest element is 0 are left out: the first two samples do not show it.
    nodes = [
        node("MatMul", ["x", "w"], ["q"], "mm"),
        node("ReduceMax", ["q"], ["most"], axes=[0]),
        node("Cast", ["most"], ["keep"], to=9),
        node("Reshape", ["keep", "flat"], ["flags"]),
        node("Compress", ["q", "flags"], ["y"], axis=1),
    ]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 2]}, ["y"],
                {"w": np.eye(2, dtype=np.float32), "flat": np.int64([-1])})  # fmt: skip
    given = {"x": np.float32([[1, 1], [1, 1], [1, 0], [1, 0]])}
    net = prepare(path, given, batch=2)
    with pytest.raises(ParameterError, match=r"output 'y' has the shapes \(2, 2\), \(2, 1\) in"):
        net.run(given, GoldenEngine(), batch=2)


def test_the_command_says_it(cli: Cli, tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["q"], "mm"), node("Transpose", ["q"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 4]}, ["y"], {"w": small(4, 3)})
    np.savez(tmp_path / "x.npz", x=small(6, 4))
    said = cli.refused("run", path, "--inputs", tmp_path / "x.npz", "--batch", 2)
    assert "batches of it do not make a whole" in said
