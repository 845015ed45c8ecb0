"""Synthesis and place-and-route of a generated unit: LUTs, flip-flops and clock."""

from __future__ import annotations

import hashlib
import inspect
import json
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hfp8_hw.cores import cores
from hfp8_hw.errors import ParameterError, RunError, check_int
from rtl_gen.cache import cache_dir
from rtl_gen.package import Package, write_whole
from rtl_gen.tools import ToolError, find, run

from . import carry, dsp_registers, floorplan, memory_registers, netlist, wrapper
from .devices import LARGE, Device, check_device
from .utilisation import logic_share, too_large, utilisation

SEEDS_RANGE = (1, 32)
Step = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What the tools say about one unit on one device.

    Members
    -------
    luts, ffs, dsps : int
        On ECP5 ``luts`` counts TRELLIS_COMB, which is a LUT4 each and two a carry cell.
    fmax : list of float
        MHz, by seed.
    memories : int
        Block RAMs.
    critical : list of str
        The longest path of the median seed: delays in ns and cells.
    """

    unit: str
    parameters: dict[str, int | str]
    device: str
    dsp: bool
    luts: int
    ffs: int
    dsps: int
    fmax: list[float]
    critical: list[str]
    tools: list[str]
    sha256: str
    memories: int = 0

    @property
    def median(self) -> float:
        """The median over the seeds, in MHz."""
        return statistics.median(self.fmax)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the median beside its seeds."""
        return {**asdict(self), "fmax_median": self.median}


def synthesise(
    package: Package,
    device: str,
    *,
    seeds: int = 3,
    dsp: bool = False,
    jobs: int | None = None,
    step: Step = lambda _: None,
    cache: bool = True,
    limit: float | None = None,
) -> Report:
    """Synthesise a unit between two rows of registers, place and route it ``seeds`` times.

    Results are kept by a hash of the Verilog, the flow and the tools' versions.

    Parameters
    ----------
    limit : float, optional
        The share of the logic that a unit may take to be placed.

    Raises
    ------
    ParameterError
        For an unknown device, or a choice that it does not offer.
    RunError
        If it takes more.
    ToolMissing, ToolError
        If a tool is missing or fails: there are no figures of a failed run.
    """
    chosen = check_flow(device, dsp)
    check_int("seeds", seeds, *SEEDS_RANGE)
    tools = versions(chosen)
    key = hashlib.sha256(
        json.dumps(
            [package.verilog, asdict(chosen), LARGE, dsp, seeds, tools, _texts(package), _passes()]
        ).encode()
    ).hexdigest()
    kept = cache_dir() / "synth" / f"{key}.json"
    if cache and kept.exists():
        step("kept from an earlier run")
        found = json.loads(kept.read_text())
        found.pop("fmax_median")
        return Report(**found)
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        step("yosys")
        counted, more = _netlist(package, chosen, dsp, folder)
        if limit is not None:
            step("how large it is")
            _check_fits(chosen, folder, limit)
        placer = replace(chosen, place=(*chosen.place, *more))
        report = _measure(package, device, placer, seeds, dsp, jobs, step, tools, folder, counted)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, json.dumps(report.to_dict()).encode())
    return report


def check_flow(name: object, dsp: bool) -> Device:
    """The device of that name, with or without DSP blocks.

    Raises
    ------
    ParameterError
        If there is none, or it has no DSP blocks to use.
    """
    device = check_device(name)
    if dsp and not device.has_dsp:
        raise ParameterError(f"dsp={dsp!r} is not allowed for {name}: it has no DSP blocks")
    return device


def versions(device: Device, extra: str = "synth") -> list[str]:
    """The flow's tools and their versions; raises ToolMissing, which names the extra."""
    return [find(tool, extra)[1] for tool in ("yosys", device.place[0])]


def _passes() -> list[str]:
    """The passes over netlists are part of the flow."""
    return [
        inspect.getsource(module)
        for module in (carry, dsp_registers, floorplan, memory_registers, netlist)
    ]


def _texts(package: Package) -> list[str]:
    return [wrapper.registered(package.manifest), wrapper.serial(package.manifest)]


