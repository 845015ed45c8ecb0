"""Columns of integers as the bytes of items, and back."""

from typing import Any

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError
from hfp8_hw.host import Device
from hfp8_hw.host.columns import packed, unpacked
from hfp8_hw.records import record

FIELDS = record([("a", 8), ("first", 1), ("sum", 19), ("wide", 70)])


def given(**columns: Any) -> dict[str, Any]:
    return {
        "i_a": np.array([0x12, 0xFE], np.uint8),
        "i_first": np.array([True, False]),
        "i_sum": np.array([-2, 0x70001]),
        "i_wide": np.array([1 << 69, 3], object),
        **columns,
    }


def test_bytes_as_documented() -> None:
    """Each field from a byte of its own on, lowest byte first, no bits above it."""
    want = ["12 01 feff07 000000000000000020", "fe 00 010007 030000000000000000"]
    assert [bytes(row).hex() for row in packed(FIELDS, given())] == [
        row.replace(" ", "") for row in want
    ]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint64, object])
def test_any_kind_of_integer(dtype: Any) -> None:
    """Columns narrower and wider than their field; negative ones are two's complement."""
    low = -3 if np.dtype(dtype).kind != "u" else 3
    found = packed(record([("x", 24)]), {"i_x": np.array([low, 7], dtype)})
    assert [int.from_bytes(row, "little") for row in found] == [low % 2**24, 7]


def test_there_and_back() -> None:
    fields = unpacked(FIELDS, packed(FIELDS, given()))
    assert {name: values.tolist() for name, values in fields.items()} == {
        "a": [0x12, 0xFE], "first": [1, 0], "sum": [0x7FFFE, 0x70001], "wide": [1 << 69, 3],
    }  # fmt: skip
    assert packed(record([("x", 32)]), {"i_x": np.zeros(0, np.uint32)}).shape == (0, 4)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, r"columns=\[\] is not allowed: of i_a, i_first, i_sum, i_wide"),
        (given(x=np.zeros(2, int)), r"columns=\['i_a', .*'x'\] is not allowed: of i_a"),
        (np.zeros(3), r"columns=array\(\[0., 0., 0.\]\) is not allowed: of i_a"),
        (given(i_a=np.ones(2)), r"i_a of shape \(2,\) and dtype float64 is not .* x\.view\(np\."),
        (given(i_a=np.ones((2, 2), int)), r"i_a of shape \(2, 2\) and dtype int64 is not allowed"),
        (given(i_a=7), r"i_a of shape \(\) and dtype int64 is not allowed: a column"),
        (given(i_a=["a", "b"]), "i_a of shape .* and dtype <U1 is not allowed"),
        (given(i_wide=np.array([1.5, 2], object)), "dtype object is not allowed"),
        (given(i_sum=[1, 2, 3]), "i_sum of 3 transfers is not allowed: i_a has 2"),
        (given(i_a=[255, 256]), "i_a=256 is not allowed: an integer of 8 bits"),
        (given(i_a=[-128, -129]), "i_a=-129 is not allowed: an integer of 8 bits"),
        (given(i_wide=np.array([0, 1 << 70], object)), "i_wide=1180591620717411303424 is not "),
    ],
)
def test_what_is_no_column(columns: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        packed(FIELDS, columns)


@pytest.mark.parametrize("parameters", ["quantizer", {}, 3])
def test_what_is_on_no_board(parameters: Any) -> None:
    """Refused before a simulator is started."""
    said = "is not allowed: those of a unit, such as Quantizer"
    with (
        pytest.raises(ParameterError, match=said),
        Device.open("sim://icebreaker", parameters),
    ):
        pass
