"""Coverage: that bins are what they say, that holes are found, and that proofs judge rightly."""

import itertools
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hfp8_hw import CATALOGUE, FloatFormat
from hfp8_hw.cli.checks.cover import explain
from rtl_gen.tools import ToolError
from verif.coverage import cover, functional, measures, unreachable
from verif.formal.claims import Problem, labelled
from verif.formal.prove import each, fails_within
from verif.simulation import code_coverage, verify
from verif.simulation.bench import Handshakes
from verif.simulation.simulate import Outcome, Phase, run
from verif.simulation.verify import Task, package_of
from verif.stimulus import code_classes

from .conftest import HOUR, Cli

ASKED = 30
"""A limit that is only handed on here: what would be given it is replaced."""


def class_of(code: int, fmt: FloatFormat) -> str:
    """A code's class by its value."""
    value = abs(fmt.value(code))
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf"
    field = (code & fmt.mag_mask) >> fmt.man_bits
    for name, edge in (("zero", 0.0), ("smallest", fmt.min), ("largest", fmt.max)):
        if value == edge:
            return name
    return "lowest" if field == 0 else "normal"


@pytest.mark.parametrize("name", [n for n, f in CATALOGUE.items() if f.width <= 16])
def test_every_code_has_its_class(name: str) -> None:
    fmt = CATALOGUE[name]
    codes = np.arange(1 << fmt.width)
    found = code_classes.classify(codes, fmt)
    assert [code_classes.CLASSES[k] for k in found] == [class_of(int(c), fmt) for c in codes]


def test_conditions_in_verilog_name_the_same_codes() -> None:
    fmt = CATALOGUE["E4M3FNUZ"]
    for name in code_classes.ranges(fmt):
        text = code_classes.condition("x", name, (fmt,), None)
        for old, new in (("8'd", ""), ("&&", "and"), ("||", "or")):
            text = text.replace(old, new)
        for code in range(256):
            assert eval(text, {"x": code}) == (class_of(code, fmt) == name)


def test_verilators_file_is_read(tmp_path: Path) -> None:
    def row(page: str, line: int, what: str, hits: int) -> str:
        fields = {"f": "/x/u.v", "l": line, "n": 3, "page": page, "o": what, "h": "top.lane[*]"}
        return "C '" + "".join(f"\x01{k}\x02{v}" for k, v in fields.items()) + f"' {hits}\n"

    path = tmp_path / "coverage.dat"
    path.write_text(
        "# SystemC::Coverage-3\n"
        + row("v_toggle/u", 7, "x[3]:0->1", 2)
        + row("v_toggle/u", 7, "x[3]:0->1", 3)
        + row("v_toggle/u", 8, "y:1->0", 0)
        + row("v_toggle/u", 9, "unused:0->1", 0)
        + row("v_branch/u", 5, "else", 1)
        + row("v_line/other", 1, "block", 1)
    )
    found = code_coverage.places(path, "u")
    assert [(p.kind, p.line, p.what, p.hits) for p in found] == [
        ("branch", 5, "else", 1), ("toggle", 7, "x[3]:0->1", 5), ("toggle", 8, "y:1->0", 0),
    ]  # fmt: skip
    assert [p.change for p in found] == [None, ("x", 3, 0), ("y", None, 1)]


@pytest.mark.slow
def test_a_bit_is_not_counted_for_another() -> None:
    """Of nets of more than 64 bits, which Verilator's own header does."""
    made = package_of("relu", (("fmt", "E4M3FN"),))
    wide = """  reg [139:0] wide;
  always @(posedge clk) wide <= {131'h0, i_x[0], 8'h0};
endmodule
"""
    made = replace(made, verilog=wide.join(made.verilog.rsplit("endmodule\n", 1)))
    outcome = run(made, "verilator", verify.phases(made, 1), seed=1, coverage=True)
    changes = [place for place in outcome.code if place.what.startswith("wide[")]
    assert outcome.good and len(changes) == 2 * 140
    assert {p.what for p in changes if p.hits} == {"wide[8]:0->1", "wide[8]:1->0"}


