"""A combinational netlist as a program that works on 512 inputs at once, a bit of a word each.

Slow to look at one input, fast to look at all of them: a gate costs a clock or two for 512 inputs,
and gates whose inputs change seldom are computed seldom.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen import tools
from rtl_gen.cache import built

from .native import compiler
from .tools import ToolMissing

LANE_BITS = 9
"""512 inputs at once."""

_OPS = ("AND", "OR", "XOR", "ANDNOT", "ORNOT", "NAND", "NOR", "XNOR", "NOT", "MUX")
_SOURCE = Path(__file__).with_name("slices.cc")
_FLAGS = ("-std=c++17", "-O3", "-w", "-fPIC", "-shared")
# Only mapped: ABC's own script would try to prove the claim, for as long as that takes.
_ABC = "strash\nmap\n"
_GATES = (
    "techmap; opt_expr; opt_clean; simplemap; "
    "abc -script abc.script -g AND,OR,XOR,ANDNOT,ORNOT,NAND,NOR,XNOR,MUX; opt_clean"
)


class _Program(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p) for name in ("runs", "a", "b", "s", "start")
    ] + [("count", ctypes.c_int64)]  # fmt: skip


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    if shutil.which("g++") is None:
        raise ToolMissing(
            "inputs cannot be enumerated: no g++ on PATH; install it, for example with "
            "'apt-get install g++'"
        )

    def make(folder: Path) -> None:
        command = ["g++", *_FLAGS, str(_SOURCE), "-o", "slices.so"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise tools.ToolError(f"g++ did not compile slices.cc: {done.stderr[-1000:]}")

    facts = [_SOURCE.read_text(), *_FLAGS, compiler()]
    library = ctypes.CDLL(str(built("slices", facts, make) / "slices.so"))
    library.hfp8_count.restype = ctypes.c_int64
    return library


@dataclass(frozen=True)
class Slices:
    """A netlist with outputs ``allowed`` and ``holds``, ready to count through its inputs.

    Members
    -------
    bits : tuple of (port, bit)
        The input bits, those that change fastest first.
    gates : int
    """

    bits: tuple[tuple[str, int], ...]
    gates: int
    slots: int
    outputs: tuple[int, int]
    tables: tuple[NDArray[np.int32], ...]

    @property
    def steps(self) -> int:
        """How often 512 inputs are looked at."""
        return 1 << max(0, len(self.bits) - LANE_BITS)

    def search(self, first: int, end: int) -> dict[str, int] | None:
        """The first input in some steps that is allowed and does not hold, by port."""
        program = _Program(*(t.ctypes.data for t in self.tables), len(self.tables[0]))
        found = _library().hfp8_count(
            ctypes.byref(program), ctypes.c_int64(self.slots), ctypes.c_int64(len(self.bits)),
            *map(ctypes.c_int64, self.outputs), ctypes.c_int64(first), ctypes.c_int64(end),
        )  # fmt: skip
        if found < 0:
            return None
        values: dict[str, int] = {}
        for k, (port, bit) in enumerate(self.bits):
            values[port] = values.get(port, 0) | (found >> k & 1) << bit
        return values


def slices(files: dict[str, str], script: str, top: str) -> Slices:
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
    _library()
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        for name, text in {**files, "abc.script": _ABC}.items():
            (folder / name).write_text(text)
        gates = (
            f"{script}hierarchy -check -top {top}; proc; flatten -noscopeinfo; opt -full; {_GATES}"
        )
        tools.run("yosys", ["-q", "-p", f"{gates}; write_json gates.json"], folder)
        module = json.loads((folder / "gates.json").read_text())["modules"][top]
    return _ordered(module, top)


def _ordered(module: dict[str, Any], top: str) -> Slices:
    """Number the inputs and the gates of a module in Yosys' JSON."""
    gates = _Gates(module, top)
    ins = {n: p["bits"] for n, p in module["ports"].items() if p["direction"] == "input"}
    # What few gates depend on changes fastest.
    cost = {name: gates.fanout(bits) for name, bits in ins.items()}
    names = sorted(ins, key=lambda name: cost[name])
    bits = tuple((name, k) for name in names for k in range(len(ins[name])))
    slot: dict[Any, int] = {"0": 0, "1": 1, "x": 0}
    slot |= {ins[name][k]: 2 + n for n, (name, k) in enumerate(bits)}
    inputs = max(len(bits), LANE_BITS)
    order = gates.order({ins[name][k]: n for n, (name, k) in enumerate(bits)})
    first_slot = 2 + inputs
    slot |= {cell.output: first_slot + n for n, cell in enumerate(order)}
    runs: list[tuple[int, int, int, int]] = []
    ranks: list[int] = []
    for n, gate in enumerate(order):
        if n and gate.key == order[n - 1].key:
            runs[-1] = (*runs[-1][:2], n + 1, first_slot)
        else:
            runs.append((gate.op, n, n + 1, first_slot))
            ranks.append(gate.rank)
    start = np.array([sum(rank > k for rank in ranks) for k in range(64)], np.int32)
    columns = [[slot[gate.pins[k]] for gate in order] for k in range(3)]
    outputs = [slot[module["ports"][name]["bits"][0]] for name in ("allowed", "holds")]
    tables = [np.array(runs, np.int32).reshape(-1, 4),
              *(np.array(column, np.int32) for column in columns),
              start]  # fmt: skip
    return Slices(bits, len(order), first_slot + len(order), (outputs[0], outputs[1]),
                  tuple(tables))  # fmt: skip


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


class _Gates:
    """The gates of a module, by their output nets."""

    def __init__(self, module: dict[str, Any], top: str) -> None:
        self.by_output: dict[Any, _Gate] = {}
        for cell in module["cells"].values():
            kind = cell["type"].strip("$_")
            if kind not in _OPS:
                raise tools.ToolError(f"module {top!r} is not combinational: {cell['type']}")
            pins = {name: bits[0] for name, bits in cell["connections"].items()}
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

    def order(self, position: dict[Any, int]) -> list[_Gate]:
        """An order of computation, with `_Gate.rank` (the fastest bit of the step's number that a
        gate depends on) falling, within it by depth, then by operation."""
        missing = {out: len({n for n in g.pins if n in self.by_output})
                   for out, g in self.by_output.items()}  # fmt: skip
        known: dict[Any, tuple[int, int]] = {
            net: (n - LANE_BITS if n >= LANE_BITS else 62, 0) for net, n in position.items()
        }
        ready = [g for g in self.by_output.values() if not missing[g.output]]
        done = []
        while ready:
            gate = ready.pop()
            facts = [known.get(net, (62, 0)) for net in gate.pins]
            gate.rank, gate.depth = min(f[0] for f in facts), 1 + max(f[1] for f in facts)
            known[gate.output] = (gate.rank, gate.depth)
            done.append(gate)
            for user in self.users.get(gate.output, ()):
                missing[user.output] -= 1
                if not missing[user.output]:
                    ready.append(user)
        return sorted(done, key=lambda gate: gate.key)
