"""Units with parameters drawn at random: formats nobody has named, every rounding, every depth."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import CATALOGUE, FloatFormat, ParameterError
from hfp8_hw.formats import SPECIALS, ZERO_EXP
from hfp8_hw.parameters import UNITS, unit_parameters
from verif.simulation.verify import Task, explain, package_of, phases, run_task

from .conftest import LARGE, check_lint, later


def any_format(rng: np.random.Generator, width: int | None) -> str:
    """A literal, or a catalogue name, of at most ``width`` bits."""
    if rng.random() < 0.3:
        names = [n for n, f in CATALOGUE.items() if width is None or f.width <= width]
        return str(rng.choice(names))
    exp_bits = int(rng.integers(2, 6 if width == 8 else 9))
    most = 23 if width is None else width - 1 - exp_bits
    man_bits = int(rng.integers(1, most + 1))
    bias = int(rng.integers(-20, 60)) if rng.random() < 0.5 else (1 << (exp_bits - 1)) - 1
    return FloatFormat(
        exp_bits, man_bits, bias, str(rng.choice(ZERO_EXP)), str(rng.choice(SPECIALS))
    ).literal


def any_parameters(rng: np.random.Generator, unit: str) -> dict[str, Any]:
    """Parameters of a unit; they may not be allowed together."""
    rounding = str(
        rng.choice(["RNE", "RNA", "RTZ", "RUP", "RDN", "RTO", "SR(1)", "SR(7)", "SR(20)"])
    )
    given: dict[str, Any] = {
        "stages": int(rng.integers(1, UNITS[unit].max_stages + 1)),
        "rounding": rounding,
        "overflow": str(rng.choice(["saturate", "special"])),
        "bias": str(rng.choice(["static", "runtime"])),
    }
    operand = lambda: "HFP8" if rng.random() < 0.2 else any_format(rng, 8)  # noqa: E731
    match unit:
        case "quantizer":
            if rounding.startswith("SR") and rng.random() < 0.5:
                given |= {"random": "xorshift32", "random_seed": int(rng.integers(1, 1 << 32))}
            scale = str(rng.choice(["none", "runtime"]))
            return given | {
                "src": any_format(rng, None), "dst": any_format(rng, 8), "scale": scale,
                "lanes": int(rng.choice([1, 1, 2, 3, 6])),
                "track": str(rng.choice(["none", "amax"])),
            }  # fmt: skip
        case "dequantizer":
            return given | {"src": operand(), "dst": any_format(rng, None)}
        case "mul":
            out = "exact" if rng.random() < 0.2 else any_format(rng, None)
            return given | {"a": operand(), "b": operand(), "out": out}
        case "convert":
            del given["bias"]
            return given | {"src": any_format(rng, None), "dst": any_format(rng, None)}
        case "fp_add" | "fp_mul":
            del given["bias"]
            return given | {"fmt": any_format(rng, None)}
        case "to_fixed":
            return {
                "stages": given["stages"],
                "fmt": any_format(rng, 8 if rng.random() < 0.7 else 16),
            }
        case "fp_max" | "relu":
            return {"stages": given["stages"], "fmt": any_format(rng, None)}
        case "weight_update":
            acc = any_format(rng, None)
            return {"stages": given["stages"], "fmt": any_format(rng, 8), "acc": acc}
        case "sgd_update":
            fmt, acc = any_format(rng, 16), any_format(rng, 16)
            random = str(rng.choice(["input", "xorshift32"]))
            given = {"stages": given["stages"], "rounding": rounding, "random": random}
            return given | {"fmt": fmt, "acc": acc}
        case "loss_scale":
            return {
                name: int(rng.integers(-64, 64)) for name in ("floor", "initial", "ceiling")
            } | {"growth": int(rng.choice([1, 2, 5, 300]))}
        case "dot":
            lanes = {"lanes": int(rng.choice([2, 4]))}
            if rng.random() < 0.5:
                return given | any_sum(rng) | lanes | {"chunk": 16}
            semantics = str(rng.choice(["fmma", "dotN"]))
            stages = int(rng.choice([0, int(rng.integers(1, 11))]))
            return given | floating_sum(rng, semantics) | lanes | {"stages": stages}
        case _:
            if rng.random() < 0.5:
                return given | any_sum(rng)
            semantics = str(rng.choice(["fma", "chunked"]))
            return given | floating_sum(rng, semantics) | {"chunk": int(rng.choice([1, 2, 7, 64]))}


def floating_sum(rng: np.random.Generator, semantics: str) -> dict[str, Any]:
    """Parameters of a sum that is rounded with every item."""
    operands = ["HFP8" if rng.random() < 0.2 else any_format(rng, 8) for _ in range(2)]
    return {
        "a": operands[0],
        "b": operands[1],
        "acc": any_format(rng, None if rng.random() < 0.3 else 16),
        "semantics": semantics,
        "interleave": int(rng.choice([1, 2, 5, 8])),
    }


def any_sum(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters of an exact sum."""
    operands = ["HFP8" if rng.random() < 0.2 else any_format(rng, 8) for _ in range(2)]
    given = {
        "a": operands[0],
        "b": operands[1],
        "acc": "fixed" if rng.random() < 0.3 else any_format(rng, None),
        "semantics": str(rng.choice(["exact", "exact_chunk"])),
        "chunk": int(rng.choice([1, 2, 7, 64])),
        "terms": int(rng.choice([300, 4096])),
        "segments": int(rng.integers(1, 5)),
        "drop": int(rng.choice([0, 0, 3, 9])),
        "stages": int(rng.integers(2, 7)),
        "align": str(rng.choice(["lut", "dsp"])),
        "operands": str(rng.choice(["codes", "codes", "fixed"])),
    }
    return given


