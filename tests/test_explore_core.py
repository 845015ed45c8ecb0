"""Exploring the core: what a workload is, its clocks and its error, and a real point."""

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from fpga import synth
from fpga.explore import core, front, kept, space
from fpga.explore import point as point_module
from fpga.explore.point import Row, Task
from fpga.explore.workload import Workload
from fpga.synth import Report
from hfp8_hw import ParameterError
from hfp8_hw.golden import decode, gemm_job, gemm_rbits, quantize
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.manifest import tools
from rtl_gen.package import Package
from rtl_gen.tools import ToolError
from verif.core.planned_jobs import check_product, planned_jobs, product_clocks

from .conftest import Cli

SMALL: dict[str, Any] = {"rows": 1, "cols": 1, "lanes": 2, "a": "E4M3FN", "b": "E4M3FN",
                         "a_size": 1024, "b_size": 1024}  # fmt: skip
SPACE = """
unit = "core"
[fixed]
a = "E4M3FN"
b = "E4M3FN"
rows = 1
cols = 1
a_size = 1024
b_size = 1024
[parameters]
semantics = ["exact", "chunked"]
lanes = [2, 3]
[workload]
sizes = ["8x32x32"]
"""


def core_of(**given: Any) -> CoreParameters:
    found = unit_parameters("core", given)
    assert isinstance(found, CoreParameters)
    return found


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Points are measured in this process, with figures in place of the tools' own; whose."""
    asked: list[str] = []

    def synthesise(package: Any, device: str, *, seeds: int, dsp: bool, **_: Any) -> Report:
        asked.append(device)
        manifest = package.manifest
        return Report("core", manifest["parameters"], device, dsp, 2500, 2400, 0, [80.0] * seeds,
                      [], ["yosys 1", "nextpnr 2"], manifest["sha256"], 10)  # fmt: skip

    def distributed(function: Any, tasks: Any, *_: Any) -> Any:
        for task in tasks:
            yield task, function(task), None

    monkeypatch.setattr(point_module, "synthesise", synthesise)
    monkeypatch.setattr("fpga.explore.run.distributed", distributed)
    measured_by = [f"{k} {v}" for k, v in tools().items()]
    monkeypatch.setattr(
        "fpga.explore.run.current", lambda _: ([*measured_by, "yosys 1", "nextpnr 2"], "sources")
    )
    return asked


def test_a_core_end_to_end(cli: Cli, tmp_path: Path, without_tools: list[str]) -> None:
    """Table, JSON and page; the same command keeps the point."""
    path, page, toml = tmp_path / "c.json", tmp_path / "c.html", tmp_path / "space.toml"
    toml.write_text(SPACE)
    words = ("explore", "core", "--space", toml, "--device", "ice40-hx8k", "--json", path,
             "--report", page)  # fmt: skip
    status, out, _ = cli(*words)
    assert status == 0 and without_tools == ["ice40-hx8k"]
    assert "1 points measured (0 kept from before), 3 refused, 0 failed" in out
    assert "lanes=2 is not allowed for semantics='chunked': 1" in out
    assert "lanes=3 is not allowed: one of 1, 2, 4, 8" in out
    assert "matrices 8x32x32 (M x N x K) of standard normal numbers, seed 1" in out
    data = json.loads(path.read_text())
    row = data["rows"][0]
    # 256 tiles of 32 / 2 clocks each; at 80 MHz all of two products a clock.
    assert (row["macs"], row["jobs"], row["clocks"], row["utilisation"]) == (2, 1, 4096, 1.0)
    assert (row["peak_gmacs"], row["gmacs"], row["throughput"]) == (0.16, 0.16, 160.0)
    assert row["latency"] > 4096 + 1024 / 2 and row["results"] == 8 * 32
    assert data["front"] == ["luts", "dsps", "memories", "throughput", "sqnr"] and row["front"]
    assert data["workload"] == {
        "kind": "seeded", "distribution": "standard normal", "sizes": ["8x32x32"]
    }  # fmt: skip
    text = page.read_text()
    assert "results in y" not in out + text
    for shown in ("peak GMAC/s", ">0.16<", ">100.0%<", ">block RAM<", "matrices 8x32x32",
                  "hfp8 synth core"):  # fmt: skip
        assert shown in text
    before = path.read_bytes()
    status, out, _ = cli(*words)
    assert status == 0 and "(1 kept from before)" in out and len(without_tools) == 1
    assert path.read_bytes() == before
    toml.write_text(SPACE.replace("8x32x32", "8x32x16"))
    assert "was measured with workload={'kind': 'seeded'" in cli.refused(*words)
    assert path.read_bytes() == before


