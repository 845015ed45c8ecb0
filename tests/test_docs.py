"""The documents' generated parts are those that the committed results give."""

import importlib.util
import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from fpga import yosys
from fpga.figures import RESULTS
from hfp8_hw import ParameterError, golden
from hfp8_hw.cli.main import cli
from hfp8_hw.parameters import UNITS, unit_parameters
from rtl_gen.package import generate

ROOT = Path(__file__).resolve().parent.parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    return script("tables")


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    return script("pictures")


def test_tables_are_current(tables: ModuleType) -> None:
    for path in tables.PARTS:
        assert tables.rewritten(path) == path.read_text(), f"run `make docs`: {path.name}"


def test_summaries_keep_their_capitals(tables: ModuleType) -> None:
    text = tables.units()
    for cls in UNITS.values():
        assert f"{cls.summary[0].upper()}{cls.summary[1:]}. Golden function" in text


def test_committed_results_can_be_replayed() -> None:
    """Every configuration in a committed result is still one that its unit takes."""
    found = 0
    for path in (*(ROOT / "docs" / "results").glob("*.json"), *RESULTS.glob("*.json")):
        waiting = [json.loads(path.read_text())]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict) and isinstance(item.get("parameters"), dict):
                assert unit_parameters(item["unit"], item["parameters"]).top
                found += 1
            waiting += item.values() if isinstance(item, dict) else []
            waiting += item if isinstance(item, list) else []
    assert found > 1000


def test_results_are_good() -> None:
    verified = json.loads((ROOT / "docs" / "results" / "verify.json").read_text())
    assert verified["runs"] and all(run["good"] for run in verified["runs"])
    golden = json.loads((ROOT / "docs" / "results" / "golden.json").read_text())
    assert golden["rows"] and all(row["bits_agree"] for row in golden["rows"])


def test_what_is_claimed_held() -> None:
    results = ROOT / "docs" / "results"
    sweeps = json.loads((results / "sweep.json").read_text())["sweeps"]
    assert sweeps and all(s["good"] and s["mismatches"] == 0 for s in sweeps)
    assert sum(s["unit"] == "mul" and s["complete"] for s in sweeps) >= 100
    proofs = json.loads((results / "prove.json").read_text())["proofs"]
    assert proofs and all(p["status"] in ("proved", "open") for p in proofs)
    for path in results.glob("mutate-*.json"):
        mutants = json.loads(path.read_text())["mutants"]
        # A core is too large for proofs; of each of its survivors somebody says why.
        left = [m for m in mutants if m["status"] == "survived" and not m.get("judged")]
        assert len(mutants) >= 300 and not left, path

    faults = json.loads((results / "mutate-core.json").read_text())["mutants"]
    killed = sum(m["status"] == "killed" for m in faults)
    words = [m["judged"].split(":")[0] for m in faults if m["status"] == "survived"]
    counts = [words.count(word) for word in ("equivalent", "not met", "rare", "not shown")]
    page = " ".join((ROOT / "docs" / "core.md").read_text().split())
    assert f"finds {killed} of {len(faults)} in" in page and f"the other {len(words)} what" in page
    equivalent, late, rare, unknown = counts
    assert f"{equivalent} cannot be told" in page and f"{late} need runs" in page
    holes = f"{rare + unknown} are holes: {rare} rare" if rare + unknown else "None is a hole"
    assert holes in page

    covered = json.loads((results / "cover.json").read_text())["runs"]
    assert not [run for run in covered if run["wrong"] or run["failure"]]
    for run in covered:
        # Of units without a state, everything is hit or proved unreachable.
        if run["unit"] not in ("mac", "dot", "quantizer", "sgd_update", "weight_update"):
            assert run["good"], (run["unit"], run["parameters"])
        lines = run["code"]["line"]
        assert lines["hit"] == lines["all"], (run["unit"], run["parameters"])


PAGES = sorted(
    page.relative_to(ROOT)
    for folder in (ROOT, ROOT / "docs")
    for page in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
    if not {"_build", "build"} & set(page.parts)
)


def test_pictures_are_current(pictures: ModuleType) -> None:
    for path, content in pictures.pictures().items():
        assert path.read_text() == content, f"run `make docs`: {path.name}"


def test_the_waveform_shows_what_the_manifest_says(pictures: ModuleType) -> None:
    """Its sums are right in exact rationals, and its latency is the published one."""
    wave = pictures.waveform
    clocks = wave.simulate()
    taken = [k for k, c in enumerate(clocks) if c["i_last"] and c["i_valid"] and c["i_ready"]]
    given = [k for k, c in enumerate(clocks) if c["o_valid"] and c["o_ready"]]
    sums = [sum((Fraction(a) * Fraction(b) for a, b in s), Fraction(0)) for s in wave.SUMS]
    assert [Fraction(clocks[k]["o_y"]) for k in given] == sums
    manifest = generate(unit_parameters("mac", {"a": wave.FORMAT, "b": wave.FORMAT})).manifest
    first = next(k for k, c in enumerate(clocks) if c["o_valid"])
    assert first - taken[0] == manifest["latency"]
    assert f"latency: {manifest['latency']} clocks" in wave.svg(clocks)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / page.parent / target).exists(), target


def test_plain_pages_name_what_the_site_shows() -> None:
    """GitHub carries out no directive: the commands, functions and links are there in words."""
    docs = ROOT / "docs"
    commands = re.findall(r"^\| `hfp8 (\w+)` \|", (docs / "reference/cli.md").read_text(), re.M)
    assert sorted(commands) == sorted(cli.commands)
    text = (docs / "reference" / "golden.md").read_text()
    named = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| `.*? \|", text, re.M))))
    assert named == {name for name in golden.__all__ if callable(getattr(golden, name))}
    for page in PAGES:
        text = (ROOT / page).read_text()
        for body in re.findall(r"^```{toctree}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for entry in re.findall(r"^[\w/-]+$", body, re.MULTILINE):
                assert f"]({entry}.md)" in text, (page, entry)


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    (table,) = re.findall(r"<!-- highlights -->\n(.*?)<!--", "\n".join(lines), re.DOTALL)
    assert table.count("\n") - 2 <= 10
    assert all("`hfp8 " in row or "`make " in row for row in table.splitlines()[2:])


def test_the_site_builds(tmp_path: Path) -> None:
    """As `make docs` builds it: a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html",
               "-d", str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    text = (tmp_path / "reference" / "golden.html").read_text()
    for name in golden.__all__:
        assert not callable(getattr(golden, name)) or f"hfp8_hw.golden.{name}" in text, name
    text = (tmp_path / "reference" / "cli.html").read_text()
    for name in cli.commands:
        assert f'id="hfp8-{name}"' in text, name
    for page in PAGES:
        if page.parts[0] == "docs":
            assert (tmp_path / page.relative_to("docs")).with_suffix(".html").exists(), page


def test_synthesis_counts_cells() -> None:
    package = generate(unit_parameters("mul", {"a": "HFP8_FWD", "b": "HFP8_FWD"}))
    counts = yosys.cells(package.verilog, package.name)
    assert 20 < counts["SB_LUT4"] < 400
    with pytest.raises(ParameterError, match="command='abc' is not allowed"):
        yosys.cells(package.verilog, package.name, "abc")
