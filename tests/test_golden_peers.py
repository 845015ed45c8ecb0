"""The golden model against packages written by others: every code, every edge."""

from typing import Any

import gfloat
import ml_dtypes
import numpy as np
import pytest
from gfloat.types import Domain, FormatInfo, RoundMode

from hfp8_hw import CATALOGUE, FloatFormat
from hfp8_hw.cli.bench.golden import PEER_TYPES
from hfp8_hw.golden import decode, quantize

from .conftest import edge_values

ML_TYPES: dict[str, Any] = {name: getattr(ml_dtypes, peer) for name, peer in PEER_TYPES.items()}
ML_TYPES |= {"BF16": ml_dtypes.bfloat16, "FP16": np.float16}

GRADUAL = [n for n, f in CATALOGUE.items() if f.zero_exp == "gradual" and f.specials != "dl"]
MODES = {
    "RNE": RoundMode.TiesToEven,
    "RNA": RoundMode.TiesToAway,
    "RTZ": RoundMode.TowardZero,
    "RUP": RoundMode.TowardPositive,
    "RDN": RoundMode.TowardNegative,
}


def same(ours: Any, theirs: Any) -> None:
    """Equal values: NaN as NaN, zeros with their sign."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    np.testing.assert_array_equal(ours, theirs)
    real = ~np.isnan(ours)
    np.testing.assert_array_equal(np.signbit(ours[real]), np.signbit(theirs[real]))


def peer_format(fmt: FloatFormat) -> FormatInfo:
    """The format in gfloat's terms."""
    high_nans = {"ieee": (1 << fmt.man_bits) - 1, "fn": 1}.get(fmt.specials, 0)
    return FormatInfo(
        name=fmt.name, k=fmt.width, precision=fmt.man_bits + 1, bias=fmt.bias, is_signed=True,
        domain=Domain.Extended if fmt.has_inf else Domain.Finite, has_nz=fmt.has_neg_zero,
        num_high_nans=high_nans, has_subnormals=True, is_twos_complement=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ML_TYPES)
def test_every_code_decodes_as_in_ml_dtypes(name: str) -> None:
    kind = ML_TYPES[name]
    codes = np.arange(1 << CATALOGUE[name].width)
    unsigned = np.uint8 if np.dtype(kind).itemsize == 1 else np.uint16
    with np.errstate(invalid="ignore"):  # signalling NaNs
        same(decode(codes, name), codes.astype(unsigned).view(kind).astype(np.float64))


@pytest.mark.parametrize("name", ML_TYPES)
def test_every_half_precision_value_quantizes_as_in_ml_dtypes(name: str) -> None:
    for source in (np.float16, ml_dtypes.bfloat16):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            values = np.arange(1 << 16).astype(np.uint16).view(source).astype(np.float32)
            theirs = values.astype(ML_TYPES[name])
        codes = quantize(values, name, overflow="special")
        same(decode(codes, name), theirs.astype(np.float64))


@pytest.mark.parametrize("name", ML_TYPES)
def test_every_edge_quantizes_as_in_ml_dtypes(name: str) -> None:
    with np.errstate(over="ignore", under="ignore"):
        single = edge_values(CATALOGUE[name]).astype(np.float32)
        around = [
            single,
            np.nextafter(single, np.float32(9e9)),
            np.nextafter(single, np.float32(0)),
        ]
        values = np.unique(np.concatenate(around))
        theirs = values.astype(ML_TYPES[name])
    same(decode(quantize(values, name, overflow="special"), name), theirs.astype(np.float64))


@pytest.mark.parametrize("name", GRADUAL)
def test_every_code_decodes_as_in_gfloat(name: str) -> None:
    fmt = CATALOGUE[name]
    codes = np.arange(0, 1 << fmt.width, 1 if fmt.width <= 16 else 104729)
    if fmt.width > 8:
        codes = np.unique(np.concatenate([codes[:: max(1, len(codes) // 3000)], codes[-40:]]))
    same(decode(codes, fmt), [gfloat.decode_float(peer_format(fmt), int(c)).fval for c in codes])


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.parametrize("name", GRADUAL)
def test_every_edge_quantizes_as_in_gfloat(name: str, rounding: str, saturate: bool) -> None:
    fmt = CATALOGUE[name]
    values = edge_values(fmt)
    codes = quantize(values, fmt, rounding=rounding, overflow="saturate" if saturate else "special")
    same(
        decode(codes, fmt),
        gfloat.round_ndarray(peer_format(fmt), values, MODES[rounding], saturate),
    )


@pytest.mark.parametrize("name", ["E4M3FN", "E5M2", "P3109_8P4", "FP16"])
def test_stochastic_rounding_is_that_of_gfloat(name: str) -> None:
    fmt = CATALOGUE[name]
    values = edge_values(fmt)
    rbits = np.random.default_rng(3).integers(0, 256, values.size)
    codes = quantize(values, fmt, rounding="SR(8)", rbits=rbits)
    theirs = gfloat.round_ndarray(
        peer_format(fmt), values, RoundMode.StochasticFastest, True, rbits, 8
    )
    same(decode(codes, fmt), theirs)


def test_codes_of_any_format_are_sources() -> None:
    for source, kind in ML_TYPES.items():
        codes = np.arange(1 << CATALOGUE[source].width)
        unsigned = np.uint8 if np.dtype(kind).itemsize == 1 else np.uint16
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            theirs = codes.astype(unsigned).view(kind).astype(np.float32).astype(np.float16)
        ours = quantize(codes, "FP16", src=source, overflow="special")
        same(decode(ours, "FP16"), theirs)


def test_single_precision_codes_decode_as_numpy_does() -> None:
    codes = np.random.default_rng(4).integers(0, 1 << 32, 1 << 16, dtype=np.uint64)
    codes = codes.astype(np.uint32)
    with np.errstate(invalid="ignore"):
        same(decode(codes, "FP32"), codes.view(np.float32).astype(np.float64))
