"""`hfp8 compare core`, and `--via native` for units."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden import decode, quantize, scalar
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import FLAGS, parse_rounding
from rtl_gen.package import Package, generate
from verif.core.compare_core import compare_core, golden_product, multiply, work
from verif.core.matrices import prepare_matrices
from verif.core.threads import in_threads
from verif.core.tiling import parts, sizes, slices
from verif.simulation.compare import compare
from verif.simulation.run_arrays import Applied
from verif.simulation.user_arrays import prepare
from verif.sweep import native_arrays

from .compared import UNITS, package
from .conftest import Cli, later

SMALL = {"rows": 2, "cols": 2, "lanes": 2}
WORDS = ["--rows", 2, "--cols", 2, "--lanes", 2, "--a-size", 64, "--b-size", 64]
SEED = 4


def matrices(m: int, n: int, k: int) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    return {"a": rng.normal(size=(m, k)), "b": rng.normal(size=(k, n))}


@cache
def small_core() -> tuple[CoreParameters, Package]:
    """With pages so small that most products take many jobs."""
    p = CoreParameters(**SMALL, a_size=64, b_size=64)
    return p, generate(p)


@pytest.mark.parametrize("shape", [(1, 1, 1), (13, 11, 17), (40, 3, 8), (3, 70, 16), (64, 64, 5)])
@pytest.mark.parametrize("given", [
    SMALL | {"a_size": 64, "b_size": 64},
    {"rows": 1, "cols": 4, "lanes": 2, "a_size": 32, "b_size": 256},
    {"rows": 8, "cols": 2, "lanes": 4, "a_size": 128, "b_size": 128, "pages": 4},
])  # fmt: skip
def test_parts_cover_c_once_and_fit_the_pages(
    given: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    p = CoreParameters(**given)
    m, n, k = shape
    a, b = np.arange(m * k).reshape(m, k), np.arange(k * n).reshape(k, n)
    covered = np.zeros((m, n), int)
    for found in parts(p, a, b, 1, 0):
        held: dict[tuple[str, int], Any] = {}
        assert 0 < len(found) <= 16
        for part in found:
            job = part.task.job
            assert p.refusal(job).name == "NONE" and (job.mode_a, job.mode_b) == (1, 0)
            for side in ("a", "b"):
                codes = getattr(part.task, side)
                assert (codes is not None) == getattr(job, f"load_{side}")
                if codes is not None:
                    held[side, getattr(job, f"page_{side}")] = codes
            np.testing.assert_array_equal(held["a", job.page_a], a[part.rows])
            np.testing.assert_array_equal(held["b", job.page_b], b[:, part.columns])
            covered[part.rows, part.columns] += 1
    assert (covered == 1).all()


def test_sizes_use_the_pages() -> None:
    """By hand: a page of 64 codes holds 4 rows of 16, and 2 x 2 squares of a row's 2 words."""
    p = CoreParameters(**SMALL, a_size=64, b_size=64)
    assert sizes(p, 100, 100, 16) == (4, 4)
    assert sizes(p, 3, 2, 16) == (3, 2)
    # Parts of 6 and 4, not 8 and 2, of a page that holds 8.
    assert sizes(p, 10, 10, 8) == (6, 6)


@pytest.mark.parametrize("way", ["native", later("verilator"), "icarus"])
def test_the_product_is_golden(way: str) -> None:
    """In many jobs; a second implementation has the same codes for some elements."""
    p, unit = small_core()
    arrays = matrices(13, 11, 16) | {"mode_b": np.array(1)}
    arrays["a"][2, 3] = np.nan
    given = prepare_matrices(p, arrays)
    told: list[int] = []
    done = multiply(unit, p, given, way, SEED, told.append)
    assert sum(told) == 13 * 11
    want = golden_product(p, given)
    found = compare_core(unit, p, given, want, done, way)
    assert (found.elements, found.mismatches, found.first) == (143, 0, None)
    assert found.via == ("native" if way == "native" else "cocotb")
    # A NaN in the row of A is none in HFP8_FWD; binary64 has no number for it.
    assert (found.not_finite, found.flags["input invalid"]) == (11, 1)
    formats = parse_format("HFP8_FWD"), parse_format("HFP8_BWD")
    for m, n in ((0, 0), (2, 5), (12, 10), (7, 3)):
        x, y = (
            [scalar.decode(int(code), fmt) for code in codes]
            for codes, fmt in zip((given.a[m], given.b[:, n]), formats, strict=True)
        )
        code, flags = scalar.dot(
            x, y, parse_format("DLFLOAT16"), parse_rounding("RNA"), "special", "exact"
        )
        assert (done.codes[m, n], done.flags[m, n]) == (code, flags)


