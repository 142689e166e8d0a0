"""docker and podman through their command lines, which are alike in all that is needed here.

The wrapper runs ``docker run`` in the foreground, so the container's exit code is recorded as any other, also when the
server is gone meanwhile. Images are fetched by the server, in threads, before the wrapper starts (`engine_images`).
"""

import os
import re
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from araneus.executors.base import Image, Submission
from araneus.executors.cgroup_layout import CONTROLLERS
from araneus.executors.cgroups import unenforced
from araneus.executors.enclosure import Launch
from araneus.executors.engine_images import EngineImages
from araneus.executors.jobdir import TEMPORARY, WORK
from araneus.executors.limits import Limits, Policy, default_policy, limits_for
from araneus.executors.mounts import Bind
from araneus.executors.processes import Container
from araneus.executors.verdict import out_of_memory
from araneus.model.job import Outcome, Reason

_STATE: Final = re.compile(r"(?:true|false) \d+ (?P<started>\d{4}-\d\d-\d\d)")
_NEVER: Final = "0001-01-01"
_NO_SUCH: Final = re.compile(r"no such (?:object|container)|no container with", re.IGNORECASE)


class CommandLineEngine:
    """docker or podman: ``program`` is its name or path. ``rewrite`` is the table ``jobs.images``. The engine runs on
    this machine: it sees the same paths. ``policy`` says what a tool may use."""

    encloses = True

    def __init__(
        self,
        program: str,
        rewrite: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        *,
        policy: Policy | None = None,
    ) -> None:
        self._policy = policy or default_policy()
        self.name = Path(program).name
        variables = os.environ if environ is None else environ
        self._images = EngineImages(program, self.name, rewrite, variables, network=self._policy.network)
        self._environment = self._images.environment
        self._program = self._images.program
        self._user: tuple[str, ...] = ("--user", f"{os.getuid()}:{os.getgid()}")
        self._controllers = frozenset(CONTROLLERS)
        self.warnings: tuple[str, ...] = ()

    def works(self) -> bool:
        """Whether the program is there and its daemon answers; finds out as whom a tool makes files that are ours."""
        if self.name == "podman":
            self._user = _podman_user()
            obeying = self._images.ask("info", "--format", "{{json .Host.CgroupControllers}}", patience=15)
            if obeying is not None:
                self._controllers = frozenset(name for name in CONTROLLERS if f'"{name}"' in obeying)
                self.warnings = tuple(unenforced(self._controllers, "tools in containers of podman"))
            return obeying is not None
        found = self._images.ask("info", "--format", "{{json .ServerVersion}} {{json .SecurityOptions}}", patience=15)
        if found is None or found.startswith(('""', "null")):
            return False
        # The root of our own user's daemon is us.
        if "name=rootless" in found:
            self._user = ("--user", "0:0")
        elif "name=userns" in found:
            self._user = (*self._user, "--userns", "host")
        return True

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """See `Engine.prepare`: the image's id, so that nothing which changes a name meanwhile changes what runs."""
        return self._images.prepare(image, progress)

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """``run`` with the job's directories and inputs bound, no capabilities, and the resources as limits."""
        name = container_name(submission.attempt)
        directories = (
            Bind(source=os.fspath(submission.directory / WORK), target=submission.work, writable=True),
            Bind(source=os.fspath(submission.directory / TEMPORARY), target=submission.temporary, writable=True),
        )
        environment = {"HOME": submission.work, "TMPDIR": submission.temporary, **submission.environment}
        options = (
            *("run", "--interactive", "--pull", "never", "--no-healthcheck", "--name", name),
            *("--label", f"araneus.attempt={submission.attempt}", *self._user, "--workdir", submission.work),
            *(() if submission.network else ("--network", "none")),
            *limit_options(limits_for(submission.resources, self._policy), os.cpu_count() or 1, self._controllers),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *(option for bind in (*directories, *binds) for option in ("--mount", mount_option(bind))),
            *(option for key, value in environment.items() for option in ("--env", f"{key}={value}")),
        )
        return Launch(
            command=(self._program, *options, image, *submission.command),
            environment=self._environment,
            container=Container(program=self._program, name=name),
        )

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """Tell what the engine did from what the tool did: out of memory, no such command, not started at all."""
        killed = code == 128 + signal.SIGKILL and "oom_kill" in notes.splitlines()
        if notes.startswith("true") or killed:
            return out_of_memory(code)
        if notes.startswith(f"false {code} ") and began(notes):
            return None
        said = [line for line in stderr.splitlines() if line.startswith((f"{self.name}: ", "Error: "))]
        if code not in {125, 126, 127} or (not said and code != 125):
            return None
        if not said:
            # The notes would have the tool's own 125: this one is of a client that has lost its engine.
            said = ["its client ended with 125 and did not say why"]
        if self._images.is_gone(said[-1]):
            return Outcome(
                reason=Reason.IMAGE_UNAVAILABLE, message=f"The image was removed meanwhile: {said[-1][:500]}"
            )
        if "exec:" in said[-1]:
            return Outcome(
                reason=Reason.COMMAND_NOT_FOUND, message=f"The image cannot run the command: {_why(said[-1])}"
            )
        self._images.doubt()
        words = said[-1].removeprefix(f"{self.name}: ").removeprefix("Error: ")[:500]
        if began(notes) is False:
            return Outcome(reason=Reason.REFUSED, message=f"{self.name} did not start the container: {words}")
        return Outcome(reason=Reason.LOST, message=f"{self.name} went away while the job started or ran: {words}")

    def end(self, attempts: Sequence[str]) -> Collection[str]:
        """See `Engine.end`: those that the engine says it has removed."""
        named = {container_name(attempt): attempt for attempt in attempts}
        said = self._images.ask("rm", "--force", "--volumes", *named, patience=30, regardless=True)
        return [named[line] for line in (said or "").split() if line in named]


