"""Graphs of all kinds: what a node computes, and what stays on the host.

Small integers are codes of every format, and their sums are exact: a model of such numbers gives
in 8 bits what it gives in FP32, to the last bit.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hfp8_hw.cli import main
from hfp8_hw.errors import ParameterError
from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import Outcome, Settings, prepare

from .onnx_files import SEED, save

node = helper.make_node


def small(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(-3, 4, shape).astype(np.float32)


def same(path: Path, samples: dict[str, Any], eight: list[str], **settings: Any) -> Outcome:
    """Run it; the outputs are those of FP32, and the nodes named, no others, ran in 8 bits."""
    net = prepare(path, samples, Settings(**settings))
    assert [n.name for n in net.nodes if n.where == "hfp8"] == eight
    done = net.run(samples, GoldenEngine())
    assert set(done.outputs) == set(done.reference) and done.outputs
    for name, want in done.reference.items():
        got = done.outputs[name]
        assert got.dtype == want.dtype and got.shape == want.shape
        assert (got == want).all() and np.any(want)
    return done


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 6, 7), (4, 3, 3, 2), {"pads": [2, 0, 1, 3], "strides": [2, 3], "dilations": [1, 2]}),
    ((1, 6, 5, 5), (6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1]}),
    ((1, 6, 5, 5), (4, 3, 1, 1), {"group": 2}),
    ((2, 3, 9), (5, 3, 4), {"pads": [3, 1], "strides": [2], "dilations": [2]}),
    ((2, 4, 9), (4, 1, 3), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2]}),
    ((1, 2, 7, 8), (3, 2, 4, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    ((1, 2, 7, 8), (3, 2, 4, 3), {"auto_pad": "VALID"}),
]


@pytest.mark.parametrize("x, w, attributes", CONVOLUTIONS)
def test_convolutions(
    tmp_path: Path, x: tuple[int, ...], w: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    nodes = [node("Conv", ["x", "w", "b"], ["y"], "conv", **attributes)]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None] * len(x)}, ["y"],
                {"w": small(*w), "b": small(w[0])})  # fmt: skip
    for kind in ("HFP8", "e5m2"):
        same(path, {"x": small(*x)}, ["conv"], format=kind)


@pytest.mark.parametrize("attributes", [
    {}, {"transA": 1, "alpha": 0.5}, {"transB": 1, "beta": 2.0}, {"transA": 1, "transB": 1},
])  # fmt: skip
def test_gemm(tmp_path: Path, attributes: dict[str, Any]) -> None:
    a = (5, 4) if attributes.get("transA") else (4, 5)
    b = (6, 5) if attributes.get("transB") else (5, 6)
    nodes = [node("Gemm", ["x", "w", "c"], ["y"], "gemm", **attributes)]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, None]}, ["y"],
                {"w": small(*b), "c": small(6)})  # fmt: skip
    same(path, {"x": small(*a)}, ["gemm"])


@pytest.mark.parametrize("a, b", [
    ((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (2, 4, 3)),
    ((2, 3, 4), (4,)), ((4,), (4,)),
])  # fmt: skip
def test_matmul_of_two_inputs(tmp_path: Path, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    nodes = [node("MatMul", ["a", "b"], ["y"], "mm")]
    path = save(tmp_path / "m.onnx", nodes, {"a": [None] * len(a), "b": [None] * len(b)}, ["y"], {})
    done = same(path, {"a": small(*a), "b": np.flip(small(*b))}, ["mm"])
    assert (
        done.nodes[0].macs == np.broadcast_to(done.outputs["y"], done.outputs["y"].shape).size * 4
    )


def test_a_model_that_is_all_in_branches_is_refused_and_says_so(tmp_path: Path) -> None:
    branches = {
        f"{side}_branch": helper.make_graph(
            [node("MatMul", ["x", side], [f"{side}_y"])], side, [],
            [helper.make_tensor_value_info(f"{side}_y", TensorProto.FLOAT, None)],
        ) for side in ("then", "else")
    }  # fmt: skip
    nodes = [
        node("ReduceSum", ["x"], ["s"], "sum", keepdims=0),
        node("Greater", ["s", "nothing"], ["positive"], "greater"),
        node("If", ["positive"], ["y"], "choice", **branches),
    ]
    constants = {"then": small(4, 4), "else": small(4, 4), "nothing": np.array(0, np.float32)}
    path = save(tmp_path / "m.onnx", nodes, {"x": None}, ["y"], constants)
    text = "could run in 8 bits; choice: MatMul in a subgraph$"
    with pytest.raises(ParameterError, match=text):
        prepare(path, {"x": small(3, 4)})


def test_a_loop_an_if_and_a_sequence_stay_on_the_host(tmp_path: Path) -> None:
    """The loop's body takes a value from outside, and has a product."""
    body = helper.make_graph(
        [node("MatMul", ["h", "w"], ["t"]), node("Add", ["t", "x2"], ["h2"]),
         node("Identity", ["on"], ["on2"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("h", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("on2", TensorProto.BOOL, []),
         helper.make_tensor_value_info("h2", TensorProto.FLOAT, None)],
    )  # fmt: skip
    branches = {
        f"{side}_branch": helper.make_graph(
            [node("Add" if side == "then" else "Sub", ["l", "x2"], [f"{side}_y"])], side, [],
            [helper.make_tensor_value_info(f"{side}_y", TensorProto.FLOAT, None)],
        ) for side in ("then", "else")
    }  # fmt: skip
    nodes = [
        node("MatMul", ["x", "w"], ["x2"], "first"),
        node("Loop", ["count", "", "x2"], ["l"], "loop", body=body),
        node("ReduceSum", ["l"], ["s"], "sum", keepdims=0),
        node("Greater", ["s", "nothing"], ["positive"], "greater"),
        node("If", ["positive"], ["chosen"], "if", **branches),
        node("SequenceConstruct", ["chosen", "x2"], ["many"], "sequence"),
        node("MatMul", ["chosen", "w"], ["z"], "second"),
        node("SequenceInsert", ["many", "z"], ["more"], "insert"),
        node("ConcatFromSequence", ["more"], ["y"], "concat", axis=0),
    ]
    constants = {"w": small(4, 4), "count": np.array(2), "nothing": np.array(0, np.float32)}
    path = save(tmp_path / "m.onnx", nodes, {"x": None}, ["y"], constants)
    samples = {"x": small(3, 4)}
    net = prepare(path, samples)
    assert [n.name for n in net.nodes if n.where == "hfp8"] == ["first", "second"]
    assert {n.why for n in net.nodes if n.name == "loop"} == {"MatMul in a subgraph"}
    done = net.run(samples, GoldenEngine())
    # What the second product takes is too large to be a code.
    assert done.compared[0].errors.sqnr_db is None or done.compared[0].errors.sqnr_db > 20
    assert (done.outputs["y"][:6] == done.reference["y"][:6]).all()


def test_integers_and_three_axes_stay_on_the_host_and_say_why(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["x"], ["i"], "cast", to=TensorProto.INT32),
        node("MatMul", ["i", "k"], ["p"], "whole"),
        node("Cast", ["p"], ["f"], "back", to=TensorProto.FLOAT),
        node("Conv", ["v", "u"], ["c"], "cube"),
        node("ConvTranspose", ["m", "t"], ["d"], "up"),
        node("MatMul", ["x", "w"], ["y"], "product"),
    ]
    constants = {"k": small(4, 2).astype(np.int32), "u": small(2, 1, 2, 2, 2),
                 "t": small(2, 3, 2, 2), "w": small(4, 3)}  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes,
                {"x": [None, 4], "v": [None] * 5, "m": [None] * 4}, ["f", "c", "d", "y"],
                constants)  # fmt: skip
    samples = {"x": small(2, 4), "v": small(2, 1, 3, 3, 3), "m": small(2, 2, 3, 3)}
    same(path, samples, ["product"])
    why = {n.name: n.why for n in prepare(path, samples).nodes}
    assert why["whole"] == "a product of int32" and why["cube"] == "a convolution along 3 axes"
    assert why["up"] == "its products are not taken apart"
    assert why["cast"] == "no product" and why["product"] == ""


@pytest.mark.parametrize("dtype, kind", [
    (np.float16, TensorProto.FLOAT16), (np.float64, TensorProto.DOUBLE),
])  # fmt: skip
def test_other_floats_stay_what_they_are(tmp_path: Path, dtype: Any, kind: int) -> None:
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")], {"x": None}, ["y"],
                {"w": small(4, 5).astype(dtype)}, kind=kind)  # fmt: skip
    same(path, {"x": small(3, 4).astype(dtype)}, ["mm"])


