"""The demo's network: handwritten digits, trained in binary32, inferred in HFP8."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden

F32 = NDArray[np.float32]
FMT, ACC = "HFP8_FWD", "DLFLOAT16"
CHUNK = 64


@dataclass(frozen=True)
class Network:
    """A trained two-layer perceptron; each weight matrix has the biases as its last row.

    Members
    -------
    images : (n, 64) in 0..1, held out from training
    labels : (n,)
    weights : two matrices, (65, hidden) and (hidden + 1, 10)
    """

    images: F32
    labels: NDArray[Any]
    weights: tuple[F32, F32]


def train(images: int | None = None, hidden: int = 32, seed: int = 0) -> Network:
    """Train on scikit-learn's digits (1,797 images of 8x8), a tenth of them held out.

    Parameters
    ----------
    images : int, optional
        How many of the 180 held-out images to keep.
    """
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    split = train_test_split(x, y, test_size=180, random_state=seed, stratify=y)
    x_train, x_test, y_train, y_test = split
    model = MLPClassifier((hidden,), max_iter=60, random_state=seed, alpha=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 60 epochs are enough for the demo
        model.fit(x_train, y_train)
    first, second = (
        np.vstack([w, b[None]]).astype(np.float32)
        for w, b in zip(model.coefs_, model.intercepts_, strict=True)
    )
    return Network(x_test[:images], y_test[:images], (first, second))


def with_ones(x: NDArray[Any], one: Any) -> NDArray[Any]:
    """Append the constant input that the biases multiply."""
    return np.hstack([x, np.full((len(x), 1), one, x.dtype)])


def infer_fp32(network: Network) -> F32:
    """The logits in binary32."""
    hidden = np.maximum(with_ones(network.images, 1.0) @ network.weights[0], 0)
    logits: F32 = with_ones(hidden, 1.0) @ network.weights[1]
    return logits


def relu(codes: NDArray[Any]) -> NDArray[Any]:
    """max(x, 0) on DLFLOAT16 codes: negative ones become +0; there is no NaN here."""
    return np.where(codes >> 15, 0, codes).astype(codes.dtype)


@dataclass
class Trace:
    """Every intermediate result of an inference, as codes, in order."""

    steps: dict[str, NDArray[Any]]
    logits: NDArray[np.float64]


class GoldenEngine:
    """Quantizes and multiplies with the golden model."""

    def quantize(self, x: NDArray[Any], src: str) -> NDArray[Any]:
        """Codes of ``src`` to codes of `FMT`."""
        codes: NDArray[Any] = golden.quantize(x, FMT, src=src)
        return codes

    def matmul(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """`ACC` codes of a @ b."""
        codes: NDArray[Any] = golden.matmul(a, b, FMT, FMT, ACC, semantics="chunked", chunk=CHUNK)
        return codes


def infer(network: Network, engine: Any) -> Trace:
    """The network on an engine, with every weight and activation in HFP8."""
    steps: dict[str, NDArray[Any]] = {}

    def fp32_codes(x: F32) -> NDArray[np.uint32]:
        return np.ascontiguousarray(x).view(np.uint32)

    one = golden.quantize(np.float32(1.0), FMT)
    steps["weights 1"] = w1 = engine.quantize(fp32_codes(network.weights[0]), "FP32")
    steps["weights 2"] = w2 = engine.quantize(fp32_codes(network.weights[1]), "FP32")
    steps["images"] = x = engine.quantize(fp32_codes(network.images), "FP32")
    steps["sums 1"] = sums = engine.matmul(with_ones(x, one), w1)
    steps["activations"] = hidden = engine.quantize(relu(sums), ACC)
    steps["logits"] = logits = engine.matmul(with_ones(hidden, one), w2)
    return Trace(steps, golden.decode(logits, ACC))