def began(notes: str) -> bool | None:
    """Whether the tool in a container has begun, by what the wrapper noted when the engine's client had ended; None
    when the engine did not say. Where the engine knows no container, it has made none: only we remove them, later."""
    state = _STATE.match(notes)
    if state is not None:
        return state["started"] != _NEVER
    return False if _NO_SUCH.search(notes) else None


def _why(said: str) -> str:
    """Of what an engine says about a command the end: the program and what is wrong with it."""
    return said.rpartition("exec: ")[2].partition(": OCI runtime")[0].removesuffix(": unknown")[:300]


def container_name(attempt: str) -> str:
    """The name of an attempt's container."""
    return f"araneus-{attempt}"


def _podman_user() -> tuple[str, ...]:
    """Without root's rights, the server's user would be another one inside, unless it is mapped to itself."""
    user = ("--user", f"{os.getuid()}:{os.getgid()}")
    return user if os.geteuid() == 0 else (*user, "--userns", "keep-id")


def limit_options(limits: Limits, cores: int, controllers: Collection[str] = frozenset(CONTROLLERS)) -> tuple[str, ...]:
    """The limits as options of ``run``, on a machine with so many cores. An engine refuses those that ``controllers``
    does not name."""
    memory = f"{limits.memory}m"
    # Docker refuses more cores than the machine has, and fewer than 0.01.
    quota = () if limits.cores is None else ("--cpus", f"{min(max(limits.cores, 0.01), float(cores)):g}")
    weight = ("--cpu-shares", str(max(2, min(262_144, round(limits.weight * 1024)))))
    found = {
        "memory": ("--memory", memory, "--memory-swap", memory),
        "cpu": (*quota, *weight),
        "pids": ("--pids-limit", str(limits.processes)),
    }
    chosen = (option for name, options in found.items() if name in controllers for option in options)
    return (*chosen, "--oom-score-adj", str(limits.badness))


def mount_option(bind: Bind) -> str:
    """The value of ``--mount``, as docker, podman and apptainer read it."""
    # --mount takes a line of comma-separated values, so a field with a comma or a quote is quoted; -v cannot say ":".
    fields = ["type=bind", f"source={bind.source}", f"target={bind.target}"]
    if not bind.writable:
        fields.append("readonly")
    return ",".join(_quoted(field) for field in fields)


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if any(mark in field for mark in ',"\n') else field
