"""A netlist of gates as a program that works on 512 inputs at once, a bit of a word each.

Slow to look at one input, fast to look at all of them: a gate costs a clock or two for 512 inputs,
and gates whose inputs change seldom are computed seldom. `verif.sweep.input_slices` counts through
the inputs of a claim with it, `verif.sweep.bitsliced_unit` drives a unit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen import tools
from rtl_gen.cache import built

from . import cxx_compiler

LANE_BITS = 9
LANES = 1 << LANE_BITS
"""Inputs at once."""

_OPS = ("AND", "OR", "XOR", "ANDNOT", "ORNOT", "NAND", "NOR", "XNOR", "NOT", "MUX")
_SOURCE = Path(__file__).with_name("gates.cc")
_FLAGS = ("-std=c++17", "-O3")
# Only mapped: ABC's own script would try to prove a claim, for as long as that takes.
_ABC = "strash\nmap\n"
_SCRIPT = (
    "proc; flatten -noscopeinfo; opt -full; techmap; opt_expr; opt_clean; simplemap; "
    "dfflegalize -cell $_DFF_P_ x; opt_clean; "
    "abc -script abc.script -g AND,OR,XOR,ANDNOT,ORNOT,NAND,NOR,XNOR,MUX; opt_clean"
)
NEVER = 62
"""The rank of what no bit changes."""


class _Structure(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("runs", "a", "b", "s", "start")),
        ("count", ctypes.c_int64),
    ]


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The compiled ``gates.cc``.

    Raises
    ------
    ToolMissing, ToolError
        If g++ is missing or fails.
    """
    cxx_compiler.require("gates cannot be evaluated")

    def make(folder: Path) -> None:
        cxx_compiler.shared(folder, str(_SOURCE), "gates.so", _FLAGS, "gates.cc")

    facts = [_SOURCE.read_text(), *_FLAGS, cxx_compiler.compiler()]
    loaded = ctypes.CDLL(str(built("gates", facts, make) / "gates.so"))
    loaded.hfp8_count.restype = loaded.hfp8_stream.restype = ctypes.c_int64
    return loaded


def synthesized(files: Mapping[str, str], script: str, top: str) -> dict[str, Any]:
    """A module as gates and, where it has registers, ``$_DFF_P_``: that of Yosys' JSON.

    Raises
    ------
    ToolError
        If Yosys is missing or fails.
    """
    lines = f"{script}hierarchy -check -top {top}; {_SCRIPT}"
    design = tools.netlist({**files, "abc.script": _ABC}, lines)
    module: dict[str, Any] = design["modules"][top]
    return module


@dataclass(frozen=True)
class Program:
    """Gates in an order of computation.

    Members
    -------
    slot : dict
        Where the value of each net is kept: constants, then the inputs as they were given, then
        the gates' outputs.
    slots : int
    gates : int
    """

    slot: dict[Any, int]
    slots: int
    gates: int
    _tables: tuple[NDArray[np.int32], ...]

    @property
    def structure(self) -> ctypes.Structure:
        """What ``gates.cc`` takes; valid as long as this object is."""
        return _Structure(*(t.ctypes.data for t in self._tables), len(self._tables[0]))


def program(gates: Gates, inputs: list[Any], ranks: list[int]) -> Program:
    """Number the nets and order the gates.

    Parameters
    ----------
    inputs : list
        Nets that are given, in the order of their slots, of which there are at least `LANE_BITS`.
    ranks : list of int
        Of each, how seldom it changes: 0 every time.
    """
    slot: dict[Any, int] = {"0": 0, "1": 1, "x": 0}
    slot |= {net: 2 + n for n, net in enumerate(inputs)}
    first = 2 + max(len(inputs), LANE_BITS)
    order = gates.order(dict(zip(inputs, ranks, strict=True)))
    slot |= {gate.output: first + n for n, gate in enumerate(order)}
    runs: list[tuple[int, int, int, int]] = []
    falling: list[int] = []
    for n, gate in enumerate(order):
        if n and gate.key == order[n - 1].key:
            runs[-1] = (*runs[-1][:2], n + 1, first)
        else:
            runs.append((gate.op, n, n + 1, first))
            falling.append(gate.rank)
    start = np.array([sum(rank > k for rank in falling) for k in range(64)], np.int32)
    columns = (np.array([slot[gate.pins[k]] for gate in order], np.int32) for k in range(3))
    tables = (np.array(runs, np.int32).reshape(-1, 4), *columns, start)
    return Program(slot, first + len(order), len(order), tables)


@dataclass
class _Gate:
    op: int
    pins: tuple[Any, Any, Any]
    output: Any
    rank: int = 0
    depth: int = 0

    @property
    def key(self) -> tuple[int, int, int]:
        """Where it comes in the order; gates that are equal in this make a run."""
        return -self.rank, self.depth, self.op


class Gates:
    """The gates of a module, by their output nets.

    Members
    -------
    registers : list of (d, q)
        Nets before and after a clock.

    Raises
    ------
    ToolError
        For other cells, and for loops of gates.
    """

    def __init__(self, module: dict[str, Any]) -> None:
        self.by_output: dict[Any, _Gate] = {}
        self.registers: list[tuple[Any, Any]] = []
        for cell in module["cells"].values():
            kind = cell["type"].strip("$_")
            pins = {name: bits[0] for name, bits in cell["connections"].items()}
            if kind == "DFF_P":
                self.registers.append((pins["D"], pins["Q"]))
                continue
            if kind not in _OPS:
                raise tools.ToolError(f"the netlist has a cell that is no gate: {cell['type']}")
            a = pins["A"]
            gate = _Gate(_OPS.index(kind), (a, pins.get("B", a), pins.get("S", a)), pins["Y"])
            self.by_output[gate.output] = gate
        self.users: dict[Any, list[_Gate]] = {}
        for gate in self.by_output.values():
            for net in set(gate.pins):
                self.users.setdefault(net, []).append(gate)

    def fanout(self, nets: list[Any]) -> int:
        """How many gates depend on some nets."""
        seen: set[Any] = set()
        waiting = list(nets)
        while waiting:
            for gate in self.users.get(waiting.pop(), ()):
                if gate.output not in seen:
                    seen.add(gate.output)
                    waiting.append(gate.output)
        return len(seen)

    def order(self, rank: dict[Any, int]) -> list[_Gate]:
        """An order of computation, with `_Gate.rank` (the least one of the inputs that a gate
        depends on) falling, within it by depth, then by operation."""
        missing = {out: len({n for n in g.pins if n in self.by_output})
                   for out, g in self.by_output.items()}  # fmt: skip
        known = {net: (n, 0) for net, n in rank.items()}
        ready = [gate for gate in self.by_output.values() if not missing[gate.output]]
        done = []
        while ready:
            gate = ready.pop()
            facts = [known.get(net, (NEVER, 0)) for net in gate.pins]
            gate.rank, gate.depth = min(f[0] for f in facts), 1 + max(f[1] for f in facts)
            known[gate.output] = (gate.rank, gate.depth)
            done.append(gate)
            for user in self.users.get(gate.output, ()):
                missing[user.output] -= 1
                if not missing[user.output]:
                    ready.append(user)
        if len(done) < len(self.by_output):
            raise tools.ToolError("the netlist has a loop of gates")
        return sorted(done, key=lambda gate: gate.key)