def _measure(
    package: Package,
    name: str,
    device: Device,
    seeds: int,
    dsp: bool,
    jobs: int | None,
    step: Step,
    tools: list[str],
    folder: Path,
    counted: dict[str, int],
) -> Report:
    reports: dict[int, dict[str, Any]] = {}
    with ThreadPoolExecutor(jobs or cores()) as pool:
        runs = {pool.submit(_place, device, seed, folder): seed for seed in range(1, seeds + 1)}
        try:
            for done in as_completed(runs):
                reports[runs[done]] = done.result()
                step(f"{device.place[0]} {len(reports)}/{seeds}")
        except BaseException:
            for waiting in runs:
                waiting.cancel()
            raise
    if device.area_from == "nextpnr":
        counted = {
            kind: use["used"] for kind, use in reports[1]["utilization"].items() if use["used"]
        }
    fmax = [_fmax(reports[seed]) for seed in range(1, seeds + 1)]
    middle = sorted(range(seeds), key=fmax.__getitem__)[seeds // 2] + 1
    return Report(
        unit=package.manifest["unit"],
        parameters=package.manifest["parameters"],
        device=name,
        dsp=dsp,
        luts=sum(counted.get(kind, 0) * weight for kind, weight in device.luts.items()),
        ffs=sum(counted.get(kind, 0) * weight for kind, weight in device.ffs.items()),
        dsps=sum(counted.get(kind, 0) for kind in device.dsps),
        fmax=[round(f, 1) for f in fmax],
        critical=_path(reports[middle]),
        tools=tools,
        sha256=package.manifest["sha256"],
        memories=sum(counted.get(kind, 0) for kind in device.memories),
    )


def _netlist(
    package: Package, device: Device, dsp: bool, folder: Path
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Write what nextpnr reads; cells of the unit by kind, as Yosys counts them, and nextpnr's
    further arguments."""
    (folder / "pins.cst").write_text(device.pins)
    parallel, chained = _texts(package)
    counted = _synthesise(package.verilog + parallel, device, dsp, folder)
    if device.serial:
        _synthesise(package.verilog + chained, device, dsp, folder)
    if sum(counted.values()) < LARGE:
        return counted, ()
    if device.sites is None:
        return counted, device.large
    design = json.loads((folder / "design.json").read_text())
    registers = floorplan.place_registers(design, wrapper.TOP, device.sites)
    floorplan.place_blocks(design, wrapper.TOP, device.sites)
    (folder / "design.json").write_text(json.dumps(design))
    return counted, () if registers else device.large


def _check_fits(device: Device, folder: Path, limit: float) -> None:
    tool, *arguments = device.place
    log = run(tool, [*arguments, "--json", "design.json", "--pack-only"], folder)
    used = utilisation(log)
    over = too_large(used, limit)
    if over:
        raise RunError(
            f"too large for the {device.title}: {', '.join(over)} ({logic_share(used):.0%})"
        )


def _synthesise(verilog: str, device: Device, dsp: bool, folder: Path) -> dict[str, int]:
    (folder / "design.v").write_text(verilog)
    command = device.synth.format(top=wrapper.TOP, dsp=device.dsp[dsp])
    script = f"read_verilog design.v; {command}; tee -q -o stat.json stat -json"
    run("yosys", ["-q", "-p", script], folder)
    stat = json.loads((folder / "stat.json").read_text())
    counts: dict[str, int] = stat["design"]["num_cells_by_type"]
    if device.packs:
        pack(folder / "design.json", wrapper.TOP, dsp)
    return counts


def pack(file: Path, top: str, dsp: bool) -> None:
    """Use the registers of ECP5's block RAMs and, with ``dsp``, those of its DSP blocks, the spare
    inputs of its carry cells and the entries of its carry chains, in place."""
    design = json.loads(file.read_text())
    moved = memory_registers.absorb_words(design, top)
    if dsp:
        dsp_registers.absorb_registers(design, top)
        carry.absorb_gates(design, top)
        carry.enter_carries(design, top)
    if dsp or moved:
        file.write_text(json.dumps(design))


def _place(device: Device, seed: int, folder: Path) -> dict[str, Any]:
    tool, *arguments = device.place
    report = f"report{seed}.json"
    output = f"placed{seed}.json"
    arguments += ["--timing-allow-fail", "--json", "design.json", "--seed", str(seed)]
    run(tool, [*arguments, "--report", report, "--write", output], folder)
    (folder / output).unlink(missing_ok=True)
    try:
        loaded: dict[str, Any] = json.loads((folder / report).read_text())
    except (OSError, ValueError) as error:
        raise ToolError(f"{tool} wrote no report: {error}") from None
    return loaded


def _fmax(report: dict[str, Any]) -> float:
    """The achieved frequency of the clock, of which there is one."""
    clocks = list(report["fmax"].values())
    if len(clocks) != 1:
        raise ToolError(f"expected one clock, nextpnr reports {len(clocks)}")
    return float(clocks[0]["achieved"])


def _path(report: dict[str, Any]) -> list[str]:
    """The longest path, without the steps along a carry chain."""
    paths = [p for p in report.get("critical_paths", []) if p["from"] == p["to"]]
    if not paths:
        return []
    return [
        f"{s['delay']:.2f} {s['type']} {s['to']['cell']}.{s['to']['port']}"
        for s in paths[0]["path"]
        if s["delay"] >= 0.1
    ]
