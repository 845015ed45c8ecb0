"""``hfp8 bench golden``: speeds of the golden model."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from ...cores import cores
from ..types import Output

PEER_TYPES = {
    "E4M3FN": "float8_e4m3fn",
    "E4M3": "float8_e4m3",
    "E4M3FNUZ": "float8_e4m3fnuz",
    "E4M3B11FNUZ": "float8_e4m3b11fnuz",
    "E5M2": "float8_e5m2",
    "E5M2FNUZ": "float8_e5m2fnuz",
}
"""The catalogue's names of ml_dtypes types."""

NEXT_OF_KIN = {
    "HFP8_FWD": "float8_e4m3b11fnuz",
    "HFP8_BWD": "float8_e5m2",
    "AIU_143": "float8_e4m3fn",
    "P3109_8P4": "float8_e4m3fnuz",
    "P3109_8P3": "float8_e5m2fnuz",
}
"""For 8-bit formats that ml_dtypes lacks, its type with the same fields."""


def best(call: Callable[[], Any], repeats: int = 7) -> float:
    """Seconds of the fastest of several calls, after one that is not timed."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@contextmanager
def engine(name: str) -> Iterator[None]:
    """Use NumPy alone, or numba too."""
    before = os.environ.get("HFP8_NUMBA")
    os.environ["HFP8_NUMBA"] = "1" if name == "numba" else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HFP8_NUMBA"]
        else:
            os.environ["HFP8_NUMBA"] = before


def engines() -> list[str]:
    """What there is to measure."""
    try:
        version("numba")
    except PackageNotFoundError:
        return ["numpy"]
    return ["numpy", "numba"]


def measure(report: Callable[[str], None]) -> list[dict[str, Any]]:
    """All rows: job, engine, rate (a second), peer, the peer's rate, ratio, whether bits agree."""
    import gfloat
    import gfloat.formats
    import ml_dtypes

    from ... import golden

    rng = np.random.default_rng(1)
    x = rng.standard_normal(1 << 22).astype(np.float32)
    few = x[: 1 << 16].astype(np.float64)
    rows: list[dict[str, Any]] = []
    for name, peer_name in PEER_TYPES.items():
        report(f"quantize to {name}")
        peer = getattr(ml_dtypes, peer_name)
        peer_rate = x.size / best(lambda p=peer: x.astype(p))  # type: ignore[misc]
        codes = golden.quantize(x, name, overflow="special")
        same = bool((codes == x.astype(peer).view(np.uint8)).all())
        for which in engines():
            with engine(which):
                rate = x.size / best(lambda n=name: golden.quantize(x, n, overflow="special"))  # type: ignore[misc]
            rows.append(_row(f"quantize {name}", which, rate, "ml_dtypes", peer_rate, same))
        report(f"decode {name}")
        wide = codes.view(peer)
        peer_rate = x.size / best(lambda w=wide: w.astype(np.float64))  # type: ignore[misc]
        with engine("numpy"):
            rate = x.size / best(lambda c=codes, n=name: golden.decode(c, n))  # type: ignore[misc]
        same = bool(np.array_equal(golden.decode(codes, name), wide.astype(np.float64)))
        rows.append(_row(f"decode {name}", "numpy", rate, "ml_dtypes", peer_rate, same))
    rows += _without_peer(report, x)
    report("quantize with gfloat")
    fmt = gfloat.formats.format_info_ocp_e4m3
    gfloat_rate = few.size / best(lambda: gfloat.round_ndarray(fmt, few), 3)
    with engine("numpy"):
        rate = x.size / best(lambda: golden.quantize(x, "E4M3FN"))
    same = bool(
        np.array_equal(
            gfloat.round_ndarray(fmt, few), golden.decode(golden.quantize(few, "E4M3FN"), "E4M3FN")
        )
    )
    rows.append(_row("quantize E4M3FN", "numpy", rate, "gfloat (values)", gfloat_rate, same))
    return rows + _gemm(report) + _convolutions(report)


def _without_peer(report: Callable[[str], None], x: Any) -> list[dict[str, Any]]:
    """8-bit formats that no package has: the ratio is to the ml_dtypes type next of kin, and the
    bits are held against the general path."""
    import ml_dtypes

    from ... import golden

    rows = []
    for name, kin in NEXT_OF_KIN.items():
        report(f"quantize to {name}")
        peer = getattr(ml_dtypes, kin)
        peer_rate = x.size / best(lambda p=peer: x.astype(p))  # type: ignore[misc]
        same = bool((golden.quantize(x, name) == golden.quantize(x.astype(np.float64), name)).all())
        for which in engines():
            with engine(which):
                rate = x.size / best(lambda n=name: golden.quantize(x, n))  # type: ignore[misc]
            label = f"ml_dtypes ({kin.removeprefix('float8_')})"
            rows.append(_row(f"quantize {name}", which, rate, label, peer_rate, same))
    return rows


