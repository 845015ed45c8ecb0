"""Running whole arrays through a generated unit in simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from rtl_gen.package import Package

from ..errors import SimulationError
from ..stimulus.vectors import LANES
from .simulate import Outcome, Phase, run

TRANSFERS = 1 << 14
"""Transfers in one phase: what is packed into memory at a time."""


@dataclass
class Applied:
    """What came out of the unit, in the shape of the inputs (less a summed last axis)."""

    codes: NDArray[Any]
    flags: NDArray[Any]
    outcome: Outcome


def apply(
    package: Package, simulator: str, arrays: dict[str, NDArray[Any]], seed: int = 0
) -> Applied:
    """Run arrays through a unit.

    Parameters
    ----------
    arrays : dict of integer ndarray
        By input field (``x``, ``a``, ``b``, ``mode_a``, ``bias``, ``rbits`` ...): codes and
        other integers, which broadcast. Accumulating units sum the last axis.

    Raises
    ------
    ParameterError
        If the shapes do not fit.
    ToolMissing, SimulationError
        As `verif.simulation.simulate.run`; also if a result is missing or the stream contract is
        broken.
    """
    phases, shape = arrange(package, arrays)
    outcome = run(package, simulator, phases, seed=seed)
    if outcome.error:
        raise SimulationError(f"{simulator}: the stream contract is broken: {outcome.error}")
    return Applied(*collect(outcome.outputs, shape), outcome)


def collect(
    outputs: list[dict[str, NDArray[Any]]], shape: tuple[int, ...]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Codes and flags in the shape of the results, from what came out in each phase."""
    rows = int(np.prod(shape, dtype=np.int64))
    codes, flags = (
        np.concatenate([part[port] for part in outputs]).reshape(-1)[:rows].reshape(shape)
        for port in ("o_y", "o_flags")
    )
    return codes, flags


def arrange(
    package: Package,
    arrays: dict[str, NDArray[Any]],
    copies: int = LANES,
    transfers: int = TRANSFERS,
) -> tuple[list[Phase], tuple[int, ...]]:
    """What goes to the ports, transfer by transfer, and the shape of the results; as `apply`.

    ``copies`` of the unit share the work; a phase has about so many ``transfers``.
    """
    framed = package.manifest["golden"]["sum"] is not None
    try:
        shape = np.broadcast_shapes(*(v.shape for v in arrays.values()))
    except ValueError:
        shapes = {name: v.shape for name, v in arrays.items()}
        raise ParameterError(f"shapes {shapes!r} are not allowed: they do not broadcast") from None
    if framed and not shape:
        raise ParameterError("shape () is not allowed: there is no last axis to sum")
    depth = shape[-1] if framed else 1
    out_shape = shape[:-1] if framed else shape
    rows = int(np.prod(out_shape, dtype=np.int64))
    if rows * depth == 0:
        raise ParameterError(f"shape {shape!r} is not allowed: there is nothing to compute")
    groups = -(-rows // copies)
    widths = {port["name"]: port["width"] for port in package.manifest["ports"]}
    wide = {
        name: np.broadcast_to(values, shape).reshape(rows, depth).astype(np.int64)
        for name, values in arrays.items()
    }
    flat = _by_port(package, wide)
    depth = next(iter(flat.values())).shape[1]
    turns = package.manifest["golden"]["sum"]["interleave"] if framed else 1
    groups = -(-groups // turns) * turns
    columns: dict[str, NDArray[np.int64]] = {}
    for port, values in flat.items():
        padded = np.resize(values & ((1 << widths[port]) - 1), (groups * copies, depth))
        # Sums that take turns: consecutive groups, item by item.
        dealt = padded.reshape(groups // turns, turns, copies, depth).transpose(0, 3, 1, 2)
        columns[port] = dealt.reshape(groups // turns, depth * turns, copies)
    return _phases(columns, (groups // turns, depth, turns), framed, transfers), out_shape


def _by_port(
    package: Package, fields: dict[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    """(rows, items) of every input field, for the port or ports that take it.

    A unit with several products a clock takes that many items at once; zeros fill the last clock.
    """
    fed = package.manifest["golden"]["inputs"]
    lanes = max((len(port) for port in fed.values() if isinstance(port, list)), default=1)
    if lanes == 1:
        return {f"i_{name}": values for name, values in fields.items()}
    rows, depth = fields["a"].shape
    semantics = package.manifest["parameters"].get("semantics")
    if depth % lanes and semantics in ("fmma", "dotN"):
        raise ParameterError(
            f"{depth} products a sum are not allowed for semantics={semantics!r}, which rounds "
            f"{lanes} at a time: a multiple of {lanes}"
        )
    more = ((0, 0), (0, -depth % lanes))
    found: dict[str, NDArray[np.int64]] = {}
    for name, values in fields.items():
        if isinstance(fed.get(name), list):
            # Products of +0, which a sum starts from anyhow.
            items = np.pad(values, more).reshape(rows, -1, lanes)
            found |= {port: items[:, :, k] for k, port in enumerate(fed[name])}
            continue
        items = np.pad(values, more, mode="edge").reshape(rows, -1, lanes)
        if (items != items[:, :, :1]).any():
            raise ParameterError(
                f"array {name!r} is not allowed: it changes within {lanes} items, which "
                f"{package.manifest['unit']} takes in one clock"
            )
        found[f"i_{name}"] = items[:, :, 0]
    return found


def _phases(
    columns: dict[str, NDArray[np.int64]],
    counts: tuple[int, int, int],
    framed: bool,
    transfers: int,
) -> list[Phase]:
    """Whole groups of rows, at most so many transfers a phase (one group at least)."""
    groups, depth, turns = counts
    step = max(1, transfers // (depth * turns))
    phases = []
    for start in range(0, groups, step):
        part = {
            port: values[start : start + step].reshape(-1, values.shape[2])
            for port, values in columns.items()
        }
        if framed:
            count, copies = next(iter(part.values())).shape
            item = np.arange(count) // turns % depth
            for port, edge in (("i_first", 0), ("i_last", depth - 1)):
                part[port] = np.repeat((item == edge)[:, None], copies, axis=1).astype(np.int64)
        phases.append(Phase(f"transfers from group {start}", part))
    return phases
