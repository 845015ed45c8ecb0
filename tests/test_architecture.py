"""Dependencies point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORMATS = {"hfp8_hw.errors", "hfp8_hw.formats", "hfp8_hw.rounding", "hfp8_hw.products",
           "hfp8_hw.fixed", "hfp8_hw.version", "hfp8_hw.cores", "hfp8_hw.files",
           "hfp8_hw.jobs", "hfp8_hw.registers", "hfp8_hw.scales", "hfp8_hw.records",
           "hfp8_hw.protocol", "hfp8_hw.rows", "hfp8_hw.pll", "hfp8_hw.oscillators"}  # fmt: skip
PARAMETERS = FORMATS | {"hfp8_hw.parameters"}

STIMULUS = {"verif.errors", "verif.stimulus"}
SIMULATION = STIMULUS | {"verif.simulation"}
SWEEP = SIMULATION | {"verif.sweep"}
FORMAL = SWEEP | {"verif.formal"}
OUTSIDE_VERIF = PARAMETERS | {"hfp8_hw", "hfp8_hw.golden", "rtl_gen"}
NUMBERS = PARAMETERS | {"hfp8_hw.hdl.generated", "hfp8_hw.hdl.numbers"}
SUMS = NUMBERS | {"hfp8_hw.hdl.sums"}
UNITS = SUMS | {"hfp8_hw.hdl.units"}
EXPLORED = {"verif.regression.cluster", "verif.simulation.compare", "verif.simulation.user_arrays",
            "verif.core.golden_errors", "verif.core.matrices",
            "verif.core.planned_jobs"}  # fmt: skip
"""What `fpga.explore` has of verif: the cluster, errors of the golden model, jobs of a core."""
TWIN = PARAMETERS | {"hfp8_hw", "hfp8_hw.golden", "hfp8_hw.nn"}

ALLOWED = {
    "hfp8_hw/golden": FORMATS | {"hfp8_hw.golden"},
    "hfp8_hw/golden/core": FORMATS | {"hfp8_hw.golden"},
    "hfp8_hw/golden/codes": FORMATS | {"hfp8_hw.golden.codes"},
    "hfp8_hw/golden/engine": FORMATS | {"hfp8_hw.golden"},
    "hfp8_hw/golden/fast": FORMATS
    | {
        "hfp8_hw.golden.codes",
        "hfp8_hw.golden.fast",
        "hfp8_hw.golden.steps",
    },
    "hfp8_hw/hdl": PARAMETERS | {"hfp8_hw.hdl"},
    "hfp8_hw/hdl/numbers": NUMBERS,
    "hfp8_hw/hdl/sums": SUMS,
    "hfp8_hw/hdl/units": UNITS,
    "hfp8_hw/hdl/core": SUMS | {"hfp8_hw.hdl.core"},
    "hfp8_hw/hdl/core/convolution": SUMS | {"hfp8_hw.hdl.core"},
    "hfp8_hw/hdl/core/axi": SUMS | {"hfp8_hw.hdl.core"},
    "hfp8_hw/hdl/core/elements": SUMS | {"hfp8_hw.hdl.core.elements"},
    "hfp8_hw/hdl/core/epilogue": SUMS | {"hfp8_hw.hdl.core"},
    "hfp8_hw/hdl/core/memory": SUMS | {"hfp8_hw.hdl.core"},
    "hfp8_hw/models": FORMATS | {"hfp8_hw", "hfp8_hw.golden", "hfp8_hw.models"},
    "hfp8_hw/models/chains": FORMATS | {"hfp8_hw.golden", "hfp8_hw.models"},
    "hfp8_hw/models/zoo": FORMATS | {"hfp8_hw.golden", "hfp8_hw.models"},
    "hfp8_hw/models/zoo/data": FORMATS | {"hfp8_hw.models.zoo"},
    "hfp8_hw/hdl/link": NUMBERS | {"hfp8_hw.hdl.core", "hfp8_hw.hdl.link"},
    "hfp8_hw/nn": TWIN,
    "hfp8_hw/nn/deployment": TWIN,
    "hfp8_hw/nn/distributed": TWIN,
    "hfp8_hw/nn/kernels": TWIN,
    "hfp8_hw/nn/scheme": TWIN,
    "hfp8_hw/nn/tasks": TWIN,
    "hfp8_hw/nn/tasks/models": TWIN,
    "hfp8_hw/nn/training": TWIN,
    "hfp8_hw/host": PARAMETERS | {"hfp8_hw.host"},
    "rtl_gen/dropin": PARAMETERS | {"hfp8_hw", "rtl_gen"},
    "rtl_gen/software": FORMATS | {"hfp8_hw"},
    "rtl_gen": PARAMETERS | {"hfp8_hw", "hfp8_hw.hdl", "rtl_gen"},
    "verif": OUTSIDE_VERIF | {"verif", "hfp8_hw.host"},
    "verif/stimulus": OUTSIDE_VERIF | STIMULUS,
    "verif/simulation": OUTSIDE_VERIF | SIMULATION,
    "verif/core": OUTSIDE_VERIF | SWEEP | {"verif.core"},
    "verif/core/compiled": OUTSIDE_VERIF | SWEEP | {"verif.core"},
    "verif/core/engine": OUTSIDE_VERIF | SWEEP | {"verif.core"},
    "verif/core/kinds": OUTSIDE_VERIF | SWEEP | {"verif.core"},
    "verif/core/memory": OUTSIDE_VERIF | SWEEP | {"verif.core"},
    "verif/sweep": OUTSIDE_VERIF | SWEEP,
    "verif/regression": OUTSIDE_VERIF | SIMULATION | {"verif.regression"},
    "verif/board": OUTSIDE_VERIF | SWEEP | {"verif.board", "verif.core", "hfp8_hw.host"},
    "verif/demo": OUTSIDE_VERIF | SIMULATION | {"verif.demo"},
    "verif/formal": OUTSIDE_VERIF | FORMAL,
    "verif/formal/contracts": OUTSIDE_VERIF | FORMAL,
    "verif/formal/specification": OUTSIDE_VERIF | {"verif.formal.specification"},
    "verif/coverage": OUTSIDE_VERIF | FORMAL | {"verif.coverage"},
    "verif/mutation": OUTSIDE_VERIF | FORMAL | {"verif.core", "verif.mutation"},
    "verif/report": OUTSIDE_VERIF | FORMAL | {"verif.coverage", "verif.mutation", "verif.report"},
    "fpga": PARAMETERS | {"rtl_gen", "fpga"} | EXPLORED,
    "fpga/boards": PARAMETERS | {"rtl_gen", "fpga"},
    "fpga/explore": PARAMETERS | {"rtl_gen", "fpga"} | EXPLORED,
}
"""Which of our modules each folder may import."""

FORBIDDEN = {"hfp8_hw/golden": {"amaranth", "cocotb"}, "hfp8_hw/hdl": {"numpy", "cocotb"}}

LARGEST_ROOM = 12
"""Modules of a room, its ``__init__`` aside."""

ROOMS = [folder for folder in ALLOWED if folder.count("/") > 0] + [
    "hfp8_hw/cli", "hfp8_hw/cli/boards", "hfp8_hw/cli/checks", "hfp8_hw/cli/explore",
    "hfp8_hw/cli/models",
    "hfp8_hw/models",
]  # fmt: skip


def imports(path: Path) -> set[str]:
    """Absolute names of everything a file imports."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{name}.{alias.name}" for alias in node.names} | {name}
    return found


