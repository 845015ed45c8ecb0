"""The core with a port to memory, on both simulators against golden."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError
from hfp8_hw.jobs import Addresses, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.registers import BUS_READ, BUS_WRITE, unpacked
from rtl_gen.kept import generate_once
from rtl_gen.package import Package
from rtl_gen.software.c_header import c_header
from rtl_gen.software.systemrdl import systemrdl
from verif.core.configurations import MEMORY_CORES
from verif.core.kinds.convolutions import convolutions
from verif.core.memory.placed import place
from verif.core.memory.run import run
from verif.core.program import Program
from verif.errors import SimulationError

from .conftest import Cli, check_lint, later

SMALL: dict[str, Any] = {"rows": 2, "cols": 2, "lanes": 2, "ports": "memory", "bus": 64, "burst": 4}
SEED = 3


def some_jobs(p: CoreParameters, rng: np.random.Generator, count: int, **facts: Any) -> Program:
    """Jobs of random sizes."""
    program = Program(p, **facts)
    for _ in range(count):
        m, n, k = (int(rng.integers(1, 3 * n + 2)) for n in (p.rows, p.cols, p.lanes))
        ways = (bool(x) for x in rng.integers(0, 2, 2))
        program.random(rng, GemmJob(m, n, k, *ways))
    return program


@pytest.mark.parametrize("simulator", ["icarus", later("verilator")])
def test_jobs_back_to_back(simulator: str) -> None:
    """At full speed, with pauses, with a late memory, with one that is ready for what is valid
    only; resets in mid-job; jobs that are refused, for their addresses too, between others."""
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    every = Program(p)
    for m, n, k in itertools.product((1, 5), repeat=3):
        every.random(rng, GemmJob(m, n, k))
    placed = [
        place(every, rng),
        place(some_jobs(p, rng, 8, stall=0.4), rng),
        place(some_jobs(p, rng, 8), rng, latency=60),
        place(some_jobs(p, rng, 8), rng, shy=True),
    ]
    refused = Program(p, stall=0.2)
    for job in (
        GemmJob(3, 2, 5), GemmJob(0, 1, 1), GemmJob(2, 2, 7, page_a=2), GemmJob(5, 5, 5),
        GemmJob(5, 4, 5, load_a=False, transpose_a=True), GemmJob(1, 4000, 40),
    ):  # fmt: skip
        refused.random(rng, job)
    odd = [(k, GemmJob(4, 3, 2)) for k in (0, 2, 2, 4, 6)]
    placed.append(place(refused, rng, odd=odd, latency=7))
    for clocks in (60, 110, 200):
        program = some_jobs(p, rng, 3, stall=0.2, reset_at=clocks)
        placed.append(place(program, rng, latency=20))
    found = run(generate_once(p), simulator, placed, seed=SEED)
    assert (found.first, found.jobs) == (None, 4 * 8 + 3 + 3 * 3)
    assert found.ran[2]["most_reads"] >= 4


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_convolutions_from_memory(simulator: str) -> None:
    """The map in the place of B, with biases for rows of C."""
    given = {**SMALL, "convolution": "yes", "epilogue": "full"}
    p, rng = CoreParameters(**given), np.random.default_rng(SEED)
    placed = [place(convolutions(p, rng, 12, stall=s), rng, latency=9) for s in (0.0, 0.3)]
    found = run(generate_once(p), simulator, placed, seed=SEED)
    assert found.first is None and found.jobs >= 20


def test_errors_of_the_bus_are_reported() -> None:
    """The core goes on: of the job with the error everything is as memory gave it, of the others
    as ever."""
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    placed = []
    for name in ("a", "b", "y"):
        program = some_jobs(p, rng, 5)
        task = program.tasks[2]
        if name != "y":
            zeros = np.zeros_like(getattr(task, name))
            program.tasks[2] = replace(task, **{name: zeros})
        placed.append(place(program, rng))
        placed[-1].fail(2, name)
    found = run(generate_once(p), "icarus", placed, seed=SEED)
    assert (found.first, found.jobs) == (None, 15)
    codes = [unpacked("ERROR", ran["registers"]["ERROR"])["code"] for ran in found.ran]
    assert codes == [BUS_READ, BUS_READ, BUS_WRITE]


def broken(package: Package, pattern: str, new: str) -> Package:
    """A copy in which the first text that matches is another."""
    text, count = re.subn(pattern, new, package.verilog, count=1)
    assert count == 1, pattern
    return replace(package, verilog=text)


FAULTS = {
    "a burst that is longer than what is left of 4 KiB": (
        r"(wire \[1:0\] fetch_a_more = ).*", r"\1fetch_a_left > 3 ? 2'd3 : fetch_a_left[1:0];"),
    "bursts without an end": (r"(assign m_axi_wlast = ).*", r"\g<1>1'b0;"),
    "an end that comes early": (r"(assign m_axi_wlast = ).*", r"\g<1>1'b1;"),
    "bytes beyond the results": (r"(assign m_axi_wstrb = ).*", r"\g<1>8'hff;"),
    "valid waits for ready": (r"(assign m_axi_arvalid = .*);", r"\1 & m_axi_arready;"),
    "a burst of results begins a word late": (
        r"(assign m_axi_awaddr = )(.*);", r"\1\2 + 32'd8;"),
    "reads without room": (r"(wire fetch_b_room = ).*", r"\g<1>1'b1;"),
    "a job is done before its last burst": (r"(wire done_and = ).*", r"\g<1>store_begins;"),
}  # fmt: skip


@pytest.mark.parametrize("fault", [*list(FAULTS)[:2], *map(later, list(FAULTS)[2:])])
def test_faults_are_found(fault: str) -> None:
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    program = Program(p, stall=0.3)
    for m, n, k in ((3, 3, 90), (13, 4, 20), (5, 3, 5), (5, 5, 100), (20, 20, 30), (3, 3, 3)):
        program.random(rng, GemmJob(m, n, k))
    at_full_speed = replace(program, stall=0.0)
    placed = [place(program, rng, latency=20), place(at_full_speed, rng, shy=True)]
    package = broken(generate_once(p), *FAULTS[fault])
    try:
        found = run(package, "icarus", placed, seed=SEED).first
    except SimulationError as error:
        found = str(error)
    assert found is not None


@pytest.mark.slow
def test_a_late_memory_does_not_hold_up_the_core() -> None:
    """Several bursts are on their way at once: with 40 clocks to a burst's first word, jobs take
    hardly longer than without."""
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    program = Program(p)
    for _ in range(3):
        program.random(rng, GemmJob(8, 8, 96))
    found = run(generate_once(p), "icarus", [place(program, rng, latency=t) for t in (0, 40)])
    assert found.first is None
    at_once, late = (ran["clocks"] for ran in found.ran)
    # The first operands and the last results wait for memory; nothing else does.
    assert late <= at_once + 4 * 40


def test_the_package_reads_without_a_warning(tmp_path: Path) -> None:
    package = check_lint("core", SMALL, tmp_path)
    widths = {port["name"]: port["width"] for port in package.manifest["ports"]}
    assert (widths["m_axi_wdata"], widths["m_axi_wstrb"], widths["m_axi_araddr"]) == (64, 8, 32)
    assert not [name for name in widths if "axis" in name]


@pytest.mark.slow
@pytest.mark.parametrize("given", MEMORY_CORES)
def test_all_packages_read_without_a_warning(given: dict[str, Any], tmp_path: Path) -> None:
    check_lint("core", given, tmp_path)


def test_only_cores_with_a_port_to_memory_have_registers_of_addresses() -> None:
    streams, memory = CoreParameters(), CoreParameters(ports="memory")
    header = c_header(memory, "x")
    assert "X_ADDRESS_BIAS 0x70u" in header and "uint32_t address_y;" in header
    assert "ADDRESS_A @ 0x68" in systemrdl(memory, "x")
    assert "ADDRESS_" not in c_header(streams, "x") + systemrdl(streams, "x")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CoreParameters(ports="axi"), "ports='axi' is not allowed: one of streams, memory"),
        (lambda: CoreParameters(ports="memory", bus=48), "bus=48 is not allowed: one of 32, 64"),
        (lambda: CoreParameters(ports="memory", burst=1), "burst=1 is not allowed: one of 2, 4"),
        (lambda: CoreParameters(burst=16), "burst=16 is not allowed for ports='streams'"),
        (lambda: Addresses(a=-8), "a=-8 is not allowed: an integer from 0 to 4294967295"),
    ],
)
def test_what_is_not_allowed(make: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert said in str(caught.value)


def test_addresses_that_no_job_uses_may_be_any() -> None:
    p = CoreParameters(**SMALL, epilogue="full")
    odd = Addresses(a=1, bias=2, c=3)
    assert p.refusal(GemmJob(1, 1, 1, load_a=False), odd) is JobError.NONE
    assert p.refusal(GemmJob(0, 1, 1, load_a=False, bias=True), odd) is JobError.ADDRESS
    assert p.refusal(GemmJob(0, 1, 1, silent=True), Addresses(y=4)) is JobError.EMPTY


def test_commands_that_know_streams_only_say_so(cli: Cli, tmp_path: Path) -> None:
    words = ("--ports", "memory")
    said = cli.refused("verify", "core", *words, "--sim", "native")
    assert said.endswith("sim='native' is not allowed for ports='memory': only for streams")
    path = tmp_path / "ab.npz"
    np.savez(path, a=np.zeros((3, 4), np.uint8), b=np.zeros((4, 2), np.uint8))
    said = cli.refused("compare", "core", *words, "--inputs", path)
    assert "ports='memory' is not allowed here: streams, with the same results" in said