@pytest.mark.parametrize("way", ["native", later("icarus")])
def test_a_bias_and_sums_that_no_page_holds(way: str) -> None:
    """In jobs that add to each other, all columns of a bias in more than one; the same as one sum,
    which a second implementation has for some elements."""
    p = CoreParameters(
        rows=2, cols=1, lanes=1, semantics="exact_chunk", chunk=2, acc="FP16", epilogue="full",
        a_size=16, b_size=8, bias_size=2,
    )  # fmt: skip
    arrays = matrices(3, 5, 11) | {"mode_b": np.array(1)}
    given = prepare_matrices(p, arrays | {"bias": np.array([1.0, -3, 1e6, 0.1, 0], "f4")})
    told: list[int] = []
    done = multiply(generate(p), p, given, way, SEED, told.append)
    assert sum(told) == work(p, given) == 3 * 5 * 3
    found = compare_core(generate(p), p, given, golden_product(p, given), done, way)
    assert (found.elements, found.mismatches, found.first) == (15, 0, None)
    assert (found.not_finite, found.flags["input overflow"]) == (3, 1)
    formats = parse_format("HFP8_FWD"), parse_format("HFP8_BWD")
    acc = parse_format("FP16")
    for m, n in ((0, 0), (2, 4), (1, 2), (1, 3)):
        x, y = (
            [scalar.decode(int(code), fmt) for code in codes]
            for codes, fmt in zip((given.a[m], given.b[:, n]), formats, strict=True)
        )
        rounding = parse_rounding("RNE")
        code, flags = scalar.dot(x, y, acc, rounding, "special", "exact_chunk", 2)
        assert given.bias is not None
        total, _ = scalar.add(
            [scalar.decode(code, acc), scalar.decode(int(given.bias[n]), acc)], rounding
        )
        code, more = scalar.quantize(total, acc, rounding, "special")
        assert (done.codes[m, n], done.flags[m, n]) == (code, flags | more)


def test_which_sums_are_split() -> None:
    """By hand: a page holds 2 x 8 of A, 1 x 8 of B."""
    small = {"rows": 2, "cols": 1, "lanes": 1, "a_size": 16, "b_size": 8}
    exact = CoreParameters(**small)
    chunks = CoreParameters(**small, semantics="exact_chunk", chunk=3, epilogue="full")
    assert slices(exact, 9, 9, 8) == slices(chunks, 9, 9, 8) == [slice(0, 8)]
    assert slices(chunks, 9, 9, 11) == [slice(0, 6), slice(6, 9), slice(9, 11)]
    assert sizes(chunks, 9, 9, 6, biased=True) == (2, 1)
    wide = CoreParameters(**small | {"b_size": 64}, bias_size=3, epilogue="full")
    assert sizes(wide, 2, 60, 8) == (2, 8) and sizes(wide, 2, 60, 8, biased=True) == (2, 3)
    for given, said in (
        ({}, "at least b_size=16; an exact sum is rounded once, so it cannot be split, but sums in "
         "chunks can"),
        ({"semantics": "exact_chunk", "chunk": 3}, "at least b_size=16; or epilogue='full', which "
         "adds job to job, a chunk in each"),
        ({"semantics": "exact_chunk", "chunk": 9, "epilogue": "full"}, "sums of 9 products are not "
         "allowed for b_size=8: a page is too small; for whole tiles, at least b_size=16, for a "
         "chunk of 9"),
    ):  # fmt: skip
        with pytest.raises(ParameterError) as raised:
            slices(CoreParameters(**small, **given), 9, 9, 11)
        assert str(raised.value).endswith(said)


def test_what_differs_is_shown() -> None:
    p = CoreParameters(rows=1, cols=1, lanes=2)
    unit = generate(p)
    faulty = re.sub(r"(core_array_a0_1_there = .*) & \{8\{.*", r"\1;", unit.verilog, count=1)
    assert faulty != unit.verilog
    # What lies beyond K counts, and is a NaN in HFP8_BWD.
    given = prepare_matrices(p, matrices(4, 4, 3) | {"mode_a": np.array(1)})
    done = multiply(replace(unit, verilog=faulty), p, given, "native", SEED)
    want = golden_product(p, given)
    found = compare_core(unit, p, given, want, done, "native")
    wrong = (done.codes != want[0]) | (done.flags != want[1])
    assert found.mismatches == wrong.sum() > 0 and found.first is not None
    row, column = found.first["index"]
    assert found.first["inputs"]["a"] == given.a[row].tolist()
    assert found.first["got"]["y"] == done.codes[row, column]


