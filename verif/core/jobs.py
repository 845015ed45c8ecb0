"""Jobs with operands, the words that bring them to the core, and what must come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.golden import gemm_job
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters.core import CoreParameters

Codes = NDArray[Any]


@dataclass(frozen=True)
class Task:
    """A job and its operands, (m, k) and (k, n)."""

    job: GemmJob
    a: Codes
    b: Codes


def random_task(p: CoreParameters, job: GemmJob, rng: np.random.Generator) -> Task:
    """Every code may occur, NaN, infinities and negative zeros too, but most are plain numbers."""
    e = p.element
    found = []
    for formats, mode, shape in (
        (e.a_formats, job.mode_a, (job.m, job.k)),
        (e.b_formats, job.mode_b, (job.k, job.n)),
    ):
        fmt = formats[mode if len(formats) > 1 else 0]
        codes = rng.integers(0, 1 << fmt.width, shape)
        plain = rng.integers(0, fmt.max_code + 1, shape) | (
            rng.integers(0, 2, shape) << fmt.width - 1
        )
        odd = rng.random(shape) < rng.choice([0, 0.02, 0.3])
        found.append(np.where(odd, codes, plain).astype(np.uint8 if fmt.width <= 8 else np.uint16))
    return Task(job, *found)


def words(p: CoreParameters, vectors: Codes) -> Codes:
    """Vectors as words of ``lanes`` codes; beyond the end stand codes that must not count."""
    count, k = vectors.shape
    lanes = p.lanes
    padded = np.full((count, -(-k // lanes) * lanes), 0xFF, vectors.dtype)
    padded[:, :k] = vectors
    return padded.reshape(-1)


def job_word(job: GemmJob) -> int:
    """The word that asks for a job."""
    return job.m | job.n << 16 | job.k << 32 | job.mode_a << 48 | job.mode_b << 49


def expected(p: CoreParameters, task: Task) -> tuple[Codes, Codes]:
    """What golden gives: codes and flags."""
    return gemm_job(
        task.job, task.a, task.b, p.a, p.b, p.acc, rounding=p.rounding, overflow=p.overflow
    )


def unpacked(p: CoreParameters, job: GemmJob, frame: dict[str, Any]) -> tuple[Codes, Codes] | None:
    """Codes and flags of a frame, (m, n); None if it does not have the job's shape."""
    size = -(-p.element.acc_format.width // 8)
    data = np.frombuffer(bytes.fromhex(frame["data"]), np.uint8)
    tiles = p.tiles(job)
    columns = tiles[0] * job.n
    if data.size != columns * p.rows * size:
        return None
    word = [data.reshape(columns, p.rows, size)[..., k].astype(np.uint32) << 8 * k
            for k in range(size)]  # fmt: skip
    codes = np.bitwise_or.reduce(word)
    keep = np.array(frame["keep"]).reshape(columns, p.rows, size)
    user = [int(x) for x in np.array(frame["user"], object).reshape(columns, -1)[:, 0]]
    flags = np.array([[word >> 4 * r & 15 for r in range(p.rows)] for word in user])
    out, marks = np.zeros((2, tiles[0] * p.rows, job.n), np.uint32)
    valid = np.zeros(out.shape, bool)
    at = 0
    for row in range(0, tiles[0] * p.rows, p.rows):
        for column in range(job.n):
            out[row : row + p.rows, column] = codes[at]
            marks[row : row + p.rows, column] = flags[at]
            valid[row : row + p.rows, column] = keep[at].all(axis=-1)
            at += 1
    if not (valid[: job.m].all() and not valid[job.m :].any()):
        return None
    return out[: job.m], marks[: job.m]
