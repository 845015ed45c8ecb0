"""Proofs of the serial link's receiver and sender, and faults that they find."""

import re

import pytest

from hfp8_hw.errors import ParameterError
from rtl_gen.board import INNER, link_part
from verif.formal import prove
from verif.formal.contracts.link_contract import PROPERTIES, problems

from .conftest import HOUR, Cli, later


@pytest.mark.parametrize(
    ("name", "part"),
    [("receiver", "frame"), ("receiver", "bytes"), later("receiver", "anew"), ("sender", "bytes")],
)
def test_parts_of_the_link_are_proved(name: str, part: str) -> None:
    given = problems(name)[part]
    proof = prove.prove_problems({part: given}, name, timeout=HOUR)
    assert (proof.status, proof.engine) == ("proved", "z3"), proof.log[-2000:]


def faulty(old: str, new: str) -> str:
    """The receiver's Verilog with a part of it in another's place."""
    text = link_part("receiver")
    assert text.count(old) == 1, old
    return text.replace(old, new)


FAULTS = [
    # Bytes are taken while there is a frame: its header is written over.
    ("wire spoilt_or_2 = broken | spoilt_part;", "wire spoilt_or_2 = broken;", "frame"),
    # A zero byte does not begin anew.
    ("wire left_clear = |{end_2, rst};", "wire left_clear = rst;", "anew"),
    # A byte is gone before it is taken.
    (
        "wire place_8to1_enable = place_8to1_part & byte_ready;",
        "wire place_8to1_enable = place_8to1_part;",
        "bytes",
    ),
    ("wire spoilt_clear = |{end_2, rst};", "wire spoilt_clear = rst;", "anew"),
]


@pytest.mark.parametrize(("old", "new", "part"), FAULTS)
def test_faults_are_not_proved(old: str, new: str, part: str) -> None:
    """It takes a whole frame to see them from outside, so what is found is that nothing follows."""
    eased = problems("receiver", faulty(old, new))[part].eased
    assert eased is not None
    assert prove.solve(eased, part, "z3", eased.clocks, HOUR).status != "proved"


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        # A frame is counted as damaged in the middle of it.
        ("wire spoilt_and_2 = end_2 & begun;", "wire spoilt_and_2 = begun;", "frame"),
        # What ends a frame is dropped in silence.
        ("wire begun_enable = valid & not_end_2;", "wire begun_enable = 1'b0;", "frame"),
    ],
)
def test_faults_have_failed(old: str, new: str, part: str) -> None:
    given = problems("receiver", faulty(old, new))[part]
    assert prove.solve(given, part, "abc", 8, HOUR).status == "failed"


WITHDRAWN = """
module sender(input clk, rst, \\begin , put_valid, finish, again, ready, input [7:0] put,
              output busy, valid, output [7:0] data);
  wire offered;
  reg turn = 0;
  always @(posedge clk) turn <= !turn;
  assign valid = offered && turn;
  honest part(clk, rst, \\begin , put, put_valid, finish, again, ready, busy, data, offered);
endmodule
"""


def test_a_byte_that_is_withdrawn_has_failed() -> None:
    head = re.search(r"module sender\((.*?)\);", link_part("sender"))
    assert head is not None
    pins = re.sub(r"(\\?\w+) ?", lambda m: f".{m[1]} ({m[1]} )", head[1])
    pins = pins.replace(".valid (valid )", ".valid (offered )")
    order = "clk, rst, \\begin , put, put_valid, finish, again, ready, busy, data, offered"
    bad = link_part("sender").replace("module sender(", "module honest(")
    bad += WITHDRAWN.replace(order, pins)
    given = problems("sender", bad)["bytes"]
    assert prove.solve(given, "bytes", "abc", 8, HOUR).status == "failed"


def test_registers_within() -> None:
    assert f"output wire [{sum(INNER.values()) - 1}:0] inner" in link_part("receiver")
    assert PROPERTIES == ("receiver", "sender")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["relu"], "UNIT='relu' is not allowed with link: that proves the serial link"),
        (
            ["--fmt", "E5M2"],
            "fmt='E5M2' is not allowed with link: that proves the serial link",
        ),
        (["--property", "stream"], "property='stream' is not allowed: one or more of receiver, se"),
        (["--engine", "count"], "engine='count' is not allowed with link: it has no claim of one"),
    ],
)
def test_refusals(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused("prove", "--link", *words)
    with pytest.raises(ParameterError, match="property='x' is not allowed for link: receiver or"):
        problems("x")
