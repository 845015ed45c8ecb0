"""Check the products against golden and time them: ``python -m hfp8_hw.nn.bench --json FILE``.

On a GPU it takes a few minutes. What goes wrong is printed, kept in the file, and does not stop
the rest; the exit status is 1 then.
"""

from __future__ import annotations

import json
import statistics
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import golden
from ..errors import ParameterError
from ..files import check_output, write_whole
from ..formats import parse_format
from ..version import __version__
from . import codes
from .kernels import gemm
from .matmul import matmul
from .programs import Options, choice, guarded, number

FWD, BWD = "HFP8_FWD", "HFP8_BWD"
PAIRS = ((FWD, FWD), (BWD, FWD), (FWD, BWD))
Row = dict[str, Any]

SHAPES = {
    "square 4096": (4096, 4096, 4096),
    "8192 x 8192 x 4096": (8192, 8192, 4096),
    "ResNet-20, 16 channels, batch 128": (128 * 28 * 28, 16, 144),
    "ResNet-20, 32 channels, batch 128": (128 * 14 * 14, 32, 288),
    "ResNet-20, 64 channels, batch 128": (128 * 7 * 7, 64, 576),
    "ResNet-20, 64 channels, weights": (64, 576, 128 * 7 * 7),
    "Transformer, projection": (64 * 256, 256, 256),
    "Transformer, feed-forward": (64 * 256, 1024, 256),
    "LSTM, two directions": (64 * 100, 1024, 256),
}
"""m, n, k of products of the kinds of model that HFP8 was shown on."""

CHECKED = ((1, 1, 1), (5, 9, 63), (70, 130, 64), (300, 16, 65), (33, 500, 200), (257, 129, 1000),
           (300, 260, 130))  # fmt: skip
"""m, n, k of the products that are compared; the last is wide enough to be looked up once."""


def random_codes(name: str, shape: tuple[int, ...], seed: int, kind: str, device: str) -> Tensor:
    """Codes of a format: ``any`` without NaN, ``tiny`` ones of the lowest binade, ``special``:
    with NaN and many of the largest magnitude."""
    fmt = parse_format(name)
    generator = torch.Generator(device=device).manual_seed(seed)
    found = torch.randint(0, 256, shape, generator=generator, device=device, dtype=torch.uint8)
    if kind == "tiny":
        return found & (fmt.sign_mask | (1 << fmt.man_bits) * 2 - 1)
    if kind == "special":
        return torch.where(found % 3 == 0, fmt.max_code, found)
    return torch.where((found & fmt.mag_mask) > fmt.max_code, 0, found).to(torch.uint8)


def sampled(a: Tensor, b: Tensor, got: Tensor, pair: tuple[str, str], semantics: str,
            chunk: int | None, seed: int) -> tuple[int, int]:  # fmt: skip
    """(codes compared with golden, those that differ): up to 12 rows by 12 columns."""
    rng = np.random.default_rng(seed)
    rows = np.unique(np.append(rng.integers(0, a.shape[0], 10), [0, a.shape[0] - 1]))
    columns = np.unique(np.append(rng.integers(0, b.shape[1], 10), [0, b.shape[1] - 1]))
    x, y = codes.to_numpy(a)[rows], codes.to_numpy(b)[:, columns]
    how = {"semantics": "fma"} if chunk is None else {"semantics": semantics, "chunk": chunk}
    want = golden.matmul(x, y, *pair, "DLFLOAT16", **how)
    mine = codes.to_numpy(got)[np.ix_(rows, columns)]
    return want.size, int((mine != want).sum())