def test_batch_norm_and_constants_are_folded(tmp_path: Path) -> None:
    nodes = [
        node("Mul", ["w0", "two"], ["w"], "scale"),
        node("Conv", ["x", "w"], ["c"], "conv"),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"], "norm"),
    ]
    v = np.full(3, 1 - 1e-5, np.float32)
    constants = {"w0": small(3, 2, 1, 1), "two": np.array(2, np.float32), "s": small(3),
                 "b": small(3), "m": small(3), "v": v}  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, {"x": [None] * 4}, ["y"], constants)
    samples = {"x": small(2, 2, 3, 3)}
    net = prepare(path, samples)
    assert [n.op for n in net.nodes] == ["Conv"]
    done = net.run(samples, GoldenEngine())
    assert np.allclose(done.outputs["y"], done.reference["y"], atol=1e-4)


def test_a_fixed_first_axis_runs_once_for_each_sample(tmp_path: Path) -> None:
    """Also where a name is given twice, or none at all."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]),
             node("MatMul", ["b", "w"], ["y"])]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, {"x": [1, 4]}, ["y"], {"w": small(4, 4) / 4})
    samples = {"x": small(5, 4)}
    net = prepare(path, samples)
    assert [n.name for n in net.nodes] == ["MatMul_1", "Relu_1", "MatMul_2"]
    assert net.run(samples, GoldenEngine()).outputs["y"].shape == (5, 4)
    batched = prepare(save(tmp_path / "n.onnx", nodes, {"x": ["N", 4]}, ["y"],
                           {"w": small(4, 4) / 4}), samples, batch=2)  # fmt: skip
    whole = batched.run(samples, GoldenEngine()).outputs["y"]
    parts = batched.run(samples, GoldenEngine(), batch=2)
    assert (parts.outputs["y"] == whole).all() and parts.reference["y"].shape == (5, 4)
    assert sum(n.macs for n in parts.nodes) == 2 * 5 * 16


def test_constants_that_are_inputs_too_are_constants(tmp_path: Path) -> None:
    """As files of IR version 3 have it."""
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")],
                {"x": [None, 4], "w": [4, 4]}, ["y"], {"w": small(4, 4)}, opset=8)  # fmt: skip
    same(path, {"x": small(2, 4)}, ["mm"])


def test_outputs_of_all_kinds(tmp_path: Path) -> None:
    """An output that is an input, a constant, a product, or an integer."""
    graph = helper.make_graph(
        [node("MatMul", ["x", "w"], ["y"], "mm"), node("ArgMax", ["y"], ["k"], axis=-1),
         node("Identity", ["x"], ["same"]), node("Relu", ["y"], ["r"])],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
         helper.make_tensor_value_info("k", TensorProto.INT64, None),
         helper.make_tensor_value_info("same", TensorProto.FLOAT, None),
         helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(small(4, 4), "w")],
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
              path)  # fmt: skip
    same(path, {"x": small(2, 4)}, ["mm"])


def test_calibration_sets_the_scales(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")], {"x": [None, 4]},
                ["y"], {"w": small(4, 4)})  # fmt: skip
    many, few = small(3, 4) * np.float32(100), small(2, 4) / np.float32(1024)
    net = prepare(path, {"x": many})
    assert net.numbers["x"].scale == 32 and net.numbers["x"].moved == -5  # 300 = 9.375 * 32
    assert net.numbers["w"].scale == 0.125  # 3 = 24 / 8
    done = net.run({"x": few}, GoldenEngine())
    assert done.nodes[0].underflown > 0 and done.nodes[0].saturated == 0
    tight = prepare(path, {"x": few}).run({"x": many}, GoldenEngine())
    assert tight.nodes[0].saturated == np.count_nonzero(many)
    int8 = prepare(path, {"x": many}, Settings(format="int8"))
    assert int8.numbers["x"].scale == pytest.approx(300 / 127) and int8.numbers["x"].moved is None


def test_a_model_that_does_not_run_on_the_samples_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")], {"x": None}, ["y"],
                {"w": small(4, 4)})  # fmt: skip
    with pytest.raises(ParameterError, match=r"inputs are not allowed: the model does not run on "
                                             r"x \(2, 3\)"):  # fmt: skip
        prepare(path, {"x": small(2, 3)})


def test_functions_of_the_file(tmp_path: Path) -> None:
    """Such as exporters write; one has a product in it."""
    opsets = [helper.make_opsetid("", 17)]
    functions = [
        helper.make_function("my", "Twice", ["x"], ["y"], [node("Add", ["x", "x"], ["y"])], opsets),
        helper.make_function("my", "Dense", ["x", "w"], ["y"],
                             [node("MatMul", ["x", "w"], ["y"])], opsets),
    ]  # fmt: skip
    graph = helper.make_graph(
        [node("Twice", ["x"], ["t"], "t1", domain="my"),
         node("Dense", ["t", "w"], ["d"], "d1", domain="my"),
         node("MatMul", ["t", "w"], ["m"], "m1"),
         node("Twice", ["m"], ["y"], "t2", domain="my")],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("d", "y")],
        [numpy_helper.from_array(small(4, 4), "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[*opsets, helper.make_opsetid("my", 1)],
                              functions=functions, ir_version=9)  # fmt: skip
    onnx.save(model, tmp_path / "m.onnx")
    net = prepare(tmp_path / "m.onnx", {"x": small(2, 4)})
    done = net.run({"x": small(2, 4)}, GoldenEngine())
    assert all((done.outputs[n] == done.reference[n]).all() for n in ("d", "y"))
    assert sum(n.where == "hfp8" for n in net.nodes) == 2


def test_outputs_that_are_constants_sequences_and_strings(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [node("MatMul", ["x", "w"], ["y"], "mm"), node("Identity", ["u"], ["k"]),
         node("SplitToSequence", ["y"], ["s"], axis=0), node("ArgMax", ["y"], ["i"], axis=1),
         node("Gather", ["names", "i"], ["label"])],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("k", TensorProto.FLOAT, [3]),
         helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None),
         helper.make_tensor_value_info("label", TensorProto.STRING, None)],
        [numpy_helper.from_array(small(4, 4), "w"), numpy_helper.from_array(small(3), "u"),
         helper.make_tensor("names", TensorProto.STRING, [4], [b"a", b"b", b"c", b"d"])],
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
              path)  # fmt: skip
    samples = {"x": small(6, 4)}
    done = prepare(path, samples).run(samples, GoldenEngine())
    assert len(done.outputs["s"]) == 6 and (done.outputs["k"] == np.tile(small(3), 3)).all()
    assert (
        done.outputs["label"].reshape(-1).tolist() == done.reference["label"].reshape(-1).tolist()
    )
    np.savez(tmp_path / "x.npz", **samples)  # type: ignore[arg-type]
    assert main(["run", str(path), "--inputs", str(tmp_path / "x.npz"), "--output",
                 str(tmp_path / "y.npz"), "--report", str(tmp_path / "r.json")]) == 0  # fmt: skip
    with np.load(tmp_path / "y.npz") as file:
        assert sorted(file.files) == ["k", "label"]
