"""How good the tests are: single faults planted in a unit's netlist, and which of them are found.

Yosys' ``mutate`` plants all faults in one netlist, each switched on by its number at an extra
input, so that one compiled model serves for all. A fault is killed if the unit's regression (the
transfers of ``hfp8 verify``) gives a wrong result or a broken stream contract. A survivor is
compared with the unit by ABC: equivalent if, from reset, no sequence of inputs tells them apart.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from rtl_gen import tools
from rtl_gen.package import Package

from ..formal import miter
from ..formal.prove import each, solve
from ..simulation.verify import phases
from ..stimulus.reference import as_driven, expected
from ..sweep import compiled_model

MOST = 4000
SELECT = "mutant"
"""The input that switches a fault on, by its number."""
_CLOCK = re.compile(r"-port (CLK|RD_CLK|WR_CLK) ")
_WORD = re.compile(r"-(\w+) (\S+)")


@dataclass(frozen=True)
class Mutant:
    """One planted fault: its number, what it does, and the line of Verilog it is in."""

    number: int
    mode: str
    place: str
    source: str


@dataclass
class Verdict:
    """What became of a mutant.

    Members
    -------
    status : str
        ``killed``, ``equivalent``, ``survived`` (told from the unit by some inputs, which the
        regression does not have) or ``open`` (no proof either way in the time given).
    by : str
        The phase of the regression that killed it.
    """

    mutant: Mutant
    status: str
    by: str = ""


@dataclass(frozen=True)
class Planted:
    """All mutants of a unit in one netlist (RTLIL), module ``mutants``."""

    netlist: str
    mutants: tuple[Mutant, ...]
    width: int


def plant(package: Package, count: int, seed: int) -> Planted:
    """Plant ``count`` faults, evenly spread over the netlist.

    Raises
    ------
    ParameterError
        If the count is not allowed.
    ToolError
        If Yosys is missing or fails.
    """
    if not 1 <= count <= MOST:
        raise ParameterError(f"count={count!r} is not allowed: 1 to {MOST}")
    width = count.bit_length()
    top = package.manifest["top"]
    prepared = miter.PREPARED.format(top=top)
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        (folder / "unit.v").write_text(package.verilog)
        # Some more, since those in clock pins are left out: models have one clock.
        asked = f"mutate -list {2 * count} -seed {seed} -o list.ys"
        tools.run("yosys", ["-q", "-p", f"{prepared}; {asked}"], folder)
        listed = (folder / "list.ys").read_text().splitlines()
        lines = [line for line in listed if not _CLOCK.search(line)][:count]
        control = f"mutate -ctrl {SELECT} {width}"
        numbered = (line.replace("mutate", f"{control} {k + 1}", 1) for k, line in enumerate(lines))
        (folder / "list.ys").write_text("\n".join(numbered))
        script = f"{prepared}; script list.ys; opt_clean; rename {top} mutants"
        tools.run("yosys", ["-q", "-p", f"{script}; write_rtlil mutants.il"], folder)
        netlist = (folder / "mutants.il").read_text()
    return Planted(netlist, tuple(_mutant(k + 1, line) for k, line in enumerate(lines)), width)


def _mutant(number: int, line: str) -> Mutant:
    facts = dict(_WORD.findall(line))
    place = f"{facts.get('cell', '?')} {facts.get('port', '?')}[{facts.get('portbit', '?')}]"
    return Mutant(number, facts.get("mode", "?"), place, facts.get("src", "?"))


class Regression:
    """A unit's regression on a model that holds all its mutants."""

    def __init__(self, package: Package, planted: Planted, seed: int) -> None:
        self.seed = seed
        manifest = {**package.manifest, "top": "mutants"}
        self.model = compiled_model.compile_model(
            planted.netlist,
            manifest,
            read="read_rtlil unit.il",
            suffix=".il",
            extra=(SELECT,),
            settle=True,
        )
        self.phases = []
        for phase in phases(package, seed):
            outputs, spans = expected(package.manifest, phase.inputs)
            driven = as_driven(package.manifest, phase.inputs)
            self.phases.append((phase.name, phase.stall, driven, outputs, len(spans)))

    def killed_by(self, number: int) -> str | None:
        """The phase that finds a mutant; None if it survives. Number 0 is the unit itself."""
        for name, stall, driven, outputs, due in self.phases:
            lanes = next(iter(driven.values())).shape[1]
            for lane in range(lanes):
                own = {port: values[:, lane] for port, values in driven.items()}
                taken = self.model.run(
                    own, due, stall=stall, seed=self.seed * 97 + lane, extra={SELECT: number}
                )
                if taken.error is not None or self._differs(taken.outputs, outputs, lane):
                    return name
        return None

    @staticmethod
    def _differs(got: dict[str, NDArray[Any]], outputs: dict[str, NDArray[Any]], lane: int) -> bool:
        return any(
            not np.array_equal(got[port], values[:, lane]) for port, values in outputs.items()
        )


def judge(package: Package, planted: Planted, mutant: Mutant, timeout: int) -> Verdict:
    """Whether a survivor is equivalent: by its step function alone, else from reset.

    Raises
    ------
    ToolMissing
        If ABC is not installed.
    """
    circuits = package, planted.netlist, f", .{SELECT}({planted.width}'d{mutant.number})"
    steps = miter.Steps(*circuits)
    if steps.correspond and solve(steps.alone(), "mutant", "abc", 20, timeout).status == "proved":
        return Verdict(mutant, "equivalent")
    proof = solve(miter.miter(*circuits), "mutant", "pairs", 20, timeout)
    word = {"proved": "equivalent", "failed": "survived"}.get(proof.status, "open")
    if word == "open" and steps.correspond:
        told, open_ = each(steps.reached(), timeout, timeout / 20)
        seen = [any(x.startswith("seen_") for x in labels) for labels in (told, open_)]
        word = "survived" if seen[0] else "open" if seen[1] else "equivalent"
    return Verdict(mutant, word)