def _gemm(report: Callable[[str], None]) -> list[dict[str, Any]]:
    """256^3 products accumulated in (1,6,9), chunks of 64, against the general path's bits."""
    from ... import golden

    rng = np.random.default_rng(2)
    a, b = (golden.quantize(rng.standard_normal((256, 256)), "HFP8_FWD") for _ in range(2))
    formats = ("HFP8_FWD", "HFP8_FWD", "DLFLOAT16")
    report("matrix product 256^3: every element by the general path")
    exact = golden.dot(a[:, None, :], b.T[None], *formats)
    rows = []
    for which in engines():
        report(f"matrix product 256^3 with {which}")
        with engine(which):
            rate = 256**3 / best(lambda: golden.matmul(a, b, *formats))
            same = bool((golden.matmul(a, b, *formats) == exact).all())
        rows.append(_row("matmul 256^3 chunked(64) DLFLOAT16", which, rate, "", None, same))
    return rows


CONVOLUTIONS: dict[str, tuple[str, int, int]] = {
    "convolution 3x3 64 to 64": ("HFP8_FWD", 1, 64),
    "convolution 3x3 64 to 64 (1,5,2)": ("HFP8_BWD", 1, 64),
    "depthwise convolution 3x3 of 64": ("HFP8_FWD", 64, 1),
}
"""Of a map of 56 x 56 and 64 channels: format, groups, output channels of a group."""


def _convolutions(report: Callable[[str], None]) -> list[dict[str, Any]]:
    """The golden engine, which has no way without numba that is worth a row; some columns of each
    against the general path's bits."""
    from ... import golden
    from ...golden.engine import GoldenEngine, ProductJob, Sums, Windows
    from ...golden.engine.unfold import blocks, padded, unfolded

    rows = []
    rng = np.random.default_rng(3)
    for name, (fmt, groups, m) in CONVOLUTIONS.items():
        report(name)
        kernel, maps = (
            golden.quantize(rng.standard_normal(shape), fmt)
            for shape in ((groups, m, 9 * 64 // groups), (2, 64, 56, 56))
        )
        job = ProductJob(kernel, maps, fmt, fmt, Sums(), Windows((3, 3), pads=(1, 1, 1, 1)))
        block = next(blocks(job, 20))
        columns = unfolded(job, padded(job, maps), block).swapaxes(1, 2)
        want = golden.dot(kernel[:, :, None], columns[:, None], fmt, fmt, "DLFLOAT16")
        same = bool((GoldenEngine().run(job)[:, :, block.n] == want).all())
        for which in engines()[1:]:
            with engine(which):
                rate = job.macs / best(lambda j=job: GoldenEngine().run(j), 5)  # type: ignore[misc]
            rows.append(_row(f"{name}, chunked(64) DLFLOAT16", which, rate, "", None, same))
    return rows


def _row(
    job: str, which: str, rate: float, peer: str, peer_rate: float | None, same: bool
) -> dict[str, Any]:
    return {
        "job": job,
        "engine": which,
        "rate": rate,
        "peer": peer,
        "peer_rate": peer_rate,
        "ratio": None if peer_rate is None else rate / peer_rate,
        "bits_agree": same,
    }


@click.command("golden")
@click.option("--json", "path", type=Output(),
              help="Write the figures as JSON.")  # fmt: skip
def golden_command(path: Path | None) -> int:
    """The golden model: quantize, decode, matrix product. Exit status 1 if any bits disagree."""
    console = Console()
    with console.status("measuring") as status:
        rows = measure(status.update)
    names = ("numpy", "numba", "ml_dtypes", "gfloat")
    tools = {"python": platform.python_version(), "cores": str(cores())}
    for name in names:
        try:
            tools[name] = version(name)
        except PackageNotFoundError:
            tools[name] = "missing"
    table = Table(title=", ".join(f"{k} {v}" for k, v in tools.items()), title_justify="left")
    for column in ("job", "engine"):
        table.add_column(column)
    for column in ("M/s", "peer", "peer M/s", "ratio", "bits"):
        table.add_column(column, justify="right")
    for row in rows:
        peer = "" if row["peer_rate"] is None else f"{row['peer_rate'] / 1e6:,.0f}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.1f}x"
        bits = "equal" if row["bits_agree"] else "DIFFER"
        rate = f"{row['rate'] / 1e6:,.0f}"
        table.add_row(row["job"], row["engine"], rate, row["peer"], peer, ratio, bits)
    if path is not None:
        from rtl_gen.package import write_whole

        write_whole(path, (json.dumps({"tools": tools, "rows": rows}, indent=2) + "\n").encode())
    console.print(table)
    return 0 if all(row["bits_agree"] for row in rows) else 1
