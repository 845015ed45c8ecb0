"""Planted faults: that they are planted, found, and that survivors are judged rightly."""

import json
import re
from pathlib import Path

import pytest

from hfp8_hw import ParameterError
from verif.formal import miter
from verif.formal.prove import each, solve
from verif.mutation import mutate
from verif.simulation.verify import package_of

from .conftest import HOUR, Cli

pytestmark = pytest.mark.xdist_group("mutate")
"""What is built for all of these tests is built once, in one worker."""


@pytest.fixture(scope="module")
def planted() -> tuple[mutate.Planted, mutate.Regression]:
    made = package_of("quantizer", ())
    faults = mutate.plant(made, 300, 1)
    return faults, mutate.Regression(made, faults, 1)


def test_the_unit_itself_passes(planted: tuple[mutate.Planted, mutate.Regression]) -> None:
    faults, regression = planted
    assert len(faults.mutants) == 300 and regression.killed_by(0) is None
    assert len({(m.mode, m.place) for m in faults.mutants}) == 300
    assert all(m.source.startswith("unit.v:") for m in faults.mutants)
    assert not [m for m in faults.mutants if " CLK[" in m.place]


@pytest.mark.slow
def test_survivors_are_equivalent(planted: tuple[mutate.Planted, mutate.Regression]) -> None:
    """Every fault in the quantizer that can be seen is found."""
    faults, regression = planted
    made = package_of("quantizer", ())
    left = [m for m in faults.mutants if regression.killed_by(m.number) is None]
    assert 0 < len(left) < 30
    for mutant in left:
        assert mutate.judge(made, faults, mutant, HOUR).status == "equivalent", mutant


@pytest.mark.slow
def test_what_is_killed_is_not_equivalent(
    planted: tuple[mutate.Planted, mutate.Regression],
) -> None:
    """The judge and the regression agree: a killed fault is told from the unit by proof too."""
    faults, regression = planted
    made = package_of("quantizer", ())
    killed = [m for m in faults.mutants if regression.killed_by(m.number) is not None]
    for mutant in killed[:: len(killed) // 5]:
        assert mutate.judge(made, faults, mutant, HOUR).status == "survived", mutant


@pytest.mark.slow
def test_what_is_not_looked_at_may_differ() -> None:
    """A NaN that counts as zero where it is a sum changes the register of a code only where another
    says that it is NaN: no register is always alike, and only the claims of pairs under a
    condition prove it."""
    made = package_of("mac", ())
    faults = mutate.plant(made, 600, 1)
    lines = made.verilog.splitlines()
    (number,) = (
        m.number
        for m in faults.mutants
        if (m.mode, m.place.split()[1]) == ("const1", "Y[0]")
        and "not_sum_nan = ~sum_nan;" in lines[int(re.findall(r":(\d+)", m.source)[0]) - 1]
    )
    circuits = made, faults.netlist, f", .mutant({faults.width}'d{number})"
    alone = solve(miter.Steps(*circuits).alone(), "mutant", "abc", 20, HOUR)
    assert alone.status == "failed"
    refuted, undecided = each(miter.Steps(*circuits).reached(), HOUR, HOUR)
    assert not [label for label in refuted | undecided if label.startswith("seen_")]
    assert [label for label in refuted if label.startswith("help_")]


def test_a_claim_under_a_condition_proves_nothing_false(
    planted: tuple[mutate.Planted, mutate.Regression],
) -> None:
    faults, regression = planted
    made = package_of("quantizer", ())
    killed = [m.number for m in faults.mutants if regression.killed_by(m.number) is not None]
    for number in killed[:: len(killed) // 3]:
        chosen = f", .mutant({faults.width}'d{number})"
        refuted, _ = each(miter.Steps(made, faults.netlist, chosen).reached(), HOUR, HOUR)
        assert [label for label in refuted if label.startswith("seen_")], number


def test_a_weak_regression_lets_faults_live(
    planted: tuple[mutate.Planted, mutate.Regression],
) -> None:
    faults, regression = planted
    before = regression.phases
    try:
        name, stall, driven, outputs, _ = before[0]
        few = {port: values[:3] for port, values in driven.items()}
        regression.phases = [(name, stall, few, {p: v[:3] for p, v in outputs.items()}, 3)]
        alive = [m for m in faults.mutants if regression.killed_by(m.number) is None]
        assert len(alive) > 30
    finally:
        regression.phases = before


def test_counts() -> None:
    with pytest.raises(ParameterError, match="count=0 is not allowed: 1 to 4000"):
        mutate.plant(package_of("relu", ()), 0, 1)


@pytest.mark.slow
def test_faults_in_a_core(cli: Cli, tmp_path: Path) -> None:
    report = tmp_path / "m.json"
    small = ("--rows", "1", "--cols", "1", "--lanes", "1", "--a-size", "16", "--b-size", "16")
    status, out, _ = cli(
        "mutate", "core", *small, "--count", "60", "--json", report, "--timeout", HOUR
    )
    mutants = json.loads(report.read_text())["mutants"]
    left = [m for m in mutants if m["status"] == "survived"]
    assert len(mutants) == 60 and {m["status"] for m in mutants} <= {"killed", "survived"}
    assert len(left) < 15 and status == bool(left)
    assert f"{60 - len(left)} of 60 mutants killed" in out
    said = "ports='memory' is not allowed here: streams"
    assert said in cli.refused("mutate", "core", "--ports", "memory")


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    report = tmp_path / "m.json"
    status, out, _ = cli("mutate", "relu", "--fmt", "E5M2", "--count", "40",
                         "--timeout", HOUR, "--json", report)  # fmt: skip
    assert status == 0 and "mutants killed that are not equivalent" in out
    data = json.loads(report.read_text())
    assert len(data["mutants"]) <= 40
    assert {m["status"] for m in data["mutants"]} <= {"killed", "equivalent"}
    assert "UNIT='adder' is not allowed" in cli.refused("mutate", "adder")
