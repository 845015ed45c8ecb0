"""Proofs that something never happens in a unit: what coverage must not wait for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rtl_gen.package import Package

from ..formal import pipeline_induction, register_ranges
from ..formal.claims import COMBINATIONAL, Problem, assumed, declared, labelled, pins
from ..formal.prove import each
from ..simulation.code_coverage import Change, Place
from ..stimulus.ports import payload

_WIDE = 32
"""Bits of the widest format: registers that are wider hold exact sums."""

_SOON, _LATER = 4, 6
"""Times the seconds of one proof: what all may take together, and those that are not done soon, as
often as they are tried."""


def never_changes(package: Package, places: Sequence[Place], timeout: int) -> list[bool]:
    """For each place of the unit's Verilog, whether it is proved not to be reached after a first
    reset: a bit never changes that way, a branch is never taken.

    Registers that reset leaves alone start at zero.
    """
    lines = package.verilog.splitlines()
    missed = {place.change for place in places}
    claims: list[Change | str] = []
    shown: list[list[int]] = []
    for place in places:
        own: list[Change | str] = []
        if place.change is None:
            when = taken(place, lines)
            own = [] if when is None else [f"!coverage_started || !({when})"]
        elif (*place.change[:2], 1 - place.change[2]) in missed:
            # Neither way: it stays 0 or stays 1, which needs no register.
            own = [f"{_bit(*place.change[:2])} == {value}" for value in (0, 1)]
        else:
            own = [place.change]
        shown.append([_place(claims, claim) for claim in own])
    known: list[str] = []

    def more(left: Sequence[Change | str]) -> list[str]:
        known.extend(pipeline_induction.proved(
            package, register_ranges.likely(package), [c for c in left if isinstance(c, str)],
            timeout,
        ))  # fmt: skip
        return known

    proved = _judge(claims, lambda some: _places(package, some, known), timeout, more)
    return [any(proved[k] for k in own) for own in shown]


def _place(claims: list[Change | str], claim: Change | str) -> int:
    """Where a claim is in the list, at the end if it is new."""
    if claim not in claims:
        claims.append(claim)
    return claims.index(claim)


def never_holds(package: Package, conditions: Sequence[str | None], timeout: int) -> list[bool]:
    """For each condition on the ports of a unit without a state, in Verilog, whether it is
    proved to be false for all inputs and their result."""
    return _judge(conditions, lambda some: _conditions(package, some), timeout)


def never_shows(package: Package, conditions: Sequence[str | None], timeout: int) -> list[bool]:
    """For each condition on ports in a clock, whether it is proved false after a first reset."""
    return _judge(
        conditions,
        lambda some: _inside(package, [f"!coverage_started || !({text})" for text in some]),
        timeout,
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
    claims: Sequence[Any],
    problem: Callable[[Sequence[Any]], Problem],
    timeout: int,
    more: Callable[[Sequence[Any]], Sequence[Any]] = lambda left: (),
) -> list[bool]:
    """Which claims are proved; None cannot be. ABC is given a short time for each of them, the same
    where exact sums are free to be anything, then ``timeout`` seconds for each of those that are
    left; what another way proves of these is taken out, and last is each by itself."""
    left = [k for k, claim in enumerate(claims) if claim is not None]
    found = [False] * len(claims)

    def decide(some: list[int], limit: int, share: float) -> list[int]:
        """Those that stay open."""
        refuted, undecided = each(problem([claims[k] for k in some]), limit, share)
        for n, k in enumerate(some):
            found[k] = f"claim{n}" not in refuted | undecided
        return [k for n, k in enumerate(some) if f"claim{n}" in undecided]

    if left:
        left = decide(left, _SOON * timeout, timeout / 30)
    if left and (free := _freed(problem([claims[k] for k in left]))) is not None:
        # Of any sums, a claim may fail that holds of those that can be.
        open_ = set.union(*each(free, _SOON * timeout, timeout))
        for n, k in enumerate(left):
            found[k] = f"claim{n}" not in open_
        left = [k for k in left if not found[k]]
    if left:
        limit = _LATER * timeout
        left = decide(left, limit, min(timeout, limit / len(left)))
    if left:
        also = set(more([claims[k] for k in left]))
        for k in left:
            found[k] = claims[k] in also
        left = [k for k in left if not found[k]]
    # What one engine has learned of others can stand in its way.
    end = time.monotonic() + _LATER * timeout
    for k in left:
        if time.monotonic() < end:
            decide([k], timeout, timeout)
    return found


def _freed(given: Problem) -> Problem | None:
    """The same with registers of exact sums that hold anything at any time: what control bits,
    counters and flags do does not depend on them, and they are what ABC gets lost in. None if
    there is no such register."""
    wide = re.findall(r"reg \[(\d+):0\] (?!coverage_was)", given.files["unit.v"])
    if max(map(int, wide), default=0) < _WIDE:
        return None
    # What bits were before is of the claims, however many they are.
    sums = f"t:$*dff* r:WIDTH>{_WIDE} %i w:coverage_was %ci1 %d"
    cut = f"proc; opt_dff; opt_clean; cutpoint {sums}\n"
    return replace(given, script=given.script.replace("proc\n", cut))


def _places(package: Package, claims: Sequence[Change | str], known: Sequence[str]) -> Problem:
    """Assertions that hold as they are, and that bits do not change one way; with what is known."""
    bits: list[str] = []
    checks: list[str] = []
    for claim in claims:
        if isinstance(claim, str):
            checks.append(claim)
            continue
        net, bit, old = claim
        at = f"[{len(bits)}]"
        checks.append(
            f"!coverage_started || coverage_was{at} != {old} || coverage_now{at} == {old}"
        )
        bits.append(_bit(net, bit))
    nets = f"""  reg [{len(bits)}:0] coverage_was;
  wire [{len(bits)}:0] coverage_now = {{{", ".join(["1'b0", *reversed(bits)])}}};
  always @(posedge {package.manifest["clock"]}) coverage_was <= coverage_now;
