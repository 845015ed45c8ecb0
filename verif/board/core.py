"""The user's matrices through a core on a board."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.host import CoreRegisters, Device
from hfp8_hw.host.columns import unpacked
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.records import record
from rtl_gen.package import Package

from ..core.compare_core import Product, compare_core
from ..core.matrices import Matrices
from ..core.program import Frame, block_of, frames, result_bytes
from ..core.threads import Progress
from ..core.tiling import Part, parts, result_beats, slices
from ..errors import SimulationError
from ..simulation.compare import Comparison

_SIDES = "abc"
_RESULT = ("tdata", "tkeep", "tuser", "tlast")


def multiply_on(
    device: Device, package: Package, p: CoreParameters, given: Matrices, progress: Progress
) -> Product:
    """C = A B on a board, as `verif.core.compare_core.multiply`.

    Raises
    ------
    ParameterError
        As `verif.core.tiling.slices`.
    RunError
        As `hfp8_hw.host.Device`; also if results come in other places than they should.
    """
    device.check(package.manifest)
    codes, flags = np.zeros(given.shape, np.uint32), np.zeros(given.shape, np.uint8)
    start = time.monotonic()
    steps = slices(p, *given.shape, given.a.shape[1])
    for number, step in enumerate(steps):
        c = codes.copy() if number else None
        bias = given.bias if step is steps[-1] else None
        a, b = given.a[:, step], given.b[step]
        beats = device.facts.results
        for found in parts(p, a, b, given.mode_a, given.mode_b, c=c, bias=bias, beats=beats):
            results = device.again(partial(run_parts, device, package, p, found))
            for part, (block, raised) in zip(found, results, strict=True):
                codes[part.rows, part.columns] = block
                flags[part.rows, part.columns] |= raised
            progress(sum(part.elements for part in found))
    return Product(codes, flags, time.monotonic() - start)


def compare_on(
    device: Device,
    package: Package,
    p: CoreParameters,
    given: Matrices,
    want: tuple[NDArray[np.uint32], NDArray[np.uint8]],
    url: str,
    progress: Progress,
) -> Comparison:
    """What comes of `multiply_on`, against the golden model's C."""
    done = multiply_on(device, package, p, given, progress)
    return replace(compare_core(package, p, given, want, done, url), via="board")


def run_parts(
    device: Device, package: Package, p: CoreParameters, found: list[Part]
) -> list[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
    """(codes, flags) of those jobs that are not silent, from a reset on; one job at a time, so that
    nothing has to wait for room. To be called by `Device.again`."""
    device.reset()
    link = device.link
    registers = CoreRegisters(link.read, link.write, write_many=link.write)
    widths = {port["name"]: port["width"] for port in package.manifest["ports"]}
    fields = record((name, widths[f"m_axis_{name}"]) for name in _RESULT)
    results = []
    for part in found:
        job = part.task.job
        registers.start(job, room=True)
        for side, packets in frames(p, part.task).items():
            for packet in packets:
                size = -(-widths[f"s_axis_{side}_tdata"] // 8)
                beats = np.frombuffer(packet, np.uint8).reshape(-1, size)
                items = np.zeros((len(beats), device.facts.item), np.uint8)
                items[:, :size] = beats
                device.load(items, _SIDES.index(side), last=True)
        if job.silent:
            registers.wait_idle()
        else:
            got = unpacked(fields, device.store(result_beats(p, job.m, job.n)))
            results.append(block_of(p, (job.m, job.n), _frame(p, got)))
    registers.wait()
    return results


def _frame(p: CoreParameters, beats: dict[str, NDArray[np.int64]]) -> Frame:
    """A job's results from the fields of its beats."""
    last = beats["tlast"].astype(bool)
    if not last[-1] or last[:-1].any():
        raise SimulationError("results came in other places than they should")
    lanes, size = np.arange(p.drains), result_bytes(p)
    codes = beats["tdata"][:, None] >> (8 * size * lanes) & ((1 << 8 * size) - 1)
    keep = beats["tkeep"][:, None] >> (size * lanes) & 1
    return Frame(codes, keep != 0, beats["tuser"][:, None] >> (4 * lanes) & 15)
