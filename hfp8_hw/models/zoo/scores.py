"""The scores of an example in several arithmetics, as rows of results."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ...cores import cores
from ...golden.engine import Engine
from .. import Settings, prepare
from ..arrays import batches
from ..graph import Graph, load
from ..observe import Reference
from ..plan import products
from .example import Arrays, Example

FP32 = "fp32"
ARITHMETICS = {
    FP32: None,
    "hfp8": ("HFP8", "hfp8"),
    "hfp8+fp16ends": ("HFP8", "fp16"),
    "e4m3": ("e4m3", "hfp8"),
    "e5m2": ("e5m2", "hfp8"),
    "int8": ("int8", "hfp8"),
}
"""By name the format of `Settings`, and what its first and last product have; FP32 is onnxruntime
alone."""

KEY = ("model", "arithmetic")
"""What tells rows apart."""

Row = dict[str, Any]
Report = Callable[[str, str, int, int], None]
"""Is told the arithmetic and the node at work, how many products are done, and of how many."""


def unheard(arithmetic: str, node: str, done: int, every: int) -> None:
    """A report that nobody reads."""


def scores(
    example: Example, arithmetics: Iterable[str], engine: Engine, report: Report = unheard
) -> Iterator[Row]:
    """A row for each arithmetic.

    Parameters
    ----------
    arithmetics : iterable of str
        Of `ARITHMETICS`.
    engine : Engine
        Computes the products.

    Raises
    ------
    ToolMissing
        If a package is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{example.name}.onnx"
        path.write_bytes(example.model())
        graph = load(path)
        samples = example.evaluation()
        begin = time.perf_counter()
        fp32 = example.answers(_in_fp32(graph, samples, example.batch))
        spent = time.perf_counter() - begin
        for name in arithmetics:
            answers, seconds = fp32, spent
            if name != FP32:
                answers, seconds = _answers(example, path, graph, name, engine, report)
            yield {
                "model": example.name,
                "arithmetic": name,
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


def _answers(
    example: Example, path: Path, graph: Graph, arithmetic: str, engine: Engine, report: Report
) -> tuple[list[Any], float]:
    """What the model says in an arithmetic, and the seconds that it takes."""
    kind = ARITHMETICS[arithmetic]
    assert kind is not None
    settings = Settings(kind[0], kind[1], kept(example, graph))
    calibration, samples = example.calibration(), example.evaluation()
    deployment = prepare(path, calibration, settings, batch=example.batch)
    of_calibration = sum(node.macs for node in deployment.nodes if node.where != "host")
    every = of_calibration * _count(samples) // _count(calibration)
    done = 0

    def tell(node: str, more: int) -> None:
        nonlocal done
        done += more
        report(arithmetic, node, done, every)

    outcome = deployment.run(samples, engine, batch=example.batch, compare=False, report=tell)
    return example.answers(outcome.outputs), outcome.seconds


def kept(example: Example, graph: Graph) -> tuple[str, ...]:
    """The names of the products that an example keeps in FP32."""
    names = [node.name for node in products(graph)]
    return tuple(n for n in names if any(fnmatchcase(n, pattern) for pattern in example.keep))


def _count(samples: Arrays) -> int:
    return len(next(iter(samples.values())))
