"""One point: a configuration, and all that is measured of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.package import generate

from ..synth import synthesise
from ..utilisation import PLACEABLE
from .core import CoreWork, core_work
from .error import Error
from .error import measure as measure_error
from .workload import Workload

MEASURED, REFUSED, FAILED = "measured", "refused", "failed"
AREA = ("luts", "ffs", "dsps", "memories", "fmax", "fmax_median")
TIMING = ("latency", "interval", "sum_interval")
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One point, and how it is measured; ``parameters`` are all of the unit's."""

    unit: str
    parameters: dict[str, Any]
    device: str
    dsp: bool
    seeds: int
    workload: Workload


def measure(task: Task) -> Row:
    """The row of a point, with ``status``:

    ``measured``
        ``luts``, ``ffs``, ``dsps``, ``memories``; ``fmax`` in MHz, by seed, and ``fmax_median``;
        ``latency``, ``interval`` and ``sum_interval`` in clocks, as in the manifest; ``latency_ns``
        and ``throughput`` (million items a second in long sums, times the lanes) at the median
        clock; the members of `fpga.explore.error.Error`; ``sha256`` of the Verilog; ``tools``.
        Of a core ``latency`` and ``throughput`` are those of the workload, and there are also
        `fpga.explore.core.FIGURES`.
    ``refused``
        The unit does not take the workload; ``reason`` says why.
    ``failed``
        A tool failed, as where a unit is too large for a device, or a core for the placer;
        ``reason`` has its words.
    """
    row: Row = {"unit": task.unit, "parameters": task.parameters}
    parameters = unit_parameters(task.unit, task.parameters)
    work: CoreWork | None = None
    try:
        if isinstance(parameters, CoreParameters):
            work = core_work(parameters, task.workload)
        package = generate(parameters)
        error: Error = work.error if work else measure_error(package, task.workload)
    except ParameterError as refusal:
        return {**row, "status": REFUSED, "reason": str(refusal)}
    try:
        # The other points are placed at the same time, so these seeds take turns.
        report = synthesise(package, task.device, seeds=task.seeds, dsp=task.dsp, jobs=1,
                            limit=PLACEABLE if work else None)  # fmt: skip
    except RunError as failure:
        return {**row, "status": FAILED, "reason": str(failure)}
    manifest, clock = package.manifest, report.median
    latency, lanes = manifest["latency"], task.parameters.get("lanes", 1)
    figures = report.to_dict()
    return {
        **row,
        "status": MEASURED,
        **{name: figures[name] for name in AREA},
        **{name: manifest[name] for name in TIMING},
        "latency_ns": None if latency is None else round(1e3 * latency / clock, 2),
        "throughput": round(clock * lanes / manifest["interval"], 2),
        **(work.figures(clock) if work else {}),
        **asdict(error),
        "sha256": report.sha256,
        "tools": [*(f"{k} {v}" for k, v in manifest["tools"].items()), *report.tools],
    }
