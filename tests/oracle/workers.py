"""Worker processes that draw cases and judge them, batch by batch.

A module of its own: a spawned process cannot load one that is run as ``__main__``.
"""

import multiprocessing
import queue
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from hypothesis import given

from tests.oracle.case import Case
from tests.oracle.flows import flow_cases
from tests.oracle.judge import Verdict, judged
from tests.oracle.runners import Runners
from tests.oracle.runs import run_cases
from tests.oracle.sample import sampled
from tests.oracle.tools import command_cases

BATCH: Final = 50
PATIENCE: Final = 300.0
"""Seconds without any verdict, after which something is wrong with the workers."""
_LOOK: Final = 5.0
_KINDS: Final = "crcccfccrc"
"""The kinds of ten batches: command lines, tools that are run, workflows."""


@contextmanager
def working(seed: int, jobs: int) -> Iterator[Iterator[Verdict]]:
    """Workers whose verdicts come, for ever, until the block is left."""
    processes = multiprocessing.get_context("spawn")
    answers: Queue[Verdict] = processes.Queue(maxsize=4 * BATCH)
    enough = processes.Event()
    workers = [
        processes.Process(target=_work, args=(seed, first, jobs, _Answers(answers, enough)), daemon=True)
        for first in range(jobs)
    ]
    for worker in workers:
        worker.start()
    try:
        yield _verdicts(answers, workers)
    finally:
        enough.set()
        for end in (_let, BaseProcess.terminate, BaseProcess.kill):
            for worker in workers:
                end(worker)
            for worker in workers:
                worker.join(_LOOK)


def ended(_number: int, _frame: FrameType | None) -> NoReturn:
    """A signal ends the process as an exception does: what was started is ended, too."""
    raise SystemExit(1)


def _verdicts(answers: "Queue[Verdict]", workers: Sequence[BaseProcess]) -> Iterator[Verdict]:
    silent = 0.0
    while True:
        try:
            yield answers.get(timeout=_LOOK)
            silent = 0.0
        except queue.Empty:
            silent += _LOOK
            if silent >= PATIENCE or any(worker.exitcode is not None for worker in workers):
                raise SystemExit("a worker ended, or says nothing any more; its last words stand above") from None


def _let(_worker: BaseProcess) -> None:
    """First a worker may end by itself: a signal inside of a test is taken for a failure of the test."""


@dataclass(frozen=True)
class _Answers:
    """Where a worker puts its verdicts, until it hears that there are ``enough``."""

    verdicts: "Queue[Verdict]"
    enough: Event

    def put(self, verdict: Verdict) -> None:
        while not self.enough.is_set():
            try:
                self.verdicts.put(verdict, timeout=0.5)
            except queue.Full:
                continue
            return


def _work(seed: int, first: int, step: int, answers: _Answers) -> None:
    """Every so many batches, until it is told to end."""
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells all; the parent ends its workers
    with tempfile.TemporaryDirectory(prefix="oracle-") as scratch, Runners(Path(scratch)) as runners:
        batch = first
        while not answers.enough.is_set():
            _batch(_KINDS[batch % len(_KINDS)], (seed << 32) + batch, runners, answers)
            batch += step
    answers.verdicts.cancel_join_thread()  # nobody reads what is left


def _batch(kind: str, seed: int, runners: Runners, answers: _Answers) -> None:
    cases = {"c": command_cases, "r": run_cases, "f": flow_cases}[kind]()

    @sampled(BATCH, seed)
    @given(case=cases)
    def judge(case: Case) -> None:
        if not answers.enough.is_set():
            answers.put(judged(case, runners, run=kind != "c"))

    judge()