"""
    return _inside(package, checks, nets, known)


def _bit(net: str, bit: int | None) -> str:
    return net if bit is None else f"{net}[{bit}]"


def _inside(
    package: Package, checks: Sequence[str], nets: str = "", known: Sequence[str] = ()
) -> Problem:
    """The unit with assertions in it, that hold from a first reset on, or where they say so from
    the clock after it; sums are no larger than `verif.stimulus.sum_bounds` says."""
    sizes = "".join(
        f"    assume ({text});\n" for text in (*register_ranges.assumed(package), *known)
    )
    waived, lines = labelled(checks)
    inside = f"""  reg coverage_started = 0;
{nets}{waived}{assumed(package)}  always @* begin
{sizes}  end
  always @(posedge {package.manifest["clock"]}) begin
    coverage_started <= 1;
    assume (coverage_started || {package.manifest["reset"]["name"]});
{lines}  end
endmodule
"""
    text = inside.join(package.verilog.rsplit("endmodule\n", 1))
    script = f"read_verilog -formal unit.v\nrename {package.manifest['top']} prove\n"
    return Problem({"unit.v": text}, f"{script}proc\nsetundef -zero -init\n")


def _conditions(package: Package, conditions: Sequence[str]) -> Problem:
    """The combinational form, with assertions about its ports."""
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    waived, lines = labelled([f"!({condition})" for condition in conditions])
    text = f"""module prove(
  input clk,
{declared("in", ins).rstrip(",")}
);
{declared("out", outs)}
  combinational unit(.clk(1'b0), .rst(1'b0), .i_valid(1'b1), .o_ready(1'b1){pins(ins)}{pins(outs)});
{waived}{assumed(package)}  always @(posedge clk) begin
{lines}  end
endmodule
"""
    form = COMBINATIONAL.format(top=package.manifest["top"])
    files = {"unit.v": package.verilog, "prove.sv": text}
    return Problem(files, f"{form}read_verilog -formal prove.sv\n")
