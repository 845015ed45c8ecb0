"""Units and arrays for the tests of `hfp8 compare`, and the golden model instead of a simulator."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hfp8_hw.parameters import unit_parameters
from rtl_gen.package import Package, generate
from verif.simulation import compare as comparing
from verif.simulation.compare import Comparison, compare
from verif.simulation.run_arrays import Applied, arrange, collect
from verif.simulation.simulate import Outcome
from verif.simulation.user_arrays import Prepared, merged, prepare
from verif.stimulus.reference import expected

Arrays = dict[str, np.ndarray[Any, Any]]

UNITS: dict[str, tuple[str, dict[str, Any]]] = {
    "quantizer": ("quantizer", {"src": "FP16", "rounding": "SR(8)", "bias": "runtime",
                                "scale": "runtime"}),
    "dequantizer": ("dequantizer", {"bias": "runtime"}),
    "relu": ("relu", {"fmt": "E3M2B3"}),
    "fp_add": ("fp_add", {"fmt": "FP32"}),
    "mul": ("mul", {"b": "E4M3FN", "bias": "runtime", "out": "FP16", "rounding": "SR(4)"}),
    "mac": ("mac", {"bias": "runtime", "chunk": 3}),
    "mac in turns": ("mac", {"semantics": "fma", "interleave": 3}),
    "mac exact": ("mac", {"semantics": "exact", "terms": 4, "acc": "FP32", "b": "E3M2:gradual:fnuz",
                          "bias": "runtime"}),
    "mac fixed": ("mac", {"semantics": "exact", "terms": 3, "acc": "fixed", "b": "HFP8_FWD",
                          "a": "E2M1B1:gradual:none", "bias": "runtime"}),
    "dot": ("dot", {"lanes": 2, "chunk": 4, "a": "E4M3FN", "bias": "runtime"}),
    "dot exact": ("dot", {"lanes": 8, "semantics": "exact", "a": "E4M3FNUZ", "b": "E5M2",
                          "acc": "FP32", "rounding": "RDN"}),
    "dotN": ("dot", {"lanes": 4, "semantics": "dotN"}),
}  # fmt: skip
"""Units of every kind of input: modes, biases, scales, random bits, several products a clock."""

FITTING = [(), (1,), (4,), (2, 4), (2, 1), (3, 1, 4), (1, 1, 1, 4)]
ODD = [*FITTING, (0,), (3,), (5,), (4, 2), (2, 0), (7, 1, 1, 4), (1,) * 40, (2, 4, 1)]
VALUES = ["f2", "f4", "f8"]
DTYPES = [*VALUES, ">f4", "g", "u1", "u2", "u4", "u8", ">u2", "i1", "i2", "i4", "i8", "?", "V1",
          "V2", "V3", "V4", "c8", "M8[s]", "m8[s]", "U3", "S2", "i4,f4", "2u1"]  # fmt: skip
FORMATS = ["BF16", "FP32", "E4M3FN", "E3M2", "HFP8", "HFP8_BWD", "nonsense", ""]


@cache
def package(name: str) -> Package:
    unit, parameters = UNITS[name]
    return generate(unit_parameters(unit, parameters))


@cache
def inputs(name: str) -> dict[str, dict[str, Any]]:
    """The ports that a unit's arrays feed."""
    ports = merged(package(name).manifest)["ports"]
    given = [p for p in ports if p["dir"] == "in" and p["role"] in ("data", "config")]
    return {p["name"][2:]: p for p in given}


def random_array(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Random bits, half of them small numbers where the dtype has numbers."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind in "US":
        return np.full(shape, FORMATS[seed % len(FORMATS)]).astype(kind.kind)
    if kind.kind in "ui" and seed % 4:
        return rng.integers(0, 2 if seed % 2 else 64, shape).astype(kind)
    if kind.kind == "f" and seed % 4:
        special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.5, 5e-324, 1e300, -1e-3, 65504.0]
        with np.errstate(over="ignore", under="ignore"):
            return rng.choice(special, shape).astype(kind)
    raw = rng.bytes(math.prod(shape) * kind.itemsize)
    if kind.kind == "b":
        raw = bytes(byte & 1 for byte in raw)
    return np.frombuffer(raw, kind.base).reshape((*shape, *kind.shape))


def arrays_of(name: str, shapes: list[tuple[int, ...]], dtypes: list[str]) -> Any:
    one = st.builds(
        random_array, st.sampled_from(dtypes), st.sampled_from(shapes), st.integers(0, 999)
    )
    word = st.sampled_from(FORMATS).map(np.array)
    ports = inputs(name)
    needed = {key: one for key, port in ports.items() if "format" in port}
    optional = {key: one for key, port in ports.items() if "format" not in port}
    optional |= {f"{key}_format": word | one for key in needed}
    return st.fixed_dictionaries(needed, optional=optional)


def streamed(unit: Package, ready: Prepared) -> tuple[Any, Any]:
    """What the golden model gives for the transfers that the bench would drive."""
    phases, shape = arrange(unit, ready.inputs)
    return collect([expected(unit.manifest, phase.inputs)[0] for phase in phases], shape)


def check_whole(name: str, arrays: Arrays) -> Prepared:
    """The golden model on whole arrays gives what it gives transfer by transfer."""
    unit = package(name)
    ready = prepare(unit, arrays, 1)
    codes, flags = comparing.expected(unit, ready)
    assert codes.size == math.prod(ready.shape)
    got_codes, got_flags = streamed(unit, ready)
    np.testing.assert_array_equal(codes, got_codes)
    np.testing.assert_array_equal(flags, got_flags)
    return ready


def as_applied(unit: Package, simulator: str, given: Arrays, seed: int) -> Applied:
    """In place of a simulation: the golden model, transfer by transfer."""
    return Applied(*streamed(unit, Prepared((), given, {}, 0, {})), Outcome(1, 0, 0.1))


def golden_comparison(name: str, arrays: Arrays) -> Comparison:
    unit = package(name)
    return compare(unit, prepare(unit, arrays, 1), "icarus", 1, as_applied)
