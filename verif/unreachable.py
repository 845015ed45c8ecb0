"""Proofs that something never happens in a unit: what coverage must not wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtl_gen.package import Package

from .harness import payload
from .properties import COMBINATIONAL, Problem, assumed, declared, pins
from .prove import solve
from .toggles import Place


def never_changes(package: Package, places: Sequence[Place], timeout: int) -> list[bool]:
    """For each change of a bit, whether it is proved not to happen after a first reset.

    Registers that reset leaves alone start at zero. Branches are not judged: False.
    """
    changes = [place.change for place in places]
    judged = [k for k, change in enumerate(changes) if change is not None]

    def check(which: Sequence[int]) -> bool:
        return _proved(_changes(package, [places[judged[k]] for k in which]), timeout)

    found = [False] * len(places)
    for k in proved(len(judged), check):
        found[judged[k]] = True
    return found


def never_holds(package: Package, conditions: Sequence[str], timeout: int) -> list[bool]:
    """For each condition on the ports of a unit without a state, in Verilog, whether it is
    proved to be false for all inputs and their result."""

    def check(which: Sequence[int]) -> bool:
        return _proved(_conditions(package, [conditions[k] for k in which]), timeout)

    found = [False] * len(conditions)
    for k in proved(len(conditions), check):
        found[k] = True
    return found


def proved(count: int, check: Callable[[Sequence[int]], bool]) -> list[int]:
    """Which of ``count`` claims hold, where ``check`` says whether several hold together.

    Most do, so all are tried together first, then halves of what did not.
    """
    found: list[int] = []
    groups: list[Sequence[int]] = [range(count)] if count else []
    while groups:
        group = groups.pop()
        if check(group):
            found += group
        elif len(group) > 1:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    return found


def _proved(problem: Problem, timeout: int) -> bool:
    return solve(problem, "never", "abc", 1, timeout).status == "proved"


def _changes(package: Package, places: Sequence[Place]) -> Problem:
    """The unit itself, with assertions inside about its nets."""
    bits, checks = [], []
    for k, place in enumerate(places):
        assert place.change is not None
        net, bit, old = place.change
        bits.append(net if bit is None else f"{net}[{bit}]")
        checks.append(
            f"      assert (coverage_was[{k}] != {old} || coverage_now[{k}] == {old});\n"
        )
    inside = f"""  reg coverage_started = 0;
  reg [{len(bits) - 1}:0] coverage_was;
  wire [{len(bits) - 1}:0] coverage_now = {{{", ".join(reversed(bits))}}};
{assumed(package)}  always @(posedge {package.manifest["clock"]}) begin
    coverage_started <= 1;
    coverage_was <= coverage_now;
    assume (coverage_started || {package.manifest["reset"]["name"]});
    if (coverage_started) begin
{"".join(checks)}    end
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
