"""The command line: what it prints, writes and refuses."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from amaranth import Module

from hfp8_hw import CATALOGUE, __version__
from hfp8_hw.hdl.units.elementwise import FpMax
from hfp8_hw.parameters import GENERATED, UNITS
from rtl_gen.manifest import schema

from .conftest import HOUR, Cli, wait


def test_list(cli: Cli) -> None:
    status, out, _ = cli("list")
    assert status == 0
    for name in (*UNITS, *CATALOGUE):
        assert name in out
    status, one, _ = cli("list", "dot")
    assert status == 0 and "interval 1, sum interval 40 (clocks)" in " ".join(one.split())


def test_list_json(cli: Cli) -> None:
    status, out, _ = cli("list", "--json")
    data = json.loads(out)
    assert status == 0
    assert set(data["units"]) == set(GENERATED) and set(data["formats"]) == set(CATALOGUE)
    assert data["units"]["mac"]["parameters"]["chunk"]["default"] == 64
    assert data["formats"]["HFP8_FWD"]["max"] == 30
    timing = ("latency", "interval", "sum_interval")
    assert [data["units"]["dot"][name] for name in timing] == [80, 1, 40]
    assert [data["units"]["mul"][name] for name in timing] == [2, 1, None]


def test_version_and_help(cli: Cli) -> None:
    assert __version__ in cli("--version")[1]
    status, out, err = cli()
    assert status == 2 and out.startswith("Usage: hfp8") and err == ""
    for command in ("list", "gen", "verify", "compare", "demo", "bench"):
        assert command in cli("--help")[1]
        assert cli(command, "--help")[0] == 0


def test_gen_writes_the_package(cli: Cli, tmp_path: Path) -> None:
    status, out, _ = cli("gen", "mac", "--a", "HFP8_FWD", "--chunk", "32", "-o", tmp_path / "new")
    assert status == 0
    paths = [Path(line) for line in out.split()]
    assert [p.suffix for p in paths] == [".v", ".json", ".core"] and all(p.exists() for p in paths)
    manifest = json.loads(paths[1].read_text())
    jsonschema.validate(manifest, schema())
    assert manifest["parameters"]["chunk"] == 32 and manifest["parameters"]["a"] == "HFP8_FWD"


def test_gen_from_toml(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "unit.toml"
    config.write_text(
        'unit = "quantizer"\nname = "mine"\n[formats]\nTINY = "E3M4B5:gradual:fn"\n'
        '[parameters]\ndst = "TINY"\nstages = 3\n'
    )
    assert cli("gen", "--config", config, "-o", tmp_path, "--stages", "1")[0] == 0
    manifest = json.loads((tmp_path / "mine.json").read_text())
    assert manifest["parameters"]["dst"] == "E3M4B5:gradual:fn"
    assert manifest["parameters"]["stages"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unit = ", "is not TOML"),
        ("x = " + "[" * 3000 + "]" * 3000, "is not TOML"),
        ("[parameters]\nlanes = " + "9" * 5000, "is not TOML"),
        ("units = 1", "'units' is not allowed: one of unit, name, parameters, formats"),
        ("parameters = 1", "parameters=1 is not allowed: a table"),
        ('unit = "mul"', "is for 'mul'"),
        ('[formats]\nE5M2 = "E4M3"', "'E5M2' is already a format"),
        ('[formats]\nX = "E99"', "X='E99' is not allowed"),
        ('[formats]\n"" = "E4M3"', "formats: '' is not allowed: a letter, then letters"),
        ('[formats]\nfixed = "E4M3"', "formats: 'fixed' is not allowed: a letter, then letters"),
        ('[formats]\nRNE = "E4M3"', "formats: 'RNE' is not allowed"),
        ('[formats]\nSR8 = "E4M3"', "formats: 'SR8' is not allowed"),
        ('[formats]\nE3M4 = "E4M3"', "formats: 'E3M4' is not allowed"),
        ('[parameters]\nstages = "1_0"', "stages='1_0' is not allowed: an integer"),
        ('[parameters]\nstages = " 2"', "stages=' 2' is not allowed: an integer"),
        ("[parameters]\nstages = 2.5", "stages=2.5 is not allowed: an integer"),
        ("[parameters]\nsrc = 3", "src=3 is not allowed"),
        ("[parameters]\nrounding = [1]", "rounding=[1] is not allowed"),
    ],
)
def test_bad_toml(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "unit.toml"
    config.write_text(text)
    assert said in cli.refused("gen", "quantizer", "--config", config, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gen"], "UNIT is missing: name one of quantizer, dequantizer, convert, mul, mac"),
        (["gen", "adder"], "UNIT='adder' is not allowed"),
        (["gen", "mac", "--src", "FP32"], "src='FP32' is not allowed: mac has no such parameter"),
        (["gen", "mac", "--chunk", "many"], "chunk='many' is not allowed: an integer"),
        (["gen", "mac", "--speed", "9"], "No such option"),
        (["gen", "mac", "--name", "1x"], "name='1x' is not allowed: a Verilog identifier"),
        (["gen", "mac", "--config", "/no/such.toml"], "cannot be read: No such file"),
        (["gen", "mac", "-o", "/dev/null/x"], "/dev/null"),
        (["make"], "No such command 'make'"),
        (["verify", "adder"], "UNIT='adder' is not allowed: one of quantizer"),
        (["verify", ""], "UNIT='' is not allowed: one of quantizer"),
        (
            ["verify", "mac", "dot", "--chunk", "8"],
            "UNIT='mac dot' is not allowed: with parameters",
        ),
        (["sweep", "--random-seed", "8"], "UNIT is missing: with parameters (--random-seed), name"),
        (["gen", "mac", "--stages", "\u0663"], "stages='\u0663' is not allowed: an integer"),
        (["verify", "--sim", "vcs"], "sim='vcs' is not allowed: one or more of icarus, verilator"),
        (
            ["verify", "--chunk", "3"],
            "UNIT is missing: with parameters (--chunk), name exactly one unit",
        ),
        (["verify", "mac", "--stages", "7"], "stages=7 is not allowed"),
        (
            ["verify", "mac", "--seed", "-1"],
            "seed=-1 is not allowed: an integer from 0 to 4294967295",
        ),
        (["verify", "mac", "--junit", "/no/such/j.xml"], "there is no such folder"),
        (["compare", "mac"], "Missing option '--inputs'"),
        (["compare", "mac", "--inputs", "/no/such.npz"], "cannot be read: No such file"),
        (["demo", "--images", "0"], "images=0 is not allowed: an integer from 1 to 180"),
        (["bench", "units", "--jobs", "0"], "jobs=0 is not allowed: an integer of at least 1"),
        (["synth", "mac", "--seeds", "33"], "seeds=33 is not allowed: an integer from 1 to 32"),
        (["train", "translation", "--chunk", "1_0"], "chunk='1_0' is not allowed: an integer"),
        (["sweep", "mul", "--range", "1_0"], "range='1_0' is not allowed: 'all', or 1 to 2**48"),
        (["regress", "--matrix", "/no/such.toml"], "matrix='/no/such.toml' cannot be read"),
        (["report", "/no/such.json"], "no such file; 'hfp8 verify --json FILE' writes one, and so"),
        (
            ["compare", "mac", "--inputs", "x.npz", "--via", "magic"],
            "via='magic' is not allowed: one of cocotb",
        ),
        (["bench", "golden", "--json", "/no/such/x.json"], "there is no such folder"),
    ],
)
def test_refusals(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused(*words)


def test_the_output_folder_is_a_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in (("gen", "mul"), ("demo",)):
        said = cli.refused(*command, "-o", tmp_path / "file")
        assert "file' is not allowed: a folder, and it is a file" in said and "output='" in said


@pytest.mark.slow
def test_verify_one(cli: Cli, tmp_path: Path) -> None:
    junit = tmp_path / "j.xml"
    status, out, _ = cli(
        "verify", "dequantizer", "--src", "E4M3FN", "--dst", "BF16", "--seed", "5", "--junit", junit
    )
    assert status == 0 and "seed 5" in out and "2 of 2 runs good" in out
    assert 'tests="2" failures="0" errors="0"' in junit.read_text()


def test_verify_without_a_simulator(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from verif.simulation import simulators

    simulators.find.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    try:
        status, out, _ = cli("verify", "mul", "--stages", "2", "--sim", "icarus")
    finally:
        simulators.find.cache_clear()
    assert status == 1
    assert "could not run" in out and "no iverilog on PATH; install it" in out
    assert "0 of 1 runs good" in out


def running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_leaves_nothing(
    tmp_path: Path, stand_in: Callable[[str, str], Path], number: signal.Signals
) -> None:
    """While both workers simulate, with a simulator that never ends by itself."""
    started = tmp_path / "started"
    started.mkdir()
    tools = stand_in("vvp", f'echo $$ > "{started}/$$.new"; mv "{started}/$$.new" "{started}/$$"; '
                            f"exec sleep {24 * HOUR}")  # fmt: skip
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        "from hfp8_hw.__main__ import run; run()"
    )
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    words = ["verify", "relu", "--sim", "icarus", "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        wait(lambda: len(list(started.glob("*[0-9]"))) == 2 or process.poll() is not None)
        process.send_signal(number)
        _, err = process.communicate(timeout=HOUR)
    assert process.returncode == 128 + number and err.splitlines()[-1] == "hfp8: error: interrupted"
    assert "Traceback" not in err and list(tmp_path.glob("hfp8-*")) == []
    assert [running(int(path.name)) for path in started.iterdir()] == [False, False]


def test_a_second_signal_does_not_break_the_clean_up(tmp_path: Path) -> None:
    """The pool's own SIGTERM, in the middle of removing a worker's folder."""
    program = """