def test_claims_that_are_the_same_gates_are_all_judged() -> None:
    """Of assertions that have become one, Yosys would name the first alone."""
    nets, lines = labelled(["q == 0", "r == 0", "!(q & 1)", "q == r", "1"])
    text = f"""module prove(input clk, input a, output reg q, output r);
  always @(posedge clk) q <= a;
  assign r = q;
{nets}  always @(posedge clk) begin
{lines}  end
endmodule
"""
    given = Problem({"u.v": text}, "read_verilog -formal u.v\n")
    for share in (HOUR, 1e4 * HOUR):  # the second has more milliseconds than 32 bits
        assert each(given, HOUR, share) == ({"claim0", "claim1", "claim2"}, set())
    assert fails_within(given, 4, HOUR) == {"claim0", "claim1", "claim2"}
    assert fails_within(given, 1, HOUR) == set()


def test_claims_get_a_short_time_then_a_longer_one_and_are_tried_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of four is decided at once, the second later, the third alone; then time is up, by
    a clock that goes on by 100 seconds at each look."""
    asked: list[tuple[int, int, float]] = []

    def each(given: Problem, timeout: int, share: float) -> tuple[set[str], set[str]]:
        count = given.files["unit.v"].count(": assert (")
        asked.append((count, timeout, share))
        last = "o_y[3]" in given.files["unit.v"].split("coverage_now")[1].split("\n")[0]
        return set(), {
            4: {"claim1", "claim2", "claim3"},
            3: {"claim1", "claim2"},
            1: {"claim0"} if last else set(),
        }[count]

    now = itertools.count(step=100)
    monkeypatch.setattr(unreachable, "each", each)
    monkeypatch.setattr(unreachable, "time", SimpleNamespace(monotonic=lambda: next(now)))
    places = [code_coverage.Place("toggle", 1, f"o_y[{k}]:0->1", 1, 0) for k in range(4)]
    found = unreachable.never_changes(package_of("relu", ()), places, ASKED)
    assert found == [True, True, True, False]
    assert asked == [(4, 120, 1.0), (3, 180, 30), (1, 30, 30)]


def test_changes_are_proved_or_not() -> None:
    """Flags of `relu` are always 0; its result's low bits change both ways, its sign never."""
    places = [
        code_coverage.Place("toggle", 1, f"{net}:{change}", 1, 0)
        for net in ("o_flags[0]", "o_y[15]", "o_y[3]", "o_valid")
        for change in ("0->1", "1->0")
    ]
    found = unreachable.never_changes(package_of("relu", ()), places, HOUR)
    assert found == [True] * 4 + [False] * 4


def test_branches_are_proved_or_not() -> None:
    """Of P3109_8P3 to FP16 nothing overflows, so what an overflow picks is never taken."""
    made = package_of("dequantizer", (("src", "P3109_8P3"), ("dst", "FP16"), ("stages", 4)))
    lines = made.verilog.splitlines()
    over = next(k for k, text in enumerate(lines, 1) if "= y_over ?" in text)
    reset = next(k for k, text in enumerate(lines, 1) if "if (rst)" in text)
    places = [
        code_coverage.Place("branch", over, "cond_then", 1, 0),
        code_coverage.Place("branch", over, "cond_else", 1, 0),
        code_coverage.Place("branch", reset, "if", 1, 0),
        code_coverage.Place("line", 1, "block", 1, 0),
    ]
    assert unreachable.taken(places[0], lines) == "y_over"
    assert unreachable.taken(places[2], lines) == "rst"
    assert unreachable.never_changes(made, places, HOUR) == [True, False, False, False]


def test_conditions_are_proved_or_not() -> None:
    made = package_of("relu", ())
    conditions = ["o_y[15]", "i_x[15] && o_y == 5", "i_x == 7 && o_y == 7"]
    assert unreachable.never_holds(made, conditions, HOUR) == [True, True, False]
    assert unreachable.never_shows(made, ["o_valid && o_y[15]", "o_valid"], HOUR) == [True, False]


@pytest.mark.slow
def test_what_few_vectors_miss_is_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only +0 goes in: the bins of all other codes, and the bits of the result, are holes."""
    zeros = Phase("zeros", {"i_x": np.zeros((40, 16), np.int64)})
    monkeypatch.setattr(verify, "phases", lambda package, seed: [zeros])
    found = cover.run_cover((Task("relu", (("fmt", "E4M3FN"),), "verilator", 1), HOUR))
    assert found.outcome is not None and found.outcome.good and not found.good
    operand = next(t for t in found.functional.tallies if t.cross.name == "operand")
    assert operand.hit == 1 and operand.reachable >= 12
    assert {p.change[0] for p in found.holes if p.change} >= {"i_x", "o_y"}
    assert "streams: input idle, output waiting" in found.open_bins
    row = cover.record(found)
    assert row["good"] is False
    assert any(re.fullmatch(r"line \d+: i_x\[0\]:0->1", hole) for hole in row["holes"])
    lines = explain(found)
    assert lines[0] == "relu [fmt=E4M3FN]:"
    assert any(line.startswith("  not hit: line ") for line in lines)
    assert "more; --json FILE lists all" in lines[-2]
    assert lines[-1] == "  replay: hfp8 cover relu --fmt E4M3FN --seed 1"


@pytest.mark.slow
def test_a_proof_that_breaks_down_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the end of a run of many, and not the same as covered."""

    def broken(*arguments: Any) -> None:
        raise ToolError("sby failed: out of memory")

    monkeypatch.setattr(unreachable, "each", broken)
    found = cover.run_cover((Task("relu", (("fmt", "E4M3FN"),), "verilator", 1), HOUR))
    assert not found.good and found.failure == "sby failed: out of memory"
    assert explain(found)[1] == "  sby failed: out of memory"


