"""The scores of an example in several arithmetics, as rows of results."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ...cores import cores
from ...golden.engine import Engine
from ...rows import Row, key
from .. import Deployment, Settings, prepare
from ..arrays import batches
from ..biases import with_biases
from ..graph import Graph, load
from ..observe import Reference
from ..plan import products
from ..retune import norms, retune
from .example import Arrays, Example

FP32 = "fp32"
ARITHMETICS = {
    FP32: None,
    "hfp8": Settings(),
    "hfp8+channels": Settings(scales="channel"),
    "hfp8+fp16ends": Settings(first_last="fp16"),
    "e4m3": Settings("e4m3"),
    "e5m2": Settings("e5m2"),
    "int8": Settings("int8"),
}
"""By name what is asked for; FP32 is onnxruntime alone."""

AS_IS, BIASES, STATISTICS = TUNINGS = ("none", "biases", "statistics")
"""How a model is re-tuned."""

KEY = ("model", "arithmetic", "retuned")
"""What tells rows apart."""

Report = Callable[[str, str, int, float], None]
"""Is told the arithmetic and the node at work, how many products are done, and of how many."""


def unheard(arithmetic: str, node: str, done: int, every: float) -> None:
    """A report that nobody reads."""


def scores(
    example: Example, arithmetics: Iterable[str], engine: Engine, report: Report = unheard, *,
    tunings: Iterable[str] = (AS_IS, BIASES),
) -> Iterator[Row]:  # fmt: skip
    """A row for each arithmetic and tuning; one for FP32, and none where the model has no
    statistics.

    Parameters
    ----------
    arithmetics : iterable of str
        Of `ARITHMETICS`.
    engine : Engine
        Computes the products.
    tunings : iterable of str
        Of `TUNINGS`; models are re-tuned by the samples that give the scales.

    Raises
    ------
    ToolMissing
        If a package is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{example.name}.onnx"
        path.write_bytes(example.model())
        graph = load(path)
        begin = time.perf_counter()
        fp32 = example.answers(_in_fp32(graph, example.evaluation(), example.batch))
        spent = time.perf_counter() - begin
        for name in arithmetics:
            if name == FP32:
                yield _row(example, name, AS_IS, fp32, fp32, spent)
                continue
            run = _Run(example, kept(example, graph), name, engine, report)
            for tuning in tunings:
                if tuning == STATISTICS and not norms(load(path, fold=False)):
                    continue
                answers, seconds = run.answers(run.retuned(path, tuning))
                yield _row(example, name, tuning, answers, fp32, seconds)


def keys(model: str, arithmetic: str, tunings: Iterable[str]) -> set[str]:
    """What tells the rows that `scores` gives for an arithmetic from others."""
    of = (AS_IS,) if arithmetic == FP32 else tunings
    return {key({"model": model, "arithmetic": arithmetic, "retuned": one}, KEY) for one in of}


def _row(
    example: Example, arithmetic: str, retuned: str, answers: list[Any], fp32: list[Any],
    seconds: float,
) -> Row:  # fmt: skip
    return {
        "model": example.name,
        "arithmetic": arithmetic,
        "retuned": retuned,
        "score": round(example.score(answers, fp32), 2),
        "unit": example.unit,
        "agreement": round(example.agreement(answers, fp32), 2),
        "samples": len(fp32),
        "seconds": round(seconds, 1),
        "device": f"{platform.machine()}, {cores()} cores",
    }


def _in_fp32(graph: Graph, samples: Arrays, batch: int) -> Arrays:
    """The model's outputs in onnxruntime."""
    reference = Reference(graph)
    parts = []
    for one in batches(graph, samples, batch):
        found = reference.run(one)
        parts.append({name: found[name] for name in graph.outputs})
    return {name: np.concatenate([part[name] for part in parts]) for name in graph.outputs}


@dataclass(frozen=True)
class _Run:
    """An example in an arithmetic."""

    example: Example
    keep: tuple[str, ...]
    arithmetic: str
    engine: Engine
    report: Report

    def deployed(self, path: Path) -> Deployment:
        """A model of the example, deployed."""
        return prepare(path, self.example.calibration(), self.settings, batch=self.example.batch)

    @property
    def settings(self) -> Settings:
        """What the arithmetic asks for."""
        asked = ARITHMETICS[self.arithmetic]
        assert asked is not None
        return replace(asked, keep=self.keep)

    def answers(self, path: Path) -> tuple[list[Any], float]:
        """What it says of each sample, and the seconds that it takes."""
        deployment, samples = self.deployed(path), self.example.evaluation()
        tell = self._telling("", deployment.work(samples))
        outcome = deployment.run(samples, self.engine, batch=self.example.batch, compare=False,
                                 report=tell)  # fmt: skip
        return self.example.answers(outcome.outputs), outcome.seconds

    def retuned(self, path: Path, tuning: str) -> Path:
        """The model re-tuned, beside it; itself where it is as it is."""
        if tuning == AS_IS:
            return path
        deployment, samples = self.deployed(path), self.example.calibration()
        tell = self._telling("re-tuning, ", deployment.work(samples))
        if tuning == BIASES:
            model, _ = with_biases(
                deployment, samples, self.engine, batch=self.example.batch, report=tell
            )
        else:
            model, _ = retune(
                path, samples, self.engine, self.settings, batch=self.example.batch, report=tell
            )
        other = path.with_name(f"{path.stem}-retuned.onnx")
        other.write_bytes(model.SerializeToString())
        return other

    def _telling(self, what: str, every: float) -> Callable[[str, int], None]:
        done = 0

        def tell(node: str, more: int) -> None:
            nonlocal done
            done += more
            self.report(self.arithmetic, what + node, done, every)

        return tell


def kept(example: Example, graph: Graph) -> tuple[str, ...]:
    """The names of the products that an example keeps in FP32."""
    names = [node.name for node in products(graph)]
    return tuple(n for n in names if any(fnmatchcase(n, pattern) for pattern in example.keep))
