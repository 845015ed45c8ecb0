"""Rewrite the generated parts of README.md and docs/ from the results that are committed.

A generated part stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import arrays
import boards
import explored
import networks
import twin

from fpga.arrays import ARRAYS, CoreArray
from fpga.arrays import FIGURES as CORE_FIGURES
from fpga.devices import DEVICES
from fpga.figures import committed
from fpga.rows import ROWS
from hfp8_hw.formats import CATALOGUE
from hfp8_hw.jobs import REASONS
from hfp8_hw.parameters import UNITS, unit_parameters
from hfp8_hw.registers import ACCESS, OTHER_ERRORS, REGISTERS
from rtl_gen.package import generate
from verif.coverage.cover import bins, code

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent


def table(head: list[str], rows: Iterable[list[Any]], right: int = 99, text: int = -1) -> str:
    """A Markdown table; columns from ``right`` on are aligned to the right, but for ``text``."""
    rule = ["--:" if k >= right and k != text else "---" for k in range(len(head))]
    lines = [head, rule, *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def results() -> str:
    """docs/results.md: a row a unit, from ``docs/results/verify.json``."""
    data = json.loads((DOCS / "results" / "verify.json").read_text())
    rows = []
    for unit in UNITS:
        runs = [r for r in data["runs"] if r["unit"] == unit]
        cells: list[Any] = [f"`{unit}`", UNITS[unit].summary]
        cells.append(len({json.dumps(r["parameters"]) for r in runs}))
        for simulator in data["tools"]:
            own = [r for r in runs if r["simulator"] == simulator]
            vectors = sum(r["vectors"] for r in own)
            bad = sum(r["mismatches"] for r in own)
            good = all(r["good"] for r in own)
            cells.append(f"{vectors:,} / {bad}" + ("" if good else " **failed**"))
        whole, _, sampled = _swept(unit)
        shown = f"every input, {whole} configurations" if whole else f"{sampled:,} sampled"
        rows.append([*cells, shown if whole or sampled else "", _proved(unit, "stream")])
    names = [f"{name} {version}: results / mismatches" for name, version in data["tools"].items()]
    head = ["unit", "what it is", "configurations", *names, "swept", "stream proved"]
    return table(head, rows, 2, 5)


def _swept(unit: str) -> tuple[int, int, int]:
    """(configurations with every input, inputs in them, sampled transfers of others)."""
    data = json.loads((DOCS / "results" / "sweep.json").read_text())
    own = [s for s in data["sweeps"] if s["unit"] == unit and s["good"]]
    whole = [s for s in own if s["complete"]]
    sampled = sum(s["transfers"] for s in own if not s["complete"])
    return len(whole), sum(s["transfers"] for s in whole), sampled


def _proved(unit: str, name: str) -> str:
    data = json.loads((DOCS / "results" / "prove.json").read_text())
    own = [p for p in data["proofs"] if p["unit"] == unit and p["property"] == name]
    return f"{sum(p['status'] == 'proved' for p in own)} of {len(own)}" if own else ""


def _mutants(unit: str) -> str:
    path = DOCS / "results" / f"mutate-{unit}.json"
    if not path.exists():
        return ""
    status = [m["status"] for m in json.loads(path.read_text())["mutants"]]
    rest = len(status) - status.count("equivalent")
    return f"{status.count('killed')} of {rest}"


def _covered(unit: str) -> list[str]:
    """Bins hit, and lines, branches and changes of bits hit, of those that are reachable."""
    data = json.loads((DOCS / "results" / "cover.json").read_text())
    runs = [r for r in data["runs"] if r["unit"] == unit]
    places = [pair for row in runs for pair in code(row).values()]
    pairs = ([bins(row) for row in runs], places)
    return [f"{sum(p[0] for p in ps):,} of {sum(p[1] for p in ps):,}" if ps else "" for ps in pairs]


def _regressed(unit: str) -> str:
    """Runs of the default matrix of `hfp8 regress` with every result equal."""
    data = json.loads((DOCS / "results" / "regress.json").read_text())
    own = [r for r in data["runs"] if r["unit"] == unit]
    return f"{sum(r['good'] for r in own)} of {len(own)}" if own else ""


def claims() -> str:
    """docs/verification.md: what is shown of each unit, from ``docs/results``."""
    names = ("stream", "progress", "pipeline", "arithmetic")
    rows = []
    for unit in UNITS:
        whole, inputs, sampled = _swept(unit)
        rows.append([
            f"`{unit}`", whole or "", f"{inputs:,}" if whole else "",
            f"{sampled:,}" if sampled else "", *(_proved(unit, name) for name in names),
            _mutants(unit), *_covered(unit), _regressed(unit),
        ])  # fmt: skip
    head = ["unit", "every input: configurations", "inputs", "sampled transfers",
            *(f"{name} proved" for name in names), "mutants killed", "bins hit",
            "lines, branches, changes hit", "runs of the matrix equal"]  # fmt: skip
    files = [DOCS / "results" / f"{name}.json" for name in ("sweep", "prove", "cover")]
    tools = dict.fromkeys(t for path in files for t in json.loads(path.read_text())["tools"])
    return f"{table(head, rows, 1)}\n\n{', '.join(tools)}."


def speed() -> str:
    """docs/speed.md: ratios, from ``docs/results/golden.json``."""
    data = json.loads((DOCS / "results" / "golden.json").read_text())
    rows = []
    for row in data["rows"]:
        peer = f"{row['peer']} {row['peer_rate'] / 1e6:,.0f}" if row["peer"] else ""
        ratio = f"{row['ratio']:.1f}" if row["ratio"] else ""
        rows.append([row["job"], row["engine"], f"{row['rate'] / 1e6:,.0f}", peer, ratio])
    tools = ", ".join(f"{name} {version}" for name, version in data["tools"].items())
    head = ["job", "engine", "M/s", "peer, M/s", "ratio"]
    return f"{table(head, rows, 2)}\n\nMeasured by `make bench` with {tools}."


def catalogue() -> str:
    """docs/numerics.md: the formats."""
    rows = [
        [
            f"`{name}`",
            f"{f.exp_bits},{f.man_bits},{f.bias}",
            f.zero_exp,
            f.specials,
            f"{f.max:.10g}",
            f"{f.min:.6g}",
        ]
        for name, f in CATALOGUE.items()
    ]
    return table(["name", "E,M,B", "exponent 0", "specials", "largest", "smallest"], rows)


def units() -> str:
    """docs/units.md: parameters, ports, latency and golden function of every unit."""
    parts = []
    for unit, cls in UNITS.items():
        parameters = unit_parameters(unit, {})
        manifest = generate(parameters).manifest
        rows = [
            [
                f"`{f.name}`",
                f.metadata["shown"] or f"`{f.metadata['default']}`",
                f.metadata["text"],
                f.metadata["values"],
            ]
            for f in fields(cls)
        ]
        ports = [
            [f"`{p['name']}`", p["dir"], p["width"], p["role"], p.get("format", "")]
            for p in manifest["ports"]
        ]
        golden = manifest["golden"]["function"]
        summary = cls.summary[0].upper() + cls.summary[1:]
        parts.append(
            f"## {unit}\n\n{summary}. Golden function: `{golden}`.\n\n"
            f"{table(['parameter', 'default', 'what it is', 'allowed'], rows)}\n\n"
            f"With the defaults: {parameters.timing_text}. The ports are:\n\n"
            f"{table(['port', 'dir', 'width', 'role', 'format'], ports)}"
        )
    return "\n\n".join(parts)


def _total(name: str, key: str) -> list[dict[str, Any]]:
    """The rows of a committed result."""
    rows: list[dict[str, Any]] = json.loads((DOCS / "results" / f"{name}.json").read_text())[key]
    return rows


COMPARED = ("mac_exact", "mac_hybrid_chunked", "mul_hybrid", "quantizer")
"""The rows of the synthesis figures that the README shows."""


def _synthesised(name: str) -> tuple[str, str, str]:
    """Figures of a row of `hfp8 bench units` beside its peer's, and the command for them."""
    row, report = ROWS[name], committed("ecp5-85k")[name]
    options = " ".join(f"--{key} {value}" for key, value in row.parameters.items())
    found = f"{report['luts'] / row.lanes:.0f} LUT, {report['fmax_median']:.0f} MHz"
    assert row.peer is not None
    peer, luts, clock = row.peer
    return (
        f"`{row.unit}`: {row.name}",
        f"{found}; {peer}: {luts} LUT, {clock} MHz",
        f"`hfp8 synth {row.unit} {options}`, half a minute",
    )


