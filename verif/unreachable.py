"""Proofs that something never happens in a unit: what coverage must not wait for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from rtl_gen.package import Package

from . import registers
from .claims import COMBINATIONAL, Problem, assumed, declared, pins
from .harness import payload
from .prove import each
from .toggles import Change, Place

_SOON, _LATER = 4, 6
"""Times the seconds of one proof: what all may take together, and those that are not done soon."""


def never_changes(package: Package, places: Sequence[Place], timeout: int) -> list[bool]:
    """For each place of the unit's Verilog, whether it is proved not to be reached after a first
    reset: a bit never changes that way, a branch is never taken.

    Registers that reset leaves alone start at zero.
    """
    lines = package.verilog.splitlines()
    claims: list[Change | str | None] = [p.change or taken(p, lines) for p in places]

    return _judge(claims, lambda some: _places(package, some), timeout)


def never_holds(package: Package, conditions: Sequence[str | None], timeout: int) -> list[bool]:
    """For each condition on the ports of a unit without a state, in Verilog, whether it is
    proved to be false for all inputs and their result."""
    return _judge(conditions, lambda some: _conditions(package, some), timeout)


def never_shows(package: Package, conditions: Sequence[str | None], timeout: int) -> list[bool]:
    """For each condition on ports in a clock, whether it is proved false after a first reset."""
    return _judge(
        conditions, lambda some: _inside(package, [f"!({text})" for text in some]), timeout
    )


def taken(place: Place, lines: Sequence[str]) -> str | None:
    """Verilog: when a branch is taken; None where its line does not tell."""
    text = lines[place.line - 1]
    inner = re.search(r"\bif \((.*?)\)", text)
    if place.kind == "toggle":
        return None
    if inner is None and text.count("?") == 1:
        inner = re.search(r"= (.*?) \?", text)
    if inner is None:
        return None
    return {"if": inner[1], "else": f"!({inner[1]})", "cond_then": inner[1],
            "cond_else": f"!({inner[1]})"}.get(place.what)  # fmt: skip


def _judge(
    claims: Sequence[Any], problem: Callable[[Sequence[Any]], Problem], timeout: int
) -> list[bool]:
    """Which claims are proved; None cannot be. ABC is given a short time for each of them, and then
    ``timeout`` seconds for each of those that are left."""
    left = [k for k, claim in enumerate(claims) if claim is not None]
    found = [False] * len(claims)
    for longer in (False, True):
        if not left:
            break
        limit = (_LATER if longer else _SOON) * timeout
        share = min(timeout, limit / len(left)) if longer else timeout / 30
        refuted, undecided = each(problem([claims[k] for k in left]), limit, share)
        for n, k in enumerate(left):
            found[k] = f"claim{n}" not in refuted | undecided
        left = [k for n, k in enumerate(left) if f"claim{n}" in undecided]
    return found


def _places(package: Package, claims: Sequence[Change | str]) -> Problem:
    """Assertions that bits do not change, and that branches are not taken."""
    bits: list[str] = []
    checks: list[str] = []
    for claim in claims:
        if isinstance(claim, str):
            checks.append(f"!({claim})")
            continue
        net, bit, old = claim
        checks.append(f"coverage_was[{len(bits)}] != {old} || coverage_now[{len(bits)}] == {old}")
        bits.append(net if bit is None else f"{net}[{bit}]")
    nets = f"""  reg [{len(bits)}:0] coverage_was;
  wire [{len(bits)}:0] coverage_now = {{{", ".join(["1'b0", *reversed(bits)])}}};
  always @(posedge {package.manifest["clock"]}) coverage_was <= coverage_now;
"""
    return _inside(package, checks, nets)


def _labelled(checks: Sequence[str]) -> str:
    return "".join(f"      claim{k}: assert ({check});\n" for k, check in enumerate(checks))


def _inside(package: Package, checks: Sequence[str], nets: str = "") -> Problem:
    """The unit with assertions in it, that hold from the clock after a first reset on; sums are
    no larger than `verif.bounded` says."""
    sizes = "".join(f"    assume ({text});\n" for text in registers.assumed(package))
    inside = f"""  reg coverage_started = 0;
{nets}{assumed(package)}  always @* begin
{sizes}  end
  always @(posedge {package.manifest["clock"]}) begin
    coverage_started <= 1;
    assume (coverage_started || {package.manifest["reset"]["name"]});
    if (coverage_started) begin
{_labelled(checks)}    end
  end
endmodule
"""
    text = inside.join(package.verilog.rsplit("endmodule\n", 1))
    script = f"read_verilog -formal unit.v\nrename {package.manifest['top']} prove\n"
    return Problem({"unit.v": text}, f"{script}proc\nsetundef -zero -init\n")


def _conditions(package: Package, conditions: Sequence[str]) -> Problem:
    """The combinational form, with assertions about its ports."""
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    text = f"""module prove(
  input clk,
{declared("in", ins).rstrip(",")}
);
{declared("out", outs)}
  combinational unit(.clk(1'b0), .rst(1'b0), .i_valid(1'b1), .o_ready(1'b1){pins(ins)}{pins(outs)});
{assumed(package)}  always @(posedge clk) begin
{_labelled([f"!({condition})" for condition in conditions])}  end
endmodule
"""
    form = COMBINATIONAL.format(top=package.manifest["top"])
    files = {"unit.v": package.verilog, "prove.sv": text}
    return Problem(files, f"{form}read_verilog -formal prove.sv\n")
