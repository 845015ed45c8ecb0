"""The page of an exploration, in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from fpga.explore.columns import columns
from verif.report import render_exploration

from .test_report import browser, shown, wait  # noqa: F401

pytestmark = pytest.mark.xdist_group("report")


def row(luts: int, sqnr: float | None, front: bool, **parameters: Any) -> dict[str, Any]:
    return {
        "unit": "mac", "parameters": {"a": "E5M2", **parameters}, "status": "measured",
        "luts": luts, "ffs": 5, "dsps": 0, "memories": 0, "fmax": [120.5], "fmax_median": 120.5,
        "latency": None, "interval": 1, "sum_interval": 2, "latency_ns": None,
        "throughput": 120.5, "sqnr_db": sqnr, "max_abs": 0.1, "max_rel": 0.1,
        "exact": sqnr is None, "own_sqnr_db": 55.5, "own_exact": False,
        "results": 9, "not_finite": 0, "may_wrap": 0, "why_not": "",
        "sha256": "0", "tools": ["t 1"], "front": front,
    }  # fmt: skip


DATA = {
    "unit": "mac", "device": "ecp5-85k", "dsp": True, "seeds": 2, "seed": 1,
    "workload": {"kind": "seeded", "distribution": "standard normal", "results": 9,
                 "products": 1234},
    "front": ["luts", "sqnr"], "varying": ["semantics", "chunk"], "tools": ["t 1"], "sources": "",
    "rows": [
        row(300, 20.5, False, semantics="chunked", chunk=64),
        row(200, 30.25, True, semantics="chunked", chunk=8),
        row(1000, None, True, semantics="exact"),
        {"unit": "mac", "given": {"chunk": 0}, "status": "refused", "reason": "<b>chunk=0"},
    ],
}  # fmt: skip


def rendered(data: dict[str, Any], title: str) -> str:
    cells = {column.title: column.cell for column in columns(data["unit"])}
    return render_exploration(data, title, cells)


@pytest.fixture
def page(tmp_path: Path, browser: Any) -> Path:  # noqa: F811
    path = tmp_path / "e.html"
    path.write_text(rendered(DATA, "a <device>"))
    size = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "circle"))
    return path


def marks(browser: Any) -> dict[int, tuple[float, float]]:  # noqa: F811
    """By the point's number: where its mark is, from the left and from the top."""
    return {
        int(mark.get_attribute("data-k")): (
            float(mark.get_attribute("cx")), float(mark.get_attribute("cy"))
        )
        for mark in browser.find_elements(By.CSS_SELECTOR, "circle")
    }  # fmt: skip


def choice(browser: Any, name: str) -> Select:  # noqa: F811
    return Select(browser.find_element(By.NAME, name))


def test_points_are_where_they_belong(browser: Any, page: Path) -> None:  # noqa: F811
    """More LUTs to the right, more decibels up, results without any error above all."""
    at = marks(browser)
    assert at[1][0] < at[0][0] < at[2][0]
    assert at[0][1] > at[1][1] > at[2][1]
    # On a linear scale: 700 LUTs are seven times as far as 100.
    assert (at[2][0] - at[0][0]) == pytest.approx(7 * (at[0][0] - at[1][0]), rel=1e-3)
    axis = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "svg .axis")]
    assert "exact" in axis and "LUT" in axis and "SQNR, dB" in axis
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "All points have a=E5M2." in text and "1,234 products" in text
    assert "<b>chunk=0" in text and "a <device>" in browser.title
    # What is the same for all points cannot be chosen.
    assert [o.text for o in choice(browser, "x").options] == ["LUT", "SQNR, dB"]
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]


def test_a_mark_says_what_it_is(browser: Any, page: Path) -> None:  # noqa: F811
    browser.find_element(By.CSS_SELECTOR, 'circle[data-k="1"]').click()
    detail = browser.find_element(By.ID, "detail").text
    assert detail.startswith("semantics=chunked chunk=8\nLUT: 200; ")
    assert "MHz: 120.5" in detail and "SQNR, dB: 30.2" in detail and "on the front" in detail
    assert detail.endswith(
        "hfp8 synth mac --a E5M2 --semantics chunked --chunk 8 --device ecp5-85k --seeds 2 --dsp"
    )
    (picked,) = browser.find_elements(By.CSS_SELECTOR, "tr.picked")
    assert picked.get_attribute("data-k") == "1"
    browser.find_element(By.CSS_SELECTOR, 'circle[data-k="1"]').send_keys(Keys.TAB)
    wait(browser, lambda: "semantics=exact\n" in browser.find_element(By.ID, "detail").text)
    rows = browser.find_elements(By.CSS_SELECTOR, "#table tbody tr")
    rows[0].click()
    assert "chunk=64" in browser.find_element(By.ID, "detail").text


