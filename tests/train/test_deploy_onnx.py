"""ONNX files of deployed models, as onnxruntime runs them, against the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hfp8_hw import golden
from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import FloatFormat, parse_format
from hfp8_hw.nn import arithmetic, convert
from hfp8_hw.nn.deployment import DEPLOYED, deploy, onnx_nodes
from hfp8_hw.nn.deployment.onnx_file import export
from hfp8_hw.nn.tasks.models.convnets import ResNet

from .test_deploy import Small, made, pictures

TOLERANCE = {"fraction": 0.02, "most": 0.02}
"""Between onnxruntime and PyTorch, whose FP32 sums have other orders: how many outputs may differ,
and by how much of the largest one. A sum that is rounded otherwise moves by 2**-9, and may move an
activation by a step of its 8 bits."""


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def ran(model: onnx.ModelProto, inputs: Any) -> np.ndarray:
    """What onnxruntime, with all its optimizations, makes of a model of one output."""
    run = session(model)
    names = [one.name for one in run.get_inputs()]
    found = run.run(None, {n: x.numpy() for n, x in zip(names, inputs, strict=True)})
    return np.asarray(found[0])


def agree(found: np.ndarray, want: np.ndarray) -> None:
    assert found.shape == want.shape
    different = np.abs(found - want) > 1e-5 * np.abs(want).max()
    assert different.mean() <= TOLERANCE["fraction"]
    assert np.abs(found - want).max() <= TOLERANCE["most"] * np.abs(want).max()


@pytest.mark.parametrize(
    ("name", "arith"),
    [*(("small", arith) for arith in DEPLOYED[1:]), ("resnet", "ocp"), ("lstm", "hfp8-fast"),
     ("lstm", "int8"), ("reader", "hfp8-fast"), ("reader", "ocp"), ("translator", "int8")],
)  # fmt: skip
@torch.no_grad()
def test_onnxruntime_computes_what_the_model_does(name: str, arith: str, tmp_path: Path) -> None:
    model, inputs = made(name)
    deployed = deploy(model, arith, batches=[lambda m: m(*inputs)])
    names = [f"in{k}" for k in range(len(inputs))]
    graph = export(deployed, inputs, tmp_path / "m.onnx", names=names)
    agree(ran(graph, inputs), deployed(*inputs).numpy())
    one = [x[:1] for x in inputs]  # The first axis may have any length.
    agree(ran(graph, one), deployed(*one).numpy())
    assert np.abs(ran(graph, inputs) - model(*inputs).numpy()).max() > 0


@torch.no_grad()
def test_a_whole_resnet(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = ResNet()
    model(torch.randn(16, 1, 28, 28))
    x = torch.randn(6, 1, 28, 28)
    deployed = deploy(model.eval(), "hfp8-fast")
    found = ran(export(deployed, [x], tmp_path / "m.onnx"), [x])
    agree(found, deployed(x).numpy())
    np.testing.assert_array_equal(found.argmax(1), deployed(x).numpy().argmax(1))


def edges(fmt: FloatFormat) -> np.ndarray:
    """All magnitudes and what lies between two, and their neighbours, of both signs."""
    values = np.array([v for v in fmt.decode_table() if np.isfinite(v) and v >= 0])
    values = np.unique(np.concatenate((values, [fmt.max * 1.01, fmt.max * 2, 2 * fmt.max + 1])))
    middle = (values[1:] + values[:-1]) / 2
    rng = np.random.default_rng(1)
    some = np.exp2(rng.uniform(np.log2(fmt.min) - 3, np.log2(fmt.max) + 1, 4000))
    ends = [fmt.max * 1e6, 1e-38, 1e-45, np.inf, 2.0**-31]
    size = np.concatenate((values, middle, some, ends)).astype(np.float32)
    size = np.concatenate((size, np.nextafter(size, np.float32(0)), np.nextafter(size, np.inf)))
    return np.concatenate((size, -size))


@pytest.mark.parametrize("kind", ["HFP8_FWD", "HFP8_BWD", "DLFLOAT16", "E4M3B11FNUZ", "FP16"])
def test_functions_round_as_golden_does(kind: str) -> None:
    fmt = parse_format(kind)
    x = edges(fmt)
    function = onnx_nodes.rounding_function(kind)
    kinds = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None]) for n in ("x", "y")]
    node = helper.make_node(onnx_nodes.function_name(kind), ["x"], ["y"], domain="hfp8")
    model = helper.make_model(
        helper.make_graph([node], "g", kinds[:1], kinds[1:]), functions=[function], ir_version=10,
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("hfp8", 1)],
    )  # fmt: skip
    found = ran(model, [torch.from_numpy(np.append(x, np.nan).astype(np.float32))])
    wide = kind == "DLFLOAT16"
    how = {"rounding": "RNA", "overflow": "special"} if wide else {"overflow": "saturate"}
    want = golden.decode(golden.quantize(x.astype(np.float64), fmt, **how), fmt)
    np.testing.assert_array_equal(found[:-1], want)
    assert np.isnan(found[-1])


@torch.no_grad()
def test_weights_are_codes_and_the_metadata_says_of_what(tmp_path: Path) -> None:
    model, inputs = made("small")
    types = {"hfp8-fast": TensorProto.UINT8, "ocp": TensorProto.FLOAT8E4M3FN,
             "int8": TensorProto.INT8}  # fmt: skip
    for arith, want in types.items():
        deployed = deploy(model, arith, batches=[lambda m: m(*inputs)])
        export(deployed, inputs, tmp_path / "m.onnx", about={"task": "x"})
        graph = onnx.load(tmp_path / "m.onnx")
        kept = {one.name: one for one in graph.graph.initializer}
        facts = {p.key.removeprefix("hfp8."): json.loads(p.value) for p in graph.metadata_props}
        assert facts["arithmetic"]["name"] == arith and facts["about"]["task"] == "x"
        layers = dict(deployed.named_modules())
        for name in ("second.weight", "third.weight"):
            codes = kept[f"{name}.codes"]
            assert codes.data_type == want and name not in kept
            entry, values = facts["weights"][name], layers[name.split(".")[0]].weight
            raw = np.frombuffer(codes.raw_data, np.int8 if arith == "int8" else np.uint8)
            if arith == "int8":
                assert entry["kind"] == "INT8" and entry["axis"] == 0
                got = raw.reshape(values.shape) * np.reshape(
                    entry["scale"], (-1, 1, 1, 1)[: values.ndim]
                )
            else:
                fmt = FloatFormat.from_dict(facts["formats"][entry["kind"]])
                got = golden.decode(raw, fmt).reshape(values.shape) * (entry["scale"] or 1)
            np.testing.assert_allclose(got, values.numpy(), rtol=1e-6)
        assert kept["first.weight"].data_type == TensorProto.FLOAT
        np.testing.assert_array_equal(
            numpy_helper.to_array(kept["first.weight"]), deployed.first.weight.numpy()
        )
        for name, one in facts["activations"].items():
            scale = deployed.get_submodule(name).scale
            assert one["scale"] == (None if scale is None else float(scale)), name
        assert set(facts["activations"]) == {
            f"{name}.round_input" for name in ("first", "second", "third", "last")
        }
        domains = {(node.domain, node.op_type) for node in graph.graph.node if node.domain}
        assert domains <= {("hfp8", f.name) for f in graph.functions}


@torch.no_grad()
def test_scaled_formats_that_onnx_lacks(tmp_path: Path) -> None:
    model, inputs = made("small")
    how = arithmetic("hfp8-fast", scaling="tensor")
    deployed = deploy(model, how, batches=[lambda m: m(*inputs)])
    agree(ran(export(deployed, inputs, tmp_path / "m.onnx"), inputs), deployed(*inputs).numpy())


def test_refusals(tmp_path: Path) -> None:
    path, x = tmp_path / "m.onnx", [pictures()]
    for model in (Small(), convert(Small(), "hfp8-fast").model, deploy(Small(), "hfp8"), nn.ReLU()):
        with pytest.raises(ParameterError, match="model is not allowed: one that was deployed in"):
            export(model, x, path)
    with pytest.raises(ParameterError, match="rounding='RTZ' is not allowed in an ONNX file: RNE"):
        export(deploy(Small(), arithmetic("hfp8-fast", rounding="RTZ")), x, path)
    assert not path.exists()