def test_the_command_writes_what_the_rtl_gave(cli: Cli, tmp_path: Path) -> None:
    path, output, report = (tmp_path / name for name in ("in.npz", "out.npz", "r.json"))
    arrays = matrices(5, 4, 7)
    codes = quantize(arrays["b"], "HFP8_FWD").astype(np.uint8)
    np.savez(path, a=arrays["a"], b=codes)
    words = ["compare", "core", *WORDS, "--inputs", path, "--via", "native"]
    status, out, err = cli(*words, "--output", output, "--json", report)
    assert (status, err) == (0, "") and "verilator (native)" in out
    with np.load(output) as saved:
        y, word = saved["y"], str(saved["y_format"])
    assert (y.shape, y.dtype, word) == ((5, 4), np.dtype("u2"), "DLFLOAT16")
    run = json.loads(report.read_text())["runs"][0]
    assert (run["elements"], run["mismatches"], run["via"]) == (20, 0, "native")
    assert set(run["flags"]) == {*FLAGS, *(f"input {flag}" for flag in FLAGS)}
    values = decode(y, "DLFLOAT16")
    exact = arrays["a"] @ decode(codes, "HFP8_FWD")
    assert np.abs(values - exact).max() == pytest.approx(run["max_abs"])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.ones((2, 3))}, "inputs=['a'] is not allowed: core needs the arrays a, b"),
        ({"a": np.ones(3), "b": np.ones((3, 2))},
         "shapes a (3,), b (3, 2) are not allowed: two axes each, a is (M, K) and b is (K, N)"),
        ({"a": np.ones((2, 3)), "b": np.ones((1, 3, 2))}, "b (1, 3, 2) are not allowed: two axes"),
        ({"a": np.ones((2, 3)), "b": np.ones((2, 3))},
         "shapes a (2, 3), b (2, 3) are not allowed: a is (M, K) and b is (K, N), with one K"),
        ({"a": np.ones((0, 3)), "b": np.ones((3, 2))}, "(0, 3), b (3, 2) are not allowed: there "
         "is nothing to compute"),
        ({"a": np.ones((2, 0)), "b": np.ones((0, 2))}, "there is nothing to compute"),
        ({"a": np.ones((2, 2), int), "b": np.ones((2, 2))}, "array 'a' has dtype 'int64', which"),
        ({"a": np.ones((2, 2)), "b": np.ones((2, 2), bool)}, "array 'b' has dtype 'bool', which"),
        ({"a": np.ones((2, 2)), "b": np.full((2, 2), 256, np.uint16)}, "holds the code 256"),
        ({"a": np.ones((2, 2)), "b": np.ones((2, 2)), "mode_a": np.zeros(2, int)},
         "array 'mode_a' of shape (2,) is not allowed: one mode for the matrix"),
        ({"a": np.ones((2, 2)), "b": np.ones((2, 2)), "mode_a": np.array(2)},
         "array 'mode_a' holds 2, which is not allowed: integers from 0 to 1"),
        ({"a": np.ones((2, 2)), "b": np.ones((2, 2)), "c": np.ones(1)},
         "array 'c' is not allowed: core with these parameters takes a, b, mode_a, mode_b, "
         "a_format, b_format"),
        ({"a": np.ones((2, 2)), "b": np.ones((2, 2)), "b_format": np.array("FP33")},
         "b_format='FP33' is not allowed"),
        ({"a": np.ones((2, 50)), "b": np.ones((50, 2))},
         "sums of 50 products are not allowed for terms=40: matrices with K of at most 40, or "
         "terms=50; an exact sum is rounded once, so it cannot be split, but sums in chunks can"),
        ({"a": np.ones((2, 3)), "b": np.ones((3, 2)), "bias": np.ones(2)},
         "array 'bias' is not allowed for epilogue='none': only full adds a bias"),
        ({"a": np.ones((9, 40)), "b": np.ones((40, 9))},
         "sums of 40 products are not allowed for a_size=32: a page is too small; for whole "
         "tiles, at least a_size=128"),
    ],
)  # fmt: skip
def test_matrices_that_are_refused(arrays: dict[str, Any], said: str) -> None:
    p = CoreParameters(**SMALL, terms=40, a_size=32, b_size=128)
    with pytest.raises(ParameterError) as raised:
        prepare_matrices(p, arrays)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_bias_of_another_length_is_refused() -> None:
    p = CoreParameters(**SMALL, epilogue="full")
    with pytest.raises(ParameterError) as raised:
        prepare_matrices(p, matrices(2, 3, 4) | {"bias": np.ones((1, 3))})
    assert str(raised.value) == (
        "array 'bias' of shape (1, 3) is not allowed: (3,), a number for each column of b"
    )


