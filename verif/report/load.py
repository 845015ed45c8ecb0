"""Reading what the commands wrote with ``--json``: all kinds of results as lists of checks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import GENERATED, UNITS
from verif.coverage.cover import bins, code
from verif.simulation.verify import command, label

GOOD, FAILED, OPEN = "good", "failed", "open"
_WRITERS = (
    "'hfp8 verify --json FILE' writes one, and so do regress, sweep, prove, mutate, cover, synth, "
    "explore and bench units"
)


@dataclass(frozen=True)
class Check:
    """One thing that was run or proved.

    Members
    -------
    method : str
        ``icarus`` or ``verilator`` for simulations, ``sweep``, ``proof``, ``coverage``,
        ``mutation``.
    what : str
        Property, input space, what was covered.
    amount : int or None
        Results compared, inputs driven.
    status : str
        ``good``; ``failed``: something differs, or it could not run; ``open``: neither.
    replay : str
        The command that does it again.
    lines : tuple of str
        What went wrong.
    """

    unit: str
    parameters: str
    method: str
    what: str
    amount: int | None
    status: str
    replay: str
    lines: tuple[str, ...] = ()


@dataclass
class Run:
    """All results given.

    Members
    -------
    coverage : list of dict
        A record a configuration, as `verif.coverage.cover.record` makes it.
    mutants : list of dict
        A file of ``hfp8 mutate`` each.
    figures : list of dict
        A report of ``hfp8 synth`` each, with its ``name``.
    tools : list of str
    files : list of str
    """

    checks: list[Check] = field(default_factory=list)
    coverage: list[dict[str, Any]] = field(default_factory=list)
    mutants: list[dict[str, Any]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def units(self) -> list[str]:
        """Those that something is known of, in the order of ``hfp8 list``."""
        known = {c.unit for c in self.checks} | {f["unit"] for f in self.figures}
        return [unit for unit in GENERATED if unit in known]


def load(paths: Iterable[Path]) -> Run:
    """Read files, and all JSON files of folders that hold results.

    Raises
    ------
    ParameterError
        If there is no such file, a file named is no result, or a folder has none.
    """
    run = Run()
    for path in paths:
        if path.is_dir():
            found = [p for p in sorted(path.glob("*.json")) if _add(run, p, _read(p))]
            if not found:
                raise ParameterError(
                    f"RUN={str(path)!r} is not allowed: a folder without results; {_WRITERS}"
                )
        elif not path.is_file():
            raise ParameterError(
                f"RUN={str(path)!r} is not allowed: there is no such file; {_WRITERS}"
            )
        elif not _add(run, path, _read(path)):
            raise ParameterError(
                f"RUN={str(path)!r} is not allowed: not a file of results; {_WRITERS}"
            )
    if not all(isinstance(tool, str) for tool in run.tools):
        raise ParameterError("RUN is not allowed: its tools are not names and versions")
    run.tools = list(dict.fromkeys(run.tools))
    return run


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ParameterError(
            f"RUN={str(path)!r} is not allowed: not JSON ({error}); {_WRITERS}"
        ) from None


def _add(run: Run, path: Path, data: Any) -> bool:
    """Add what a file holds; False if it is not a result."""
    for reader in (_verify, _cover, _sweep, _prove, _mutate, _explored, _figures):
        try:
            added = reader(run, data)
        except (KeyError, TypeError, ValueError, AttributeError):
            added = False
        if added:
            run.files.append(path.name)
            return True
    return False


def _tools(data: dict[str, Any]) -> list[str]:
    tools = data["tools"]
    return [f"{k} {v}" for k, v in tools.items()] if isinstance(tools, dict) else list(tools)


_METHODS = {"native": ("verilator", "compiled model")}
"""What is no simulator's own bench: by which method, and what it is."""


