"""The demo: a trained network inferred by generated hardware in simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import CATALOGUE
from hfp8_hw.golden import decode
from hfp8_hw.parameters import unit_parameters
from rtl_gen.package import Package, generate

from ..simulation.run_arrays import apply
from .network import ACC, CHUNK, FMT, GoldenEngine, Network, Trace, infer, infer_fp32


def packages() -> dict[str, Package]:
    """The units that the demo generates, by what they are for."""
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        "FP32": ("quantizer", {"src": "FP32", "dst": FMT}),
        ACC: ("quantizer", {"src": ACC, "dst": FMT}),
        "mac": ("mac", {"a": FMT, "b": FMT, "acc": ACC, "semantics": "chunked", "chunk": CHUNK}),
    }
    return {key: generate(unit_parameters(unit, p)) for key, (unit, p) in wanted.items()}


class RtlEngine:
    """Quantizes and multiplies with simulated units; counts what they computed."""

    def __init__(
        self, units: dict[str, Package], simulator: str, step: Callable[[str], None]
    ) -> None:
        self.units, self.simulator, self.step = units, simulator, step
        self.seconds = 0.0
        self.flags: list[NDArray[Any]] = []

    def _apply(self, unit: str, arrays: dict[str, NDArray[Any]], what: str) -> NDArray[Any]:
        self.step(f"{self.simulator}: {what}")
        done = apply(self.units[unit], self.simulator, arrays)
        self.seconds += done.outcome.seconds
        self.flags.append(done.flags)
        return done.codes

    def quantize(self, x: NDArray[Any], src: str) -> NDArray[Any]:
        """Codes of ``src`` to codes of HFP8."""
        codes = self._apply(src, {"x": x}, f"{x.size:,} elements through the {src} quantizer")
        return codes.astype(np.uint8)

    def matmul(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Accumulator codes of a @ b."""
        what = f"{a.shape[0] * b.shape[1] * a.shape[1]:,} products through the mac"
        rows = {"a": a[:, None, :], "b": b.T[None]}
        return self._apply("mac", rows, what).astype(np.uint16)


@dataclass
class Report:
    """What the demo found.

    Members
    -------
    compared : dict
        By simulator and step: (elements, bits a code, mismatches).
    accuracy : dict
        By engine: the share of held-out images that are classified right.
    """

    units: dict[str, Package]
    compared: dict[str, dict[str, tuple[int, int, int]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)

    @property
    def mismatches(self) -> int:
        """Over all simulators and steps."""
        return sum(bad for steps in self.compared.values() for _, _, bad in steps.values())


def accuracy(network: Network, logits: NDArray[Any]) -> float:
    """The share of images whose largest logit is their label's."""
    return float((np.argmax(logits, axis=1) == network.labels).mean())


def run(
    network: Network,
    units: dict[str, Package],
    simulators: list[str],
    step: Callable[[str], None],
) -> tuple[Report, Trace]:
    """Infer in binary32, with the golden model, and on each simulator; compare every code.

    Raises
    ------
    ToolMissing, SimulationError
        If a simulator cannot run or fails.
    """
    report = Report(units)
    report.accuracy["FP32"] = accuracy(network, infer_fp32(network))
    step("golden model")
    golden = infer(network, GoldenEngine())
    report.accuracy["golden HFP8"] = accuracy(network, golden.logits)
    for simulator in simulators:
        engine = RtlEngine(units, simulator, step)
        trace = infer(network, engine)
        report.accuracy[f"RTL, {simulator}"] = accuracy(network, trace.logits)
        report.seconds[simulator] = engine.seconds
        report.compared[simulator] = {
            name: (
                codes.size,
                codes.dtype.itemsize * 8,
                int((codes != trace.steps[name]).sum()),
            )
            for name, codes in golden.steps.items()
        }
    return report, golden


def picture(network: Network, trace: Trace, path: Path) -> None:
    """Save a histogram of the real weights and activations over the two formats' value grids."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    weights = np.concatenate([w.reshape(-1) for w in network.weights])
    activations = np.concatenate(
        [network.images.reshape(-1), decode(trace.steps["activations"], FMT).reshape(-1)]
    )
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(10, 6.4), sharex=True, height_ratios=(3, 1.25), layout="constrained"
    )
    edges = np.arange(-18, 17.5, 0.5)
    series = (
        ("weights", weights, "#3b6fb6"),
        ("activations", activations, "#d9822b"),
    )
    for label, values, color in series:
        magnitude = np.abs(values[values != 0])
        share = 100 * len(magnitude) / len(values)
        top.hist(
            np.log2(magnitude),
            edges,
            weights=np.full(len(magnitude), 100 / len(magnitude)),
            label=f"{label}: {len(values):,}, {share:.0f} % nonzero",
            color=color,
            alpha=0.6,
        )
    top.set_ylabel("share of the nonzero values, %")
    top.set_title("The digits network's real tensors and the two HFP8 formats")
    top.legend(loc="upper left", frameon=False)
    grids = (("HFP8_FWD", "(1,4,3), bias 11", 1, "#2a8a57"),
             ("HFP8_BWD", "(1,5,2), bias 15", 0, "#8e4a9e"))  # fmt: skip
    for name, facts, row, color in grids:
        fmt = CATALOGUE[name]
        values = np.array([fmt.value(code) for code in range(1, fmt.max_code + 1)])
        bottom.vlines(np.log2(values), row - 0.33, row + 0.33, color=color, linewidth=0.9)
        for axis in (top, bottom):
            axis.axvline(np.log2(fmt.max), color=color, linewidth=0.7, linestyle=":")
            axis.axvline(np.log2(fmt.min), color=color, linewidth=0.7, linestyle=":")
        text = f"{name} {facts}\n{fmt.min:.3g} to {fmt.max:g}, {len(values)} magnitudes"
        bottom.text(-25.7, row, text, color=color, va="center", ha="left", fontsize=8.5)
    bottom.set_yticks([])
    bottom.set_ylim(-0.6, 1.6)
    bottom.set_xlim(-26, 18)
    bottom.set_xlabel("log2 of the magnitude; every line is a value of the format")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
