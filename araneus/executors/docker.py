"""docker and podman through their command lines, which are alike in all that is needed here.

The wrapper runs ``docker run`` in the foreground, so the container's exit code is recorded as any other, also when the
server is gone meanwhile. Images are fetched by the server, in threads, before the wrapper starts.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from araneus.executors.base import Image, Submission
from araneus.executors.enclosure import Launch
from araneus.executors.errors import CannotStartError
from araneus.executors.jobdir import TEMPORARY, WORK
from araneus.executors.limits import Limits, Policy, default_policy, limits_for
from araneus.executors.mounts import Bind
from araneus.executors.processes import Container
from araneus.executors.verdict import out_of_memory
from araneus.model.job import Outcome, Reason

# What the command line client itself needs to find its daemon and its settings.
_CLIENT_VARIABLES = (
    "PATH",
    "HOME",
    "DOCKER_BUILDKIT",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "CONTAINERS_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINER_HOST",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
)
_BUILT = "araneus-built"


class CommandLineEngine:
    """docker or podman: ``program`` is its name or path. ``rewrite`` replaces a prefix of an image's name by another,
    the longest that fits. The engine runs on this machine: it sees the same paths. ``policy`` says what a tool may
    use."""

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
        self._rewrite = dict(rewrite)
        variables = os.environ if environ is None else environ
        self._environment = {name: variables[name] for name in _CLIENT_VARIABLES if name in variables}
        self._program = shutil.which(program, path=self._environment.get("PATH")) or program
        self._ready: dict[str, str] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def works(self) -> bool:
        """Whether the program is there and its daemon answers."""
        try:
            return (
                self._call(
                    "version",
                    "--format",
                    "{{.Client.Version}}{{.Server.Version}}" if self.name == "docker" else "{{.Client.Version}}",
                    timeout=15,
                ).returncode
                == 0
            )
        except (OSError, subprocess.TimeoutExpired):
            return False

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """See `Engine.prepare`."""
        key = json.dumps([image.pull, image.load, image.file, image.import_, image.image_id])
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._ready:
                self._ready[key] = self._fetch(image, progress)
            return self._ready[key]

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """``run`` with the job's directories and inputs bound, no capabilities, and the resources as limits."""
        name = container_name(submission.attempt)
        directories = (
            Bind(source=os.fspath(submission.directory / WORK), target=submission.work, writable=True),
            Bind(source=os.fspath(submission.directory / TEMPORARY), target=submission.temporary, writable=True),
        )
        environment = {"HOME": submission.work, "TMPDIR": submission.temporary, **submission.environment}
        options = (
            *("run", "--interactive", "--name", name, "--label", f"araneus.attempt={submission.attempt}"),
            *("--user", f"{os.getuid()}:{os.getgid()}", "--workdir", submission.work),
            *(() if submission.network else ("--network", "none")),
            *limit_options(limits_for(submission.resources, self._policy), os.cpu_count() or 1),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *(option for bind in (*directories, *binds) for option in ("--mount", _mount(bind))),
            *(option for key, value in environment.items() for option in ("--env", f"{key}={value}")),
        )
        return Launch(
            command=(self._program, *options, image, *submission.command),
            environment=self._environment,
            container=Container(program=self._program, name=name),
        )

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """Tell what the engine did from what the tool did: out of memory, no such command, not started at all."""
        if notes.startswith("true"):
            return out_of_memory(code)
        said = [line for line in stderr.splitlines() if line.startswith((f"{self.name}: ", "Error: "))]
        if code not in {125, 126, 127} or not said:
            return None
        if "exec:" in said[-1]:
            return Outcome(
                reason=Reason.COMMAND_NOT_FOUND, message=f"The image cannot run the command: {said[-1][:500]}"
            )
        return Outcome(reason=Reason.NOT_STARTED, message=f"The container could not be started: {said[-1][:500]}")

    def end(self, attempt: str) -> None:
        """See `Engine.end`."""
        try:
            self._call("rm", "--force", container_name(attempt), timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return

    def _fetch(self, image: Image, progress: Callable[[str], None]) -> str:
        reference = self._reference(image)
        try:
            there = self._call("image", "inspect", reference, timeout=60).returncode == 0
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise _unavailable(reference, str(problem)) from problem
        if there:
            return reference
        progress(f"fetching the image {reference}")
        if image.load:
            self._from_url(image.load, "load", reference)
        elif image.import_:
            self._from_url(image.import_, "import", reference)
        elif image.file is not None:
            self._must(reference, "build", "--tag", reference, "-", input_=image.file.encode())
        else:
            self._must(reference, "pull", reference)
        return reference

    def _reference(self, image: Image) -> str:
        name = image.image_id or image.pull
        if image.file is not None and not name:
            name = f"{_BUILT}:{hashlib.sha256(image.file.encode()).hexdigest()[:32]}"
        if not name:
            raise _unavailable("", "DockerRequirement names no image: give dockerPull or dockerImageId")
        if name.startswith("-") or any(character.isspace() or not character.isprintable() for character in name):
            raise _unavailable(name, "that is not the name of an image")
        return rewritten(name, self._rewrite)

    def _from_url(self, url: str, verb: str, reference: str) -> None:
        import urllib.error  # noqa: PLC0415 (a tenth of the start of `araneus cwl`, and rarely needed)
        import urllib.parse  # noqa: PLC0415
        import urllib.request  # noqa: PLC0415

        # Only from the network: a path would let a document read files of this machine.
        if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
            raise _unavailable(reference, f"it can only be loaded from an http(s) URL, not from {url[:200]!r}")
        with tempfile.TemporaryFile() as target:
            try:
                with urllib.request.urlopen(url, timeout=60) as source:  # noqa: S310 - the scheme was checked
                    shutil.copyfileobj(source, target, 1024 * 1024)
            except (OSError, urllib.error.URLError, ValueError) as problem:
                raise _unavailable(reference, f"{url} could not be read: {problem}") from problem
            target.seek(0)
            arguments = ("load",) if verb == "load" else ("import", "-", reference)
            self._must(reference, *arguments, stdin=target.fileno())

    def _must(self, reference: str, *arguments: str, input_: bytes | None = None, stdin: int | None = None) -> None:
        try:
            done = self._call(*arguments, timeout=6 * 3600, input_=input_, stdin=stdin)
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise _unavailable(reference, str(problem)) from problem
        if done.returncode:
            raise _unavailable(reference, _last(done.stderr.decode("utf-8", "replace")) or f"exit {done.returncode}")

    def _call(
        self, *arguments: str, timeout: float, input_: bytes | None = None, stdin: int | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        command = (self._program, *arguments)
        environment = self._environment
        if input_ is not None:
            return subprocess.run(
                command, env=environment, input=input_, capture_output=True, timeout=timeout, check=False
            )
        source = subprocess.DEVNULL if stdin is None else stdin
        return subprocess.run(command, env=environment, stdin=source, capture_output=True, timeout=timeout, check=False)


def container_name(attempt: str) -> str:
    """The name of an attempt's container."""
    return f"araneus-{attempt}"


def rewritten(name: str, table: Mapping[str, str]) -> str:
    """The image name with its longest prefix in the table replaced."""
    prefix = max((prefix for prefix in table if name.startswith(prefix)), key=len, default=None)
    return name if prefix is None else table[prefix] + name.removeprefix(prefix)


def limit_options(limits: Limits, cores: int) -> tuple[str, ...]:
    """The limits as options of ``run``, on a machine with so many cores."""
    memory = f"{limits.memory}m"
    # Docker refuses more cores than the machine has, and fewer than 0.01.
    quota = () if limits.cores is None else ("--cpus", f"{min(max(limits.cores, 0.01), float(cores)):g}")
    return (
        *("--memory", memory, "--memory-swap", memory, *quota),
        *("--cpu-shares", str(max(2, min(262_144, round(limits.weight * 1024))))),
        *("--pids-limit", str(limits.processes), "--oom-score-adj", str(limits.badness)),
    )


def _mount(bind: Bind) -> str:
    # --mount takes a line of comma-separated values, so a field with a comma or a quote is quoted; -v cannot say ":".
    fields = ["type=bind", f"source={bind.source}", f"target={bind.target}"]
    if not bind.writable:
        fields.append("readonly")
    return ",".join(_quoted(field) for field in fields)


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if any(mark in field for mark in ',"\n') else field


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "--help" not in line]
    return lines[-1][:500] if lines else ""


def _unavailable(reference: str, why: str) -> CannotStartError:
    return CannotStartError(
        Reason.IMAGE_UNAVAILABLE,
        f"The container image {reference!r} is not available: {why}. Check its name and that this machine can reach"
        " its registry.",
    )
