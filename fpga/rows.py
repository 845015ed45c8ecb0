"""The table of figures: which units are measured, and the open peer that does the same job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FWD = {"a": "HFP8_FWD", "b": "HFP8_FWD"}
_E4M3FN = {"a": "E4M3FN", "b": "E4M3FN"}
_ALIGNER = {**_E4M3FN, "semantics": "exact", "acc": "fixed", "terms": 128, "align": "dsp"}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Members
    -------
    name : what it is, in words
    unit, parameters : as for `hfp8 gen`
    lanes : what the LUTs are divided by
    peer : the peer in words, its LUTs (a lane) and MHz, measured by the same flow; None: none
    goal : at most so many LUTs (a lane), at least so many MHz
    dsp : whether DSP blocks may be used
    """

    name: str
    unit: str
    parameters: dict[str, Any]
    peer: tuple[str, int, str] | None
    goal: tuple[int, int] | None
    lanes: int = 1
    dsp: bool = False


ROWS: dict[str, Row] = {
    "mac_exact": Row(
        "exact sum of 128 products 143 x 143, fixed point out",
        "mac",
        {**_FWD, "semantics": "exact", "acc": "fixed", "terms": 128},
        ("TPUv2 PE, E4M3, 18 bits, wraps", 393, "60-62"),
        (240, 200),
    ),
    "mac_exact_fast": Row(
        "the same, carry chain in two",
        "mac",
        {**_FWD, "semantics": "exact", "acc": "fixed", "terms": 128, "segments": 2},
        ("TPUv2 PE, E4M3, 18 bits, wraps", 393, "60-62"),
        (240, 200),
    ),
    "mac_exact_dsp": Row(
        "exact sum of 128 products E4M3FN, a DSP block as the aligner",
        "mac",
        _ALIGNER,
        None,
        (110, 180),
        dsp=True,
    ),
    "mac_exact_dsp_fast": Row(
        "the same, carry chain in two",
        "mac",
        {**_ALIGNER, "segments": 2},
        None,
        None,
        dsp=True,
    ),
    "mac_exact_fixed": Row(
        "the same in one chain, operands decoded outside",
        "mac",
        {**_ALIGNER, "operands": "fixed"},
        None,
        (60, 180),
        dsp=True,
    ),
    "mac_exact_chunk": Row(
        "143 x 143, chunks of 64 summed exactly, DLFLOAT16",
        "mac",
        {**_FWD, "semantics": "exact_chunk", "segments": 2},
        ("CVFPU FMA, E4M3 to FP16", 976, "23"),
        (450, 180),
    ),
    "mac_hybrid_exact_chunk": Row(
        "143 and 152 by run-time mode, chunks of 64 summed exactly, DLFLOAT16",
        "mac",
        {"semantics": "exact_chunk", "segments": 4, "stages": 6},
        ("CVFPU FMA, E4M3/E5M2 to FP16, 3 registers", 1198, "39-40"),
        (550, 180),
    ),
    "dot8_exact_chunk": Row(
        "8 lanes 143 x 143, chunks of 512 summed exactly, DLFLOAT16; a lane",
        "dot",
        {**_FWD, "lanes": 8, "segments": 2, "stages": 5},
        ("ebby-s dot8, E4M3, no accumulator", 381, "47-50"),
        (190, 180),
        lanes=8,
    ),
    "dot8_truncated": Row(
        "the same, products cut off 12 bits above their lowest; a lane",
        "dot",
        {**_FWD, "lanes": 8, "segments": 2, "drop": 12},
        ("ebby-s dot8, E4M3, no accumulator", 381, "47-50"),
        None,
        lanes=8,
    ),
    "dot8_dsp": Row(
        "8 lanes E4M3FN, a DSP block each as the aligner, chunks of 512, DLFLOAT16; a lane",
        "dot",
        {**_E4M3FN, "lanes": 8, "segments": 2, "align": "dsp"},
        None,
        None,
        lanes=8,
        dsp=True,
    ),
    "mac_hybrid_chunked": Row(
        "143 and 152 by run-time mode, IBM's order chunked(64), DLFLOAT16; 8 sums take turns",
        "mac",
        {"interleave": 8},
        ("CVFPU FMA, E4M3/E5M2 to FP16, 3 registers", 1198, "39-40"),
        (450, 150),
    ),
    "mac_chunked": Row(
        "the same, 143 x 143",
        "mac",
        {**_FWD, "interleave": 8},
        ("CVFPU FMA, E4M3 to FP16", 976, "23"),
        None,
    ),
    "dot2_fmma": Row(
        "2 lanes 143 and 152 by run-time mode, IBM's fmma, DLFLOAT16; 8 sums take turns",
        "dot",
        {"semantics": "fmma", "lanes": 2, "interleave": 8},
        ("CVFPU ExSdotp to FP16, 3 registers", 1788, "30-31"),
        (750, 130),
    ),
    "dot8_fused": Row(
        "8 lanes 143 x 143 and the accumulator rounded once, DLFLOAT16, 8 sums take turns; a lane",
        "dot",
        {**_FWD, "semantics": "dotN", "lanes": 8, "interleave": 8},
        ("ebby-s dot8, E4M3, no accumulator", 381, "47-50"),
        None,
        lanes=8,
    ),
    "mul_hybrid": Row(
        "143 and 152 by run-time mode, exact product",
        "mul",
        {"stages": 4},
        ("chatelao, E4M3 + E5M2 run-time", 142, "122-124"),
        (110, 220),
    ),
    "mul_143": Row(
        "143 x 143, exact product",
        "mul",
        {**_FWD, "stages": 4},
        ("V0XNIHILI E4M3 to FP8, wrong in 4,400 of 65,536", 133, "106-112"),
        None,
    ),
    "quantizer": Row(
        "FP32 to HFP8_FWD, RNE, saturating, four flags",
        "quantizer",
        {"stages": 4},
        ("CVFPU cast, E4M3", 237, "64"),
        (110, 250),
    ),
    "quantizer_e4m3": Row(
        "FP32 to E4M3 with subnormals, RNE, special, four flags",
        "quantizer",
        {"stages": 4, "dst": "E4M3", "overflow": "special"},
        ("CVFPU cast, E4M3", 237, "64"),
        None,
    ),
    "quantizer_sr": Row(
        "FP32 to HFP8_BWD, SR(12) from its own xorshift32, four flags",
        "quantizer",
        {"stages": 5, "dst": "HFP8_BWD", "rounding": "SR(12)", "random": "xorshift32"},
        None,
        None,
    ),
    "fp_add": Row("DLFLOAT16 + DLFLOAT16, rounded", "fp_add", {"stages": 9}, None, None),
    "weight_update": Row(
        "HFP8_FWD weight with its residual in DLFLOAT16",
        "weight_update",
        {"stages": 30},
        None,
        None,
    ),
    "sgd_update": Row(
        "DLFLOAT16 weight and momentum, SR(12) from its own xorshift32",
        "sgd_update",
        {"stages": 23},
        None,
        None,
    ),
}
