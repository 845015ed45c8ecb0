"""No verdict depends on seconds: what tests give a limit, and what is opened and started."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .conftest import HOUR

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("hfp8_hw", "rtl_gen", "verif", "fpga", "docs", "tests")
LIMITS = {"timeout", "share", "deadline", "limit_s"}
CLOCKS = {"sleep", "monotonic", "perf_counter", "process_time"}
OPENED = {"open", "Popen", "urlopen", "TemporaryDirectory", "NamedTemporaryFile",
          "ThreadPoolExecutor", "socket"}  # fmt: skip


HELD = {
    "hfp8_hw/cli/comparisons.py": "Device.open",
    "hfp8_hw/cli/models/engines.py": "Device.open",
    "hfp8_hw/host/simulated.py": "subprocess.Popen",
}
"""What an object keeps open: its user's `with` closes it."""


def parsed(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def limited() -> dict[str, list[tuple[str, int]]]:
    """The project's functions with a limit: for each, which argument it is, by name and place."""
    found: dict[str, list[tuple[str, int]]] = {}
    for _, tree in parsed("rtl_gen", "verif", "fpga"):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                given = [argument.arg for argument in node.args.args]
                where = [(name, k) for k, name in enumerate(given) if name in LIMITS]
                where += [(a.arg, 1 << 30) for a in node.args.kwonlyargs if a.arg in LIMITS]
                if where:
                    found[node.name] = where
    return found


def short(value: ast.expr | None) -> bool:
    """A literal number of seconds that something slow may exceed; none at all is exact."""
    if value is None:
        return True
    if not isinstance(value, ast.Constant) or not isinstance(value.value, int | float):
        return False
    return 0 < value.value < HOUR


def faults(tree: ast.Module, functions: dict[str, list[tuple[str, int]]]) -> list[int]:
    """Lines with a limit that is too short, or with a clock."""
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        words = {word.arg: word.value for word in node.keywords}
        bad = [word for word, value in words.items() if word in LIMITS and short(value)]
        for name, place in functions.get(named(node), []):
            given = words.get(name, node.args[place] if place < len(node.args) else None)
            bad += [name] if short(given) else []
        # The commands' own limits are short ones, for people.
        texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if named(node) == "cli" and texts and texts[0] in ("prove", "cover", "mutate"):
            bad += [] if "--timeout" in texts or "--help" in texts else ["--timeout"]
        if bad or named(node) in CLOCKS:
            lines.append(node.lineno)
    return lines


def test_limits_are_met_by_what_hangs_alone() -> None:
    """`HOUR` is the limit in tests; `conftest.wait` the one place that sleeps."""
    functions = limited()
    assert {"prove", "solve", "each", "counted", "judge", "proved", "never_changes"} <= set(
        functions
    )
    found = {f"{path}:{line}" for path, tree in parsed("tests") for line in faults(tree, functions)}
    allowed = [place for place in found if place.startswith("tests/conftest.py:")]
    assert len(allowed) <= 1 and found == set(allowed), sorted(found)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("solve(given, 'x', 'abc', 1, 60)", True),
        ("solve(given, 'x', 'abc', 1, HOUR)", False),
        ("exhaustive.counted(given, folder, 0)", False),
        ("prove.prove(made, 'stream')", True),
        ("prove.prove(made, 'stream', timeout=HOUR)", False),
        ("subprocess.run(words, timeout=30)", True),
        ("cli('prove', 'relu')", True),
        ("cli('prove', 'relu', '--timeout', HOUR)", False),
        ("time.sleep(1)", True),
    ],
)
def test_the_scan_sees_what_it_is_for(text: str, bad: bool) -> None:
    assert bool(faults(ast.parse(text), limited())) == bad


def test_hypothesis_has_no_limit() -> None:
    assert settings.default is not None and settings.default.deadline is None


def test_what_is_opened_is_closed_on_every_path() -> None:
    """Files, processes and folders are opened by `with`: an error in between leaves none open."""
    left = []
    for path, tree in parsed(*FOLDERS):
        inside = {
            id(item.context_expr)
            for node in ast.walk(tree) if isinstance(node, ast.With)
            for item in node.items
        }  # fmt: skip
        left += [
            f"{path}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and named(node) in OPENED
            and id(node) not in inside
            # A descriptor's number has no `with`.
            and ast.unparse(node.func) not in ("os.open", HELD.get(path))
        ]
    assert left == []
