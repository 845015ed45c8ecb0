"""The configurations that ``hfp8 sweep`` runs when no parameters are given."""

from __future__ import annotations

from typing import Any

from hfp8_hw.formats import CATALOGUE

from ..simulation.configurations import MATRIX

Configuration = tuple[dict[str, Any], str | None]
"""Parameters other than the defaults, and the extent (None: the usual one)."""

BYTES = tuple(name for name, fmt in CATALOGUE.items() if fmt.width == 8)
ROUNDINGS = ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO", "SR(12)")


def _quantizer() -> list[Configuration]:
    """All binary32 inputs, for every 8-bit format, rounding and overflow policy."""
    found: list[Configuration] = []
    for name in BYTES:
        for rounding in ROUNDINGS:
            for overflow in ("saturate", "special"):
                if overflow == "saturate" or CATALOGUE[name].has_nan:
                    given = {"dst": name, "rounding": rounding, "overflow": overflow}
                    found.append((given, None if rounding == "SR(12)" else "all"))
    return found


def _mul() -> list[Configuration]:
    """All pairs of codes, for all pairs of 8-bit formats; both modes and all run-time biases."""
    pairs: list[Configuration] = [({"a": a, "b": b}, "all") for a in BYTES for b in BYTES]
    return [*pairs, ({"bias": "runtime"}, "all"), ({"bias": "runtime", "out": "FP16"}, "all")]


MANY: dict[str, list[Configuration]] = {
    "mac": [
        ({"semantics": "exact_chunk", "a": "HFP8_FWD", "b": "HFP8_FWD"}, str(10**9)),
    ],
    "dot": [({"a": "HFP8_FWD", "b": "HFP8_FWD", "lanes": 8}, str(125 * 10**6))],
}
"""Accumulating units, by at least 10^9 products."""

SWEEPS: dict[str, list[Configuration]] = {
    unit: [*MANY.get(unit, []), *((dict(parameters), None) for parameters in configurations)]
    for unit, configurations in MATRIX.items()
} | {"mul": _mul(), "quantizer": _quantizer()}
