"""A perceptron that reads digits, trained here by scikit-learn."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np

from .data.digits import digits, onnx_file
from .example import Arrays, Example, share
from .packages import needed

HIDDEN = 64
SEED = 0


class DigitsMLP(Example):
    """64 inputs, 64 hidden units, 10 digits: 4,736 multiply-adds an image."""

    name = "digits_mlp"
    about = "handwritten digits (scikit-learn), a perceptron trained by the command itself"

    def model(self) -> bytes:
        """The trained network; it is trained once a process, in a few seconds."""
        return _model()

    def calibration(self) -> Arrays:
        """200 of the images that it was trained with."""
        return {"images": digits().train[:200]}

    def evaluation(self) -> Arrays:
        """The 360 images that were held out."""
        return {"images": digits().test}

    def score(self, answers: list[Any], fp32: list[Any]) -> float:
        """Percent read right."""
        return share(answers, digits().test_labels)


@cache
def _model() -> bytes:
    classifier = needed("sklearn.neural_network").MLPClassifier
    failed = needed("sklearn.exceptions").ConvergenceWarning
    data = digits()
    network = classifier((HIDDEN,), max_iter=60, random_state=SEED, alpha=1e-3)
    # Products this small are slower in several threads.
    with needed("threadpoolctl").threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", failed)  # 60 passes are enough.
        network.fit(data.train, data.train_labels)
    weights = {}
    for count, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        weights[f"weight{count}"] = weight.astype(np.float32)
        weights[f"bias{count}"] = bias.astype(np.float32)
    nodes = [
        ("Gemm", ["images", "weight0", "bias0"], "sums"),
        ("Relu", ["sums"], "hidden"),
        ("Gemm", ["hidden", "weight1", "bias1"], "logits"),
    ]
    return onnx_file("digits_mlp", nodes, weights, (64,))
