"""Messages between an executor and the process that it lives in (`executors.apart`): whole objects over a socket.

Both ends are ours and the socket is nobody else's, so the objects are pickled.
"""

import contextlib
import math
import os
import pickle
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

from araneus.executors.base import Ended, Found, Literal, Mount, Submission
from araneus.executors.containers import Containers
from araneus.model.job import Resources

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Plan:
    """The first message: the executor to build. ``guarded``: whether tools may run bare comes with each submission."""

    cores: float
    memory: int
    containers: Containers
    guarded: bool = False
    grace: float | None = None
    interrupt_after: float = math.inf


@dataclass(frozen=True, slots=True)
class Submit:
    """Start this. ``allowed``: whether it may run bare."""

    submission: Submission
    allowed: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        # Every job goes through here: field by field costs a quarter of what pickling dataclasses and paths does.
        sent = self.submission
        parts = (
            os.fspath(sent.directory),
            _flat(sent.resources),
            [(os.fspath(mount.source), _flat(mount)) for mount in sent.mounts],
            [_flat(literal) for literal in sent.literals],
        )
        return _submit, (self.allowed, _flat(sent), *parts)


_PARTS = {
    Submission: ("directory", "resources", "mounts", "literals"),
    Mount: ("source",),
    Literal: (),
    Resources: (),
}
_PLAIN = {
    kind: tuple(field.name for field in fields(kind) if field.name not in parts) for kind, parts in _PARTS.items()
}
"""The fields of each kind that are sent as they are."""


def _flat(thing: Submission | Mount | Literal | Resources) -> tuple[Any, ...]:
    return tuple([getattr(thing, name) for name in _PLAIN[type(thing)]])


def _submit(allowed: bool, plain: Any, directory: str, *parts: Any) -> Submit:
    size, mounts, literals = parts
    submission = Submission(
        directory=Path(directory),
        resources=Resources(**_named(Resources, size)),
        mounts=tuple([Mount(source=Path(source), **_named(Mount, rest)) for source, rest in mounts]),
        literals=tuple([Literal(**_named(Literal, literal)) for literal in literals]),
        **_named(Submission, plain),
    )
    return Submit(submission, allowed)


def _named(kind: type, values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(_PLAIN[kind], values, strict=True))


@dataclass(frozen=True, slots=True)
class Cancel:
    """End this attempt."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Recover:
    """Take up these attempts of an earlier process; answered by `Recovered`."""

    directories: Mapping[str, Path]


Command: TypeAlias = Submit | Cancel | Recover


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of attempts, and what each takes."""

    found: Mapping[str, tuple[Found, Resources]]


@dataclass(frozen=True, slots=True)
class Ends:
    """Attempts that are over."""

    ended: tuple[Ended, ...]


@dataclass(frozen=True, slots=True)
class Say:
    """Something that a person should see."""

    text: str


class Channel:
    """One end. Nothing blocks but `wait`; what the other end is too busy to take waits here. `send` may be called from
    any thread, everything else belongs to one."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._in = bytearray()
        self._out: deque[memoryview] = deque()
        self._sending = threading.Lock()
        self.closed = False
        """Whether the other end is gone. What it had sent before can still be received."""

    def send(self, message: object) -> None:
        """Send as much as goes now; `flush` sends the rest."""
        content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._out.append(memoryview(_LENGTH.pack(len(content)) + content))
            self._flush()

    def flush(self) -> None:
        """Send what waits, as much as goes now."""
        with self._sending:
            self._flush()

    def _flush(self) -> None:
        while self._out and not self.closed:
            try:
                sent = self._end.send(self._out[0])
            except BlockingIOError:
                return
            except OSError:
                self.closed = True
                return
            if sent < len(self._out[0]):
                self._out[0] = self._out[0][sent:]
            else:
                self._out.popleft()

    def receive(self) -> list[Any]:
        """The messages that have come in whole. Never blocks."""
        while not self.closed:
            try:
                content = self._end.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError:
                content = b""
            if not content:
                self.closed = True
            self._in += content
        messages = []
        begin = 0
        while len(self._in) - begin >= _LENGTH.size:
            start = begin + _LENGTH.size
            end = start + _LENGTH.unpack_from(self._in, begin)[0]
            if len(self._in) < end:
                break
            messages.append(pickle.loads(memoryview(self._in)[start:end]))  # noqa: S301 - see the module's docstring
            begin = end
        del self._in[:begin]
        return messages

    def wait(self, timeout: float | None = None, other: int | None = None) -> None:
        """Until something can be received or what waits can be sent, or the descriptor ``other`` is readable, at most
        ``timeout`` seconds; what waits is sent then."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN | (select.POLLOUT if self._out else 0))
        if other is not None:
            poll.register(other, select.POLLIN)
        poll.poll(None if timeout is None else timeout * 1000)
        self.flush()

    def fileno(self) -> int:
        """Readable when `receive` may have something, or the other end is gone."""
        return self._end.fileno()

    def close(self) -> None:
        """Let go of the socket."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._end.close()
