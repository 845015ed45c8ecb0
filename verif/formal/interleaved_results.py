"""What helps to prove the streams of interleaved sums that are rounded by chunks.

Where sums take turns, the state of each goes round a ring of registers, and a result in flight may
be in any of them: reachability has to learn all of their combinations. Here is where the results
are and how far each has to go, read off the generated Verilog's registers by their names; that is
asserted beside what is to be proved, and together they are proved by induction over two clocks.
A wrong reading proves nothing: what is asserted of it fails.
"""

from __future__ import annotations

import re

from rtl_gen.package import Package

JOINED = "hierarchy -check -top prove; proc; flatten; opt_clean\n"
"""Yosys commands that connect what refers to nets of the unit."""
_BITS = 10


class Ring:
    """The registers that hold results in flight.

    Members
    -------
    order : list of str
        Stages of the ring, the one at the output first, then by how many moves each is away.
    pipe : list of str
        Stages before the ring, the one nearest to it first.
    """

    def __init__(self, package: Package) -> None:
        text = package.verilog
        self.order = ["slot", *_chain(text, "partial", "slot")]
        valid = dict(re.findall(r"\b(\w+)_valid <= (\w+)_valid;", text))
        heads = [stage for stage in valid if stage not in valid.values()]
        self.pipe = [heads[0], *_chain(text, "valid", heads[0])] if heads else []
        self._turns = len(self.order)
        self._read: dict[str, int] = {}

    def _at(self, name: str, width: int = 1) -> str:
        """A net of the unit."""
        self._read[name] = width
        return f"\\unit.{name} "

    def _holders(self) -> list[tuple[str, str]]:
        """Where a result can be, and the most clocks until it is given if nothing waits there."""
        turns, found = self._turns, []
        for away, stage in enumerate(self.order):
            final = self._at("o_valid" if stage == "slot" else f"{stage}_final")
            due = f"({self._at(f'{stage}_full')}&& {self._at(f'{stage}_closing')})"
            # A chunk that is due is added to its total first, one round before.
            found += [(final, f"{away}"), (due, f"{away + turns}")]
        for behind, stage in enumerate(self.pipe):
            item = f"({self._at(f'{stage}_valid')}&& {self._at(f'{stage}_last')})"
            # Items ahead of it may each wait for two rounds, and so may it; then two in the ring.
            ahead = f" + {(behind - 1) * 2 * turns + 4 * turns}" if behind else f" + {2 * turns}"
            found.append((item, f"(head ? pause : 0){ahead}"))
        return found

    def _pause(self) -> str:
        """The most clocks until the item before the ring is taken: its sum comes round to the
        output, and once more if the sum is busy with a chunk or with one that is given up."""
        turns, head = self._turns, self.pipe[0] if self.pipe else None
        late = self._at("late", (turns - 1).bit_length())
        cases = "".join(
            f"    if ({late}== {-away % turns}) pause = {away} + "
            f"({self._at(f'{stage}_full')}|| {self._at(f'{stage}_partial')}? {turns} : 0);\n"
            for away, stage in enumerate(self.order)
        )
        return f"""  wire head = {self._at(f"{head}_valid") if head else "i_valid"};
  reg [{_BITS - 1}:0] pause;
  always @* begin
    pause = 0;
{cases}  end
  always @(posedge clk) if (started) assert ({late}< {turns});
"""

    def helps(self, part: str, running: str, limit: int) -> str:
        """Assertions beside those of a part of `verif.formal.contracts.stream_contract`, about its
        registers ``flight`` and ``clocks``, which counts while ``running``, to less than
        ``limit``."""
        text = "" if part == "count" else self._pause()
        if part in ("count", "result"):
            holders = self._holders()
            inside = " + ".join(f"{{{_BITS}'d0, {there}}}" for there, _ in holders)
            text += (
                f"  always @(posedge clk) if (started) begin\n    assert (flight == {inside});\n"
            )
            for stage in self.order:
                final = self._at("o_valid" if stage == "slot" else f"{stage}_final")
                text += f"    assert (!({self._at(f'{stage}_full')}&& {final}));\n"
            if part == "result":
                near = " || ".join(f"({at} && clocks + {more} < {limit})" for at, more in holders)
                text += f"    if ({running}) assert ({near});\n"
            text += "  end\n"
        elif part == "accept":
            text += f"  always @(posedge clk) if (started && {running})\n"
            text += f"    assert (clocks + pause < {limit});\n"
        # References into the unit.
        nets = "".join(
            f"  (* hierconn *) wire [{width - 1}:0] \\unit.{name} ;\n"
            for name, width in sorted(self._read.items())
        )
        return nets + text


def _chain(text: str, what: str, first: str) -> list[str]:
    """The stages that a register's value comes from, the nearest first."""
    before = dict(re.findall(rf"\b(\w+)_{what} <= (\w+)_{what};", text))
    found = [first]
    while found[-1] in before:
        found.append(before[found[-1]])
    return [stage for stage in found[1:] if stage != "i"]


def offered(package: Package) -> bool:
    """Whether a unit has such a ring."""
    parameters = package.manifest["parameters"]
    return parameters.get("semantics") == "chunked" and int(parameters["interleave"]) > 1