def checks(device: str) -> list[Callable[[], Row]]:
    """Products of every kind, each as a function that computes it and compares."""
    jobs: list[Callable[[], Row]] = []
    for pair in (*PAIRS, (BWD, BWD)):
        jobs.append(partial(all_pairs, pair, device))
        for seed, (m, n, k) in enumerate(CHECKED):
            for kind in ("any", "tiny", "special"):
                for semantics, chunk in (("chunked", 64), ("chunked", 1), ("chunked", None),
                                         ("chunked", 40), ("exact_chunk", 64)):  # fmt: skip
                    if semantics == "exact_chunk" and pair == (BWD, BWD):
                        continue

                    given = (pair, (m, n, k), kind, semantics, chunk, seed, device)
                    jobs.append(partial(product, *given))
    return jobs


def all_pairs(pair: tuple[str, str], device: str) -> Row:
    """The product of any two codes."""
    every = torch.arange(256, dtype=torch.int32, device=device).to(torch.uint8)
    got = codes.to_numpy(matmul(every[:, None], every[None], *pair))
    one = codes.to_numpy(every)
    want = golden.matmul(one[:, None], one[None], *pair, "DLFLOAT16")
    return {"what": "all pairs of codes", "formats": pair, "compared": want.size,
            "different": int((got != want).sum())}  # fmt: skip


def product(pair: tuple[str, str], size: tuple[int, int, int], kind: str, semantics: str,
            chunk: int | None, seed: int, device: str) -> Row:  # fmt: skip
    """One product, by rows and with transposed operands, against golden and the plain loop."""
    m, n, k = size
    a = random_codes(pair[0], (m, k), seed, kind, device)
    b = random_codes(pair[1], (n, k), seed + 100, kind, device).t()
    got = matmul(a, b, *pair, semantics=semantics, chunk=chunk)
    compared, different = sampled(a, b, got, pair, semantics, chunk, seed)
    loop = matmul(a, b, *pair, semantics=semantics, chunk=chunk, kernel=False)
    turned = matmul(a.t().contiguous().t(), b.contiguous(), *pair, semantics=semantics, chunk=chunk)
    different += int((got != loop).sum()) + int((got != turned).sum())
    return {"what": kind, "formats": pair, "shape": size, "semantics": semantics, "chunk": chunk,
            "compared": compared + 2 * got.numel(), "different": different}  # fmt: skip


def seconds(run: Callable[[], Any], repeats: int = 5) -> float:
    """The median of some runs on the GPU, after two that do not count."""
    for _ in range(2):
        run()
    spent = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        spent.append(start.elapsed_time(end) / 1000)
    return statistics.median(spent)


def replayed(run: Callable[[], Any]) -> float:
    """Seconds on the GPU alone: the launches recorded once and replayed, as training would do."""
    run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return seconds(graph.replay)


def timings(device: str) -> list[Callable[[], Row]]:
    """The kernels, PyTorch's FP32 product and the loop of PyTorch's operations, by shape.

    ``seconds`` is the whole product on the GPU, ``eager_seconds`` the time with launches from
    Python. "without tensor cores" has the same sums from `fmaf`.
    """
    jobs: list[Callable[[], Row]] = []
    torch.backends.cuda.matmul.allow_tf32 = False

    def timed(label: str, pair: tuple[str, str], size: tuple[int, int, int], how: str) -> Row:
        m, n, k = size
        a = random_codes(pair[0], (m, k), 1, "any", device)
        b = random_codes(pair[1], (k, n), 2, "any", device)
        row: Row = {"what": label, "how": how, "formats": pair, "shape": size}
        formats = parse_format(pair[0]), parse_format(pair[1])
        if how == "torch loop":
            row["seconds"] = seconds(lambda: matmul(a, b, *pair, kernel=False), 1)
        elif how == "torch fp32":
            x, y = codes.decode(a, formats[0]), codes.decode(b, formats[1])
            row["seconds"] = replayed(lambda: x @ y)
        else:
            exact, chunk = how == "exact_chunk", min(64, k)
            tensor = False if how == "without tensor cores" else None
            semantics = "exact_chunk" if exact else "chunked"
            run = partial(gemm.matmul, a, b, *formats, chunk, exact, tensor=tensor)
            row["compared"], row["different"] = sampled(a, b, run(), pair, semantics, 64, 3)
            row["eager_seconds"] = seconds(run)
            row["seconds"] = replayed(run)
        row["products_per_second"] = m * n * k / row["seconds"]
        return row

    square = SHAPES["square 4096"]
    jobs.append(partial(timed, "square 4096", PAIRS[0], square, "without tensor cores"))
    jobs.append(partial(timed, "square 1024", PAIRS[0], (1024, 1024, 1024), "torch loop"))
    for label, size in SHAPES.items():
        jobs.append(partial(timed, label, PAIRS[0], size, "torch fp32"))
        jobs += [partial(timed, label, pair, size, "kernel") for pair in PAIRS]
    jobs += [partial(timed, "square 4096", pair, square, "exact_chunk") for pair in PAIRS]
    return jobs


