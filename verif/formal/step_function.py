"""A unit's step function: its registers taken out, their contents as ports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rtl_gen import tools
from rtl_gen.package import Package

_PLAIN = "opt_dff -nodffe -nosdff; dffunmap; opt_clean; check -assert"


@dataclass(frozen=True)
class Step:
    """The combinational module ``step``, as Yosys' JSON: beside the unit's own ports it has an
    input ``qK`` and an output ``dK`` for each register, its content before and after a clock.

    Members
    -------
    widths : tuple of int
        Of the registers.
    names : tuple of tuple of str
        Of the registers' bits: ``PORT[BIT]`` where an output port shows it, else a net's.
    """

    netlist: str
    widths: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=64)
def step(source: str, suffix: str, script: str, top: str, name: str = "step") -> Step:
    """The step function of a netlist, as module ``name``.

    Parameters
    ----------
    source, suffix : str
        The text of the file ``unit`` + suffix.
    script : str
        Yosys commands that read it, up to word-level cells and flip-flops.
    top : str
        Its module.

    Raises
    ------
    ToolError
        If Yosys is missing or fails.
    """
    design = tools.netlist({f"unit{suffix}": source}, script)
    module: dict[str, Any] = design["modules"][top]
    registers = {n: c for n, c in module["cells"].items() if c["type"] == "$dff"}
    nets = {bit: f"{n}[{k}]" for n, net in module["netnames"].items()
            for k, bit in enumerate(net["bits"])}  # fmt: skip
    nets |= {bit: f"{n}[{k}]" for n, port in module["ports"].items()
             if port["direction"] == "output" for k, bit in enumerate(port["bits"])}  # fmt: skip
    held = [cell["connections"]["Q"] for _, cell in sorted(registers.items())]
    for k, (cell_name, cell) in enumerate(sorted(registers.items())):
        pins = cell["connections"]
        module["ports"][f"q{k}"] = {"direction": "input", "bits": pins["Q"]}
        module["ports"][f"d{k}"] = {"direction": "output", "bits": pins["D"]}
        del module["cells"][cell_name]
    names = tuple(tuple(nets[bit] for bit in bits) for bits in held)
    netlist = json.dumps({"creator": design["creator"], "modules": {name: module}})
    return Step(netlist, tuple(map(len, held)), names)


def evert(package: Package) -> Step:
    """The step function of a generated unit."""
    top = package.manifest["top"]
    script = f"read_verilog unit.v; hierarchy -top {top}; proc; opt -full; opt_clean; {_PLAIN}"
    return step(package.verilog, ".v", script, top)
