"""The core as compiled code: Verilator's C++ of the generated Verilog, driven pin by pin."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.registers import packed, register
from rtl_gen.cache import built
from rtl_gen.package import Package
from rtl_gen.tools import ToolError

from ...simulation import simulators
from ...sweep import cxx_compiler

_TEMPLATE = Path(__file__).with_name("native.cc.in")
_VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
             "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style")  # fmt: skip
_FLAGS = ("-std=c++17", "-O1", "-DNDEBUG")
_PATIENCE = 4000
_SLICE = 2000
"""Clocks between two looks at the progress."""
_STATES = {
    2: "{given} of {due} beats of results came, then nothing for {patience} clocks",
    3: "beat {given} of the results changed or was withdrawn while stalled",
    4: "more results came than were due",
    5: "the control port refused a register",
}


@dataclass
class Taken:
    """What a run gave.

    Members
    -------
    data, keep, user : ndarray of uint8
        (beats, bytes), as the pins of the output stream had them.
    last : ndarray of bool
        (beats,).
    values : ndarray of uint32
        Of the registers that were read at the end.
    started, finished : ndarray of int64
        In which clock after the reset each start was acknowledged, and each frame's end taken.
    clocks : int
        How many the run took, until the core was at rest and its registers were read.
    irq : int
        The output ``irq`` then.
    error : str or None
    """

    data: NDArray[np.uint8]
    keep: NDArray[np.uint8]
    user: NDArray[np.uint8]
    last: NDArray[np.bool_]
    values: NDArray[np.uint32]
    started: NDArray[np.int64]
    finished: NDArray[np.int64]
    clocks: int
    irq: int
    error: str | None


class _Run(ctypes.Structure):
    """``Run`` of the driver."""

    _fields_ = [
        ("writes", ctypes.c_void_p), ("write_count", ctypes.c_int64),
        ("to_read", ctypes.c_void_p), ("read_count", ctypes.c_int64),
        ("beats", ctypes.c_void_p), ("lengths", ctypes.c_void_p),
        ("beat_counts", ctypes.c_void_p),
        ("due", ctypes.c_int64), ("frames_due", ctypes.c_int64),
        ("data", ctypes.c_void_p), ("keep", ctypes.c_void_p), ("user", ctypes.c_void_p),
        ("last", ctypes.c_void_p), ("values", ctypes.c_void_p),
        ("started", ctypes.c_void_p), ("finished", ctypes.c_void_p),
        ("patience", ctypes.c_int64), ("reset_at", ctypes.c_int64),
        ("stall", ctypes.c_double), ("seed", ctypes.c_uint64),
    ]  # fmt: skip


def bytes_of(manifest: dict[str, Any], port: str) -> int:
    """Bytes that hold a port's bits."""
    return -(-next(p["width"] for p in manifest["ports"] if p["name"] == port) // 8)


def sources(manifest: dict[str, Any]) -> list[str]:
    """The input streams: ``s_axis_a`` and so on."""
    return [
        p["name"].removesuffix("_tvalid")
        for p in manifest["ports"]
        if p["name"].startswith("s_axis_") and p["name"].endswith("_tvalid")
    ]


class Model:
    """One core; it is reset at the start of each run."""

    def __init__(self, library: Path, manifest: dict[str, Any]) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.hfp8_new.restype = ctypes.c_void_p
        self._manifest = manifest
        self._core = ctypes.c_void_p(self._library.hfp8_new())

    def __del__(self) -> None:
        if hasattr(self, "_core"):
            self._library.hfp8_delete(self._core)

    def hold(self, number: int, value: int) -> None:
        """Set the input of this number of those that are no ports of the core's own."""
        self._library.hfp8_hold(self._core, ctypes.c_int(number), ctypes.c_uint32(value))

    def run(
        self,
        writes: list[tuple[str, int]],
        streams: dict[str, list[NDArray[np.uint8]]],
        reads: list[str],
        beats_due: int,
        frames_due: int,
        *,
        stall: float = 0.0,
        seed: int = 0,
        reset_at: int | None = None,
        patience: int = _PATIENCE,
        progress: Callable[[int], None] | None = None,
    ) -> Taken:
        """Run jobs.

        Parameters
        ----------
        writes : list of (register, value)
            In this order; a write to ``START`` waits until the queue has room.
        streams : dict
            By input stream, for each frame its bytes, of whole beats.
        reads : list of register
            Read at the end.
        beats_due, frames_due : int
            Of the output stream.
        stall : float
            How often a port waits, each at random for itself; `verif.core.bench` has the same.
        reset_at : int, optional
            Reset the core so many clocks after the start, then begin again.
        patience : int
            Clocks without a transfer after which the run is given up.
        progress : callable, optional
            Is told every now and then how many frames came since it was told last.
        """
        manifest = self._manifest
        words = np.array([(register(n).address, v) for n, v in writes], np.uint32).reshape(-1, 2)
        to_read = np.array([register(name).address for name in reads], np.uint32)
        names = sources(manifest)
        beats = [np.concatenate([*streams.get(n, []), np.zeros(1, np.uint8)]) for n in names]
        lengths = []
        for name in names:
            width = bytes_of(manifest, f"{name}_tdata")
            lengths.append(np.array([f.size // width for f in streams.get(name, [])], np.int64))
        counts = np.array([n.sum() for n in lengths], np.int64)
        data, keep, user = (
            np.zeros((beats_due, bytes_of(manifest, f"m_axis_{name}")), np.uint8)
            for name in ("tdata", "tkeep", "tuser")
        )
        taken = Taken(
            data, keep, user,
            last=np.zeros(beats_due, np.bool_),
            values=np.zeros(len(reads), np.uint32),
            started=np.full(sum(name == "START" for name, _ in writes), -1, np.int64),
            finished=np.full(frames_due, -1, np.int64),
            clocks=0,
            irq=0,
            error=None,
        )  # fmt: skip
        inputs = (_pointers(beats), _pointers(lengths))
        run = _Run(
            words.ctypes.data, len(words), to_read.ctypes.data, len(to_read),
            *(ctypes.cast(x, ctypes.c_void_p) for x in inputs), counts.ctypes.data,
            beats_due, frames_due, taken.data.ctypes.data, taken.keep.ctypes.data,
            taken.user.ctypes.data, taken.last.ctypes.data, taken.values.ctypes.data,
            taken.started.ctypes.data, taken.finished.ctypes.data,
            patience, -1 if reset_at is None else reset_at, stall, seed << 8,
        )  # fmt: skip
        self._library.hfp8_start(self._core, ctypes.byref(run))
        report = np.zeros(6, np.int64)
        frames = 0
        while report[0] == 0:
            self._library.hfp8_advance(
                self._core, ctypes.c_int64(_SLICE), ctypes.c_void_p(report.ctypes.data)
            )
            if progress is not None:
                progress(int(report[3]) - frames)
            frames = int(report[3])
        state, taken.clocks, given = (int(n) for n in report[:3])
        taken.irq = int(report[5])
        if state in _STATES:
            taken.error = _STATES[state].format(given=given, due=beats_due, patience=patience)
        elif given != beats_due:
            taken.error = f"{given} beats of results came where {beats_due} were due"
        return taken


def _pointers(arrays: list[NDArray[Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))


def model(package: Package) -> Model:
    """The compiled model of a generated core, from the cache where it can be.

    Raises
    ------
    ToolMissing, ToolError
        If Verilator or the compiler is missing or fails.
    """
    return compiled(package.verilog, package.manifest)


def compiled(verilog: str, manifest: dict[str, Any], held: tuple[str, ...] = ()) -> Model:
    """The compiled model of a module with a core's ports, and more inputs that `Model.hold` sets.

    Raises
    ------
    ToolMissing, ToolError
        As `model`.
    """
    cxx_compiler.require("a compiled model cannot be built")
    tool = simulators.find("verilator")
    driver = _driver(manifest, held)

    def make(folder: Path) -> None:
        (folder / "core.v").write_text(verilog)
        (folder / "driver.cpp").write_text(driver)
        command = [str(Path(tool.path) / "verilator"), *_VERILATE, "--Mdir", ".",
                   "--prefix", "Vcore", "--output-split", "20000",
                   "--top-module", manifest["top"], "core.v"]  # fmt: skip
        done = subprocess.run(
            command, cwd=folder, env=tool.env(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolError(f"verilator did not translate the core: {done.stderr[-1000:]}")
        include = tool.library()
        flags = [*_FLAGS, f"-I{include}", f"-I{include}/vltstd", "-I."]
        files = sorted(folder.glob("*.cpp"))
        files += [include / "verilated.cpp", include / "verilated_threads.cpp"]
        cxx_compiler.shared_of_many(folder, files, "model.so", flags, "the model")
        for path in folder.iterdir():
            if path.name != "model.so":
                path.unlink()

    facts = [verilog, driver, tool.version, *_VERILATE, *_FLAGS, cxx_compiler.compiler()]
    return Model(built("cores", facts, make) / "model.so", manifest)


def _driver(manifest: dict[str, Any], held: tuple[str, ...]) -> str:
    """The C++ that drives the core's ports."""
    cases = "".join(f"  if (number == {k}) core->t.{name} = value;\n"
                    for k, name in enumerate(held))  # fmt: skip
    hold = 'extern "C" void hfp8_hold(Core *core, int number, uint32_t value) {\n' + cases + "}\n"
    names = sources(manifest)
    declared = [
        f"Source<{bytes_of(manifest, f'{name}_tdata')}, std::remove_reference_t<decltype("
        f"t.{name}_tdata)>> {name}{{t.{name}_tvalid, t.{name}_tready, t.{name}_tdata, "
        f"t.{name}_tlast}};"
        for name in names
    ]
    return Template(_TEMPLATE.read_text()).substitute(
        sources="\n  ".join(declared),
        each="\n    ".join(f"act({name});" for name in names),
        stream_count=len(names),
        start_address=register("START").address,
        status_address=register("STATUS").address,
        full_bit=packed("STATUS", {"full": 1}),
        busy_bit=packed("STATUS", {"busy": 1}),
        data_bytes=bytes_of(manifest, "m_axis_tdata"),
        keep_bytes=bytes_of(manifest, "m_axis_tkeep"),
        user_bytes=bytes_of(manifest, "m_axis_tuser"),
    ) + (hold if held else "")
