"""The page of a run, in a real browser."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from selenium.webdriver.common.by import By

from verif.report.charts import sqnr_chart

from .conftest import Cli
from .onnx_files import small_net
from .test_report import browser  # noqa: F401


def test_the_page_of_a_run(cli: Cli, tmp_path: Path, browser: Any) -> None:  # noqa: F811
    path, samples = small_net(tmp_path)
    np.savez(tmp_path / "x.npz", **samples)  # type: ignore[arg-type]
    page, report = tmp_path / "r.html", tmp_path / "r.json"
    words = ["run", path, "--inputs", tmp_path / "x.npz", "--report", page, "--report", report]
    assert cli(*words)[0] == 0
    data = json.loads(report.read_text())
    browser.get(page.as_uri())
    rows = browser.find_elements(By.CSS_SELECTOR, "#nodes tbody tr")
    assert [row.find_elements(By.TAG_NAME, "td")[0].text for row in rows] == ["conv", "gemm"]
    assert f"{data['nodes'][0]['own_sqnr_db']:.1f}" in rows[0].text
    charts = browser.find_elements(By.CSS_SELECTOR, "svg.chart")
    assert len(charts) == 1 + 2 * 2 and all(chart.is_displayed() for chart in charts)
    # Two bars a node; a bar for each magnitude and sign that occurs.
    assert len(charts[0].find_elements(By.TAG_NAME, "rect")) == 4
    names = charts[0].find_elements(By.CSS_SELECTOR, "text.end")
    assert [name.text.split()[0] for name in names] == ["conv", "gemm"]
    bars = charts[0].find_elements(By.TAG_NAME, "rect")
    for name, bar in zip(names, bars[::2], strict=True):  # Each beside its own bars.
        assert name.rect["x"] + name.rect["width"] <= bar.rect["x"]
        assert name.rect["y"] < bar.rect["y"] < name.rect["y"] + name.rect["height"]
    counts = np.array(data["nodes"][0]["b"]["histogram"])
    assert counts.sum() == 4 * 27
    assert len(charts[2].find_elements(By.TAG_NAME, "rect")) == np.count_nonzero(counts)
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 400


def test_fifty_layers_have_their_names_beside_their_bars() -> None:
    node = {"sqnr_db": 20.0, "own_sqnr_db": None}
    chart = sqnr_chart([node | {"name": f"/blocks.{k}/attention/<q>/Conv_{k}"} for k in range(53)])
    names = re.findall(r'<text class="axis end" x="\d+" y="(\d+)">([^<]*)<title>([^<]*)', chart)
    assert [whole for _, _, whole in names] == [
        f"/blocks.{k}/attention/&lt;q&gt;/Conv_{k}" for k in range(53)
    ]
    assert all(shown.endswith(f"Conv_{k}") for k, (_, shown, _) in enumerate(names))
    places = [int(y) for y, _, _ in names]
    assert min(b - a for a, b in itertools.pairwise(places)) > 10  # Letters are 10 high.