def highlights() -> str:
    """README: at most ten figures, each with the command that gives it."""
    verified = _total("verify", "runs")
    vectors = sum(run["vectors"] for run in verified)
    wrong = sum(run["mismatches"] for run in verified)
    sweeps = _total("sweep", "sweeps")
    whole = [s for s in sweeps if s["complete"]]
    billions = sum(s["transfers"] for s in whole) / 1e9
    differing = sum(s["mismatches"] for s in sweeps)
    streams = [p for p in _total("prove", "proofs") if p["property"] == "stream"]
    proved = sum(p["status"] == "proved" for p in streams)
    states = [m["status"] for path in sorted((DOCS / "results").glob("mutate-*.json"))
              if path.stem != "mutate-core"
              for m in json.loads(path.read_text())["mutants"]]  # fmt: skip
    real = len(states) - states.count("equivalent")
    timed = [r for r in _total("golden", "rows") if r["engine"] == "numba" and r["ratio"]]
    ratios = [r["ratio"] for r in timed if r["job"].startswith("quantize")]
    simulated = f"{vectors:,} results, both simulators together; {wrong} mismatches"
    rows = [
        (
            "simulated on Icarus and Verilator",
            simulated,
            "`hfp8 verify UNIT` for each unit, more than an hour",
        ),
        (
            "swept over every input",
            f"{len(whole)} configurations, {billions:,.0f} billion inputs, {differing} mismatches",
            "`hfp8 sweep UNIT`, 20 seconds for 2^32 inputs of a quantizer",
        ),
        boards.highlight(),
        ("stream behaviour proved", f"{proved} of {len(streams)} configurations",
         "`hfp8 prove UNIT`, seconds per property"),
        ("planted faults found", f"{states.count('killed')} of {real} (seed 1)",
         "`hfp8 mutate UNIT`, a minute for 300 faults"),
        *(_synthesised(name) for name in COMPARED),
        (
            "golden `quantize` against ml_dtypes",
            f"{min(ratios):.0f} to {max(ratios):.0f} times as fast (numba)",
            "`hfp8 bench golden`, a minute",
        ),
    ]  # fmt: skip
    return table(["what", "figure", "command"], [list(row) for row in rows])


