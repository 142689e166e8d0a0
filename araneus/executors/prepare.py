"""Filling the job directory of an attempt and starting its wrapper; the caller holds the directory's lock."""

import json
import shlex
import shutil
from pathlib import Path

from araneus.executors import jobdir, processes
from araneus.executors.base import Submission
from araneus.executors.enclosure import Enclosure, Launch
from araneus.executors.jobdir import Record
from araneus.executors.mounts import Placer
from araneus.executors.streams import opened

_OWN = (jobdir.WORK, jobdir.TEMPORARY, jobdir.INPUTS, "aside")


def prepare(submission: Submission, enclosure: Enclosure, image: str) -> Launch:
    """Make the directories, put the files in place, write the logs for people; return what is to be run.

    What an earlier call had begun before its process died is thrown away: nothing has run in it. Raises
    `CannotStartError` and OSError.
    """
    directory = submission.directory
    begun = (directory / jobdir.RECORD).exists()
    # Written before anything else, so that whatever is found without a record was put there by the caller.
    jobdir.write_record(
        directory,
        Record(
            attempt=submission.attempt,
            cores=submission.resources.cores,
            memory=submission.resources.memory,
            time_limit=submission.time_limit,
            enclosure=enclosure.name,
            stderr=submission.stderr,
        ),
    )
    _make_directories(directory, begun=begun)
    binds = Placer(submission, enclosure.encloses).place()
    jobdir.write_text(directory / jobdir.COMMAND_LOG, shlex.join(submission.command) + "\n")
    jobdir.write_text(directory / jobdir.JOB, json.dumps(dict(submission.job), default=str, indent=1) + "\n")
    return enclosure.launch(submission, binds, image)


def start(submission: Submission, enclosure: Enclosure, launch: Launch, lock: int, group: str = "") -> int:
    """Start the wrapper, in a control group if there is one, and return its process id.

    Raises `CannotStartError`, OSError and ValueError.
    """
    environment = {**launch.environment, processes.MARK: submission.attempt}
    with opened(submission, enclosed=enclosure.encloses) as streams:
        return processes.spawn(
            submission.directory,
            launch.command,
            environment,
            streams,
            lock=lock,
            container=launch.container,
            group=group,
        )


def _make_directories(directory: Path, *, begun: bool) -> None:
    for name in _OWN if begun else ():
        if (directory / name).exists():
            shutil.rmtree(directory / name)
    for name in (jobdir.WORK, jobdir.TEMPORARY, jobdir.INPUTS):
        (directory / name).mkdir(exist_ok=True)
