"""A unit without a state as gates, 512 streams at once: what sweeps run where nothing stalls."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen.package import Package

from ..stimulus.ports import dtype, payload
from .bitsliced_gates import LANES, Gates, Program, library, program, synthesized
from .compiled_model import Taken


class _Port(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("slot", ctypes.c_void_p),
        ("size", ctypes.c_int32), ("width", ctypes.c_int32),
    ]  # fmt: skip


class _Stream(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("ins", "outs", "d", "q")),
        *((name, ctypes.c_int64) for name in ("in_count", "out_count", "registers")),
        *((name, ctypes.c_int32) for name in ("rst", "i_valid", "i_ready", "o_valid", "o_ready")),
    ]


@dataclass(frozen=True)
class Sliced:
    """The gates of a unit, each of 512 lanes a stream of its own.

    Members
    -------
    latency : int
        Clocks from an input to its result.
    """

    latency: int
    program: Program
    ins: dict[str, NDArray[np.int32]]
    outs: dict[str, NDArray[np.int32]]
    registers: tuple[NDArray[np.int32], NDArray[np.int32]]
    wires: tuple[int, ...]

    def run(self, inputs: dict[str, NDArray[Any]]) -> Taken:
        """Drive transfers from reset, lane by lane, with nothing stalled.

        Parameters
        ----------
        inputs : dict of integer ndarray
            By payload port, (transfers,), a multiple of 512; what the ports carry.
        """
        count = len(next(iter(inputs.values())))
        given = {p: np.ascontiguousarray(inputs[p], dtype(len(s))) for p, s in self.ins.items()}
        outputs = {port: np.zeros(count, dtype(len(s))) for port, s in self.outs.items()}
        ins = [_port(given[port], slots) for port, slots in self.ins.items()]
        outs = [_port(outputs[port], slots) for port, slots in self.outs.items()]
        arrays = (_Port * len(ins))(*ins), (_Port * len(outs))(*outs)
        d, q = self.registers
        stream = _Stream(*map(ctypes.addressof, arrays), d.ctypes.data, q.ctypes.data,
                         len(ins), len(outs), len(d), *self.wires)  # fmt: skip
        steps = count // LANES
        # The registers' next contents are kept behind the slots.
        wrong = library().hfp8_stream(
            ctypes.byref(self.program.structure), ctypes.byref(stream),
            ctypes.c_int64(self.program.slots + len(d)), ctypes.c_int64(steps),
            ctypes.c_int64(self.latency),
        )  # fmt: skip
        if wrong < 0:
            return Taken(outputs, count, count, None)
        error = f"valid or ready is wrong {wrong} clocks after reset, with nothing stalled"
        return Taken(
            outputs, max(0, wrong - self.latency) * LANES, min(wrong, steps) * LANES, error
        )


def _port(array: NDArray[Any], slots: NDArray[np.int32]) -> _Port:
    return _Port(array.ctypes.data, slots.ctypes.data, array.itemsize, len(slots))


def sliced(package: Package) -> Sliced:
    """The gates of a generated unit that has no state.

    Raises
    ------
    ToolMissing, ToolError, SimulationError
        If Yosys or the compiler is missing or fails; if a port has more than 64 bits.
    """
    library()
    manifest = package.manifest
    source = {"unit.v": package.verilog}
    module = synthesized(source, "read_verilog unit.v; ", manifest["top"])
    gates = Gates(module)
    ports = {name: port["bits"] for name, port in module["ports"].items()}
    nets = [bit for name, port in module["ports"].items() if port["direction"] == "input"
            for bit in ports[name]]  # fmt: skip
    nets += [q for _, q in gates.registers]
    made = program(gates, nets, [0] * len(nets))

    def slots(bits: list[Any]) -> NDArray[np.int32]:
        return np.array([made.slot[bit] for bit in bits], np.int32)

    ins, outs = ({f.port: slots(ports[f.port]) for f in payload(manifest, way)[0]}
                 for way in ("in", "out"))  # fmt: skip
    for port in (*ins.values(), *outs.values()):
        dtype(len(port))
    d, q = (slots([register[k] for register in gates.registers]) for k in (0, 1))
    names = (manifest["reset"]["name"], "i_valid", "i_ready", "o_valid", "o_ready")
    wires = tuple(made.slot[ports[name][0]] for name in names)
    return Sliced(int(manifest["latency"]), made, ins, outs, (d, q), wires)
