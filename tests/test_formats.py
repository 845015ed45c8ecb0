import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfp8_hw import CATALOGUE, FloatFormat, ParameterError, parse_format
from hfp8_hw.formats import SPECIALS, ZERO_EXP, parse_operand
from hfp8_hw.golden import scalar

any_format = st.builds(
    FloatFormat,
    st.integers(2, 8),
    st.integers(1, 23),
    st.integers(-128, 383),
    st.sampled_from(ZERO_EXP),
    st.sampled_from(SPECIALS),
)

# From numerics.md section 2, in the units written there.
FACTS = {
    "HFP8_FWD": (30, 1.125 * 2**-11),
    "HFP8_BWD": (98304, 1.25 * 2**-15),
    "AIU_143": (448, 1.125 * 2**-7),
    "E4M3B11FNUZ": (30, 2**-13),
    "E4M3FN": (448, 2**-9),
    "E5M2": (57344, 2**-16),
    "E4M3": (240, 2**-9),
    "E4M3FNUZ": (240, 2**-10),
    "E5M2FNUZ": (57344, 2**-17),
    "P3109_8P4": (224, 2**-10),
    "P3109_8P3": (49152, 2**-17),
    "DLFLOAT16": (8573157376, 2**-31 * (1 + 2**-9)),
    "FP16": (65504, 2**-24),
    "BF16": (3.3895313892515355e38, 2**-133),
    "FP32": (3.4028234663852886e38, 2**-149),
}


@pytest.mark.parametrize("name", FACTS)
def test_range_is_the_published_one(name: str) -> None:
    assert (CATALOGUE[name].max, CATALOGUE[name].min) == FACTS[name]


def test_codes_of_small_formats_decode_as_the_rational_twin_says(fmt: FloatFormat) -> None:
    step = 1 if fmt.width <= 16 else 65521
    for code in range(0, 1 << fmt.width, step):
        want, got = scalar.decode(code, fmt), fmt.value(code)
        if want == "nan":
            assert math.isnan(got)
        elif isinstance(want, Fraction):
            assert got == want and math.copysign(1, got) == (1 if want >= 0 else -1)
        else:
            assert repr(got) == {"inf": "inf", "-inf": "-inf", "-0": "-0.0"}[want]


@given(any_format)
def test_json_and_literal_round_trip(fmt: FloatFormat) -> None:
    assert FloatFormat.from_json(fmt.to_json()) == fmt
    assert parse_format(str(fmt)) == fmt
    assert parse_format(fmt.literal) == fmt


@given(any_format, st.data())
def test_neighbours_are_adjacent(fmt: FloatFormat, data: st.DataObject) -> None:
    code = data.draw(st.integers(0, (1 << fmt.width) - 1))
    up = fmt.next_up(code)
    if fmt.is_nan(code) or fmt.is_inf(code):
        assert up is None and fmt.next_down(code) is None
    elif up is None:
        assert fmt.value(code) == fmt.max
    else:
        assert fmt.value(up) > fmt.value(code)
        back = fmt.next_down(up)
        assert back is not None and fmt.value(back) == fmt.value(code)


@given(any_format)
def test_special_codes_are_what_they_claim(fmt: FloatFormat) -> None:
    assert not fmt.is_nan(fmt.max_code) and not fmt.is_inf(fmt.max_code)
    assert fmt.value(fmt.min_code) == fmt.min > 0
    if fmt.nan_code is not None:
        assert math.isnan(fmt.value(fmt.nan_code))
    if fmt.inf_code is not None:
        assert fmt.value(fmt.inf_code) == math.inf
        assert fmt.value(fmt.inf_code | fmt.sign_mask) == -math.inf


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ((1, 3, 7), "exp_bits=1 is not allowed: an integer from 2 to 8"),
        ((9, 3, 7), "exp_bits=9 is not allowed: an integer from 2 to 8"),
        ((4, 0, 7), "man_bits=0 is not allowed: an integer from 1 to 23"),
        ((4, 24, 7), "man_bits=24 is not allowed: an integer from 1 to 23"),
        ((4, 3, 384), "bias=384 is not allowed: an integer from -128 to 383"),
        ((4, 3, True), "bias=True is not allowed: an integer from -128 to 383"),
        ((4, 3, 7.0), "bias=7.0 is not allowed: an integer from -128 to 383"),
        ((4, 3, 7, "odd"), "zero_exp='odd' is not allowed: one of gradual, normal, flush"),
        (
            (4, 3, 7, "flush", "x"),
            "specials='x' is not allowed: one of none, ieee, fn, fnuz, dl, p3109",
        ),
    ],
)
def test_bad_facts_are_refused(facts: tuple[object, ...], text: str) -> None:
    with pytest.raises(ParameterError) as error:
        FloatFormat(*facts)  # type: ignore[arg-type]
    assert str(error.value) == text


@pytest.mark.parametrize(
    "text", ["", "e4m3", "E4", "E4M3B", "E4M3B7:odd", "E4M3B7:fn:gradual", "E44M3", None, 7]
)
def test_bad_names_are_refused(text: object) -> None:
    with pytest.raises(ParameterError, match="^src=" + ("'" if isinstance(text, str) else "")):
        parse_format(text, "src")


def test_literal_defaults() -> None:
    assert parse_format("E4M3") == CATALOGUE["E4M3"] == FloatFormat(4, 3, 7)
    assert parse_format("E3M4") == FloatFormat(3, 4, 3)
    assert parse_format("E3M4B9:fn") == FloatFormat(3, 4, 9, "gradual", "fn")
    assert parse_format("E3M4:flush") == FloatFormat(3, 4, 3, "flush", "ieee")


def test_operands_name_both_hfp8_formats() -> None:
    assert parse_operand("HFP8") == (CATALOGUE["HFP8_FWD"], CATALOGUE["HFP8_BWD"])
    with pytest.raises(ParameterError, match=r"^a='HFP9' is not allowed: one of HFP8, HFP8_FWD"):
        parse_operand("HFP9", "a")


def test_decode_table_is_for_narrow_formats() -> None:
    assert len(CATALOGUE["E5M2"].decode_table()) == 256
    with pytest.raises(ParameterError, match="a table needs <= 16 bits"):
        CATALOGUE["FP32"].decode_table()
