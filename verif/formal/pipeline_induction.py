"""What registers that move together hold, proved in as many clocks as they are deep.

Registers with one enable, none of which depends on itself, are at each of their clocks a function
of what everything else was at the last few. So a claim that holds for that many clocks from
power-up, with all other registers free to hold anything at any time, holds at all times, whatever
stalls and resets lie between. Reachability would have to learn what each stage can hold.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rtl_gen import tools
from rtl_gen.package import Package

from . import register_ranges
from .claims import Problem, labelled
from .prove import fails_within

_READ = """read_verilog -formal unit.v; rename {top} prove
proc; opt_clean; delete -output o:*
opt_clean; opt_dff -nosdff; opt_expr; opt_merge; opt_clean
"""
_MODEL = "read_json model.json\nhierarchy -top prove\nsetundef -zero -init\n"
_FEW = 8
"""Registers that are worth a look, at least."""

Cells = dict[str, dict[str, Any]]


def proved(
    package: Package, likely: Sequence[str], claims: Sequence[str], timeout: int
) -> list[str]:
    """Which of some claims about a unit's nets, in Verilog, hold at all times.

    Parameters
    ----------
    likely : sequence of str
        Claims that help with the others if they hold.
    timeout : int
        Seconds for all claims, for each of the unit's enables.
    """
    known: list[str] = []
    todo = list(dict.fromkeys([*likely, *claims]))
    moved: set[str] = set()
    more = False
    while todo:
        found = _moving(package, known, todo, moved)
        if found is None:
            if not more:
                break
            # What is known now may be what those before were in need of.
            moved, more = set(), False
            continue
        problem, depth = found
        failed = fails_within(problem, depth + 2, timeout)
        if failed is not None:
            more |= len(failed) < len(todo)
            known += [claim for n, claim in enumerate(todo) if f"claim{n}" not in failed]
            todo = [claim for n, claim in enumerate(todo) if f"claim{n}" in failed]
    return known


def _moving(
    package: Package, known: Sequence[str], claims: Sequence[str], moved: set[str]
) -> tuple[Problem, int] | None:
    """The unit with claims in it, as it is when the registers of one enable move at every clock and
    all others hold anything but what is known; and how deep those registers are.

    It is the enable with most registers, those in ``moved`` left out, to which they are added. None
    if it has only few.
    """
    given = "".join(f"    assume ({t});\n" for t in (*register_ranges.assumed(package), *known))
    waived, shown = labelled(claims)
    inside = f"""{waived}  always @(posedge {package.manifest["clock"]}) begin
{given}{shown}  end
endmodule
"""
    unit = inside.join(package.verilog.rsplit("endmodule\n", 1))
    design = tools.netlist({"unit.v": unit}, _READ.format(top=package.manifest["top"]))
    module = design["modules"]["prove"]
    cells: Cells = module["cells"]
    nets = module["netnames"]
    named = {bit: name for name in sorted(nets, reverse=True) for bit in nets[name]["bits"]}
    ends = {
        bit for net in register_ranges.named(package) if net in nets for bit in nets[net]["bits"]
    }
    by_enable: dict[Any, list[str]] = {}
    for name, cell in cells.items():
        if cell["type"] == "$dffe" and named[cell["connections"]["Q"][0]] not in moved:
            by_enable.setdefault(_enable(cell), []).append(name)
    most = max(by_enable.values(), key=len, default=[])
    if len(most) < _FEW:
        return None
    moved |= {named[cells[name]["connections"]["Q"][0]] for name in most}
    moving = {name for name in most if not ends & set(cells[name]["connections"]["Q"])}
    depth = _opened(cells, moving)
    for name, cell in cells.items():
        if name in moving:
            cell["type"] = "$dff"
            for part in (cell["connections"], cell["port_directions"]):
                del part["EN"]
            del cell["parameters"]["EN_POLARITY"]
        elif _is_register(cell):
            bits = cell["connections"]["Q"]
            cell |= {
                "type": "$anyseq",
                "parameters": {"WIDTH": f"{len(bits):032b}"},
                "port_directions": {"Y": "output"},
                "connections": {"Y": bits},
            }
    return Problem({"model.json": json.dumps(design)}, _MODEL), depth


def _enable(cell: dict[str, Any]) -> tuple[Any, ...]:
    return (*cell["connections"]["EN"], cell["parameters"]["EN_POLARITY"])


def _is_register(cell: dict[str, Any]) -> bool:
    return "Q" in cell["connections"]


def _opened(cells: Cells, moving: set[str]) -> int:
    """Take registers out of those that move until none depends on itself; the longest chain."""
    driver = {
        bit: name
        for name, cell in cells.items()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }
    sources = {name: _sources(cells, driver, name) for name in sorted(moving)}
    while True:
        graph = {name: sorted(found & moving) for name, found in sources.items() if name in moving}
        try:
            order = list(TopologicalSorter(graph).static_order())
            break
        except CycleError as error:
            moving.discard(error.args[1][0])
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[source] for source in graph[name]), default=0)
    return max(depth.values(), default=0)


def _sources(cells: Cells, driver: dict[Any, str], register: str) -> set[str]:
    """The registers whose values decide what one holds next."""
    found: set[str] = set()
    seen: set[str] = set()
    todo = [register]
    while todo:
        name = todo.pop()
        cell = cells[name]
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output" or (name == register and port != "D"):
                continue
            for source in {driver[bit] for bit in bits if bit in driver} - seen:
                seen.add(source)
                if _is_register(cells[source]):
                    found.add(source)
                else:
                    todo.append(source)
    return found