def _verify(run: Run, data: Any) -> bool:
    rows = data["runs"]
    if not rows or "simulator" not in rows[0]:
        return False
    checks = []
    for row in rows:
        seed = row.get("seed", data.get("seed"))
        options = ["--sim", row["simulator"], "--seed", str(seed)]
        method, what = _METHODS.get(row["simulator"], (row["simulator"], "simulation"))
        checks.append(
            Check(row["unit"], label(row["parameters"]), method, what, row["vectors"],
                  GOOD if row["good"] else FAILED,
                  command("verify", row["unit"], row["parameters"], options),
                  tuple(row.get("problem", ())))
        )  # fmt: skip
    run.checks += checks
    run.tools += _tools(data)
    return True


def _cover(run: Run, data: Any) -> bool:
    rows = data["runs"]
    if not rows or "crosses" not in rows[0]:
        return False
    checks = []
    for row in rows:
        (hit, reachable), places = bins(row), code(row).values()
        seen, there = (sum(pair[k] for pair in places) for k in (0, 1))
        what = f"{hit} of {reachable} bins, {seen} of {there} lines, branches and changes"
        lines = [row["failure"]] if row["failure"] else []
        lines += [*row["wrong"], *(f"not hit: {text}" for text in row["holes"])]
        status = GOOD if row["good"] else FAILED if row["failure"] or row["wrong"] else OPEN
        checks.append(
            Check(row["unit"], label(row["parameters"]), "coverage", what, row["vectors"], status,
                  command("cover", row["unit"], row["parameters"], ["--seed", str(data["seed"])]),
                  tuple(lines))
        )  # fmt: skip
    run.checks += checks
    run.coverage += rows
    run.tools += _tools(data)
    return True


def _sweep(run: Run, data: Any) -> bool:
    run.checks += [
        Check(row["unit"], label(row["parameters"]), "sweep", row["space"], row["transfers"],
              GOOD if row["good"] else FAILED, row["command"], tuple(row.get("problem", ())))
        for row in data["sweeps"]
    ]  # fmt: skip
    run.tools += _tools(data)
    return True


def _prove(run: Run, data: Any) -> bool:
    words = {"proved": GOOD, "failed": FAILED}
    run.checks += [
        Check(row["unit"], label(row["parameters"]), "proof", row["property"], None,
              words.get(row["status"], OPEN),
              command("prove", row["unit"], row["parameters"],
                      ["--property", row["property"], "--engine", row["engine"]]))
        for row in data["proofs"]
    ]  # fmt: skip
    run.tools += _tools(data)
    return True


def _mutate(run: Run, data: Any) -> bool:
    status = [mutant["status"] for mutant in data["mutants"]]
    left = [m for m in data["mutants"] if m["status"] in ("survived", "open")]
    killed, different = status.count("killed"), len(status) - status.count("equivalent")
    lines = [f"{m['status']}: {m['mode']} at {m['place']}, {m['source']} (mutant {m['number']})"
             for m in left]  # fmt: skip
    run.checks.append(
        Check(data["unit"], label(data["parameters"]), "mutation",
              f"{killed} of {different} mutants killed", len(status),
              GOOD if not left else FAILED if "survived" in status else OPEN,
              command("mutate", data["unit"], data["parameters"],
                      ["--count", str(len(status)), "--seed", str(data["seed"])]),
              tuple(lines))
    )  # fmt: skip
    run.mutants.append(data)
    run.tools += _tools(data)
    return True


def _explored(run: Run, data: Any) -> bool:
    """Of ``hfp8 explore``: the points that were measured."""
    found = [{**row, "name": "explored, on the front" if row["front"] else "explored",
              "device": data["device"], "dsp": data["dsp"], "label": label(row["parameters"])}
             for row in data["rows"] if row["status"] == "measured"]  # fmt: skip
    run.figures += found
    run.tools += _tools(data)
    return bool(found)


def _figures(run: Run, data: Any) -> bool:
    """Those of ``hfp8 bench units`` by name, or one of ``hfp8 synth``."""
    rows = {"": data} if "luts" in data else data
    found = [{**row, "name": name, "fmax_median": float(row["fmax_median"]),
              "label": label(row["parameters"])}
             for name, row in rows.items() if row["luts"] and row["unit"] in UNITS]  # fmt: skip
    run.figures += found
    run.tools += [tool for row in found for tool in row["tools"]]
    return bool(found)
