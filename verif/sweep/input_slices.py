"""Counting through all inputs of a combinational module."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

from rtl_gen.tools import ToolError

from .bitsliced_gates import LANE_BITS, NEVER, Gates, Program, library, program, synthesized


@dataclass(frozen=True)
class Slices:
    """A module with outputs ``allowed`` and ``holds``, ready to count through its inputs.

    Members
    -------
    bits : tuple of (port, bit)
        The input bits, those that change fastest first.
    """

    bits: tuple[tuple[str, int], ...]
    program: Program
    outputs: tuple[int, int]

    @property
    def steps(self) -> int:
        """How often 512 inputs are looked at."""
        return 1 << max(0, len(self.bits) - LANE_BITS)

    def search(self, first: int, end: int) -> dict[str, int] | None:
        """The first input in some steps that is allowed and does not hold, by port."""
        found = library().hfp8_count(
            ctypes.byref(self.program.structure), ctypes.c_int64(self.program.slots),
            ctypes.c_int64(len(self.bits)), *map(ctypes.c_int64, self.outputs),
            ctypes.c_int64(first), ctypes.c_int64(end),
        )  # fmt: skip
        if found < 0:
            return None
        values: dict[str, int] = {}
        for k, (port, bit) in enumerate(self.bits):
            values[port] = values.get(port, 0) | (found >> k & 1) << bit
        return values


def slices(files: Mapping[str, str], script: str, top: str) -> Slices:
    """Synthesize a combinational module with Yosys and order its gates.

    Parameters
    ----------
    files : dict
        Name to text.
    script : str
        Yosys commands that read them.
    top : str
        The module; its outputs are ``allowed`` and ``holds``.

    Raises
    ------
    ToolMissing, ToolError
        If Yosys or the compiler is missing or fails; if the module is not combinational.
    """
    library()
    module = synthesized(files, script, top)
    gates = Gates(module)
    if gates.registers:
        raise ToolError(f"module {top!r} is not combinational")
    ins = {n: p["bits"] for n, p in module["ports"].items() if p["direction"] == "input"}
    # What few gates depend on changes fastest.
    cost = {name: gates.fanout(bits) for name, bits in ins.items()}
    bits = tuple((n, k) for n in sorted(ins, key=lambda n: cost[n]) for k in range(len(ins[n])))
    nets = [ins[name][k] for name, k in bits]
    # The lowest bits differ within a step, and do not change.
    ranks = [n - LANE_BITS if n >= LANE_BITS else NEVER for n in range(len(nets))]
    made = program(gates, nets, ranks)
    allowed, holds = (made.slot[module["ports"][n]["bits"][0]] for n in ("allowed", "holds"))
    return Slices(bits, made, (allowed, holds))
