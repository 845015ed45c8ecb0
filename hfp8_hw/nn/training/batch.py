"""Many runs, several at once on one GPU: ``python -m hfp8_hw.nn.training.batch LIST --json FILE``.

A line of LIST has the words that `hfp8 train` takes to say what a run is, such as
``speech_letters --arith hfp8 --seed 1-5``; a ``#`` begins a remark. Runs of which FILE has a row
are left out, so the same command goes on where it ended. A row is written the moment a run is done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ParameterError
from ...files import check_output
from ..programs import Options, choice, guarded, number, seconds
from ..tasks import Task, find
from . import results
from .job import Job
from .results import Row
from .setup import device as device_of


def _seeds(text: str) -> list[int]:
    """``3`` or ``1-5`` or ``1,4-6``."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part)
        if match is None or (match[2] and not 0 <= int(match[2]) - int(match[1]) <= 1000):
            raise ParameterError(f"seed={text!r} is not allowed: such as 1, 1-5 or 1,4-6")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


def jobs(text: str, name: str) -> list[Job]:
    """The jobs of a list, each once.

    Raises
    ------
    ParameterError
        For a line that is wrong; it says which. For two runs of which a file of results has room
        for one, and a list without any.
    """
    parser = Options(add_help=False, allow_abbrev=False, usage="")
    parser.add_argument("task")
    parser.add_argument("--arith", default="fp32")
    parser.add_argument("--seed", default="1")
    for option in ("epochs", "batch"):
        parser.add_argument(f"--{option}", type=number(option, 1, 1_000_000))
    chunk = number("chunk", 1, 65536)
    parser.add_argument("--chunk", type=lambda word: word if word == "none" else chunk(word))
    parser.add_argument("--no-loss-scaling", action="store_true")
    found: dict[Job, None] = {}
    places: dict[tuple[Any, ...], Job] = {}
    for count, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].split()
        if not said:
            continue
        try:
            given = parser.parse_args(said)
            for seed in _seeds(given.seed):
                job = Job(given.task, given.arith, seed, given.epochs, given.batch, given.chunk,
                          not given.no_loss_scaling)  # fmt: skip
                place = (job.task, job.arithmetic, job.seed, *job.changes.items())
                if places.setdefault(place, job) != job:
                    raise ParameterError(
                        f"the run {words(job)!r} is not allowed: it is there already with other "
                        "epochs or batches, and a file of results has one of them"
                    )
                found[job] = None
        except ParameterError as error:
            raise ParameterError(f"{name}, line {count}: {error}") from None
    if not found:
        raise ParameterError(f"list={name!r} is not allowed: it has no runs")
    return list(found)


def listed(path: Path) -> list[Job]:
    """The jobs of a file.

    Raises
    ------
    ParameterError
        If it is no list.
    OSError
        If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ParameterError(f"list={str(path)!r} is not allowed: a text file in UTF-8") from None
    return jobs(text, str(path))


def same(job: Job, row: Row) -> bool:
    """Whether a row is a job's result."""
    keys = {"task": job.task, "arithmetic": job.arithmetic, "seed": job.seed,
            "changes": job.changes, "epochs": job.epochs or find(job.task).recipe.epochs,
            "batch": job.batch or find(job.task).recipe.batch}  # fmt: skip
    return all(row.get(name) == value for name, value in keys.items())