def line(row: Row) -> str:
    """One row, for reading."""
    words = [str(row.get("what")), str(row.get("how", row.get("semantics", ""))),
             " x ".join(row.get("formats", ())), str(row.get("shape", "")),
             f"chunk {row['chunk']}" if "chunk" in row else ""]  # fmt: skip
    if "products_per_second" in row:
        words.append(f"{row['products_per_second'] / 1e12:.3f} x 10^12 products a second")
    if "different" in row:
        words.append(f"{row['different']} of {row['compared']} codes differ")
    return "  ".join(word for word in words if word)


def run(jobs: list[Callable[[], Row]], rows: list[Row], show: bool) -> bool:
    """Run all; whether all went well. What fails is printed and kept."""
    good = True
    for count, work in enumerate(jobs):
        try:
            row = work()
        except Exception as error:
            traceback.print_exc(limit=-4)
            row = {"what": f"job {count}", "error": f"{type(error).__name__}: {error}"}
        bad = "error" in row or bool(row.get("different"))
        good = good and not bad
        rows.append(row)
        if bad or show:
            print(("WRONG  " if bad else "") + line(row), row.get("error", ""), flush=True)
    return good


def main(words: list[str] | None = None) -> int:
    """The command: 0 if all is right, 1 if something is not, 2 for bad input."""
    return guarded(lambda: _main(words))


def _main(words: list[str] | None) -> int:
    parser = Options(prog="python -m hfp8_hw.nn.bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--device", type=choice("device", ("cuda", "cpu")), default="cuda",
                        help="cpu: the checks alone, with the loop")  # fmt: skip
    parser.add_argument("--checks", type=number("checks", 1, 1_000_000), default=None,
                        help="only so many of the checks")  # fmt: skip
    given = parser.parse_args(words)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device='cuda' is not allowed: PyTorch finds no GPU; use --device cpu")
    if given.json:
        check_output("json", given.json)
    gpu = given.device == "cuda"
    name = torch.cuda.get_device_name() if gpu else "cpu"
    print(f"{name}, PyTorch {torch.__version__}", flush=True)
    every = checks(given.device)[: given.checks]
    stages = {"checks": every}
    if gpu:  # What matters most comes first, in case the time runs out.
        stages = {"first checks": every[:20], "timings": timings(given.device),
                  "checks": every[20:]}  # fmt: skip
    rows: list[Row] = []
    good = True
    for stage, jobs in stages.items():
        done: list[Row] = []
        good = run(jobs, done, show=stage == "timings") and good
        rows += done
        compared, different, failed = (
            sum(row.get("compared", 0) for row in done),
            sum(row.get("different", 0) for row in done),
            sum("error" in row for row in done),
        )
        print(f"{stage}: {len(done)} products, {compared} codes compared, {different} differ, "
              f"{failed} failed", flush=True)  # fmt: skip
        if given.json:
            facts = {"device": name, "torch": torch.__version__, "cuda": torch.version.cuda,
                     "version": __version__, "good": good, "rows": rows}  # fmt: skip
            write_whole(given.json, (json.dumps(facts, indent=1) + "\n").encode())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
