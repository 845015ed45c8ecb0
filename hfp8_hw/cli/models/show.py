"""What commands for ONNX models print, and write as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from ...models import Deployment, Outcome
    from ...models.chains.boundaries import Boundary
    from ...models.plan import Plan
    from ...models.records import OutputRecord
    from .engines import Chosen

_WHERE = {"hfp8": "8 bits", "fp16": "16 bits", "host": "FP32"}
_LONGEST = 32
"""Letters of a node's name in a table; some writers join the names of all nodes that became one."""


def short(name: str) -> str:
    """A name, or its end."""
    return name if len(name) <= _LONGEST else f"...{name[3 - _LONGEST :]}"


def progress(console: Console) -> Progress:
    """The progress of a run."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    return Progress(*columns, console=console, transient=True)


def line(console: Console, text: str) -> None:
    """A line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_plan(plan: Plan, notes: list[str], console: Console) -> None:
    """Which nodes run where, their products, and why some stay; and what to know of the scales."""
    from ...models.plan import NO_PRODUCT

    table = Table("node", "operator", "runs in")
    for name in ("output", "MACs"):
        table.add_column(name, justify="right")
    table.add_column("why")
    for node in plan.nodes:
        if node.macs or node.where != "host":
            shape = "x".join(map(str, node.shape))
            cells = (short(node.name), node.op, _WHERE[node.where], shape, f"{node.macs:,}")
            table.add_row(*cells, node.why)
    console.print(table, markup=False)
    words = ", ".join(f"{plan.macs(k):,} in {_WHERE[k]}" for k in _WHERE if plan.macs(k))
    line(console, f"MACs of {plan.samples} sample{'s' * (plan.samples > 1)}: {words}")
    others = Counter(
        (node.op, node.why) for node in plan.nodes if node.where == "host" and not node.macs
    )
    plain = [f"{count} {op}" for (op, why), count in others.most_common() if why == NO_PRODUCT]
    line(console, f"in onnxruntime, as they are no products: {', '.join(plain) or 'none'}")
    for (op, why), count in others.items():
        if why != NO_PRODUCT:
            line(console, f"in onnxruntime: {count} {op}, {why}")
    for note in notes:
        line(console, note)


def show_between(boundaries: list[Boundary], console: Console) -> None:
    """What becomes of the results of each product on a core."""
    table = Table("product", "its results", "why")
    for one in boundaries:
        if one.why:
            table.add_row(short(one.first), "go to the host", one.why)
        else:
            what = "after a ReLU" if one.relu else ""
            table.add_row(short(one.first), f"stay on the core, for {short(one.second)}", what)
    console.print(table, markup=False)


def show_outcome(outcome: Outcome, console: Console) -> None:
    """What the run gave, node by node, and how far the outputs are from FP32."""
    table = Table("node")
    for name in ("SQNR, dB", "own, dB", "saturated", "underflown", "not finite"):
        table.add_column(name, justify="right")
    for node in outcome.nodes:
        cells = (db(node.sqnr_db), db(node.own_sqnr_db), f"{node.saturated:,}",
                 f"{node.underflown:,}", f"{node.overflown:,}")  # fmt: skip
        table.add_row(short(node.name), *cells)
    console.print(table, markup=False)
    line(console, "SQNR is against the model in FP32; own, against FP32 with the same inputs")
    for node in outcome.nodes:
        if node.invalid:
            taken = {one.kind for one in (node.a, node.b) if one and one.invalid}
            line(console, f"{node.name}: {node.invalid:,} elements of its operands are NaN, which "
                 f"{' and '.join(sorted(taken))} does not have: its results are wrong")  # fmt: skip
    for record in outcome.compared:
        line(console, f"{record.name}: {difference(record)}")


def difference(record: OutputRecord) -> str:
    """How far an output is from what it is compared with."""
    errors = record.errors
    if not errors.elements and errors.odd:
        return "cannot be compared, as its shape is another one"
    if not errors.elements:
        return "not compared: no array of numbers"
    agreed = f", arg-max agrees in {record.agreed:,} of {record.compared:,}"
    odd = f", {errors.odd:,} elements are not finite" if errors.odd else ""
    if errors.odd == errors.elements:
        return f"all {errors.odd:,} elements are not finite, here or where they are compared with"
    same = "equal" if errors.sqnr_db is None and not errors.largest and not errors.odd else (
        f"SQNR {db(errors.sqnr_db)} dB, largest difference {errors.largest:.6g}"
    )  # fmt: skip
    return f"{same}{agreed if record.compared else ''}{odd}"


def db(value: float | None) -> str:
    """Decibels; a dash where nothing differs, or nothing was compared."""
    return "-" if value is None else f"{value:.1f}"


def show_core(chosen: Chosen, clock: int | None, console: Console) -> None:
    """What the core took, and whether it gave what golden gives."""
    core, checked = chosen.core or chosen.board, chosen.checked
    if core is None or checked is None:
        return
    p = core.p
    line(console, f"core {p.rows} x {p.cols} x {p.lanes}, {p.semantics}: {checked.elements:,} "
         f"codes, {checked.mismatches:,} mismatches with golden")  # fmt: skip
    if chosen.board is not None:
        board, hertz = chosen.board, chosen.board.device.facts.clock
        line(console, f"{board.clocks:,} clocks at work on {board.macs:,} MACs, utilisation "
             f"{board.utilisation:.1%}, {board.clocks / hertz * 1e3:,.3f} ms at {hertz / 1e6:g} "
             f"MHz; {board.seconds:,.1f} seconds with the line")  # fmt: skip
        went = board.traffic
        line(console, f"over the line: {went.requests:,} requests, {went.sent:,} bytes to the "
             f"board, {went.received:,} back")  # fmt: skip
    elif chosen.core is not None:
        clocks = chosen.core.clocks
        time = "" if clock is None else f", {clocks / (clock * 1e3):,.3f} ms at {clock} MHz"
        line(console, f"{clocks:,} clocks for {core.macs:,} MACs, utilisation "
             f"{core.utilisation:.1%}{time}")  # fmt: skip
    if checked.first:
        line(console, f"first mismatch: {checked.first}")


def to_dict(
    deployment: Deployment, plan: Plan, outcome: Outcome, expected: list[OutputRecord],
    chosen: Chosen, clock: int | None, boundaries: list[Boundary],
) -> dict[str, Any]:  # fmt: skip
    """The figures, as JSON takes them."""
    return {
        "model": deployment.graph.path.name,
        "settings": vars(deployment.settings) | {"keep": list(deployment.settings.keep)},
        "samples": plan.samples,
        "plan": [vars(node) | {"shape": list(node.shape)} for node in plan.nodes],
        "nodes": [node.to_dict() for node in outcome.nodes],
        "outputs": [record.to_dict() for record in outcome.compared],
        "expected": [record.to_dict() for record in expected],
        "boundaries": [vars(one) for one in boundaries],
        "engine": chosen.to_dict(clock),
        "seconds": round(outcome.seconds, 3),
    }
