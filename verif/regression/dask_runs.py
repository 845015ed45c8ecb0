"""Many verification runs on Dask: a matrix of configurations, results that are kept."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import lru_cache
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import UNITS, unit_parameters
from rtl_gen.cache import cache_dir, digest
from rtl_gen.config import read_toml
from rtl_gen.package import write_whole

from ..errors import ToolMissing
from ..simulation.simulate import Outcome
from ..simulation.simulators import SIMULATORS, find
from ..simulation.verify import Result, Task
from . import cluster

MATRIX = Path(__file__).with_name("regress.toml")
_ROOT = Path(__file__).resolve().parents[2]
_OWN = ("hfp8_hw", "rtl_gen", "verif")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def load(path: Path) -> list[Task]:
    """The tasks of a matrix file.

    The file has ``seeds``, ``simulators`` and tables ``[[unit]]`` with a ``name`` and
    ``parameters``; lists of values are crossed, and combinations that a unit refuses are left
    out. A unit may have seeds and simulators of its own.

    Raises
    ------
    ParameterError
        If the file is not such a matrix, or nothing is left.
    """
    data = read_toml("matrix", path)
    unknown = set(data) - {"seeds", "simulators", "unit"}
    if unknown or not isinstance(data.get("unit"), list):
        raise ParameterError(
            f"matrix={str(path)!r} is not allowed: seeds, simulators and tables [[unit]]"
            + (f", not {', '.join(sorted(unknown))}" if unknown else "")
        )
    tasks = list(dict.fromkeys(task for table in data["unit"] for task in _tasks(data, table)))
    if not tasks:
        raise ParameterError(f"matrix={str(path)!r} is not allowed: no unit takes any of it")
    return tasks


def _tasks(data: dict[str, Any], table: dict[str, Any]) -> Iterator[Task]:
    unknown = set(table) - {"name", "parameters", "seeds", "simulators"}
    if unknown:
        raise ParameterError(
            f"{sorted(unknown)[0]!r} is not allowed in [[unit]]: name, parameters, seeds, "
            "simulators"
        )
    unit = table.get("name")
    if unit not in UNITS:
        raise ParameterError(f"unit={unit!r} is not allowed: one of {', '.join(UNITS)}")
    seeds = _listed(table.get("seeds", data.get("seeds", [1])))
    simulators = _listed(table.get("simulators", data.get("simulators", list(SIMULATORS))))
    for seed in seeds:
        if not isinstance(seed, int) or not 0 <= seed < 1 << 32:
            raise ParameterError(f"seeds={seed!r} is not allowed: 0 to 2**32-1")
    for simulator in simulators:
        if simulator not in SIMULATORS:
            raise ParameterError(
                f"simulators={simulator!r} is not allowed: one of {', '.join(SIMULATORS)}"
            )
    crossed = {name: _listed(value) for name, value in table.get("parameters", {}).items()}
    for name in crossed:
        _check_parameter(unit, name)
    for values in itertools.product(*crossed.values()):
        given = dict(zip(crossed, values, strict=True))
        try:
            unit_parameters(unit, given)
        except ParameterError:
            continue
        for simulator, seed in itertools.product(simulators, seeds):
            yield Task(unit, tuple(given.items()), simulator, seed)


def _check_parameter(unit: str, name: str) -> None:
    """Raise ParameterError if a unit has no such parameter."""
    names = [field.name for field in fields(UNITS[unit])]
    if name not in names:
        raise ParameterError(
            f"parameter {name!r} is not allowed for {unit}: one of {', '.join(names)}"
        )


def smoke(tasks: list[Task]) -> list[Task]:
    """The first configuration of each unit, on each simulator, with one seed."""
    chosen: dict[tuple[str, str], Task] = {}
    for task in tasks:
        chosen.setdefault((task.unit, task.simulator), task)
    return list(chosen.values())


@lru_cache(maxsize=1)
def sources() -> tuple[Path, ...]:
    """Every module of this project that a run imports, here or in the simulator: what generates,
    computes, drives and compares, and not what proves, measures or reports."""
    beside = [path.stem for path in _ROOT.iterdir() if path.stem not in _OWN]
    finder = ModuleFinder(path=[str(_ROOT)], excludes=beside)
    for module in ("verif.simulation.verify", "verif.simulation.bench"):
        finder.import_hook(module)
    files = (getattr(module, "__file__", None) for module in finder.modules.values())
    return tuple(sorted(Path(file) for file in files if file))


@lru_cache(maxsize=1)
def _sources() -> str:
    return digest(path.read_text(encoding="utf-8") for path in sources())


def _tool(simulator: str) -> str:
    try:
        return find(simulator).version
    except ToolMissing:
        return "missing"


def _kept(task: Task) -> Path:
    facts = [json.dumps(asdict(task), sort_keys=True), _sources(), _tool(task.simulator)]
    return cache_dir() / "results" / f"{digest(facts)}.json"


def recall(task: Task) -> Result | None:
    """The result of the same task, kept from an earlier run with the same sources and tools."""
    try:
        data = json.loads(_kept(task).read_text(encoding="utf-8"))
        return Result(task, Outcome(**data))
    except (OSError, ValueError, TypeError):
        return None


def keep(result: Result) -> None:
    """Keep a result; runs that could not happen are not results."""
    if result.outcome is None:
        return
    path = _kept(result.task)
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {**vars(result.outcome), "outputs": []}
    write_whole(path, json.dumps(facts).encode())


def run(
    tasks: list[Task], *, jobs: int, scheduler: str | None = None
) -> Iterator[tuple[Result, bool]]:
    """Yield every task's result, in the order they finish, and whether it had been kept.

    Parameters
    ----------
    jobs : int
        Workers of the cluster that is started here.
    scheduler : str, optional
        The address of a running Dask scheduler instead. Its workers need this package and the
        simulators, and one thread each.

    Raises
    ------
    ParameterError
        If the address is none, or a worker has several threads.
    RunError
        If the scheduler does not answer, has no workers, or goes away.
    """
    left = []
    for task in tasks:
        result = recall(task)
        if result is None:
            left.append(task)
        else:
            yield result, True
    if left:
        yield from ((result, False) for result in _distributed(left, jobs, scheduler))


def _distributed(tasks: list[Task], jobs: int, scheduler: str | None) -> Iterator[Result]:
    from ..simulation.verify import run_task

    for task, result, lost in cluster.distributed(run_task, tasks, jobs, scheduler):
        if result is None:
            yield Result(task, None, f"the task was lost: {lost}")
        else:
            keep(result)
            yield result