def test_what_cannot_be_must_not_be_hit() -> None:
    cross = functional.Cross("a to result", ("class a", "class y"))
    bins = [["zero", "nan"], ["zero", "nan"]]
    tally = functional.Tally(cross, bins, np.array([[5, 5], [1, 5]]))
    wrong: list[str] = []
    rules = functional.nevers(package_of("mac", ()))
    functional._judge(tally, rules, wrong)
    assert wrong == [
        "a to result {'class a': 'nan', 'class y': 'zero'} was hit, but a sum with NaN is NaN"
    ]
    tally.counts[1, 0] = 0
    functional._judge(tally, rules, wrong)
    assert len(wrong) == 1 and tally.counts[1, 0] == functional.UNREACHABLE
    tally.unexpected = [{"class a": "inf", "class y": "zero"}]
    functional._judge(tally, rules, wrong)
    assert wrong[1].endswith("was hit, but there should be no such bin")


def test_the_bench_counts_handshakes() -> None:
    class Signal:
        def __init__(self) -> None:
            self.value = 0

    class Dut:
        def __init__(self) -> None:
            self.i_valid, self.i_ready = Signal(), Signal()
            self.o_valid, self.o_ready = Signal(), Signal()

    watch, dut = Handshakes(), Dut()
    for signals in ((0, 1, 0, 0), (1, 1, 0, 1), (1, 0, 1, 0), (1, 0, 1, 0), (1, 1, 1, 1)):
        for signal, value in zip(vars(dut).values(), signals, strict=True):
            signal.value = value
        watch.step(dut)
    assert watch.counts() == {"states": [[1, 0, 0], [0, 2, 0], [1, 0, 1]], "waits": [(2, 1)]}


def framed(first: list[int], last: list[int], a: list[int]) -> measures.Items:
    """Items of `mac` in E4M3FN with chunks of 3 and FP32 sums; b is 1.0."""
    made = package_of(
        "mac", (("a", "E4M3FN"), ("b", "E4M3FN"), ("acc", "FP32"), ("chunk", 3))
    )  # fmt: skip
    columns = {"i_a": a, "i_b": [0x38] * len(a), "i_first": first, "i_last": last}
    inputs = {name: np.array(values)[:, None] for name, values in columns.items()}
    count = sum(last)
    outputs = {"o_y": np.zeros((count, 1), int), "o_flags": np.zeros((count, 1), int)}
    return measures.Items(made, inputs, outputs)