@pytest.mark.parametrize("field", core.FIGURES)
def test_a_row_of_a_core_has_its_figures(field: str) -> None:
    row: Row = json.loads(json.dumps({"unit": "core"}))
    figures = {
        "luts": 1, "ffs": 1, "dsps": 0, "memories": 0, "latency": 5, "interval": 1,
        "sum_interval": None, "fmax": [1.0], "fmax_median": 1.0, "latency_ns": 1.0,
        "throughput": 1.0, "sqnr_db": 1.0, "max_abs": 1.0, "max_rel": 1.0, "exact": False,
        "own_sqnr_db": 1.0, "own_exact": False, "results": 1, "not_finite": 0, "may_wrap": 0,
        "why_not": "", "parameters": {}, "sha256": "", "tools": ["t"],
    }  # fmt: skip
    whole = {**row, **figures, **dict.fromkeys(core.FIGURES, 1)}
    assert kept.sound(whole)
    assert not kept.sound({**whole, field: "1"})
    assert not kept.sound({name: value for name, value in whole.items() if name != field})
    assert kept.sound({**figures, "unit": "mac"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sizes = []", "workload: sizes=[] is not allowed: a list of 1 to 100 sizes"),
        ("sizes = '8x8x8'", "workload: sizes='8x8x8' is not allowed: a list of 1 to 100 sizes"),
        ("sizes = ['8x8']", "workload: sizes='8x8' is not allowed: MxNxK, each an integer from 1"),
        ("sizes = ['8x8x0']", "workload: sizes='8x8x0' is not allowed: MxNxK"),
        ("sizes = ['8x8x65536']", "sizes='8x8x65536' is not allowed: MxNxK"),
        ("sizes = [8]", "workload: sizes=8 is not allowed: MxNxK"),
        ("sizes = ['65535x1x65535']", "at most 16777216 numbers in all matrices A, and these have"),
        ("sizes = ['4096x4096x1', '1x1x1']", "in all matrices C, and these have 16777217"),
        ("products = 8", "workload: 'products' is not allowed for core: only sizes and q"),
        ("quantize = 1", "workload: quantize=1 is not allowed: true or false"),
    ],
)
def test_workloads_that_are_none(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f"[[points]]\nrows = 1\n[workload]\n{text}")
    line = cli.refused("explore", "core", "--space", path)
    assert f"space={str(path)!r}: " in line and said in line


@pytest.mark.parametrize(
    ("point", "sizes", "said"),
    [
        ("terms = 8", "8x8x16", "sums of 16 products are not allowed for terms=8"),
        ("epilogue = 'none'", "8x8x8']\nquantize = true #",
         "epilogue='none' is not allowed for a workload with quantize: quantize or full"),
        ("ports = 'memory'", "8x8x16", "ports='memory' is not allowed here: streams"),
        ("a_size = 16", "8x8x64", "sums of 64 products are not allowed for a_size=16"),
        ("rows=1\ncols=1\nlanes=1\na_size=1024\nb_size=1024", "4096x4096x1024",
         "16,777,216 jobs, and at most 65,536 are; larger pages"),
    ],
)  # fmt: skip
def test_a_workload_that_no_core_takes(
    cli: Cli, tmp_path: Path, without_tools: list[str], point: str, sizes: str, said: str
) -> None:
    """Before any work."""
    path, json_path = tmp_path / "s.toml", tmp_path / "c.json"
    path.write_text(f"[[points]]\n{point}\n[workload]\nsizes = ['{sizes}']")
    line = cli.refused("explore", "core", "--space", path, "--json", json_path)
    assert f"space={str(path)!r}: the workload is not allowed: " in line and said in line
    assert not without_tools and not json_path.exists()


