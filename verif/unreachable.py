"""Proofs that something never happens in a unit: what coverage must not wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from rtl_gen.package import Package

from .harness import payload
from .properties import COMBINATIONAL, Problem, assumed, declared, pins
from .prove import solve
from .toggles import Change, Place

_TRIES = 10
"""Times the seconds of one proof: what all proofs of a configuration's kind may take together."""

_T = TypeVar("_T")


def never_changes(package: Package, places: Sequence[Place], timeout: int) -> list[bool]:
    """For each change of a bit, whether it is proved not to happen after a first reset.

    Registers that reset leaves alone start at zero. Branches are not judged: False.
    """
    return _judge([place.change for place in places], lambda some: _changes(package, some), timeout)


def never_holds(package: Package, conditions: Sequence[str], timeout: int) -> list[bool]:
    """For each condition on the ports of a unit without a state, in Verilog, whether it is
    proved to be false for all inputs and their result."""
    return _judge(conditions, lambda some: _conditions(package, some), timeout)


def never_shows(package: Package, conditions: Sequence[str], timeout: int) -> list[bool]:
    """For each condition on ports in a clock, whether it is proved false after a first reset."""
    return _judge(
        conditions, lambda some: _inside(package, [f"!({text})" for text in some]), timeout
    )


def _judge(
    claims: Sequence[_T | None], problem: Callable[[Sequence[_T]], Problem], timeout: int
) -> list[bool]:
    """Which claims are proved; None cannot be."""
    judged = [(k, claim) for k, claim in enumerate(claims) if claim is not None]

    def check(which: Sequence[int]) -> bool:
        given = problem([judged[n][1] for n in which])
        return solve(given, "never", "abc", 1, timeout).status == "proved"

    found = [False] * len(claims)
    for n in proved(len(judged), check, _TRIES * timeout):
        found[judged[n][0]] = True
    return found


def proved(
    count: int, check: Callable[[Sequence[int]], bool], budget: float = float("inf")
) -> list[int]:
    """Which of ``count`` claims hold, where ``check`` says whether several hold together.

    Most do, so all are tried together first, then halves of what did not; after ``budget``
    seconds what is left counts as not proved.
    """
    start = time.monotonic()
    found: list[int] = []
    groups: list[Sequence[int]] = [range(count)] if count else []
    while groups and time.monotonic() - start < budget:
        group = groups.pop()
        if check(group):
            found += group
        elif len(group) > 1:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    return found


def _changes(package: Package, changes: Sequence[Change]) -> Problem:
    """Assertions that bits do not change."""
    bits = [net if bit is None else f"{net}[{bit}]" for net, bit, _ in changes]
    checks = [f"coverage_was[{k}] != {old} || coverage_now[{k}] == {old}"
              for k, (_, _, old) in enumerate(changes)]  # fmt: skip
    nets = f"""  reg [{len(bits) - 1}:0] coverage_was;
  wire [{len(bits) - 1}:0] coverage_now = {{{", ".join(reversed(bits))}}};
  always @(posedge {package.manifest["clock"]}) coverage_was <= coverage_now;
"""
    return _inside(package, checks, nets)


def _inside(package: Package, checks: Sequence[str], nets: str = "") -> Problem:
    """The unit with assertions in it, that hold from the clock after a first reset on."""
    inside = f"""  reg coverage_started = 0;
{nets}{assumed(package)}  always @(posedge {package.manifest["clock"]}) begin
    coverage_started <= 1;
    assume (coverage_started || {package.manifest["reset"]["name"]});
    if (coverage_started) begin
{"".join(f"      assert ({check});" + chr(10) for check in checks)}    end
  end
endmodule
"""
    text = inside.join(package.verilog.rsplit("endmodule\n", 1))
    script = f"read_verilog -formal unit.v\nrename {package.manifest['top']} prove\n"
    return Problem({"unit.v": text}, f"{script}proc\nsetundef -zero -init\n")


def _conditions(package: Package, conditions: Sequence[str]) -> Problem:
    """The combinational form, with assertions about its ports."""
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    checks = "".join(f"    assert (!({condition}));\n" for condition in conditions)
    text = f"""module prove(
  input clk,
{declared("in", ins).rstrip(",")}
);
{declared("out", outs)}
  combinational unit(.clk(1'b0), .rst(1'b0), .i_valid(1'b1), .o_ready(1'b1){pins(ins)}{pins(outs)});
{assumed(package)}  always @(posedge clk) begin
{checks}  end
endmodule
"""
    form = COMBINATIONAL.format(top=package.manifest["top"])
    files = {"unit.v": package.verilog, "prove.sv": text}
    return Problem(files, f"{form}read_verilog -formal prove.sv\n")
