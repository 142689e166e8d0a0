"""Filling the job directory of an attempt and starting its wrapper, under the directory's lock. Runs in a thread of
`starter`, and knows nothing of other attempts."""

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from araneus.executors import jobdir, processes
from araneus.executors.base import Submission
from araneus.executors.cgroups import Cgroups
from araneus.executors.enclosure import Enclosure, Launch
from araneus.executors.jobdir import Record, Trace
from araneus.executors.limits import Limits
from araneus.executors.mounts import Placer
from araneus.executors.streams import opened

_OWN = (jobdir.WORK, jobdir.TEMPORARY, jobdir.INPUTS, "aside")


def begin(
    submission: Submission, enclosure: Enclosure, image: str, limits: Limits, groups: Cgroups | None
) -> int | None:
    """Start the attempt and return its wrapper's process id; None when it was started before, or a wrapper lives.

    ``image`` is what the enclosure's engine prepared, or empty; ``groups`` hold it to its limits where there are some.
    Raises `CannotStartError`, OSError and ValueError.
    """
    directory = submission.directory
    directory.mkdir(parents=True, exist_ok=True)
    lock = jobdir.claim(directory)
    if lock is None:
        return None
    try:
        if jobdir.read_files(directory, alive=False).trace is not Trace.NOT_STARTED:
            return None
        launch = prepare(submission, enclosure, image, limits, lock)
        joins = groups.make(submission.attempt, limits) if groups is not None and launch.container is None else ()
        return start(submission, enclosure, launch, lock, limits=limits, joins=joins)
    finally:
        os.close(lock)


def prepare(submission: Submission, enclosure: Enclosure, image: str, limits: Limits, lock: int) -> Launch:
    """Make the directories, put the files in place, write the logs for people; return what is to be run.

    ``lock`` is the descriptor that `jobdir.claim` gave. What an earlier call had begun before its process died is
    thrown away: nothing has run in it. Raises `CannotStartError` and OSError.
    """
    directory = submission.directory
    # Written before anything else, so that whatever is found without a record was put there by the caller.
    begun = jobdir.write_record(
        lock,
        Record(
            attempt=submission.attempt,
            cores=submission.resources.cores,
            memory=submission.resources.memory,
            memory_limit=limits.memory,
            processes=limits.processes,
            time_limit=submission.time_limit,
            enclosure=enclosure.name,
            stderr=submission.stderr,
        ),
    )
    _make_directories(submission, begun=begun)
    binds = Placer(submission, enclosure.encloses).place()
    jobdir.write_text(directory / jobdir.COMMAND_LOG, shlex.join(submission.command) + "\n")
    jobdir.write_text(directory / jobdir.JOB, json.dumps(dict(submission.job), default=str, indent=1) + "\n")
    return enclosure.launch(submission, binds, image)


def start(
    submission: Submission,
    enclosure: Enclosure,
    launch: Launch,
    lock: int,
    *,
    limits: Limits,
    joins: Sequence[Path] = (),
) -> int:
    """Start the wrapper, in its control groups if there are any, and return its process id.

    Raises `CannotStartError`, OSError and ValueError.
    """
    mark = processes.mark(submission.attempt, os.fspath(submission.directory))
    environment = {**launch.environment, processes.MARK: mark}
    with opened(submission, enclosed=enclosure.encloses) as streams:
        return processes.spawn(
            submission.directory,
            launch.command,
            environment,
            streams,
            lock=lock,
            container=launch.container,
            badness=limits.badness,
            groups=joins,
            filter_program=launch.filter,
        )


def _make_directories(submission: Submission, *, begun: bool) -> None:
    directory = submission.directory
    for name in _OWN if begun else ():
        if (directory / name).exists():
            shutil.rmtree(directory / name)
    staged = (jobdir.INPUTS,) if submission.mounts or submission.literals else ()
    for name in (jobdir.WORK, jobdir.TEMPORARY, *staged):
        (directory / name).mkdir(exist_ok=True)
