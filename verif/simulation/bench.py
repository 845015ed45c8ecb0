"""The cocotb bench of every unit: driver, monitor and checker, told by the manifest what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from verif.stimulus.ports import Field, payload
from verif.stimulus.reference import as_driven, compare, expected

_DRAIN = 2000
"""Clocks to wait for a missing result, and to watch for an extra one the tenth of it."""


def pack(arrays: dict[str, NDArray[Any]], fields: list[Field], width: int) -> list[int]:
    """One integer a transfer: the fields of all lanes, lane 0 lowest."""
    count, lanes = next(iter(arrays.values())).shape
    bits = np.zeros((count, lanes, width), np.uint8)
    for f in fields:
        values = arrays[f.port].astype(np.int64)
        for k in range(f.width):
            bits[:, :, f.offset + k] = (values >> k) & 1
    packed = np.packbits(bits.reshape(count, lanes * width), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def unpack(
    words: list[int], fields: list[Field], width: int, lanes: int
) -> dict[str, NDArray[np.int64]]:
    """The inverse of `pack`."""
    size = (lanes * width + 7) // 8
    raw = b"".join(word.to_bytes(size, "little") for word in words)
    rows = np.frombuffer(raw, np.uint8).reshape(len(words), size)
    bits = np.unpackbits(rows, axis=1, bitorder="little")[:, : lanes * width]
    bits = bits.reshape(len(words), lanes, width)
    weights = {f.port: np.int64(1) << np.arange(f.width, dtype=np.int64) for f in fields}
    return {
        f.port: (bits[:, :, f.offset : f.offset + f.width] * weights[f.port]).sum(axis=2)
        for f in fields
    }


class Driver:
    """Offers words to the input stream; holds each until it is taken; else shows others."""

    def __init__(self, dut: Any, words: list[int], stall: NDArray[np.bool_]) -> None:
        self.dut, self.words, self.stall = dut, words, stall
        self.taken, self._clock, self._valid = 0, 0, False

    def step(self) -> None:
        """After a clock edge: see whether the word offered was taken, offer the next."""
        dut = self.dut
        if self._valid and int(dut.i_ready.value):
            self.taken += 1
            self._valid = False
        if self._valid:
            return
        pause = self.stall[self._clock % len(self.stall)]
        self._clock += 1
        if self.taken < len(self.words) and not pause:
            dut.i_bits.value = self.words[self.taken]
            dut.i_valid.value = 1
            self._valid = True
        elif self.words:
            # What is not offered must not matter: any other word.
            dut.i_bits.value = self.words[self._clock * 31 % len(self.words)]
            dut.i_valid.value = 0


class Monitor:
    """Takes words from the output stream, and checks that a word waiting does not change."""

    def __init__(self, dut: Any, stall: NDArray[np.bool_]) -> None:
        self.dut, self.stall = dut, stall
        self.words: list[int] = []
        self.error: str | None = None
        # With stalls, nothing is ready before the first result shows: valid must not wait for it.
        self._shy = bool(stall.any())
        self._clock, self._ready = 0, False
        self._waiting: Any = None

    def step(self) -> None:
        """After a clock edge: take the word there was, decide about the next clock."""
        dut = self.dut
        if int(dut.o_valid.value):
            value = dut.o_bits.value
            if self._waiting is not None and value != self._waiting:
                self.error = self.error or f"result {len(self.words)} changed while stalled"
            if self._ready:
                if not value.is_resolvable:
                    self.error = self.error or f"result {len(self.words)} has undefined bits"
                    self.words.append(0)
                else:
                    self.words.append(value.to_unsigned())
                self._waiting = None
            else:
                self._waiting = value
        elif self._waiting is not None:
            self.error = self.error or f"result {len(self.words)} was withdrawn while stalled"
            self._waiting = None
        if not int(dut.lockstep.value):
            self.error = self.error or "copies of the unit fell out of step"
        if self._waiting is not None:
            self._shy = False
        ready = not self._shy and not self.stall[self._clock % len(self.stall)]
        self._clock += 1
        if ready != self._ready:
            dut.o_ready.value = int(ready)
            self._ready = ready


IN_STATES = ("idle", "offered", "taken")
"""Of the input stream in a clock: nothing offered; offered and not taken; taken."""

OUT_STATES = ("none", "waiting", "taken")
"""Of the output stream: no result; one that is not taken; taken."""


class Handshakes:
    """Counts the clocks in which the two streams were in which states.

    Members
    -------
    states : (3, 3) counts
        By `IN_STATES` and `OUT_STATES`.
    waits : dict
        How often a result waited for so many clocks.
    """

    def __init__(self) -> None:
        self.states = [[0] * len(OUT_STATES) for _ in IN_STATES]
        self.waits: dict[int, int] = {}
        self._waited = 0

    def step(self, dut: Any) -> None:
        """After a clock edge: count the clock that ended with it."""
        pairs = ((dut.i_valid, dut.i_ready), (dut.o_valid, dut.o_ready))
        went_in, went_out = (int(v.value) and 1 + int(r.value) for v, r in pairs)
        self.states[went_in][went_out] += 1
        if went_out == OUT_STATES.index("waiting"):
            self._waited += 1
        elif self._waited:
            self.waits[self._waited] = self.waits.get(self._waited, 0) + 1
            self._waited = 0

    def counts(self) -> dict[str, Any]:
        """``states``, and ``waits`` as pairs of clocks and how often."""
        return {"states": self.states, "waits": sorted(self.waits.items())}


class Checker:
    """Compares what came out with what the golden model says."""

    def __init__(
        self, phase: str, manifest: dict[str, Any], inputs: dict[str, NDArray[Any]]
    ) -> None:
        self.phase, self.inputs = phase, inputs
        self.outputs, self.spans = expected(manifest, inputs)

    def check(
        self, got: dict[str, NDArray[Any]], error: str | None, cut: bool = False
    ) -> dict[str, Any]:
        """Vectors, mismatches, the first mismatch and the error, as in `simulate.Outcome`; of a run
        that a reset ``cut`` short, results may be missing at its end."""
        given, due = len(next(iter(got.values()))), len(self.spans)
        if given > due or (given < due and not cut):
            error = error or f"{given} results came out where {due} were due"
        compared = compare(self.phase, self.inputs, self.outputs, self.spans, got)
        return {**compared, "error": None if error is None else f"{self.phase}: {error}"}


async def _reset(dut: Any) -> None:
    dut.i_valid.value = 0
    dut.o_ready.value = 0
    dut.rst.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test()
async def stream(dut: Any) -> None:
    """Drive all phases, collect all results, compare; write ``result.json``."""
    folder = Path(os.environ["HFP8_JOB"])
    job = json.loads((folder / "job.json").read_text())
    rng = np.random.default_rng(job["seed"])
    Clock(dut.clk, 10, unit="ns").start()
    dut.i_bits.value = 0
    found = []
    watch = Handshakes() if job["watch"] else None
    for k, phase in enumerate(job["phases"]):
        with np.load(folder / f"inputs{k}.npz") as saved:
            inputs = {name: saved[name] for name in saved.files}
        got, runs = await _phase(dut, job["manifest"], phase, inputs, rng, watch)
        np.savez(folder / f"outputs{k}.npz", allow_pickle=False, **got)
        found += runs
    result = {"runs": found, "handshakes": None if watch is None else watch.counts()}
    (folder / "result.json").write_text(json.dumps(result))


async def _phase(
    dut: Any,
    manifest: dict[str, Any],
    phase: dict[str, Any],
    inputs: dict[str, NDArray[Any]],
    rng: np.random.Generator,
    handshakes: Handshakes | None = None,
) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
    """The results of a phase, and what `Checker` says of each of its runs from a reset."""
    in_fields, in_width = payload(manifest, "in")
    out_fields, out_width = payload(manifest, "out")
    lanes = next(iter(inputs.values())).shape[1]
    checker = Checker(phase["name"], manifest, inputs)
    words = pack(as_driven(manifest, inputs), in_fields, in_width)

    def stalls() -> NDArray[np.bool_]:
        if not phase["stall"]:
            return np.zeros(1, bool)
        # Runs of stalls and of none, of rates that differ, so that queues fill and drain.
        rates = rng.choice([0.0, phase["stall"], 0.95], 64)
        return (rng.random((64, 37)) < rates[:, None]).reshape(-1)

    def pauses() -> NDArray[np.bool_]:
        return rng.random(64 * 37) < phase["pause"] if phase["pause"] else stalls()

    def results(monitor: Monitor) -> dict[str, NDArray[np.int64]]:
        return unpack(monitor.words, out_fields, out_width, lanes)

    found = []
    await _reset(dut)
    for clocks in [*[None] * phase["resets"], *phase["reset_at"]]:
        early, watch = Driver(dut, words, pauses()), Monitor(dut, stalls())
        for _ in range(int(rng.integers(3, 60)) if clocks is None else clocks):
            await RisingEdge(dut.clk)
            early.step()
            watch.step()
        found.append(checker.check(results(watch), watch.error, cut=True))
        await _reset(dut)
    driver, monitor = Driver(dut, words, pauses()), Monitor(dut, stalls())
    idle = 0
    while idle < _DRAIN:
        await RisingEdge(dut.clk)
        before = len(monitor.words), driver.taken
        if handshakes is not None:
            handshakes.step(dut)
        driver.step()
        monitor.step()
        idle = 0 if before != (len(monitor.words), driver.taken) else idle + 1
        done = driver.taken == len(words) and len(monitor.words) >= len(checker.spans)
        if done and idle > _DRAIN // 10:
            break
    error = monitor.error
    if driver.taken < len(words):
        error = error or f"the unit stopped taking inputs after {driver.taken} of {len(words)}"
    got = results(monitor)
    return got, [*found, checker.check(got, error)]
