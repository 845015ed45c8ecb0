"""Many runs deployed: ``python -m hfp8_hw.nn.deployment.batch LIST --json FILE``.

A line of LIST says which runs, such as ``vision_resnet --seed 1-3 --epochs 15``; a ``#`` begins a
remark. Each is trained in FP32, unless the folder that --checkpoints names has it already, and then
deployed in each arithmetic. Runs of which FILE has all rows are left out, so the same command goes
on where it ended. A row is written the moment it is there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...errors import ParameterError
from ..programs import guarded, number
from ..tasks import Task
from ..training import batch, results
from ..training.job import Job
from ..training.results import Row
from .models import DEPLOYED
from .scores import CALIBRATION, KEY, RETUNE, Plan, Trained, measure

MODULE = "hfp8_hw.nn.deployment.batch"


class Batch(batch.Batch):
    """Runs that are trained and deployed; an empty row says that there are no more of a job."""

    def estimate(self, job: Job) -> float:
        """Nothing is known."""
        return 0.0

    def take(self, job: Job, row: Row) -> bool:
        """Keep a row, unless it is the empty one."""
        if not row:
            return True
        results.add(self.path, row, KEY)
        tuned = ", re-tuned" if row["retuned"] else ""
        fp32 = "none" if row["fp32"] is None else row["fp32"]
        print(f"{batch.words(job)} in {row['arithmetic']}{tuned}: {row['score']} {row['unit']}, "
              f"FP32 {fp32}, {row['seconds']} s", flush=True)  # fmt: skip
        return False


def work(job: Job, task: Task, path: Path | None, plan: Plan, rows: list[Row]) -> Iterator[Row]:
    """Train, unless the checkpoint has all epochs, and deploy where there are no rows of it yet."""
    from ..training.loop import train

    row, state = train(job, task, path, resume=path is not None and path.exists())
    weights = state.model.state_dict()
    rest = replace(plan, arithmetics=plan.missing(job, rows))
    yield from measure(Trained(job, weights, row["score"], row["epochs"]), task, rest)
    yield {}


def main(arguments: list[str] | None = None) -> int:
    """0 if all runs are done, 1 if some failed or are left for another time, 2 for bad input."""
    parser = batch.options(MODULE, __doc__ or "")
    parser.add_argument("--arith", default=",".join(DEPLOYED),
                        help="arithmetics, with commas (default: all)")  # fmt: skip
    parser.add_argument("--retune", type=number("retune", 0, 1_000_000), default=RETUNE,
                        help=f"batches that re-tune batch norm (default: {RETUNE})")  # fmt: skip
    parser.add_argument("--calibrate", type=number("calibrate", 1, 1_000_000), default=CALIBRATION,
                        help=f"batches that give scales (default: {CALIBRATION})")  # fmt: skip
    return guarded(lambda: _main(parser.parse_args(arguments)))


def _main(given: argparse.Namespace) -> int:
    plan = Plan(tuple(dict.fromkeys(given.arith.split(","))), given.retune, given.calibrate)
    if given.worker:
        known = [] if given.json is None else results.load(given.json, KEY)

        def one(job: Job, task: Task, path: Path | None) -> Iterator[Row]:
            return work(job, task, path, plan, known)

        batch.serve(given.data, given.device, given.checkpoints, one)
        return 0
    batch.check(given)
    every = batch.listed(given.list)
    for job in every:
        if job.arithmetic != "fp32" or job.changes:
            raise ParameterError(
                f"the run {batch.words(job)!r} in {str(given.list)!r} is not allowed: "
                "runs are trained in fp32 here, by one worker"
            )
    rows = results.load(given.json, KEY)
    todo = [job for job in every if plan.missing(job, rows)]
    more = ["--json", given.json, "--arith", given.arith, "--retune", given.retune,
            "--calibrate", given.calibrate]  # fmt: skip
    return batch.run(given, Batch, MODULE, every, todo, map(str, more))


if __name__ == "__main__":
    sys.exit(main())