def _fmax(report: dict[str, Any]) -> str:
    low, high = min(report["fmax"]), max(report["fmax"])
    return f"{report['fmax_median']:.0f} ({low:.0f}-{high:.0f})"


def figures() -> str:
    """docs/area.md: LUTs and clock beside the peers', from ``fpga/results/ecp5-85k.json``."""
    data = committed("ecp5-85k")
    lines = []
    for name, row in ROWS.items():
        report = data[name]
        peer, luts, clock = row.peer or ("", "", "")
        lines.append([
            f"`{row.unit}`", row.name, f"{report['luts'] / row.lanes:.0f}",
            f"{report['ffs'] / row.lanes:.0f}", f"{report['dsps'] / row.lanes:.0f}",
            _fmax(report), peer, luts, clock,
        ])  # fmt: skip
    tools = ", ".join(next(iter(data.values()))["tools"])
    head = ["unit", "job", "LUT", "FF", "DSP", "MHz", "open peer", "LUT", "MHz"]
    return f"{table(head, lines, 2, 6)}\n\n{DEVICES['ecp5-85k'].title}; {tools}."


def _longest(name: str, report: dict[str, Any]) -> list[str]:
    """A row's longest path: ns in cells and in wires, and where it ends."""
    steps = [step.split()[:2] for step in report["critical"]]
    wires = sum(float(t) for t, kind in steps if kind == "routing")
    logic = 1000 / report["fmax_median"] - wires
    last = report["critical"][-1].split()[2] if steps else ""
    target = re.split("_TRELLIS|_SB_", last.replace("unit.", ""))[0]
    return [f"`{name}`", f"{logic:.1f}", f"{wires:.1f}", f"`{target}`"]


