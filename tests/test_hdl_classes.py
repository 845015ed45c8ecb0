"""The way into `hfp8_hw.hdl`: which class builds which unit, and what the others say."""

from __future__ import annotations

import doctest
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from amaranth._unused import MustUse

from hfp8_hw import hdl
from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import GENERATED, MacParameters, UnitParameters, unit_parameters

pytestmark = pytest.mark.filterwarnings("ignore:.*created but never used")
"""Nothing here is elaborated."""

CLASSES: dict[str, Any] = {
    name: getattr(hdl, name)
    for name in hdl.__all__
    if name not in ("StreamUnit", "create")
}  # fmt: skip
OWN = {
    "quantizer": "Quantizer", "dequantizer": "Dequantizer", "convert": "Convert", "mul": "Mul",
    "fp_mul": "Mul", "fp_add": "FpAdd", "fp_max": "FpMax", "relu": "Relu",
    "weight_update": "WeightUpdate", "sgd_update": "SgdUpdate", "loss_scale": "LossScale",
    "to_fixed": "ToFixed", "core": "AxiCore",
}  # fmt: skip
"""The class of each unit that has one."""

SUMS = {
    ("mac", "fma"): "Mac", ("mac", "chunked"): "Mac", ("mac", "exact"): "ExactMac",
    ("mac", "exact_chunk"): "ExactMac", ("dot", "exact"): "ExactMac",
    ("dot", "exact_chunk"): "ExactMac", ("dot", "fmma"): "PairDot", ("dot", "dotN"): "WideDot",
}  # fmt: skip

PARAMETERS: list[tuple[UnitParameters, str]] = [
    *((unit_parameters(unit, {}), name) for unit, name in OWN.items()),
    (unit_parameters("core", {"ports": "memory"}), "MemoryCore"),
    *(
        (unit_parameters(u, {"semantics": s} | ({"lanes": 2} if u == "dot" else {})), name)
        for (u, s), name in SUMS.items()
    ),
]


@pytest.fixture(autouse=True)
def made_for_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Amaranth warns of components that are made and never elaborated, as most are here."""
    monkeypatch.setattr(MustUse, "_MustUse__silence", True)
    yield
    gc.collect()


def test_a_refused_component_leaves_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MustUse, "_MustUse__silence", False)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(ParameterError):
            hdl.Mac(MacParameters(semantics="exact"))
        gc.collect()
    assert not seen


def test_every_unit_and_class_is_here() -> None:
    assert {p.unit for p, _ in PARAMETERS} == set(GENERATED)
    assert {name for _, name in PARAMETERS} == set(CLASSES)


@pytest.mark.parametrize(("p", "own"), PARAMETERS, ids=lambda v: getattr(v, "unit", v))
def test_one_class_builds_a_unit_and_the_others_name_it(p: UnitParameters, own: str) -> None:
    assert type(hdl.create(p)) is type(CLASSES[own](p)) is CLASSES[own]
    for name, cls in CLASSES.items():
        if name != own:
            with pytest.raises(ParameterError) as caught:
                cls(p)
            text = str(caught.value)
            assert text.startswith(f"parameters={p!r} is not allowed for {name}: ")
            assert text.endswith(f"; {own} builds this one")
            assert "\n" not in text


NONE: list[Any] = [None, 5, "mac", {}, {"semantics": "exact"}, MacParameters, object, (), hdl.Mac]


@pytest.mark.parametrize("given", NONE, ids=repr)
def test_what_is_no_units_parameters(given: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        hdl.create(given)
    wanted = "the parameters of a unit, such as MacParameters()"
    assert str(caught.value) == f"parameters={given!r} is not allowed: {wanted}"
    for name, cls in CLASSES.items():
        with pytest.raises(ParameterError) as caught:
            cls(given)
        assert str(caught.value).startswith(f"parameters={given!r} is not allowed for {name}: ")
        assert "builds this one" not in str(caught.value)


def test_the_text_in_full() -> None:
    p = MacParameters(semantics="exact")
    with pytest.raises(ParameterError) as caught:
        hdl.Mac(p)
    assert str(caught.value) == (
        f"parameters={p!r} is not allowed for Mac: MacParameters with semantics fma or chunked; "
        "ExactMac builds this one"
    )
    with pytest.raises(ParameterError) as caught:
        hdl.ExactMac(3)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "parameters=3 is not allowed for ExactMac: MacParameters or DotParameters with semantics "
        "exact or exact_chunk"
    )


def test_the_example_runs() -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    done = doctest.testmod(hdl, optionflags=flags, raise_on_error=False)
    assert done.attempted >= 8 and done.failed == 0
