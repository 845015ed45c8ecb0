"""Products that follow each other as a job of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...golden.engine import Chain, Link
from ..numbers import KINDS
from ..plan import SUMS
from .boundaries import Boundary, scale_between

if TYPE_CHECKING:
    from ..deployment import Deployment


def chains(boundaries: Iterable[Boundary]) -> list[list[Boundary]]:
    """Boundaries without a reason against them, in lists in which each goes on where the one before
    it ended."""
    found: list[list[Boundary]] = []
    ends: dict[str, list[Boundary]] = {}
    for one in boundaries:
        if one.why:
            continue
        at = ends.pop(one.first, None)
        if at is None:
            at = []
            found.append(at)
        at.append(one)
        ends[one.second] = at
    return found


def build(
    deployment: Deployment, between: Sequence[Boundary], x: NDArray[Any] | None = None
) -> Chain:
    """The products that these boundaries join.

    Parameters
    ----------
    x : ndarray of uint8, optional
        Codes of the first one's operand, (m, k); by default one row of 0.
    """
    names = [between[0].first, *(one.second for one in between)]
    layers = [deployment.plan.layers[name] for name in names]
    fmt, sums = KINDS[deployment.settings.format], SUMS[deployment.settings.sums]
    links: list[Link] = []
    for number, layer in enumerate(layers):
        w = deployment.weights(layer)
        depth = w.shape[1 if layer.attributes.get("transB") else 0]
        b = layer.job(np.zeros((1, depth), np.uint8), w, fmt, sums).b[0]
        if number == len(between):
            links.append(Link(b, deployment.bias(layer)))
            continue
        scale = scale_between(deployment, layer, layers[number + 1])
        links.append(Link(b, deployment.bias(layer), between[number].relu, scale))
    a = np.zeros((1, links[0].b.shape[0]), np.uint8) if x is None else x
    return Chain(a, tuple(links), fmt, sums)
