"""What ``hfp8 compare`` runs: a unit's arrays or the core's matrices, each way to run the RTL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..errors import ParameterError
from ..parameters import CoreParameters, UnitParameters
from .boards.urls import opening

if TYPE_CHECKING:
    from verif.simulation.compare import Comparison

Arrays = Mapping[str, NDArray[Any]]


def of_unit(
    parameters: UnitParameters,
    name: str | None,
    arrays: Arrays,
    ways: list[str],
    seed: int,
    console: Console,
) -> list[Comparison]:
    """Arrays through a unit, in each of some ways: a simulator's name, or ``native``.

    Raises
    ------
    ParameterError, RunError
        As `verif.simulation.user_arrays.prepare` and `verif.simulation.compare.compare`.
    """
    from rtl_gen.package import generate
    from verif.simulation.compare import compare
    from verif.simulation.user_arrays import prepare

    package = generate(parameters, name)
    try:
        given = prepare(package, arrays, seed)
    except MemoryError:
        raise _no_memory(arrays) from None
    found = []
    for way in ways:
        if way == "native":
            from verif.sweep import native_arrays

            with console.status(f"compiled model: running {package.name}"):
                run = native_arrays.apply
                found.append(compare(package, given, "cxxrtl", seed, run, "native"))
            continue
        with console.status(f"{way}: simulating {package.name}"):
            found.append(compare(package, given, way, seed))
    return found


def on_board(
    parameters: UnitParameters,
    name: str | None,
    arrays: Arrays,
    url: str,
    seed: int,
    console: Console,
) -> list[Comparison]:
    """Arrays through a unit on a board, or matrices through a core, as `of_unit`.

    Raises
    ------
    ParameterError, RunError
        As `verif.simulation.user_arrays.prepare` and `hfp8_hw.host.Device`.
    """
    from rtl_gen.kept import generate_once
    from verif.board import arrays as board_arrays
    from verif.simulation.compare import compare
    from verif.simulation.user_arrays import prepare

    from ..host import Device

    if name is not None:
        raise ParameterError(f"name={name!r} is not allowed with device={url!r}")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"generating {parameters.top}", total=None)

        def opened(total: int) -> Device:
            progress.update(bar, description=opening(url))
            device = Device.open(url, parameters)
            progress.update(bar, description=f"running on {url}", total=total)
            return device

        package = generate_once(parameters)
        try:
            if isinstance(parameters, CoreParameters):
                from verif.board.core import compare_on
                from verif.core.compare_core import golden_product, work
                from verif.core.matrices import prepare_matrices

                matrices = prepare_matrices(parameters, arrays)
                want = golden_product(parameters, matrices)
                with opened(work(parameters, matrices)) as device:
                    advance = partial(progress.advance, bar)
                    return [compare_on(device, package, parameters, matrices, want, url, advance)]
            given = prepare(package, arrays, seed)
        except MemoryError:
            raise _no_memory(arrays) from None
        with opened(board_arrays.count(package, given.inputs)) as device:
            run = board_arrays.through(device, lambda n: progress.update(bar, completed=n))
            return [compare(package, given, url, seed, run, "board")]


def of_core(
    p: CoreParameters,
    name: str | None,
    arrays: Arrays,
    ways: list[str],
    seed: int,
    console: Console,
) -> list[Comparison]:
    """Matrices through the core, as `of_unit`.

    Raises
    ------
    ParameterError, RunError
        As `verif.core.matrices.prepare_matrices` and `verif.core.compare_core.multiply`.
    """
    from rtl_gen.kept import generate_once
    from verif.core.compare_core import compare_core, golden_product, multiply, work
    from verif.core.matrices import prepare_matrices

    try:
        given = prepare_matrices(p, arrays)
    except MemoryError:
        raise _no_memory(arrays) from None
    with console.status(f"generating {p.top}"):
        package = generate_once(p, name)
    elements = given.shape[0] * given.shape[1]
    found = []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    if "native" in ways:
        from verif.core.compiled.native import model

        with console.status(f"verilator: compiling {package.name}, once"):
            model(package)
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("golden model", total=elements)
        want = golden_product(p, given, partial(progress.advance, bar))
        for way in ways:
            bar = progress.add_task(f"{way}: {package.name}", total=work(p, given))
            advance = partial(progress.advance, bar)
            done = multiply(package, p, given, way, seed, advance)
            found.append(compare_core(package, p, given, want, done, way))
    return found


def _no_memory(arrays: Arrays) -> ParameterError:
    shapes = ", ".join(f"{key} {values.shape!r}" for key, values in arrays.items())
    return ParameterError(f"shapes {shapes} are not allowed: there is not enough memory")
