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
        {"dst": "HFP8_BWD", "scale": "runtime", "overflow": "special", "stages": 4},
        {"src": "FP16", "dst": "E5M2", "scale": "runtime", "bias": "runtime"},
        {"rounding": "SR(13)", "random": "xorshift32", "random_seed": 20190812},
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
        {"semantics": "exact", "acc": "fixed", "a": "HFP8_FWD", "b": "HFP8_FWD"},
        {
            "semantics": "exact",
            "acc": "fixed",
            "a": "E4M3FN",
            "b": "E4M3B11FNUZ",
            "bias": "runtime",
        },
        {"semantics": "exact", "acc": "FP32", "a": "E5M2", "b": "E4M3FN", "segments": 3},
        {"semantics": "exact_chunk", "a": "HFP8_FWD", "b": "HFP8_FWD", "segments": 2},
        {"semantics": "exact_chunk", "segments": 3, "stages": 5},
        {"semantics": "exact_chunk", "acc": "FP16", "chunk": 5, "bias": "runtime", "stages": 2},
        {
            "semantics": "exact_chunk",
            "a": "E5M2",
            "b": "E5M2",
            "acc": "BF16",
            "chunk": 32,
            "rounding": "RDN",
            "overflow": "saturate",
        },
    ],
    "dot": [
        {"a": "HFP8_FWD", "b": "HFP8_FWD", "lanes": 4, "segments": 2},
        {"lanes": 2, "acc": "FP16", "chunk": 8, "stages": 3, "drop": 9},
        {
            "semantics": "exact",
            "acc": "fixed",
            "a": "E4M3FN",
            "b": "HFP8_FWD",
            "drop": 12,
            "terms": 4096,
        },
        {"semantics": "exact", "a": "E5M2", "b": "HFP8_BWD", "acc": "FP32", "lanes": 2},
    ],
    "convert": [
        {},
        {"src": "DLFLOAT16", "dst": "FP32", "stages": 1},
        {"src": "FP16", "dst": "BF16", "rounding": "SR(7)", "stages": 5},
        {"src": "HFP8", "dst": "E4M3FN", "rounding": "RUP"},
    ],
    "fp_add": [
        {},
        {"fmt": "FP16", "rounding": "RDN", "stages": 6},
        {"fmt": "FP32", "stages": 2},
        {"fmt": "HFP8_BWD", "overflow": "saturate", "stages": 1},
    ],
    "fp_mul": [{}, {"fmt": "BF16", "rounding": "RTO"}, {"fmt": "FP32", "stages": 5}],
    "fp_max": [{}, {"fmt": "E4M3FNUZ"}, {"fmt": "FP32", "stages": 2}],
    "relu": [{}, {"fmt": "P3109_8P4"}, {"fmt": "FP16", "stages": 2}],
    "weight_update": [{}, {"fmt": "E5M2", "acc": "FP16", "rounding": "RUP", "stages": 3}],
    "loss_scale": [{}, {"growth": 3, "initial": -2, "floor": -4, "ceiling": 1}, {"growth": 1}],
}
"""By unit: parameters other than the defaults."""
