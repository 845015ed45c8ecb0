"""The configurations that ``hfp8 verify`` checks when no parameters are given."""

from __future__ import annotations

from typing import Any

MATRIX: dict[str, list[dict[str, Any]]] = {
    "quantizer": [
        {},
        {"dst": "HFP8_BWD", "overflow": "special", "rounding": "RNA"},
        {"dst": "HFP8_BWD", "rounding": "SR(12)", "stages": 4},
        {"dst": "E4M3FN", "rounding": "RTO", "overflow": "special", "stages": 1},
        {"dst": "P3109_8P4", "rounding": "RUP", "overflow": "special"},
        {"src": "BF16", "dst": "E5M2", "rounding": "RDN", "overflow": "special"},
        {"src": "FP16", "dst": "E4M3B11FNUZ", "rounding": "RTZ"},
        {"src": "DLFLOAT16", "bias": "runtime", "stages": 3},
        {"src": "DLFLOAT16", "dst": "E5M2FNUZ", "rounding": "SR(5)", "bias": "runtime"},
        {"src": "HFP8", "dst": "E3M4B5:flush:fn", "rounding": "SR(4)", "overflow": "special"},
    ],
    "dequantizer": [
        {},
        {"dst": "DLFLOAT16", "bias": "runtime"},
        {"src": "E4M3FN", "dst": "BF16", "stages": 1},
        {"src": "P3109_8P3", "dst": "FP16", "stages": 4},
        {"src": "E5M2", "dst": "HFP8_BWD", "rounding": "RNA", "bias": "runtime"},
    ],
    "mul": [
        {},
        {"a": "HFP8_FWD", "b": "HFP8_FWD"},
        {"a": "HFP8_BWD", "b": "HFP8_FWD", "out": "HFP8_BWD", "stages": 3},
        {"a": "HFP8_FWD", "b": "HFP8_BWD", "out": "DLFLOAT16", "rounding": "RNA", "stages": 1},
        {"a": "E4M3FN", "b": "E5M2", "out": "E4M3FN", "overflow": "special", "stages": 5},
        {"out": "FP16", "bias": "runtime", "rounding": "RTO", "stages": 4},
        {"out": "HFP8_FWD", "rounding": "SR(6)"},
    ],
    "mac": [
        {},
        {"semantics": "fma", "stages": 1},
        {"a": "HFP8_FWD", "b": "HFP8_FWD", "chunk": 5, "stages": 2},
        {"a": "HFP8_BWD", "b": "HFP8_FWD", "acc": "FP16", "chunk": 8, "stages": 4},
        {"a": "E5M2", "b": "E4M3FN", "acc": "FP32", "semantics": "fma", "rounding": "RDN"},
        {"acc": "BF16", "bias": "runtime", "chunk": 1, "overflow": "saturate", "rounding": "RUP"},
    ],
}
"""By unit: parameters other than the defaults."""
