"""Every block of code in the documents is run, or checked, or listed here with the reason why not.

A comment before a block says what it is, invisibly for readers: ``<!-- slow -->``, run by `make
test-all` only; ``<!-- needs: X -->``, never run; ``<!-- output -->``, what the block before it
prints; ``<!-- file: NAME -->``, to be saved under that name; ``<!-- from: PATH -->``, an excerpt of
that file. Blocks of a page run in order, in one folder in which ``docs`` is the documents' one.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts and "build" not in p.parts),
]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
EXAMPLES = [name for name in NAMES if name.startswith("docs/examples/")]

NEVER_RUN = {
    ("README.md", "make demo"): "tests/test_cli.py runs the demo",
    ("README.md", "python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[sim]'"):
        "the network",
    ("docs/tutorial.md", "python3 -m venv .venv && . .venv/bin/activate"): "the network",
    ("docs/howto/verify.md", "pip install -e '.[sim,formal,regress,report]'"): "the network",
    ("docs/howto/board.md", "pip install -e '.[board,sim]'"): "the network",
    ("docs/howto/board.md", "hfp8 compare quantizer --inputs x.npz --device serial:///dev/ttyUSB0"):
        "a board",
    ("docs/reference/link.md", "python -m verif.board.serve icebreaker"): "a terminal",
    ("docs/howto/board.md", "pip install -e '.[models]' scikit-learn"): "the network",
    ("docs/howto/run-onnx.md", "pip install -e '.[models,sim,report]' scikit-learn"): "the network",
    ("docs/howto/run-onnx.md", "hfp8 retune model.onnx --inputs samples.npz -o tuned.onnx"):
        "a model with batch normalization; tests/test_models_retune.py has one",
    ("docs/models.md", "pip install -e '.[zoo,sim]'"): "the network",
    ("docs/models.md", "hfp8 bench models"): "two packages from the network, and an hour",
    ("docs/models.md", "hfp8 bench models digits_cnn --files here"):
        "an hour; tests/test_zoo_rtl.py runs it",
    ("docs/howto/synthesise.md", "pip install -e '.[synth]'"): "the network",
    ("docs/howto/explore.md", "pip install -e '.[explore]'"): "the network",
    ("docs/training.md", "pip install -e '.[train]'"): "the network",
    ("docs/training.md", "import torch"): "PyTorch: tests/train/test_training_page.py runs it",
    ("docs/training.md", "hfp8 train vision_resnet --arith hfp8-fast --seed 1 --device cuda "
     "--json results.json"): "a GPU",
    ("docs/training.md", "nvidia-cuda-mps-control -d"):
        "a GPU; tests/train/test_tasks_learn.py runs batches",
    ("docs/training.md", "hfp8 train vision_resnet --arith hfp8 --workers 4"):
        "tests/train/test_tasks_loop.py trains with workers",
    ("docs/training.md", "hfp8 train vision_resnet --checkpoint fp32.pt"):
        "tests/train/test_deploy_runs.py deploys and exports",
    ("docs/training.md", "python -m hfp8_hw.nn.deployment.batch runs.txt --json deploy.json"):
        "tests/train/test_deploy_runs.py runs a list",
}  # fmt: skip
"""By page and first line."""

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?"
    r"^(?P<ticks>```+)(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=ticks)$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    language: str
    body: str
    mark: str = ""

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "python")

    @property
    def first(self) -> str:
        return self.body.splitlines()[0].split("    #")[0].rstrip()

    def fact(self, name: str) -> str | None:
        match = re.search(rf"\b{name}: (\S+)", self.mark)
        return match[1] if match else None


def blocks(text: str) -> list[Block]:
    found = []
    for match in _FENCE.finditer(text):
        found.append(Block(match["language"], match["body"], match["mark"] or ""))
    return found


def page_blocks(name: str) -> list[Block]:
    return blocks((ROOT / name).read_text())


def execute(block: Block, folder: Path) -> str:
    """Run a block as a reader would, each line of a shell block in turn; what it printed."""
    env = os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))),
        "COLUMNS": "100",
    }
    shell = ["bash", "-euo", "pipefail", "-c"]
    program = shell if block.language == "sh" else [sys.executable, "-W", "error", "-c"]
    done = subprocess.run(
        [*program, block.body], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block.body}\n{done.stdout}{done.stderr}"
    return done.stdout


def same(text: str) -> str:
    """What is printed, without how long it took."""
    text = re.sub(r"(seconds\s*│)\s*[\d.]+", r"\1", text)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def run_page(name: str, folder: Path, slow: bool) -> None:
    (folder / "docs").symlink_to(DOCS)
    printed: str | None = None
    for block in page_blocks(name):
        if block.mark == "output":
            if printed is not None:
                assert same(printed).endswith(same(block.body)) and block.body, printed
        elif (file := block.fact("file")) is not None:
            (folder / file).write_text(block.body)
        elif block.runs and not block.mark.startswith("needs:"):
            skip = (name, block.first) in NEVER_RUN or (block.mark == "slow" and not slow)
            printed = None if skip else execute(block, folder)


def runnable(slow: bool) -> list[str]:
    names = []
    for name in NAMES:
        if name in EXAMPLES:
            continue
        running = [b for b in page_blocks(name) if b.runs and (name, b.first) not in NEVER_RUN]
        if any((b.mark == "slow") == slow and not b.mark.startswith("needs:") for b in running):
            names.append(name)
    return names


@pytest.mark.parametrize("name", runnable(slow=False))
def test_blocks_run(name: str, tmp_path: Path) -> None:
    run_page(name, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", runnable(slow=True))
def test_slow_blocks_run(name: str, tmp_path: Path) -> None:
    run_page(name, tmp_path, slow=True)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_known(name: str) -> None:
    """Every block is run, compared, saved, an excerpt or a directive of Sphinx."""
    text = (ROOT / name).read_text()
    assert text.count("```") % 2 == 0
    for block in page_blocks(name):
        source = block.fact("from")
        if source is not None:
            assert block.body in (ROOT / source).read_text(), block.body
        elif not block.runs:
            directive = block.language.startswith("{")
            assert directive or block.mark == "output" or block.fact("file"), block.body
        assert block.mark in ("", "slow", "output") or re.match("needs|file|from", block.mark)


def test_what_is_never_run_is_listed() -> None:
    never = set()
    for name in NAMES:
        for block in page_blocks(name):
            if block.mark.startswith("needs:") or (name, block.first) in NEVER_RUN:
                never.add((name, block.first))
    assert never == set(NEVER_RUN)


def test_a_wrong_output_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    text = "```sh\necho 1\n```\n\n<!-- output -->\n```text\n{}\n```\n"
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for k, wrong in enumerate(("1", "2")):
        page.write_text(text.format(wrong))
        (folder := tmp_path / str(k)).mkdir()
        if wrong == "1":
            run_page("page.md", folder, slow=False)
        else:
            with pytest.raises(AssertionError):
                run_page("page.md", folder, slow=False)