def test_filters_are_in_the_address(browser: Any, page: Path) -> None:  # noqa: F811
    choice(browser, "only-semantics").select_by_visible_text("chunked")
    wait(browser, lambda: set(marks(browser)) == {0, 1})
    assert len(shown(browser, "#table tbody tr")) == 2
    assert browser.find_element(By.ID, "shown").text == "2 of 3"
    browser.find_element(By.NAME, "front").click()
    wait(browser, lambda: set(marks(browser)) == {1})
    choice(browser, "colour").select_by_visible_text("chunk")
    address = browser.current_url
    browser.get("about:blank")
    browser.get(address)
    wait(browser, lambda: set(marks(browser)) == {1})
    assert choice(browser, "colour").first_selected_option.text == "chunk"
    assert "chunk=8" in browser.find_element(By.ID, "legend").text
    browser.find_element(By.CSS_SELECTOR, "#choice button").click()
    wait(browser, lambda: set(marks(browser)) == {0, 1, 2})
    choice(browser, "only-chunk").select_by_visible_text("none")
    wait(browser, lambda: set(marks(browser)) == {2})
    choice(browser, "y").select_by_visible_text("LUT")
    choice(browser, "x").select_by_visible_text("SQNR, dB")
    wait(browser, lambda: "SQNR, dB" in browser.find_element(By.CSS_SELECTOR, "#chart svg")
         .get_attribute("aria-label").split(" by ")[1])  # fmt: skip


def test_the_table_sorts(browser: Any, page: Path) -> None:  # noqa: F811
    def order(column: str) -> list[str]:
        for button in browser.find_elements(By.CSS_SELECTOR, "#table th button"):
            if button.text.startswith(column):
                button.click()
        rows = browser.find_elements(By.CSS_SELECTOR, "#table tbody tr")
        return [r.get_attribute("data-k") for r in rows]

    assert order("LUT") == ["1", "0", "2"] and order("LUT") == ["2", "0", "1"]
    assert order("SQNR") == ["0", "1", "2"] and order("semantics")[2] == "2"


def test_a_narrow_page(browser: Any, page: Path) -> None:  # noqa: F811
    for width in (390, 320):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        wait(browser, lambda: browser.find_element(By.CSS_SELECTOR, "#chart svg")
             .size["width"] < width)  # noqa: B023  # fmt: skip
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert len(marks(browser)) == 3


def test_nothing_is_fetched_and_all_is_there_without_a_script(page: Path) -> None:
    text = page.read_text()
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text.count("<tr data-k=") == 3 and "<noscript>" in text


@pytest.mark.parametrize("rows", [[], DATA["rows"][:1]])
def test_one_point_or_none(browser: Any, tmp_path: Path, rows: list[Any]) -> None:  # noqa: F811
    path = tmp_path / "e.html"
    data = json.loads(json.dumps({**DATA, "rows": rows, "varying": []}))
    path.write_text(rendered(data, "x"))
    browser.get(path.as_uri())
    wait(browser, lambda: "nothing to plot" in browser.find_element(By.ID, "chart").text)
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]


def core(luts: int, use: float, **parameters: Any) -> dict[str, Any]:
    found = row(luts, 28.5, use == 1.0, **parameters)
    return {**found, "unit": "core", "latency": 5000, "latency_ns": 62500.0, "memories": 12,
            "throughput": 240.0 * use, "macs": 2, "jobs": 1, "clocks": 4096, "utilisation": use,
            "peak_gmacs": 0.24, "gmacs": 0.24 * use}  # fmt: skip


def test_a_core_has_columns_of_its_own(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    data = {
        **DATA, "unit": "core", "varying": ["lanes"], "dsp": False, "device": "ice40-hx8k",
        "workload": {"kind": "seeded", "distribution": "standard normal", "sizes": ["8x32x32"],
                     "quantize": True},
        "rows": [core(2500, 1.0, lanes=2), core(2700, 0.75, lanes=1)],
    }  # fmt: skip
    path = tmp_path / "c.html"
    path.write_text(rendered(data, "a device"))
    browser.get(path.as_uri())
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "circle")) == 2)

    def words(selector: str) -> list[str]:
        return [e.text for e in browser.find_elements(By.CSS_SELECTOR, f"#table {selector}")]

    # The table is drawn beside the plot, its heads when its rows are there.
    wait(browser, lambda: all(words("th")) and any(words("tbody tr:nth-child(2) td")[-1:]))
    shown_by = dict(zip(words("th"), words("tbody tr:nth-child(2) td"), strict=True))
    assert shown_by == {
        "front": "", "lanes": "1", "LUT": "2700", "FF": "5", "DSP": "0", "block RAM": "12",
        "MHz": "120.5", "peak GMAC/s": "0.24", "in use": "75.0%", "GMAC/s": "0.18",
        "SQNR, dB": "28.5", "own, dB": "55.5",
    }  # fmt: skip
    # What differs can be plotted, and no figure twice.
    axes = [o.text for o in choice(browser, "x").options]
    assert axes == ["LUT", "share of the array in use", "GMAC/s"]
    browser.find_element(By.CSS_SELECTOR, 'circle[data-k="1"]').click()
    detail = browser.find_element(By.ID, "detail").text
    assert "share of the array in use: 0.75" in detail and "GMAC/s at most: 0.24" in detail
    assert detail.endswith("hfp8 synth core --a E5M2 --lanes 1 --device ice40-hx8k --seeds 2")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "matrices 8x32x32 (M x N x K) of standard normal numbers, seed 1, results in y." in text
    assert "Own: of the core by itself" in text
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