def ours(name: str) -> bool:
    return name.split(".")[0] in ("hfp8_hw", "rtl_gen", "verif", "fpga", "tests")


def allowed(name: str, rule: set[str]) -> bool:
    """Whether an import is of an allowed package or of something in it. ``hfp8_hw`` stands for what
    that package itself exports, not for all of its modules."""
    parents = {".".join(name.split(".")[:k]) for k in range(1, 9)}
    if parents & (rule - {"hfp8_hw"}):
        return True
    top, _, rest = name.partition(".")
    inner = ROOT / "hfp8_hw" / rest.split(".")[0]
    is_module = bool(rest) and (inner.is_dir() or inner.with_suffix(".py").exists())
    return top == "hfp8_hw" and "hfp8_hw" in rule and not is_module


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    assert files(folder)
    for path in files(folder):
        for name in imports(path):
            if ours(name):
                assert allowed(name, ALLOWED[folder]), f"{path} imports {name}"


def test_every_folder_has_its_rule() -> None:
    names = ("verif", "hfp8_hw/golden", "hfp8_hw/hdl", "hfp8_hw/host", "hfp8_hw/nn",
             "hfp8_hw/models")  # fmt: skip
    folders = {path.parent.relative_to(ROOT).as_posix() for name in names for path in files(name)}
    assert folders <= set(ALLOWED)


@pytest.mark.parametrize("folder", ROOMS)
def test_rooms_are_small_and_say_what_lives_there(folder: str) -> None:
    modules = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= LARGEST_ROOM, sorted(path.name for path in modules)
    doc = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))
    assert doc, folder
    missing = [path.stem for path in modules if path.stem not in doc]
    assert not missing, missing


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_golden_and_hardware_do_not_know_each_other(folder: str) -> None:
    for path in files(folder):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & FORBIDDEN[folder], path
        other = "hfp8_hw.hdl" if folder.endswith("golden") else "hfp8_hw.golden"
        assert not [n for n in imports(path) if n.startswith(other)], path


def test_only_the_twin_imports_torch() -> None:
    for folder in ("hfp8_hw", "rtl_gen", "verif", "fpga"):
        for path in files(folder):
            if not path.is_relative_to(ROOT / "hfp8_hw/nn"):
                assert not [n for n in imports(path) if n.split(".")[0] == "torch"], path


def test_formats_need_only_the_standard_library() -> None:
    import sys

    for module in FORMATS:
        for name in imports(ROOT / (module.replace(".", "/") + ".py")):
            assert name.split(".")[0] in sys.stdlib_module_names or ours(name), (module, name)


def test_nobody_imports_the_tests() -> None:
    for folder in ("hfp8_hw", "rtl_gen", "verif", "fpga"):
        for path in files(folder):
            assert not [n for n in imports(path) if n.split(".")[0] == "tests"], path


def test_scalar_twin_shares_no_arithmetic() -> None:
    local = {n for n in imports(ROOT / "hfp8_hw/golden/scalar.py") if ours(n)}
    assert {".".join(n.split(".")[:2]) for n in local} <= {"hfp8_hw.formats", "hfp8_hw.rounding"}
    assert "numpy" not in imports(ROOT / "hfp8_hw/golden/scalar.py")