@dataclass
class Batch:
    """Runs that several processes take from one list, until a time."""

    todo: queue.SimpleQueue[Job]
    path: Path
    worker: list[str]
    """The command of a process that takes jobs and gives rows, a line of JSON each."""
    deadline: float
    """In seconds of `time.monotonic`."""
    goes_on: bool = False
    """Whether a job that is cut short goes on from its checkpoint the next time."""
    left: list[Job] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    broken: Exception | None = None
    """Why no row could be kept: all end then."""
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def rest(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    def run(self, workers: int) -> None:
        """Run the jobs; when the time is over, end the processes.

        Raises
        ------
        OSError, ParameterError
            If the file of results could not be written, or was not one any more.
        """
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and self.rest() > 0:
                time.sleep(0.05)
        finally:
            with self.lock:
                self.deadline = 0.0
                for process in self.processes:
                    process.kill()
            for thread in threads:
                thread.join()
        if self.broken is not None:
            raise self.broken

    def _serve(self) -> None:
        """Take jobs until there are none, with a process of its own; a new one if it dies."""
        jobs = self._jobs()
        job = next(jobs, None)
        while job is not None:
            if self.rest() <= 0:
                self._keep(job)
                job = next(jobs, None)
                continue
            with subprocess.Popen(
                self.worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process:
                with self.lock:
                    self.processes.append(process)
                    if self.rest() <= 0:  # `run` may have ended the others already.
                        process.kill()
                while job is not None and process.poll() is None:
                    self._one(job, process)
                    job = next(jobs, None)
                _end(process)

    def _jobs(self) -> Iterator[Job]:
        while True:
            try:
                yield self.todo.get_nowait()
            except queue.Empty:
                return

    def estimate(self, job: Job) -> float:
        """Seconds that a job takes at the most, as far as the results tell."""
        with self.lock:
            each = results.estimate(results.load(self.path), job.task, job.arithmetic, job.changes)
        return each * (job.epochs or find(job.task).recipe.epochs)

    def take(self, job: Job, row: Row) -> bool:
        """Keep a row of a job; whether it is the job's last one."""
        results.add(self.path, row)
        print(f"{words(job)}: {row['score']} {row['unit']}, {row['seconds']} s", flush=True)
        return True

    def _one(self, job: Job, process: subprocess.Popen[str]) -> None:
        if not self.goes_on and self.estimate(job) > self.rest():
            self._keep(job)
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            process.stdin.write(json.dumps(job.to_dict()) + "\n")
            process.stdin.flush()
        last = False
        while not last:
            try:
                line = process.stdout.readline()
            except ValueError:
                line = ""
            if not line:
                process.wait()
                if self.rest() <= 0:
                    self._keep(job)
                    return
            row = json.loads(line) if line else {"error": f"exit status {process.returncode}"}
            with self.lock:
                if "error" in row:
                    self.failed.append(words(job))
                    print(f"FAILED  {words(job)}: {row['error']}", flush=True)
                    return
                try:
                    last = self.take(job, row)
                except (OSError, ParameterError) as error:
                    self.broken, self.deadline = error, 0.0
                    process.kill()
                    return
                self.done += last

    def _keep(self, job: Job) -> None:
        with self.lock:
            self.left.append(job)


def words(job: Job) -> str:
    """What a job is called in the output."""
    return f"{job.task} {job.arithmetic} {job.changes or ''} seed {job.seed}"


def _end(process: subprocess.Popen[str]) -> None:
    """Let a process go, which ends when it has nothing more to read."""
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    process.wait()


Work = Callable[[Job, Task, Path | None], Iterator[Row]]
"""Does a job, with its task and a file for its checkpoint, and gives its rows."""


def serve(data: Path | None, device: str, checkpoints: Path | None, work: Work) -> None:
    """Take jobs from standard input and write their rows to standard output.

    Ends at an error of the GPU: the process cannot use it any more, and would fail every job left.
    """
    from torch import AcceleratorError

    out, sys.stdout = sys.stdout, sys.stderr
    loaded: dict[str, Task] = {}
    for line in sys.stdin:
        job = Job(**json.loads(line))
        try:
            if job.task not in loaded:
                kind = find(job.task)
                loaded[job.task] = kind(kind.source.load(data), device_of(device))
            path = None if checkpoints is None else checkpoints / f"{_stem(job)}.pt"
            for row in work(job, loaded[job.task], path):
                print(json.dumps(row), file=out, flush=True)
        except Exception as error:
            row = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
            print(json.dumps(row), file=out, flush=True)
            if isinstance(error, AcceleratorError):
                return


def _train(job: Job, task: Task, path: Path | None) -> Iterator[Row]:
    from .loop import train

    row, _ = train(job, task, path, resume=path is not None and path.exists())
    if path is not None:
        path.unlink()
    yield row


def _stem(job: Job) -> str:
    """A file's name for a job."""
    parts = (f"{name}-{value}" for name, value in job.changes.items())
    return "_".join([job.task, job.arithmetic, *parts, str(job.seed)])


def options(module: str, doc: str) -> argparse.ArgumentParser:
    """The options of a program that does many jobs."""
    parser = Options(prog=f"python -m {module}", description=doc.split("\n\n", 1)[1])
    parser.add_argument("list", type=Path, nargs="?", help="the file of runs")
    parser.add_argument("--json", type=Path, help="the file of results")
    parser.add_argument("--data", type=Path, help="a folder with prepared files")
    parser.add_argument("--device", type=choice("device", ("cpu", "cuda")), default="cuda",
                        help="cuda or cpu")  # fmt: skip
    parser.add_argument("--workers", type=number("workers", 1, 64), default=4,
                        help="runs at once (default: 4)")  # fmt: skip
    parser.add_argument("--limit", type=seconds("limit"), default=540.0,
                        help="seconds (default: 540)")  # fmt: skip
    parser.add_argument("--checkpoints", type=Path, help="a folder for runs that are cut short")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def check(given: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    ParameterError
        For what is missing or not allowed.
    """
    if given.list is None or given.json is None:
        raise ParameterError("LIST and --json are needed")
    check_output("json", given.json)
    if given.checkpoints is not None and not given.checkpoints.is_dir():
        raise ParameterError(
            f"checkpoints={str(given.checkpoints)!r} is not allowed: there is no such folder"
        )


def run(given: argparse.Namespace, kind: type[Batch], module: str, every: list[Job],
        todo: list[Job], more: Iterable[str] = ()) -> int:  # fmt: skip
    """Do what is to do of every job, by processes of a module that takes the option --worker."""
    if todo:
        device_of(given.device)
        if given.data is not None and not given.data.exists():
            raise ParameterError(
                f"data={str(given.data)!r} is not allowed: there is no such file or folder"
            )
    begin = time.monotonic()
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in todo:
        jobs.put(job)
    options = ["--worker", "--device", given.device, *more]
    for option in ("data", "checkpoints"):
        if getattr(given, option) is not None:
            options += [f"--{option}", str(getattr(given, option))]
    command = [sys.executable, "-m", module, *options]
    print(f"{len(todo)} of {len(every)} runs to do, {given.workers} at once", flush=True)
    goes_on = given.checkpoints is not None
    batch = kind(jobs, given.json, command, begin + given.limit, goes_on)
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    batch.run(min(given.workers, max(1, len(todo))))
    left = len(batch.left) + jobs.qsize()
    print(f"{batch.done} done, {len(batch.failed)} failed, {left} left, "
          f"{time.monotonic() - begin:.0f} s")  # fmt: skip
    return 1 if batch.failed or left else 0


MODULE = "hfp8_hw.nn.training.batch"


def main(arguments: list[str] | None = None) -> int:
    """The status that `guarded` says."""
    return guarded(lambda: _main(arguments))


def _main(arguments: list[str] | None) -> int:
    given = options(MODULE, __doc__ or "").parse_args(arguments)
    if given.worker:
        serve(given.data, given.device, given.checkpoints, _train)
        return 0
    check(given)
    every, rows = listed(given.list), results.load(given.json)
    todo = [job for job in every if not any(same(job, row) for row in rows)]
    return run(given, Batch, MODULE, every, todo)


if __name__ == "__main__":
    sys.exit(main())