def meant(unit: str, given: dict[str, Any]) -> dict[str, Any]:
    """Without the parameters that have no meaning for the others."""
    idle = set()
    semantics, rounding = given.get("semantics"), given.get("rounding", "SR(12)")
    if semantics != "exact":
        idle.add("terms")
    if semantics not in ("chunked", "exact_chunk"):
        idle.add("chunk")
    if given.get("acc") == "fixed":
        idle |= {"rounding", "overflow"}
    if unit == "mul" and given["out"] == "exact":
        idle.add("rounding")
    if not rounding.startswith("SR"):
        idle |= {"random", "random_seed"}
    return {name: value for name, value in given.items() if name not in idle}


def allowed(unit: str, seed: int) -> dict[str, Any]:
    """The first parameters drawn with this seed that are allowed together."""
    rng = np.random.default_rng([seed, list(UNITS).index(unit)])
    while True:
        given = meant(unit, any_parameters(rng, unit))
        try:
            unit_parameters(unit, given)
        except ParameterError:
            continue
        return given


@pytest.mark.parametrize("seed", range(100, 102))
@pytest.mark.parametrize("unit", UNITS)
def test_lint_of_random_parameters(unit: str, seed: int, tmp_path: Path) -> None:
    check_lint(unit, allowed(unit, seed), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(102, 112))
@pytest.mark.parametrize("unit", UNITS)
def test_lint_of_more_random_parameters(unit: str, seed: int, tmp_path: Path) -> None:
    check_lint(unit, allowed(unit, seed), tmp_path)


def check(unit: str, seed: int) -> None:
    result = run_task(
        Task(
            unit,
            tuple(allowed(unit, seed).items()),
            "verilator" if unit in LARGE else "icarus",
            seed,
        )
    )
    assert result.good, "\n".join(explain(result))


@pytest.mark.parametrize("acc", ["E5M2FNUZ", "E4M3FNUZ"])
def test_codes_are_of_their_formats(acc: str) -> None:
    """A rate beside the last number of a format whose last magnitude is a number."""
    made = package_of("sgd_update", (("fmt", "FP9"), ("acc", acc)))
    for seed in (1, 2):
        rates = np.concatenate([phase.inputs["i_rate"] for phase in phases(made, seed)])
        assert rates.min() == 0 and rates.max() == 0xFF


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize(
    "unit", [unit if unit in ("quantizer", "mul", "fp_add") else later(unit) for unit in UNITS]
)
def test_random_parameters(unit: str, seed: int) -> None:
    check(unit, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("unit", UNITS)
def test_more_random_parameters(unit: str, seed: int) -> None:
    check(unit, seed)
