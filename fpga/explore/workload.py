"""The numbers that a unit's error is measured on: a seeded set, or the user's own arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.jobs import Size
from rtl_gen.package import Package

from .space import PRODUCTS, RESULTS


@dataclass(frozen=True)
class Workload:
    """What all points of an exploration are measured on.

    Without ``arrays`` it is the seeded one: every input that has a format gets independent numbers
    of the standard normal distribution in binary64, ``(results,)`` of them or, where the unit sums,
    ``(results, products)``. The inputs' order is that of their names; input number k has NumPy's
    ``default_rng([seed, k])``. All else (modes, biases, scales) is as it is by default.

    A core has products of matrices: of number i of ``sizes``, A is of ``default_rng([seed, i, 0])``
    and B of ``default_rng([seed, i, 1])``.

    Members
    -------
    seed : int
        Of the numbers, and of a stochastic rounding's bits.
    results, products : int
        Size of a unit's seeded numbers.
    sizes : tuple of (int, int, int)
        M, N and K of a core's products; none for a unit.
    quantize : bool
        A core's results are in the format ``y``, not in ``acc``.
    arrays : mapping of ndarray, optional
        The user's, as `verif.simulation.user_arrays.prepare` takes them.
    name : str
        Of the user's file.
    """

    seed: int
    results: int = RESULTS
    products: int = PRODUCTS
    sizes: tuple[Size, ...] = ()
    arrays: Mapping[str, NDArray[Any]] | None = None
    name: str = ""
    quantize: bool = False

    def inputs(self, package: Package) -> Mapping[str, NDArray[Any]]:
        """The arrays for a unit."""
        if self.arrays is not None:
            return self.arrays
        manifest = package.manifest
        shape = (self.results, self.products) if manifest["golden"]["sum"] else (self.results,)
        names = sorted(
            port["name"].removeprefix("i_") for port in merged_inputs(manifest) if "format" in port
        )
        return {
            name: np.random.default_rng([self.seed, k]).standard_normal(shape)
            for k, name in enumerate(names)
        }

    def matrices(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        """The arrays for a core, product by product."""
        if self.arrays is not None:
            yield self.arrays
            return
        for i, (m, n, k) in enumerate(self.sizes):
            shapes = {"a": (m, k), "b": (k, n)}
            yield {
                name: np.random.default_rng([self.seed, i, side]).standard_normal(shape)
                for side, (name, shape) in enumerate(shapes.items())
            }

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what it is, so that it can be made again or recognised."""
        return {**self._numbers(), **({"quantize": True} if self.quantize else {})}

    def _numbers(self) -> dict[str, Any]:
        if self.arrays is None and self.sizes:
            return {
                "kind": "seeded",
                "distribution": "standard normal",
                "sizes": ["x".join(map(str, size)) for size in self.sizes],
            }
        if self.arrays is None:
            return {
                "kind": "seeded",
                "distribution": "standard normal",
                "results": self.results,
                "products": self.products,
            }
        return {
            "kind": "file",
            "name": self.name,
            "arrays": {
                name: {"shape": list(values.shape), "dtype": str(values.dtype)}
                for name, values in sorted(self.arrays.items())
            },
            "sha256": self._digest(),
        }

    def _digest(self) -> str:
        found = hashlib.sha256()
        for name, values in sorted((self.arrays or {}).items()):
            found.update(repr((name, values.shape, str(values.dtype))).encode())
            found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()


def merged_inputs(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The input ports, those of one argument as one."""
    from verif.simulation.user_arrays import merged

    return [port for port in merged(manifest)["ports"] if port["dir"] == "in"]
