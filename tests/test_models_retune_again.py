"""Models that are re-tuned more than once, or whose weights are computed, and products of odd
shapes with biases."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from hfp8_hw.errors import ParameterError
from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import prepare
from hfp8_hw.models.biases import with_biases
from hfp8_hw.models.retune import retune

from .onnx_files import SEED, normal, save

node = helper.make_node


def computed(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A convolution whose weights are a product of constants, and batch normalization."""
    rng = np.random.default_rng(SEED)
    value = numpy_helper.from_array(np.float32([3]), "value")
    nodes = [
        node("Constant", [], ["three"], value=value),
        node("Mul", ["w", "three"], ["v"], "times"),
        node("Conv", ["x", "v"], ["a"], "conv"),
        node("BatchNormalization", ["a", "s", "b", "m", "d"], ["y"], "norm"),
    ]
    ones = np.ones(4, np.float32)
    constants = {"w": normal(rng, 4, 3, 2, 2), "s": 2 * ones, "b": ones, "m": 0 * ones, "d": ones}
    path = save(folder / "m.onnx", nodes, {"x": ["N", 3, 5, 5]}, ["y"], constants)
    return path, {"x": normal(rng, 6, 3, 5, 5)}


def test_statistics_twice_and_in_the_arithmetic_of_a_run(tmp_path: Path) -> None:
    path, x = computed(tmp_path)
    plain = onnx.load(path)
    plain.metadata_props.add(key="classes", value="cat,dog")
    onnx.save(plain, path)
    for name in ("one", "two"):
        model, _ = retune(path, x, GoldenEngine())
        onnx.checker.check_model(model)
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        # No statistics but those in use, and what else the file says is kept.
        assert len(model.graph.initializer) == 5
        assert [p.key for p in model.metadata_props] == ["classes", "hfp8.retuned"]
        net = prepare(path, x)
        assert [n.op for n in net.nodes] == ["Conv", "BatchNormalization"]
        y = net.run(x, GoldenEngine()).outputs["y"].astype(np.float64)
        # What was estimated holds in a run: the same codes, whose statistics are those written.
        assert y.mean((0, 2, 3)) == pytest.approx(np.ones(4), abs=1e-5)
        assert y.std((0, 2, 3)) == pytest.approx(2 * np.ones(4), abs=1e-4)
    # Weights that are computed are constants, as in a run: they have no room above them.
    weights = [n for n in net.graph.tensors if net.graph.constant(n).ndim == 4]
    most = float(np.abs(net.graph.constant(weights[0])).max())
    assert 15 * net.numbers[weights[0]].scale < most <= 30 * net.numbers[weights[0]].scale


def test_one_value_has_no_variance(tmp_path: Path) -> None:
    ones = np.ones(3, np.float32)
    nodes = [node("MatMul", ["x", "w"], ["a"], "mm"),
             node("BatchNormalization", ["a", "s", "b", "m", "d"], ["y"], "norm")]  # fmt: skip
    constants = {"w": np.ones((4, 3), np.float32), "s": ones, "b": ones, "m": ones, "d": ones}
    path = save(tmp_path / "m.onnx", nodes, {"x": ["N", 4]}, ["y"], constants)
    with pytest.raises(ParameterError, match="node 'norm' has 1 value of each channel in all of"):
        retune(path, {"x": np.ones((1, 4), np.float32)}, GoldenEngine())


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("x_shape, w_shape", [((6, 4), (4,)), ((6, 2, 4), (4,)), ((6, 4), (4, 3))])
def test_biases_again_and_of_products_with_vectors(
    tmp_path: Path, x_shape: tuple[int, ...], w_shape: tuple[int, ...], batch: int | None
) -> None:
    rng = np.random.default_rng(SEED)
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")],
                {"x": [None, *x_shape[1:]]}, ["y"], {"w": normal(rng, *w_shape)})  # fmt: skip
    x = {"x": normal(rng, *x_shape)}
    want = np.matmul(x["x"], prepare(path, x).graph.constant("w"))
    axes = tuple(range(want.ndim - (len(w_shape) > 1)))
    for name in ("one", "two"):
        net = prepare(path, x)
        model, count = with_biases(net, x, GoldenEngine(), batch=batch)
        constants = [one.name for one in model.graph.initializer]
        assert count == 1 and len(set(constants)) == len(constants)
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        after = prepare(path, x)
        y = after.run(x, GoldenEngine()).outputs["y"]
        if name == "one":
            assert y.shape == want.shape
            assert np.abs((y - want).mean(axes)).max() < 1e-6
        # It takes other numbers of samples as well.
        fewer = {"x": x["x"][:5]}
        assert prepare(path, fewer).run(fewer, GoldenEngine()).outputs["y"].shape[0] == 5


def test_biases_of_a_product_of_two_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")], {"x": [9]}, ["y"],
                {"w": normal(rng, 9)})  # fmt: skip
    x = {"x": normal(rng, 9)}
    model, _ = with_biases(prepare(path, x), x, GoldenEngine())
    onnx.save(model, tmp_path / "moved.onnx")
    y = prepare(tmp_path / "moved.onnx", x).run(x, GoldenEngine()).outputs["y"]
    assert y.shape == () and y == pytest.approx(x["x"] @ numpy_helper.to_array(
        onnx.load(path).graph.initializer[0]), abs=1e-6)  # fmt: skip