def test_sums_are_measured() -> None:
    """By hand: sums of 1, 3, 2 (started in mid-sum, given up items left out) and 7 items."""
    last = [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    first = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    one, two, minus = 0x38, 0x40, 0xB8
    items = framed(first, last, [one, one, two, minus, one, one, 0, one, *[one] * 6])
    names = functional._file()["measures"]

    def named(point: str) -> list[str]:
        return [names[point][int(k)] for k in measures.measure(items, point, 0)[:, 0]]

    assert named("length") == ["one transfer", *["a chunk"] * 3, *["below a chunk"] * 2,
                               *["two or more"] * 7]  # fmt: skip
    assert named("start") == ["after a last", *["after a last, marked"] * 3,
                              *["in mid-sum"] * 2, *["after a last"] * 7]  # fmt: skip
    # Before each item: nothing; nothing, 1, 3; nothing, 1; nothing, 1, 2, 3, 4, 5, 6.
    far = "-12 .. -2"
    assert named("distance") == ["none", "none", "1", "-1", "none", "none", "none", "0", "-1", "-1",
                                 far, far, far]  # fmt: skip
    assert named("operation")[3] == "opposite signs"
    assert named("operation")[2] == "same signs"


def test_all_points_have_bins_and_measures() -> None:
    """Every cross of every unit is made of points that are known."""
    data = functional._file()
    for unit in ("mul", "mac", "dot", "quantizer", "sgd_update", "loss_scale"):
        for cross in functional.crosses(unit):
            for point in cross.points:
                assert point.split()[0] in data["measures"], point
    for rule in data["never"]:
        owner = next(c for c in data["cross"] if c["name"] == rule["cross"])
        for point, bins in rule["bins"].items():
            assert point in owner["points"]
            assert set(bins) <= set(data["measures"][point.split()[0]])


def test_flags_are_judged_whatever_the_sums_are() -> None:
    """What is invalid is not rounded, so not inexact: no matter of the sum itself, whose registers
    are taken out. The second claim is false: infinite products cancel."""
    given = {"semantics": "exact", "a": "E5M2", "b": "HFP8_BWD", "acc": "FP32", "lanes": 2}
    made = package_of("dot", tuple(given.items()))
    claims = ["!o_valid || o_flags[3:2] != 3", "!o_valid || !o_flags[3]"]
    free = unreachable._freed(unreachable._inside(made, claims))
    assert free is not None and "cutpoint" in free.script
    assert each(free, HOUR, HOUR) == ({"claim1"}, set())
    # Nor are more changes than a wide register has bits taken for one: nothing underflows.
    many = unreachable._freed(unreachable._places(made, [("o_flags", 1, 0)] * 40, []))
    assert many is not None and each(many, HOUR, HOUR) == (set(), set())
    small = unreachable._places(package_of("relu", ()), [("o_flags", 1, 0)] * 40, [])
    assert unreachable._freed(small) is None


def test_runs_of_bits_are_named_briefly() -> None:
    def both(net: str) -> list[code_coverage.Place]:
        return [code_coverage.Place("toggle", 1, f"{net}:{c}", 1, 0) for c in ("0->1", "1->0")]

    places = [p for bit in (0, 1, 2, 5) for p in both(f"x[{bit}]")] + both("y")
    places.append(code_coverage.Place("toggle", 1, "z[4]:1->0", 1, 0))
    assert cover.runs(places) == ["x[5]", "x[2:0]", "y", "z[4]:1->0"]


def test_command(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "cover.json"
    status, out, err = cli("cover", "relu", "--fmt", "E4M3FN", "--jobs", "1",
                           "--timeout", HOUR, "--json", path)  # fmt: skip
    assert status == 0, out + err
    assert "1 of 1 configurations covered" in out
    data = json.loads(path.read_text())
    (row,) = data["runs"]
    assert row["good"] and row["holes"] == [] and data["seed"] == 1
    assert row["code"]["toggle"]["hit"] > 60
    assert {c["name"] for c in row["crosses"]} == {"operand", "flags", "streams", "waits"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("frobnicate",), "UNIT='frobnicate' is not allowed"),
        (("relu", "--fmt", "E9M9"), "fmt='E9M9': exp_bits=9 is not allowed"),
        (("relu", "--json", "/nowhere/x.json"), "there is no such folder"),
        (("relu", "mul", "--stages", "1"), "name exactly one unit"),
        (("relu", "--timeout", "0"), "timeout=0 is not allowed: an integer from 1 to 86400"),
    ],
)
def test_bad_arguments(cli: Cli, arguments: tuple[str, ...], text: str) -> None:
    assert text in cli.refused("cover", *arguments)


def test_a_missing_tool_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from verif.errors import ToolMissing

    def missing(engine: str) -> list[str]:
        raise ToolMissing("engine 'abc' cannot run: no berkeley-abc on PATH")

    monkeypatch.setattr("verif.formal.prove.engine_versions", missing)
    status, _, err = cli("cover", "relu", "--timeout", HOUR)
    assert status == 1 and "no berkeley-abc on PATH" in err


def test_loss_scale_reaches_its_ends() -> None:
    """What a first run had not covered: a scale that grows to its ceiling, at the slowest rate."""
    made = package_of("loss_scale", ())
    from verif.stimulus.reference import expected

    random = next(p for p in verify.phases(made, 1) if p.name == "random")
    outputs, _ = expected(made.manifest, random.inputs)
    assert outputs["o_y"].max() == 24 and outputs["o_y"].min() == 0


def test_outcomes_without_coverage_have_none() -> None:
    assert Outcome(1, 0, 0.0).code == [] and Outcome(1, 0, 0.0).handshakes == {}