def test_a_point_that_the_workload_does_not_fit_has_its_reason() -> None:
    given = core_of(**SMALL, terms=16).to_dict()
    row = point_module.measure(
        Task("core", given, "ice40-hx8k", False, 1, Workload(1, sizes=((8, 8, 32),)))
    )
    assert row["status"] == "refused"
    assert row["reason"].startswith("sums of 32 products are not allowed for terms=16")


def test_a_core_that_the_tools_refuse_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ToolError("no room")

    monkeypatch.setattr(point_module, "synthesise", broken)
    monkeypatch.setattr(point_module, "generate", lambda _: None)
    task = Task("core", core_of(**SMALL).to_dict(), "ice40-hx8k", False, 1,
                Workload(1, sizes=((2, 2, 2),)))  # fmt: skip
    row = point_module.measure(task)
    assert (row["status"], row["reason"]) == ("failed", "no room")


def test_a_core_that_is_too_large_is_not_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what nextpnr says of cells; nothing is placed."""
    said: list[str] = []

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        assert "--pack-only" in arguments
        return "\n".join(said)

    monkeypatch.setattr(synth, "run", run)
    monkeypatch.setattr(synth, "_netlist", lambda *_: ({}, ()))
    monkeypatch.setattr(point_module, "generate", lambda _: Package("c", "", {"ports": [],
                        "clock": "clk", "top": "c"}, ""))  # fmt: skip
    task = Task("core", core_of(**SMALL).to_dict(), "ice40-hx8k", False, 1,
                Workload(1, sizes=((2, 2, 2),)))  # fmt: skip
    for logic, rams, reason in (
        (6400, 10, "more than 80% of the logic (83%)"),
        (9000, 40, "ICESTORM_LC 9,000 of 7,680, ICESTORM_RAM 40 of 32 (117%)"),
    ):
        said[:] = [f"Info: \t         ICESTORM_LC: {logic:5}/ 7680    83%",
                   f"Info: \t        ICESTORM_RAM: {rams:5}/   32    31%"]  # fmt: skip
        row = point_module.measure(task)
        assert row["status"] == "failed"
        assert row["reason"] == f"too large for the Lattice iCE40 HX8K: {reason}"


def decibels(exact: Any, got: Any) -> float:
    wanted, values = np.asarray(exact, np.float64), np.asarray(got, np.float64)
    return 10 * math.log10(float((wanted**2).sum()) / float(((values - wanted) ** 2).sum()))


def test_the_error_is_an_outsiders() -> None:
    """Rounded by ml_dtypes; products of E4M3FN, and short sums of them, are exact in binary64."""
    work = Workload(seed=3, sizes=((4, 6, 40), (5, 3, 24)))
    exact: list[Any] = []
    short: list[Any] = []
    for number, (m, n, k) in enumerate(work.sizes):
        a = np.random.default_rng([3, number, 0]).standard_normal((m, k))
        b = np.random.default_rng([3, number, 1]).standard_normal((k, n))
        low = [x.astype(ml_dtypes.float8_e4m3fn).astype(np.float64) for x in (a, b)]
        exact.append((a @ b).ravel())
        short.append((low[0] @ low[1]).ravel())
    wanted, sums = np.concatenate(exact), np.concatenate(short)
    got = sums.astype(np.float16)
    found = core.core_work(core_of(**SMALL, acc="FP16"), work).error
    assert found.sqnr_db == pytest.approx(decibels(wanted, got), abs=1e-9)
    assert found.own_sqnr_db == pytest.approx(decibels(sums, got), abs=1e-9)
    assert found.results == 4 * 6 + 5 * 3 and not found.exact and found.not_finite == 0


@pytest.mark.parametrize("semantics", ["exact", "exact_chunk", "chunked"])
def test_the_error_is_that_of_the_golden_job(semantics: str) -> None:
    given = {"semantics": semantics, "a": "HFP8", "b": "HFP8_BWD"}
    given |= {} if semantics == "exact" else {"chunk": 8}
    m, n, k = 5, 4, 20
    a = np.random.default_rng([1, 0, 0]).standard_normal((m, k))
    b = np.random.default_rng([1, 0, 1]).standard_normal((k, n))
    codes = quantize(a, "HFP8_FWD"), quantize(b, "HFP8_BWD")
    how = {name: value for name, value in given.items() if name not in ("a", "b")}
    y = gemm_job(GemmJob(m, n, k), *codes, "HFP8", "HFP8_BWD", "DLFLOAT16", **how)
    p = core_of(**given, rows=1, cols=1, lanes=1)
    found = core.core_work(p, Workload(1, sizes=((m, n, k),))).error
    assert found.sqnr_db == pytest.approx(decibels(a @ b, decode(y, "DLFLOAT16")), abs=1e-9)


@pytest.mark.parametrize("rounding", ["RNE", "SR(3)"])
def test_the_error_of_quantized_results(rounding: str) -> None:
    p = core_of(rows=2, cols=2, lanes=1, epilogue="quantize", y="E5M2", y_rounding=rounding)
    job = GemmJob(5, 4, 20, quantize=True)
    a = np.random.default_rng([1, 0, 0]).standard_normal((5, 20))
    b = np.random.default_rng([1, 0, 1]).standard_normal((20, 4))
    drawn = gemm_rbits(job, 2, 2, rounding, 1)[0] if rounding != "RNE" else None
    codes = quantize(a, "HFP8_FWD"), quantize(b, "HFP8_FWD")
    y = gemm_job(job, *codes, "HFP8", "HFP8", "DLFLOAT16", y="E5M2", y_rounding=rounding,
                 rbits=drawn)  # fmt: skip
    work = Workload(1, sizes=((5, 4, 20),), quantize=True)
    found = core.core_work(p, work).error
    assert found.sqnr_db == pytest.approx(decibels(a @ b, decode(y, "E5M2")), abs=1e-9)
    assert work.to_dict()["quantize"] is True
    plain = Workload(1, sizes=((5, 4, 20),))
    assert core.core_work(p, plain).error.sqnr_db != found.sqnr_db
    assert "quantize" not in plain.to_dict()


def test_the_users_matrices() -> None:
    """Sizes are those of the arrays; a bias is added, and counts in the clocks."""
    rng = np.random.default_rng(7)
    a, b, bias = rng.normal(size=(6, 32)), rng.normal(size=(32, 4)), rng.normal(size=4)
    p = core_of(**SMALL, epilogue="full", bias_size=4)
    plain = core.core_work(p, Workload(1, arrays={"a": a, "b": b}))
    biased = core.core_work(p, Workload(1, arrays={"a": a, "b": b, "bias": 100 * bias}))
    assert plain.products == biased.products == 6 * 32 * 4 and plain.clocks == 6 * 4 * 16
    assert planned_jobs(p, 6, 4, 32, biased=True)[0].bias
    # A bias that is longer than the products' work is waited for.
    assert product_clocks(p, 1, 4, 2, True).alone > product_clocks(p, 1, 4, 2).alone
    assert biased.error.max_abs is not None and biased.error.max_abs < 10
    with pytest.raises(ParameterError, match="array 'bias' is not allowed for epilogue='none'"):
        core.core_work(core_of(**SMALL), Workload(1, arrays={"a": a, "b": b, "bias": bias}))


@pytest.mark.parametrize(
    ("given", "size", "clocks"),
    [
        # 8 x 8 tiles of 64 / 4 clocks, as four rounders take the 16 results meanwhile.
        ({"rows": 4, "cols": 4, "lanes": 4}, (32, 32, 64), 64 * 16),
        # One rounder: 16 clocks a tile, where 4 of products would do.
        ({"rows": 4, "cols": 4, "lanes": 4, "drains": 1}, (32, 32, 16), 64 * 16),
    ],
)
def test_clocks_by_hand(given: dict[str, Any], size: Any, clocks: int) -> None:
    assert product_clocks(core_of(**given), *size).steady == clocks


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({**SMALL, "a_size": 64, "b_size": 256}, (30, 50, 32)),
        ({"rows": 2, "cols": 2, "lanes": 2, "a_size": 256, "b_size": 64}, (31, 17, 24)),
        ({"rows": 2, "cols": 2, "lanes": 1, "semantics": "exact_chunk", "chunk": 8,
          "epilogue": "full", "a_size": 32, "b_size": 32, "a": "E4M3FN"}, (9, 7, 45)),
    ],
)  # fmt: skip
def test_a_product_in_parts(given: dict[str, Any], size: Any) -> None:
    """All products once, in jobs that the core takes; smaller pages are slower."""
    m, n, k = size
    p = core_of(**given)
    jobs = planned_jobs(p, m, n, k)
    assert len(jobs) > 1 and sum(job.m * job.n * job.k for job in jobs) == m * n * k
    assert all(p.refusal(job) is JobError.NONE for job in jobs)
    assert sum(job.m * job.n for job in jobs if not job.accumulate) == m * n
    parts = product_clocks(p, m, n, k)
    whole = product_clocks(core_of(**{**given, "a_size": 8192, "b_size": 8192}), m, n, k)
    assert parts.jobs == len(jobs) and whole.jobs == 1
    assert parts.steady > whole.steady


def test_tiles_that_nobody_counts() -> None:
    p = core_of(rows=1, cols=1, lanes=1, a_size=1 << 17, b_size=1 << 17, epilogue="full",
                bias_size=2048)  # fmt: skip
    assert len(check_product(p, 2048, 2048, 64)) == 1
    with pytest.raises(ParameterError, match=r"2048x2048x64 to which is added .* 4,194,304 til"):
        check_product(p, 2048, 2048, 64, biased=True)


def test_the_front_of_a_core() -> None:
    assert front.objectives(None, "core") == ("luts", "dsps", "memories", "throughput", "sqnr")
    assert front.objectives(None, "mac") == front.DEFAULT
    good = {"status": "measured", "luts": 5, "dsps": 0, "memories": 4, "throughput": 9.0,
            "results": 1, "not_finite": 0, "may_wrap": 0, "exact": False,
            "sqnr_db": 30.0}  # fmt: skip
    rows = [good, {**good, "memories": 8}, {**good, "memories": 8, "throughput": 10.0}]
    marked = front.marked(rows, front.objectives(None, "core"))
    assert [row["front"] for row in marked] == [True, False, True]


def test_a_space_of_cores(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SPACE)
    found = space.load(path, "core")
    assert found.sizes == ((8, 32, 32),) and len(found.points) == 1 and len(found.refused) == 3
    path.write_text("[[points]]\nrows = 1")
    assert space.load(path, "core").sizes == ((64, 64, 64),)


@pytest.mark.slow
def test_a_real_core(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through Dask, Yosys and nextpnr."""
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))
    path, toml = tmp_path / "c.json", tmp_path / "space.toml"
    toml.write_text(SPACE)
    words = ("explore", "core", "--space", toml, "--device", "ice40-hx8k", "--json", path)
    status, out, _ = cli(*words)
    assert status == 0 and "1 points measured (0 kept from before), 3 refused" in out
    row = json.loads(path.read_text())["rows"][0]
    # Two pages of 1024 codes a side are 16 kbit each, in blocks of 4.
    assert row["memories"] >= 8 and 1000 < row["luts"] < 7680 and row["ffs"] > 500
    assert row["fmax"] == [row["fmax_median"]] and 20 < row["fmax_median"] < 500
    assert row["peak_gmacs"] == pytest.approx(2e-3 * row["fmax_median"], abs=1e-4)
    assert row["gmacs"] == row["peak_gmacs"]
