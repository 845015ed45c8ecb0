"""Dependencies point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORMATS = {"hfp8_hw.errors", "hfp8_hw.formats", "hfp8_hw.rounding", "hfp8_hw.products",
           "hfp8_hw.fixed", "hfp8_hw.version", "hfp8_hw.cores"}  # fmt: skip
PARAMETERS = FORMATS | {"hfp8_hw.parameters"}

ALLOWED = {
    "hfp8_hw/golden": FORMATS | {"hfp8_hw.golden"},
    "hfp8_hw/hdl": PARAMETERS | {"hfp8_hw.hdl"},
    "rtl_gen": PARAMETERS | {"hfp8_hw", "hfp8_hw.hdl", "rtl_gen"},
    "verif": PARAMETERS | {"hfp8_hw", "hfp8_hw.golden", "rtl_gen", "verif"},
    "fpga": PARAMETERS | {"rtl_gen", "fpga"},
}
"""Which of our modules each folder may import."""

FORBIDDEN = {"hfp8_hw/golden": {"amaranth", "cocotb"}, "hfp8_hw/hdl": {"numpy", "cocotb"}}


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


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    assert files(folder)
    for path in files(folder):
        for name in imports(path):
            if ours(name):
                parents = {".".join(name.split(".")[:k]) for k in range(1, 9)}
                assert parents & ALLOWED[folder], f"{path} imports {name}"


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_golden_and_hardware_do_not_know_each_other(folder: str) -> None:
    for path in files(folder):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & FORBIDDEN[folder], path
        other = "hfp8_hw.hdl" if folder.endswith("golden") else "hfp8_hw.golden"
        assert not [n for n in imports(path) if n.startswith(other)], path


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
