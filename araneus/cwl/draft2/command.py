"""What the command of a tool in sbg:draft-2 has besides its words: redirections, and the job object in a file.

Called by `araneus.cwl.command`. Source: rabix/bunny, rabix-bindings-sb and rabix-backend-local.
"""

import json
import shlex
from collections.abc import Mapping
from typing import Final

from araneus.cwl.draft2.evaluation import job_object
from araneus.cwl.known_files import all_file_values
from araneus.model.values import Value

JOB_FILE: Final = "job.json"
"""The name of the job object in the working directory."""


def redirected(command: tuple[str, ...], stdin: str | None, stdout: str | None) -> tuple[str, ...]:
    """The shell command with its streams redirected by the shell: of ``a && b`` only ``b`` writes to ``stdout``."""
    *shell, line = command
    if stdin is not None:
        line += f" < {shlex.quote(stdin)}"
    if stdout is not None:
        line += f" > {shlex.quote(stdout)}"
    return (*shell, line)


def job_text(inputs: Mapping[str, Value], runtime: Mapping[str, Value]) -> str:
    """The job object as scripts see it, in JSON, without where the bytes of files come from."""
    job = job_object(inputs, runtime)
    for file in all_file_values(job):
        file.pop("location", None)
    return json.dumps(job, indent=1)
