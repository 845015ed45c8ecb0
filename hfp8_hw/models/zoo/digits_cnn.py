"""A convolutional network that reads digits, trained here with NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .data.digits import digits, onnx_file
from .example import Arrays, Example, share
from .packages import needed

SEED, PASSES, BATCH, RATE = 0, 6, 32, 0.003
CHANNELS = (8, 16)
F64 = NDArray[np.float64]


class DigitsCNN(Example):
    """Two convolutions of 3 x 3, 8 and 16 channels, and a layer of 256 inputs: 80,896 multiply-adds
    an image."""

    name = "digits_cnn"
    about = "the same digits, a convolutional network trained by the command itself"

    def model(self) -> bytes:
        """The trained network; it is trained once a process, in a few seconds."""
        return _model()

    def calibration(self) -> Arrays:
        """200 of the images that it was trained with."""
        return {"images": _square(digits().train[:200])}

    def evaluation(self) -> Arrays:
        """The 360 images that were held out."""
        return {"images": _square(digits().test)}

    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """Percent read right."""
        return share(answers, digits().test_labels)


def _square(images: NDArray[Any]) -> NDArray[Any]:
    return images.reshape(-1, 1, 8, 8)


@cache
def _model() -> bytes:
    data = digits()
    # Products this small are slower in several threads.
    with needed("threadpoolctl").threadpool_limits(1):
        weights = train(_square(data.train).astype(np.float64), data.train_labels)
    nodes = [
        ("Conv", ["images", "weight0", "bias0"], "sums0", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["sums0"], "hidden0"),
        ("Conv", ["hidden0", "weight1", "bias1"], "sums1", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["sums1"], "hidden1"),
        ("MaxPool", ["hidden1"], "pooled", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", ["pooled"], "flat"),
        ("Gemm", ["flat", "weight2", "bias2"], "logits"),
    ]
    shown = {name: weight.astype(np.float32) for name, weight in weights.items()}
    return onnx_file("digits_cnn", nodes, shown, (1, 8, 8))


def train(images: F64, labels: NDArray[np.int64]) -> dict[str, F64]:
    """Weights by Adam on the cross entropy, in binary64 so that machines differ little."""
    random = np.random.default_rng(SEED)
    first, second = CHANNELS
    shapes = ((first, 1, 3, 3), (second, first, 3, 3), (second * 16, 10))
    weights: dict[str, F64] = {}
    for count, shape in enumerate(shapes):
        fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
        weights[f"weight{count}"] = random.normal(0, np.sqrt(2 / fan_in), shape)
        weights[f"bias{count}"] = np.zeros(shape[1] if len(shape) == 2 else shape[0])
    mean = {name: np.zeros_like(weight) for name, weight in weights.items()}
    square = {name: np.zeros_like(weight) for name, weight in weights.items()}
    step = 0
    for _ in range(PASSES):
        order = random.permutation(len(images))
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            step += 1
            for name, gradient in gradients(weights, images[chosen], labels[chosen]).items():
                mean[name] += 0.1 * (gradient - mean[name])
                square[name] += 0.001 * (gradient**2 - square[name])
                rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                weights[name] -= rate * mean[name] / (np.sqrt(square[name]) + 1e-8)
    return weights


def gradients(weights: dict[str, F64], images: F64, labels: NDArray[np.int64]) -> dict[str, F64]:
    """Of the mean cross entropy, by every weight."""
    windows0 = _windows(images)
    hidden0 = np.maximum(_convolved(windows0, weights["weight0"], weights["bias0"]), 0)
    windows1 = _windows(hidden0)
    hidden1 = np.maximum(_convolved(windows1, weights["weight1"], weights["bias1"]), 0)
    count, channels = hidden1.shape[:2]
    blocks = hidden1.reshape(count, channels, 4, 2, 4, 2)
    pooled = blocks.max((3, 5))
    flat = pooled.reshape(count, -1)
    logits = flat @ weights["weight2"] + weights["bias2"]
    likely = np.exp(logits - logits.max(1, keepdims=True))
    likely /= likely.sum(1, keepdims=True)
    likely[np.arange(count), labels] -= 1
    error = likely / count
    found = {"weight2": flat.T @ error, "bias2": error.sum(0)}
    back = (error @ weights["weight2"].T).reshape(pooled.shape)
    largest = blocks == pooled[:, :, :, None, :, None]
    spread = largest / largest.sum((3, 5), keepdims=True)
    error1 = (spread * back[:, :, :, None, :, None]).reshape(hidden1.shape) * (hidden1 > 0)
    found["weight1"] = _correlated(windows1, error1)
    found["bias1"] = error1.sum((0, 2, 3))
    turned = weights["weight1"][:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    error0 = _convolved(_windows(error1), turned, np.zeros(len(turned))) * (hidden0 > 0)
    found["weight0"] = _correlated(windows0, error0)
    found["bias0"] = error0.sum((0, 2, 3))
    return found


def _windows(images: F64) -> F64:
    """The 3 x 3 neighbours of every pixel, with zeros around the image: (n, y, x, c, 3, 3)."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.ascontiguousarray(
        sliding_window_view(padded, (3, 3), (2, 3)).transpose(0, 2, 3, 1, 4, 5)
    )


def _convolved(windows: F64, weight: F64, bias: F64) -> F64:
    """(n, o, y, x) of a weight (o, c, 3, 3)."""
    rows = windows.reshape(*windows.shape[:3], -1)
    sums: F64 = rows @ weight.reshape(len(weight), -1).T + bias
    return sums.transpose(0, 3, 1, 2)


def _correlated(windows: F64, error: F64) -> F64:
    """The gradient by a weight: (o, c, 3, 3)."""
    rows = windows.reshape(-1, int(np.prod(windows.shape[3:])))
    by_output = np.moveaxis(error, 1, 0).reshape(error.shape[1], -1)
    return (by_output @ rows).reshape(-1, *windows.shape[3:])