def test_a_core_without_streams_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, **matrices(2, 2, 2))
    said = "ports='memory' is not allowed here: streams, with the same results"
    words = ("core", "--ports", "memory")
    assert said in cli.refused("compare", *words, "--inputs", path)
    assert said in cli.refused("bench", *words)


def test_values_follow_the_rules_for_units() -> None:
    """By hand, as for `mac`: HFP8_FWD ends at 30 and has no NaN, E5M2 codes are decoded first."""
    p = CoreParameters(**SMALL)
    a = np.array([[3000.0, np.nan], [0.5, 1.0]])
    given = prepare_matrices(p, {
        "a": a, "b": np.array([[0x3C], [0x40]], np.uint8), "b_format": np.array("E5M2"),
    })  # fmt: skip
    assert decode(given.a, "HFP8_FWD")[0].tolist() == [30, 30]
    assert decode(given.b, "HFP8_FWD")[:, 0].tolist() == [1, 2]
    assert given.reals["b"][:, 0].tolist() == [1, 2]
    assert given.flags == {"overflow": 1, "underflow": 0, "inexact": 1, "invalid": 1}


def test_ways_that_are_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, **matrices(2, 2, 2))
    words = ["compare", "core", *WORDS, "--inputs", path]
    assert "via='fpga' is not allowed" in cli.refused(*words, "--via", "fpga")
    line = cli.refused(*words, "--via", "native", "--sim", "icarus")
    assert "sim='icarus' is not allowed for via='native', which has no simulator" in line
    assert "another file than that of inputs" in cli.refused(*words, "--output", path)
    both = ("--output", tmp_path / "o", "--report", tmp_path / "o")
    assert "another file than that of output" in cli.refused(*words, *both)
    assert sorted(tmp_path.iterdir()) == [path]


def test_interrupted_threads_end() -> None:
    """What is running is told, and nothing else begins."""
    begun: list[int] = []

    def call(number: int) -> Any:
        def work(tell: Any) -> int:
            begun.append(number)
            if number == 0:
                raise KeyboardInterrupt
            while True:
                tell(1)

        return work

    with pytest.raises(KeyboardInterrupt):
        list(in_threads(map(call, range(100)), lambda more: None))
    assert len(begun) < 100


@pytest.mark.parametrize("name", [
    "mac in turns", "fp_add", *map(later, sorted(set(UNITS) - {"mac in turns", "fp_add"})),
])  # fmt: skip
def test_units_through_their_compiled_models(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every result, in more than one run, of values and specials."""
    monkeypatch.setattr(native_arrays, "TRANSFERS", 100)
    unit = package(name)
    rng = np.random.default_rng(SEED)
    numbers = {
        f.removeprefix("i_"): rng.choice([0.0, -0.0, 1.0, -2.5, 1e9, 1e-9, np.nan], (97, 4))
        for f in ("i_x", "i_a", "i_b")
        if any(re.match(rf"{f}\d*$", port["name"]) for port in unit.manifest["ports"])
    }
    if name == "mac exact" or name == "mac fixed":
        numbers = {key: values[:, :3] for key, values in numbers.items()}
    given = prepare(unit, numbers, SEED)
    found = compare(unit, given, "cxxrtl", SEED, native_arrays.apply, "native")
    assert (found.mismatches, found.first) == (0, None)
    assert (found.simulator, found.via, found.y.shape) == ("cxxrtl", "native", given.shape)


def test_a_wrong_result_of_a_compiled_model_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    real = native_arrays.apply

    def lie(*arguments: Any) -> Applied:
        done = real(*arguments)
        done.codes[5] ^= 1
        return done

    given = prepare(package("fp_add"), {"a": np.arange(9.0), "b": np.ones(9)}, 1)
    found = compare(package("fp_add"), given, "cxxrtl", 1, lie, "native")
    assert found.mismatches == 1 and found.first is not None and found.first["index"] == [5]
