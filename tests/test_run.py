"""``hfp8 run``: on the core's RTL, what it writes, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hfp8_hw.errors import ParameterError
from hfp8_hw.golden.engine import CheckedEngine, GoldenEngine, ProductJob, Sums, Windows
from hfp8_hw.golden.engine.jobs import Progress, silent
from hfp8_hw.parameters import CoreParameters
from rtl_gen.kept import generate_once
from verif.core.compiled.engine import CoreEngine

from .conftest import Cli
from .onnx_files import SEED, save, small_net
from .test_chains import chain
from .test_compare_core import WORDS, small_core

SMALL = ["--on", "sim", "--sums", "exact", *WORDS]
"""The core that `test_compare_core` has compiled."""


@pytest.fixture
def net(tmp_path: Path) -> tuple[Path, Path]:
    """A model file and a file of samples."""
    path, samples = small_net(tmp_path)
    np.savez(tmp_path / "x.npz", **samples)  # type: ignore[arg-type]
    return path, tmp_path / "x.npz"


def test_the_core_gives_the_same_outputs_and_says_what_it_took(
    cli: Cli, net: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ["run", net[0], "--inputs", net[1]]
    golden, core, report = (tmp_path / name for name in ("g.npz", "c.npz", "r.json"))
    assert cli(*words, "--sums", "exact", "--output", golden)[0] == 0
    status, out, err = cli(*words, *SMALL, "--clock", 50, "--output", core, "--report", report,
                           "--expect", golden)  # fmt: skip
    assert (status, err) == (0, "")
    with np.load(golden) as want, np.load(core) as got:
        assert want.files == got.files == ["y"] and (want["y"] == got["y"]).all()
    assert f"y against {golden}: equal" in out
    data = json.loads(report.read_text())
    engine = data["engine"]
    assert (engine["elements"], engine["mismatches"]) == (3 * (4 * 25 + 10), 0)
    assert engine["macs"] == sum(n["macs"] for n in data["nodes"]) == 3 * (4 * 25 * 27 + 40)
    # 8 products a clock at the most.
    assert engine["clocks"] > engine["macs"] / 8 and 0.02 < engine["utilisation"] < 1
    assert engine["utilisation"] == pytest.approx(engine["macs"] / (8 * engine["clocks"]), abs=1e-5)
    assert engine["seconds_at_clock"] == pytest.approx(engine["clocks"] / 50e6)
    assert "330 codes, 0 mismatches with golden" in out and "ms at 50 MHz" in out
    assert data["expected"][0]["largest_difference"] == 0


class Lying:
    """An engine that has one bit wrong."""

    def run(self, job: ProductJob, progress: Progress = silent) -> Any:
        codes = GoldenEngine().run(job, progress)
        codes[0, 1, 2] ^= 1
        return codes


def test_a_wrong_bit_is_counted_and_told() -> None:
    rng = np.random.default_rng(SEED)
    a, b = (rng.integers(0, 256, (1, *shape), np.uint8) for shape in ((3, 9), (9, 5)))
    checked = CheckedEngine(Lying())
    codes = checked.run(ProductJob(a, b, "HFP8_FWD", "HFP8_FWD", Sums()))
    assert (checked.elements, checked.mismatches) == (15, 1)
    assert f"element (0, 1, 2): {codes[0, 1, 2]}, golden has {codes[0, 1, 2] ^ 1}" in checked.first


def test_the_core_does_groups_and_windows_in_both_formats() -> None:
    p, package = small_core()
    core = CoreEngine(package, p)
    rng = np.random.default_rng(SEED)
    checked, sums = CheckedEngine(core), Sums(semantics="exact")
    for fmt, groups, channels in (("HFP8_FWD", 5, 1), ("HFP8_BWD", 1, 5)):
        maps = rng.integers(0, 126, (2, 5, 7, 6), np.uint8)
        kernel = rng.integers(0, 126, (groups, 3, 6 * channels), np.uint8)
        windows = Windows((2, 3), (2, 1), (1, 2), (1, 2, 0, 0))
        checked.run(ProductJob(kernel, maps, fmt, fmt, sums, windows))
    assert checked.mismatches == 0 and checked.elements == (5 + 1) * 3 * 2 * 4 * 4
    job = ProductJob(kernel[:, :, :4], maps[:1, :4, 0], "E4M3FN", "HFP8_FWD", sums)
    with pytest.raises(ParameterError, match="fmt_a='E4M3FN' is not allowed: the core takes"):
        core.run(job)
    job = ProductJob(kernel[:, :, :4], maps[:1, :4, 0], "HFP8_FWD", "HFP8_FWD", Sums())
    with pytest.raises(ParameterError, match=r"sums=Sums\(.*\) is not allowed: the core has"):
        core.run(job)
    long = ProductJob(np.zeros((1, 2, 100), np.uint8), np.zeros((1, 100, 2), np.uint8), "HFP8_FWD",
                      "HFP8_FWD", sums)  # fmt: skip
    with pytest.raises(ParameterError, match="sums of 100 products are not allowed for a_size=64"):
        core.run(long)
    with pytest.raises(ParameterError, match="ports='memory' is not allowed here: streams"):
        CoreEngine(package, CoreParameters(ports="memory"))


@pytest.mark.slow
def test_sums_that_no_page_holds_are_split() -> None:
    p = CoreParameters(rows=2, cols=2, semantics="chunked", chunk=8, epilogue="full", a_size=64,
                       b_size=512)  # fmt: skip
    rng = np.random.default_rng(SEED)
    a, b = (rng.integers(0, 126, (1, *shape), np.uint8) for shape in ((5, 61), (61, 9)))
    checked = CheckedEngine(CoreEngine(generate_once(p), p))
    checked.run(ProductJob(a, b, "HFP8_FWD", "HFP8_FWD", Sums(chunk=8)))
    assert (checked.elements, checked.mismatches) == (45, 0)


@pytest.mark.slow
def test_chains_on_the_compiled_core() -> None:
    """Blocks of rows in several runs, with pages for all weights and with fewer."""
    given = chain(200, 20, 7, 5, 3)
    for pages in (2, 4):
        p = CoreParameters(rows=2, cols=2, semantics="chunked", chunk=8, epilogue="full",
                           a_size=64, b_size=256, pages=pages)  # fmt: skip
        core = CoreEngine(generate_once(p), p)
        checked = CheckedEngine(core)
        for core.read in (False, True):
            checked.run_chain(given)
        assert (checked.elements, checked.mismatches) == (200 * (3 + 15), 0), checked.first
        assert core.macs == 2 * given.macs and 0.1 < core.utilisation < 1


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--format", "e4m3"], ["--format", "e5m2"]])
def test_sums_in_chunks_on_the_core(cli: Cli, tmp_path: Path, more: list[str]) -> None:
    rng = np.random.default_rng(SEED)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "mm")]
    path = save(tmp_path / "m.onnx", nodes, {"x": ["N", 150]}, ["y"],
                {"w": rng.normal(size=(150, 7)).astype("f4")})  # fmt: skip
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(9, 150)).astype("f4"))
    words = ["run", path, "--inputs", tmp_path / "x.npz", "--on", "sim", "--rows", 2, "--cols", 2]
    status, out, err = cli(*words, *more)
    assert (status, err) == (0, "") and "63 codes, 0 mismatches with golden" in out


OPTIONS = {
    "--keep foo": "keep='foo' is not allowed: a node that would run in 8 bits, of conv, gemm",
    "--keep ,": "keep=',' is not allowed: names of nodes, separated by commas",
    "--keep conv,,gemm": "keep='conv,,gemm' is not allowed: names of nodes, separated by commas",
    "--keep relu": "keep='relu' is not allowed: a node that would run in 8 bits, of conv, gemm",
    "--format fp4": "format='fp4' is not allowed: one of HFP8, e4m3, e5m2, int8",
    "--sums x": "sums='x' is not allowed: one of chunked, exact",
    "--first-last int8": "first-last='int8' is not allowed: one of hfp8, fp16",
    "--on board": "on='board' is not allowed: one of golden, sim, serial://PATH, sim://BOARD",
    "--on usb://x": "on='usb://x' is not allowed: serial://PATH, such as serial:///dev/ttyUSB0, or",
    "--on sim://": "on='sim://' is not allowed: serial://PATH",
    "--on sim://arty": "on='sim://arty' is not allowed: one of ulx3s-85f, icebreaker",
    "--on sim://icebreaker --clock 9": "clock=9 is not allowed for on='sim://icebreaker': a board",
    "--on sim://icebreaker --acc FP16": "acc='FP16' is not allowed here: --sums settles it",
    "--on sim://icebreaker --format int8": "format='int8' is not allowed for on='sim://icebreaker'",
    "--biases x": "biases='x' is not allowed: one of fp32, acc",
    "--between x": "between='x' is not allowed: one of stay, read, host",
    "--between read": "between='read' is not allowed for on='golden': no core is in it",
    "--rows 2": "rows='2' is not allowed for on='golden': no core is in it",
    "--clock 3": "clock=3 is not allowed for on='golden': no core is in it",
    "--on sim --acc FP16": "acc='FP16' is not allowed here: --sums settles it",
    "--on sim --format int8": "format='int8' is not allowed for on='sim': the core multiplies",
    "--format int8 --sums chunked": "sums='chunked' is not allowed for format='int8', whose sums",
    "--on sim --rows 0": "rows=0 is not allowed: an integer from 1 to 64",
    "--batch 0": "batch=0 is not allowed: an integer of at least 1",
}


@pytest.mark.parametrize("words", OPTIONS)
def test_options_that_are_not_allowed(cli: Cli, net: tuple[Path, Path], words: str) -> None:
    said = cli.refused("run", net[0], "--inputs", net[1], *words.split())
    assert OPTIONS[words] in said


@pytest.mark.parametrize("place", ["sim", "sim://icebreaker"])
def test_parameters_of_the_core_are_checked_before_any_work(
    cli: Cli, net: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def prepare(*_: Any, **__: Any) -> None:
        raise AssertionError("the model is prepared")

    monkeypatch.setattr("hfp8_hw.models.prepare", prepare)
    words = ["run", net[0], "--inputs", net[1], "--on", place]
    for options, said in (
        ("--rows 0", "rows=0 is not allowed: an integer from 1 to 64"),
        ("--lanes 2", "lanes=2 is not allowed for semantics='chunked': 1"),
        ("--sums exact --interleave 2", "interleave=2 is not allowed for semantics='exact'"),
        ("--y FP16", "y='FP16' is not allowed: quantized results have at most 8 bits"),
        ("--epilogue none --y E5M2", "y='E5M2' is not allowed for epilogue='none'"),
    ):
        assert said in cli.refused(*words, *options.split())
    # What only one epilogue has is no fault: which one it is by default, the model decides.
    with pytest.raises(AssertionError, match="the model is prepared"):
        cli(*words, "--bias-size", 8)


GOOD = np.ones((2, 3, 5, 5), np.float32)
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"x": GOOD * np.float32("nan")}, "array 'x' is not allowed: it holds NaN"),
    "infinity": ({"x": GOOD * np.float32("inf")}, "array 'x' is not allowed: it holds an infinity"),
    "shape": ({"x": GOOD[..., :4]}, "of shape (2, 3, 5, 4) is not allowed: the model takes it "
              "with the shape (N, 3, 5, 5)"),
    "axes": ({"x": GOOD[0]}, "of shape (3, 5, 5) is not allowed: the model takes it with"),
    "type": ({"x": GOOD.astype(int)}, "of type 'int64' is not allowed: the model takes float32"),
    "missing": ({}, "array 'x' is missing: the model takes it with the shape (N, 3, 5, 5)"),
    "unknown": ({"x": GOOD, "z": GOOD}, "array 'z' is not allowed: the model takes x"),
    "empty": ({"x": GOOD[:0]}, "of shape (0, 3, 5, 5) is not allowed: it is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.parametrize("option", ["inputs", "calibrate"])
def test_arrays_that_are_not_allowed(
    cli: Cli, net: tuple[Path, Path], tmp_path: Path, case: str, option: str
) -> None:
    arrays, text = ARRAYS[case]
    bad = tmp_path / "bad.npz"
    np.savez(bad, **arrays)
    given = [net[1], "--calibrate", bad] if option == "calibrate" else [bad]
    said = cli.refused("run", net[0], "--inputs", *given, "--output", tmp_path / "y.npz")
    assert f"{option}: array" in said and text in said
    assert not (tmp_path / "y.npz").exists()


def test_axes_that_the_data_do_not_settle(cli: Cli, tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["a", "b"], ["y"], "mm")]
    path = save(tmp_path / "m.onnx", nodes, {"a": ["N", 4], "b": [4, "N"]}, ["y"], {})
    np.savez(tmp_path / "x.npz", a=np.ones((2, 4), "f4"), b=np.ones((4, 3), "f4"))
    said = cli.refused("run", path, "--inputs", tmp_path / "x.npz")
    assert "array 'b' of shape (4, 3) is not allowed: its axis 'N' is 3, that of 'a' is 2" in said
    both = {"a": ["?", 4], "b": [4, "?"]}
    path = save(tmp_path / "m.onnx", nodes, both, ["y"], {})  # "?" is a name for any axis.
    assert cli("run", path, "--inputs", tmp_path / "x.npz")[0] == 0


def test_models_that_are_none(cli: Cli, net: tuple[Path, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    assert "there is no such file" in cli.refused("run", bad, "--inputs", net[1])
    for content in (b"import torch\n", bytes(range(256)), net[1].read_bytes(),
                    net[0].read_bytes()[:-200]):  # fmt: skip
        bad.write_bytes(content)
        assert f"model={str(bad)!r} is not allowed: not an ONNX file" in cli.refused(
            "run", bad, "--inputs", net[1]
        )
    bad.write_bytes(b"")
    assert "not an ONNX file with nodes" in cli.refused("run", bad, "--inputs", net[1])


def test_models_that_are_too_old_or_quantized_already(
    cli: Cli, net: tuple[Path, Path], tmp_path: Path
) -> None:
    old = save(tmp_path / "o.onnx", [helper.make_node("Add", ["x", "w"], ["y"], broadcast=1)],
               {"x": None}, ["y"], {"w": np.ones(1, np.float32)}, opset=6)  # fmt: skip
    said = cli.refused("run", old, "--inputs", net[1])
    assert "onnxruntime cannot run it (its opset 6 is older than 7; " in said
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
             helper.make_node("MatMulInteger", ["q", "w"], ["p"], "mm"),
             helper.make_node("Cast", ["p"], ["y"], to=1)]  # fmt: skip
    done = save(
        tmp_path / "q.onnx", nodes, {"x": [None, 4]}, ["y"], {"w": np.ones((4, 2), np.uint8)}
    )
    np.savez(tmp_path / "v.npz", x=np.ones((3, 4), np.float32))
    said = cli.refused("run", done, "--inputs", tmp_path / "v.npz")
    assert "mm: MatMulInteger is quantized already: give the model as it was in FP32" in said


def test_models_that_cannot_run_in_8_bits(cli: Cli, net: tuple[Path, Path], tmp_path: Path) -> None:
    relu = save(tmp_path / "r.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"x": None}, ["y"],
                {})  # fmt: skip
    said = cli.refused("run", relu, "--inputs", net[1])
    assert "it has no weights to round, no Conv, Gemm or MatMul that could run in 8 bits" in said
    cube = save(tmp_path / "c.onnx", [helper.make_node("Conv", ["x", "w"], ["y"], "cube")],
                {"x": None}, ["y"], {"w": np.ones((1, 1, 2, 2, 2), np.float32)})  # fmt: skip
    np.savez(tmp_path / "v.npz", x=np.ones((1, 1, 3, 3, 3), np.float32))
    said = cli.refused("run", cube, "--inputs", tmp_path / "v.npz")
    assert "could run in 8 bits; cube: a convolution along 3 axes" in said
    unknown = save(tmp_path / "u.onnx", [helper.make_node("Warp", ["x"], ["y"], domain="my.ops")],
                   {"x": None}, ["y"], {})  # fmt: skip
    said = cli.refused("run", unknown, "--inputs", net[1])
    assert "is not allowed: onnxruntime cannot run it (" in said and "my.ops" in said


def test_outputs_that_were_not_expected(cli: Cli, net: tuple[Path, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    np.savez(bad, z=np.ones(3))
    words = ["run", net[0], "--inputs", net[1], "--expect", bad]
    assert "expect: array 'z' is not allowed: the model gives y" in cli.refused(*words)
    np.savez(bad)
    assert f"expect={str(bad)!r} is not allowed: it holds no array; the model gives y" in (
        cli.refused(*words)
    )
    np.savez(bad, y=np.ones((3, 2)))
    assert "of shape (3, 2) is not allowed: the model gives (3, 10)" in cli.refused(*words)
    bad.write_bytes(b"none")
    assert f"expect={str(bad)!r} is not allowed: an .npz file" in cli.refused(*words)


def test_integers_that_fit_are_taken(cli: Cli, tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
             helper.make_node("MatMul", ["f", "w"], ["p"]),
             helper.make_node("Cast", ["p"], ["y"], to=TensorProto.INT32)]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, {"x": ["N", 4]}, ["y"],
                {"w": np.ones((4, 2), np.float32)}, kind=TensorProto.INT32)  # fmt: skip
    np.savez(tmp_path / "x.npz", x=np.arange(8).reshape(2, 4))
    assert cli("run", path, "--inputs", tmp_path / "x.npz")[0] == 0
    np.savez(tmp_path / "x.npz", x=np.full((2, 4), 1 << 40))
    said = cli.refused("run", path, "--inputs", tmp_path / "x.npz")
    assert (
        "array 'x' is not allowed: it holds numbers from 1099511627776 to 1099511627776, and the "
        "model takes int32"
    ) in said


def test_outputs_of_any_name_are_written(cli: Cli, tmp_path: Path) -> None:
    names = ["file", "allow_pickle", "args", "a/b", "<y>"]
    nodes = [helper.make_node("MatMul", ["x", "w"], [names[0]], "[red]mm<i>"),
             *(helper.make_node("Identity", [names[0]], [name]) for name in names[1:])]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, {"x": ["N", 4]}, names,
                {"w": np.ones((4, 2), np.float32)})  # fmt: skip
    np.savez(tmp_path / "x.npz", x=np.ones((3, 4), np.float32))
    page = tmp_path / "r.html"
    status, out, _ = cli("run", path, "--inputs", tmp_path / "x.npz", "--output",
                         tmp_path / "y.npz", "--report", page)  # fmt: skip
    assert status == 0 and "[red]mm<i>" in out
    with np.load(tmp_path / "y.npz") as file:
        assert file.files == names and all((file[name] == 4).all() for name in names)
    assert "[red]mm&lt;i&gt;" in page.read_text() and "mm<i>" not in page.read_text()


def test_nodes_of_one_name_are_told_apart(cli: Cli, tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], "mm"),
             helper.make_node("MatMul", ["x", "v"], ["b"], "mm"),
             helper.make_node("MatMul", ["x", "u"], ["c"]),
             helper.make_node("MatMul", ["x", "t"], ["d"], "MatMul_1")]  # fmt: skip
    constants = {name: np.full((4, 2), k, np.float32) for k, name in enumerate("wvut")}
    path = save(tmp_path / "m.onnx", nodes, {"x": ["N", 4]}, list("abcd"), constants)
    np.savez(tmp_path / "x.npz", x=np.ones((1, 4), np.float32))
    words = ["run", path, "--inputs", tmp_path / "x.npz", "--report", tmp_path / "r.json"]
    assert cli(*words, "--keep", "MatMul_1", "--keep", "MatMul_3")[0] == 0
    plan = json.loads((tmp_path / "r.json").read_text())["plan"]
    # A name in the file stays with its node.
    assert [(n["name"], n["where"]) for n in plan] == [
        ("mm", "hfp8"), ("MatMul_2", "hfp8"), ("MatMul_3", "host"), ("MatMul_1", "host"),
    ]  # fmt: skip


def test_weights_beside_the_model_are_not_overwritten(
    cli: Cli, net: tuple[Path, Path], tmp_path: Path
) -> None:
    path, data = tmp_path / "beside.onnx", tmp_path / "weights.bin"
    onnx.save(onnx.load(net[0]), path, save_as_external_data=True, location=data.name,
              size_threshold=0)  # fmt: skip
    before = data.read_bytes()
    words = ["--inputs", net[1]]
    for command, *option in (("run", "--output"), ("run", "--report"),
                             ("retune", "--what", "biases", "-o")):  # fmt: skip
        said = cli.refused(command, path, *words, *option, data)
        assert "is not allowed: the model has its weights in it" in said
    assert data.read_bytes() == before
    assert cli("run", path, *words)[0] == 0
    # What is written stands alone.
    moved = tmp_path / "folder" / "moved.onnx"
    moved.parent.mkdir()
    assert cli("retune", path, *words, "-o", moved, "--what", "biases")[0] == 0
    assert cli("run", moved, *words)[0] == 0
