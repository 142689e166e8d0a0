"""Running the programs that fetch images: their progress while they work, their words when they fail, another try when
that may help. Blocks; called from the threads of `fetch`."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from araneus.executors.images import is_transient

TIME_LIMIT = 6 * 3600.0
"""Seconds after which a program that fetches or builds an image is ended."""
PAUSES = (0.5, 3.0)
"""Seconds before the second and the third try of what failed in a way that may pass."""
_LONGEST_LINE = 500
_KEPT_LINES = 30
_SIZE = 64 * 1024

CLIENT_VARIABLES = (
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
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
    "REGISTRY_AUTH_FILE",
    "APPTAINER_CONFIGDIR",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
"""What the container tools need of the server's environment to find their daemons, settings and logins."""
PROXY_VARIABLES = tuple(
    spelled for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY") for spelled in (name, name.lower())
)
"""What they need besides to reach a registry; never handed to a command that runs a tool: it may hold a password."""


class ProgramError(Exception):
    """A program failed; the text is the last of what it said."""


class Progress:
    """Tells a person how far a program is, from the lines that it prints: at most one sentence in ``quiet`` seconds."""

    def __init__(self, say: Callable[[str], None], what: str, quiet: float = 2.0) -> None:
        self._quiet = quiet
        self._say = say
        self._what = what
        self._said = time.monotonic()
        self._seen: set[str] = set()
        self._done: set[str] = set()

    def line(self, line: str) -> None:
        """Take note of a line, and perhaps say something."""
        found = _LAYER.search(line)
        if found is None:
            return
        layer = (found["blob"] or found["layer"])[:12]
        self._seen.add(layer)
        if found["blob"] is not None or "complete" in line or "exists" in line:
            self._done.add(layer)
        now = time.monotonic()
        if now - self._said >= self._quiet:
            self._said = now
            self._say(f"{self._what}: {self._state()}")

    def _state(self) -> str:
        # skopeo, podman and apptainer name a layer when they begin with it, docker says when it has one.
        if self._done == self._seen:
            return f"layer {len(self._seen)}"
        return f"{len(self._done)} of {len(self._seen)} layers"


_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LAYER = re.compile(
    r"Copying blob (?:sha256:)?(?P<blob>[0-9a-f]{12,64})"
    r"|^(?P<layer>[0-9a-f]{12}): (?:Pulling fs layer|Waiting|Verifying|Download|Pull complete|Already exists)"
)


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int | None = None,
    text: str | None = None,
    line: Callable[[str], None] = lambda _: None,
    limit: float = TIME_LIMIT,
) -> str:
    """Run a program to its end and return the last lines that it printed, on either stream.

    ``stdin`` is a descriptor, ``text`` is given to it instead. Raises `ProgramError` when it fails, cannot be started,
    or takes longer than ``limit`` seconds.
    """
    source = subprocess.PIPE if text is not None else subprocess.DEVNULL if stdin is None else stdin
    try:
        process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as problem:
        raise ProgramError(str(problem)) from problem
    late = threading.Event()
    clock = threading.Timer(limit, _end, (process, late))
    clock.daemon = True
    clock.start()
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        with process:
            if text is not None and process.stdin is not None:
                writer = threading.Thread(target=_write, args=(process.stdin, text), daemon=True)
                writer.start()
            assert process.stdout is not None
            for said in _lines(process.stdout):
                kept.append(said)
                line(said)
    finally:
        clock.cancel()
    if late.is_set():
        raise ProgramError(f"it took longer than {limit:.0f} seconds and was ended")
    if process.returncode:
        raise ProgramError(_reason(kept) or f"{os.path.basename(command[0])} ended with exit code {process.returncode}")  # noqa: PTH119
    return "\n".join(kept)


def persevere(work: Callable[[], str], say: Callable[[str], None], pauses: Sequence[float] = PAUSES) -> str:
    """Do the work, and again after each pause while it fails with a `ProgramError` that may pass."""
    for pause in pauses:
        try:
            return work()
        except ProgramError as problem:
            if not is_transient(str(problem)):
                raise
            say(f"trying again in {pause:g} s: {problem}")
        time.sleep(pause)
    return work()


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """What is printed, line by line as it comes. A carriage return ends a line; only the start of a line is kept."""
    rest = b""
    while chunk := os.read(stream.fileno(), _SIZE):
        *whole, rest = re.split(rb"[\r\n]", rest + chunk)
        yield from map(_clean, whole)
        rest = rest[:_LONGEST_LINE]
    yield _clean(rest)


def _clean(line: bytes) -> str:
    text = _ESCAPE.sub("", line[:_LONGEST_LINE].decode("utf-8", "replace"))
    return "".join(character for character in text if character.isprintable()).strip()


def _end(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    if process.poll() is not None:
        return
    late.set()
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _write(stream: IO[bytes], text: str) -> None:
    with contextlib.suppress(OSError), stream:
        stream.write(text.encode("utf-8", "surrogateescape"))


def _reason(lines: Sequence[str]) -> str:
    """The line that says why, and the one before it when it goes on."""
    said = [line for line in lines if line and "--help" not in line]
    errors = [line for line in said if re.search(r"\b(?:error|fatal|FATAL|denied|unknown|cannot|failed)\b", line, re.I)]
    return (errors or said or [""])[-1]