def goals() -> str:
    """docs/area.md: goals, figures and critical paths."""
    data = committed("ecp5-85k")
    lines = []
    for name, row in ROWS.items():
        report = data[name]
        luts = report["luts"] / row.lanes
        blocks = f" + {report['dsps'] // row.lanes} DSP" if report["dsps"] else ""
        cells = [f"`{row.unit}`: {row.name}", f"{luts:.0f}{blocks}", _fmax(report)]
        if row.goal is None:
            lines.append([*cells, "", "", ""])
            continue
        area, clock = luts <= row.goal[0], report["fmax_median"] >= row.goal[1]
        verdict = "both" if area and clock else "clock" if clock else "area" if area else "neither"
        lines.append([*cells, row.goal[0], row.goal[1], verdict])
    head = ["unit", "LUT", "MHz", "goal: at most", "at least", "reached"]
    paths = [_longest(name, data[name]) for name in ROWS]
    critical = table(["row", "ns in cells", "ns in wires", "ends at"], paths, 1)
    return f"{table(head, lines, 1)}\n\nThe longest path of the median placement:\n\n{critical}"


def devices() -> str:
    """docs/area.md: the same units on other devices, as far as figures are committed."""
    others = {name: committed(name) for name in DEVICES if name != "ecp5-85k"}
    others = {name: data for name, data in others.items() if data}
    lines = []
    for name, row in ROWS.items():
        if not any(name in data for data in others.values()):
            continue
        line = [f"`{row.unit}`: {row.name}"]
        for data in others.values():
            report = data.get(name)
            line += [f"{report['luts'] / row.lanes:.0f}", _fmax(report)] if report else ["", ""]
        lines.append(line)
    head = ["unit", *(text for name in others for text in (f"{DEVICES[name].title}: LUT", "MHz"))]
    return table(head, lines, 1)


def experiments() -> str:
    """docs/area.md: from ``fpga/results/experiments.json``."""
    data = json.loads((ROOT / "fpga" / "results" / "experiments.json").read_text())
    lines = [
        [r["idea"], r["what"], *(f"{luts} / {clock}" for luts, clock in (r["before"], r["after"]))]
        for r in data["rows"]
    ]
    head = ["idea", "in", "before: LUT / MHz", "after"]
    return f"{table(head, lines, 2)}\n\n{data['flow']}; {', '.join(data['tools'])}."


def _goal(array: CoreArray) -> str:
    """What an array should take and reach at least; empty if nobody has said."""
    if array.goal is None:
        return ""
    luts, dsps, clock = array.goal
    blocks = f" + {dsps} DSP" if dsps else ""
    return f"{luts} LUT{blocks}, {clock} MHz"