import os, signal, tempfile, time
from verif.regression import worker_pool as pool

remove = tempfile.TemporaryDirectory.cleanup
def slowly(self):
    os.kill(os.getpid(), signal.SIGTERM)
    remove(self)
tempfile.TemporaryDirectory.cleanup = slowly

def task(_):
    with tempfile.TemporaryDirectory(prefix="hfp8-"):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(3600)
pool._start_worker()
pool._work(task, None)
"""
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=HOUR
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert list(tmp_path.glob("hfp8-*")) == []


@pytest.mark.slow
def test_compare(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    inputs, report = tmp_path / "t.npz", tmp_path / "r.json"
    x = rng.standard_normal((5, 7)).astype(np.float32)
    x[0, :3] = [np.nan, np.inf, 1e9]
    np.savez(inputs, x=x)
    status, out, _ = cli("compare", "quantizer", "--inputs", inputs, "--report", report)
    assert status == 0 and "cocotb" in out
    for run in json.loads(report.read_text())["runs"]:
        assert run["elements"] == 35 and run["mismatches"] == 0
        assert run["flags"]["invalid"] == 1 and run["flags"]["overflow"] == 2
        assert run["not_finite"] == 2 and run["max_abs"] > 9e8

    a, b = rng.standard_normal((4, 1, 70)), rng.standard_normal((3, 70))
    np.savez(inputs, a=a, b=b, mode_a=1)
    words = ["compare", "mac", "--inputs", inputs, "--sim", "verilator", "--report", report]
    assert cli(*words, "--bias", "runtime")[0] == 0
    (run,) = json.loads(report.read_text())["runs"]
    assert run["elements"] == 12 and run["mismatches"] == 0 and 15 < run["sqnr_db"] < 40


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3)}, "mac needs the arrays a, b"),
        ({"a": np.zeros(3), "b": np.zeros(3), "c": np.zeros(3)}, "array 'c' is not allowed"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "they do not broadcast"),
        ({"a": np.zeros(0), "b": np.zeros(0)}, "there is nothing to compute"),
        ({"a": np.float32(1), "b": np.float32(1)}, "no last axis to sum"),
        ({"a": np.zeros(3, np.int8), "b": np.zeros(3)}, "array 'a' has dtype 'int8'"),
        ({"a": np.full(3, 256, np.uint16), "b": np.zeros(3)}, "array 'a' holds the code 256"),
        ({"a": np.zeros(3), "b": np.zeros(3), "mode_a": np.array(2)}, "array 'mode_a' holds 2"),
    ],
)
def test_compare_refusals(cli: Cli, tmp_path: Path, arrays: dict[str, object], said: str) -> None:
    inputs = tmp_path / "t.npz"
    np.savez(inputs, **arrays)  # type: ignore[arg-type]
    assert said in cli.refused("compare", "mac", "--inputs", inputs)


def test_compare_with_files_that_are_not_npz(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    for content in (b"", b"hello", b"PK\x03\x04 torn"):
        bad.write_bytes(content)
        assert "bad.npz" in cli.refused("compare", "mac", "--inputs", bad)
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert "an .npz file" in cli.refused("compare", "mac", "--inputs", tmp_path / "one.npy")
    np.savez(bad, x=np.array([object()]))
    assert "Python objects, not numbers" in cli.refused("compare", "quantizer", "--inputs", bad)


def test_demo(cli: Cli, tmp_path: Path) -> None:
    status, out, _ = cli("demo", "--images", "5", "--sim", "verilator", "-o", tmp_path / "d")
    assert status == 0 and "RTL, verilator" in out
    names = {p.name for p in (tmp_path / "d").iterdir()}
    assert "formats.png" in names
    assert any(name.startswith("hfp8_quantizer_") and name.endswith(".v") for name in names)
    assert (tmp_path / "d" / "formats.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_interrupted_elaboration(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and no warning of Amaranth's about a module that was begun: here it is an error."""

    def elaborate(self: FpMax, platform: object) -> Module:
        _begun = Module()
        raise KeyboardInterrupt

    monkeypatch.setattr(FpMax, "elaborate", elaborate)
    status, _, err = cli("gen", "fp_max", "-o", str(tmp_path))
    gc.collect()
    assert (status, err.strip()) == (130, "hfp8: error: interrupted")
