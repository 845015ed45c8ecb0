"""What jobs run on: the golden model, or the core's RTL with parameters from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ...errors import ParameterError, check_choice
from ...formats import HFP8, parse_operand
from ...parameters import CoreParameters, unit_parameters
from ..options import given, spelled

if TYPE_CHECKING:
    from verif.core.compiled.engine import CoreEngine

    from ...golden.engine import CheckedEngine, Engine
    from ...models import Deployment

PLACES = ("golden", "sim")
SETTLED = {"a": "format", "b": "format", "acc": "sums", "semantics": "sums", "chunk": "sums",
           "ports": "on", "convolution": "on"}  # fmt: skip
"""Parameters of the core that another option settles."""


@dataclass
class Chosen:
    """What was chosen.

    Members
    -------
    engine : Engine
    core : CoreEngine or None
    checked : CheckedEngine or None
        With the core: the engine, as it is compared with golden.
    """

    engine: Engine
    core: CoreEngine | None = None
    checked: CheckedEngine | None = None

    def to_dict(self, clock: int | None) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        if self.core is None or self.checked is None:
            return {"on": "golden"}
        return {
            "on": "sim",
            "unit": "core",
            "parameters": self.core.p.to_dict(),
            "elements": self.checked.elements,
            "mismatches": self.checked.mismatches,
            "first_mismatch": self.checked.first or None,
            "macs": self.core.macs,
            "clocks": self.core.clocks,
            "utilisation": round(self.core.utilisation, 6),
            "clock_mhz": clock,
            "seconds_at_clock": None if clock is None else self.core.clocks / (clock * 1e6),
        }


def check_place(where: str, kind: str, options: dict[str, Any], clock: int | None) -> None:
    """Refuse what does not go together, before any work.

    Raises
    ------
    ParameterError
    """
    check_choice("on", where, PLACES)
    asked = given(options)
    for name, other in SETTLED.items():
        if name in asked:
            raise ParameterError(
                f"{name}={asked[name]!r} is not allowed here: --{other} settles it"
            )
    if where == "golden":
        named = [(spelled(name), value) for name, value in asked.items()]
        for name, value in [*named, *([] if clock is None else [("--clock", clock)])]:
            raise ParameterError(
                f"{name.lstrip('-')}={value!r} is not allowed for on='golden': only sim has a core"
            )
    elif kind == "int8":
        raise ParameterError("format='int8' is not allowed for on='sim': the core multiplies "
                             "floating-point codes")  # fmt: skip


def choose(where: str, deployment: Deployment, options: dict[str, Any], console: Console) -> Chosen:
    """The engine for a deployed model.

    Raises
    ------
    ParameterError, ToolMissing, ToolError
        For parameters that the core does not have, and as `verif.core.compiled.engine.CoreEngine`.
    """
    from ...golden.engine import CheckedEngine, GoldenEngine

    if where == "golden":
        return Chosen(GoldenEngine())
    from rtl_gen.extras import require
    from rtl_gen.kept import generate_once

    require("platformdirs", "verilator")
    from verif.core.compiled.engine import CoreEngine

    p = core_parameters(deployment, given(options))
    words = f"{p.rows} x {p.cols} x {p.lanes}"
    with console.status(f"generating the core, {words}"):
        package = generate_once(p)
    with console.status(f"verilator: compiling the core, {words}, once; this takes minutes"):
        core = CoreEngine(package, p)
    checked = CheckedEngine(core)
    return Chosen(checked, core, checked)


def core_parameters(deployment: Deployment, asked: dict[str, Any]) -> CoreParameters:
    """The core for a model: its format and sums, and by default pages that hold a few tiles of its
    longest sum.

    Raises
    ------
    ParameterError
        For values that are not allowed.
    """
    from ...models.numbers import KINDS
    from ...models.plan import SUMS

    fmt, sums = KINDS[deployment.settings.format], SUMS[deployment.settings.sums]
    if fmt in {one.name for one in parse_operand(HFP8)}:
        fmt = HFP8  # The usual core, which takes both.
    found: dict[str, Any] = {"a": fmt, "b": fmt, "acc": sums.acc, "semantics": sums.semantics}
    if sums.semantics != "exact":
        found["chunk"] = sums.chunk
    found |= asked
    p = unit_parameters("core", found)
    assert isinstance(p, CoreParameters)
    depth = longest(deployment)
    more: dict[str, Any] = {}
    for name, side, tile in (("a_size", p.rows, p.rows), ("b_size", p.cols, p.tile_cols)):
        if name not in asked:
            size = side * p.lanes
            while size < max(4096, 2 * tile * (depth + p.lanes)) and size < 1 << 24:
                size *= 2
            more[name] = size
    if sums.semantics == "exact" and "terms" not in asked:
        more["terms"] = min(max(depth, 4096), 65535)
    p = unit_parameters("core", found | more)
    assert isinstance(p, CoreParameters)
    return p


def longest(deployment: Deployment) -> int:
    """Products of the longest sum on the engine."""
    return max(
        (node.macs // max(1, int(np.prod(node.shape, dtype=np.int64)))
         for node in deployment.nodes if node.where == "hfp8"), default=1,
    )  # fmt: skip