def core_figures() -> str:
    """docs/core.md: all arrays, with what ``fpga/results/core.json`` has of them."""
    measured = {row["name"]: row for row in json.loads(CORE_FIGURES.read_text())["rows"]}
    lines, shares, paths, tools = [], [], [], []
    for name, array in ARRAYS.items():
        row = measured.get(name, {})
        # The area of a row may be missing: it is dropped when the Verilog changes.
        placed = [row[key] for key in ("luts", "ffs", "dsps", "memories")] if "luts" in row else []
        figures = [*placed, _fmax(row), row["seeds"]] if placed else ["not measured", *[""] * 5]
        macs = unit_parameters("core", array.parameters).macs
        title = f"{array.title}; {DEVICES[array.device].title}"
        lines.append([f"`{name}`", title, macs, *figures, _goal(array)])
        shares += [
            [f"`{name}`", size, f"{share:.1%}"]
            for size, share in row.get("utilisation", {}).items()
        ]
        if placed:
            paths.append(_longest(name, row))
            tools += [tool for tool in row["tools"] if tool not in tools]
    head = ["array", "what it is", "MACs", "LUT", "FF", "DSP", "block RAM", "MHz", "seeds", "goal"]
    critical = table(["array", "ns in cells", "ns in wires", "ends at"], paths, 1)
    parts = [
        table(head, lines, 2, 9),
        "The longest path of the median placement:",
        critical,
    ]
    if shares:
        busy = table(["array", "M x N x K", "MACs in use"], shares, 2)
        parts += ["How busy they are, by their own counters, job after job:", busy]
    return "\n\n".join([*parts, f"{', '.join(tools)}."])


def registers() -> str:
    """docs/core.md: a row a field, from `hfp8_hw.registers`."""
    lines = []
    for one in REGISTERS:
        head = [f"`{one.address:#04x}`", f"`{one.name}`", ACCESS[one.access]]
        for field in one.fields:
            top = field.low + field.width - 1
            bits = f"{top}:{field.low}" if field.width > 1 else str(top)
            lines.append([*head, bits, f"`{field.name}`", field.text])
            head = ["", "", ""]
    return table(["address", "register", "access", "bits", "field", "what it is"], lines, 6)


def job_errors() -> str:
    """docs/core.md: the error codes."""
    lines = [[str(int(error)), text] for error, text in REASONS.items()]
    lines += [[str(code), text] for code, text in OTHER_ERRORS.values()]
    return table(["code", "why"], sorted(lines, key=lambda line: int(line[0])), 2)


PARTS = {
    ROOT / "README.md": {"highlights": highlights},
    DOCS / "results.md": {"results": results},
    DOCS / "speed.md": {"speed": speed},
    DOCS / "area.md": {
        "figures": figures, "goals": goals, "devices": devices, "experiments": experiments,
    },
    DOCS / "verification.md": {"claims": claims},
    DOCS / "numerics.md": {"catalogue": catalogue},
    DOCS / "units.md": {"units": units},
    DOCS / "core.md": {
        "registers": registers, "job_errors": job_errors, "core_figures": core_figures,
        "core_costs": partial(arrays.costs, table),
    },
    DOCS / "howto" / "board.md": {
        "bitstreams": partial(boards.bitstreams, table), "faults": partial(boards.faults, table),
        "board_network": partial(boards.network, table),
    },
    DOCS / "howto" / "explore.md": {
        "explored": partial(explored.points, table),
        "explored_core": partial(explored.cores, table),
    },
    DOCS / "models.md": {
        "models": partial(networks.scores, table),
        "models_on_the_core": partial(networks.on_the_core, table),
    },
    DOCS / "training.md": {
        "kernel": partial(twin.kernel, table), "traffic": partial(twin.traffic, table),
        "training": partial(twin.results, table), "deployed": partial(twin.deployed, table),
    },
}  # fmt: skip


def _replace(name: str, body: str, match: re.Match[str]) -> str:
    return f"{match[1]}{body}\n<!-- /{name} -->"


def rewritten(path: Path) -> str:
    """The file with its generated parts made anew."""
    text = path.read_text(encoding="utf-8")
    for name, make in PARTS[path].items():
        pattern = rf"(<!-- {name} -->\n).*?(\n?<!-- /{name} -->)"
        if not re.search(pattern, text, re.DOTALL):
            sys.exit(f"{path}: there is no part {name}")
        text = re.sub(pattern, partial(_replace, name, make()), text, flags=re.DOTALL)
    return text


def main() -> None:
    """Rewrite every file."""
    for path in PARTS:
        path.write_text(rewritten(path), encoding="utf-8")


if __name__ == "__main__":
    main()
