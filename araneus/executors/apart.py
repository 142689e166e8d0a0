"""The executor of this machine in a process of its own, so that filling job directories and starting tools takes no
time from the scheduler's interpreter.

`Apart` keeps count of the room and passes everything else on to a `LocalExecutor` behind a socket. Should that process
end, another one takes over: it recovers what was started, and what was not is submitted again; the locks of the job
directories see to it that nothing runs twice. When the scheduler's process ends, the other one goes, too, and the tools
go on.
"""

import contextlib
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from araneus.executors.base import Ended, Fit, Found, Submission
from araneus.executors.channel import Cancel, Channel, Command, Ends, Plan, Recover, Recovered, Say, Submit
from araneus.executors.containers import Containers
from araneus.executors.enclosure import Guarded
from araneus.executors.room import Room
from araneus.model.errors import AraneusError
from araneus.model.job import Resources

_SHORT_LIFE = 5.0
_MAX_SHORT_LIVES = 5
_PATIENCE = 60.0
_LEAVE = 5.0


class GoneError(AraneusError):
    """The executor's process ends again and again; the message says what to do."""


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    channel: Channel
    since: float


class Apart:
    """The `Executor` of one machine; see the protocol for its obligations and `LocalExecutor` for the parameters.

    Raises `GoneError` from any method when its process cannot be kept alive.
    """

    name = "local"

    def __init__(
        self,
        *,
        cores: float,
        memory: int,
        containers: Containers,
        say: Callable[[str], None] = lambda _: None,
        grace: float | None = None,
        interrupt_after: float = math.inf,
    ) -> None:
        self._room = Room(cores, memory)
        bare = containers.bare
        self._allowed = bare.allowed if isinstance(bare, Guarded) else None
        sent = containers if not isinstance(bare, Guarded) else replace(containers, bare=bare.host)
        self._plan = Plan(
            cores=cores,
            memory=memory,
            containers=sent,
            guarded=self._allowed is not None,
            grace=grace,
            interrupt_after=interrupt_after,
        )
        self._say = say
        self._sent: dict[str, Submission | Path] = {}
        self._ended: list[Ended] = []
        self._found: Mapping[str, tuple[Found, Resources]] | None = None
        self._short_lives = 0
        # Whoever waits for the descriptor keeps it, whichever process is behind it.
        self._epoll = select.epoll()
        self._child = self._start()

    def fit(self, resources: Resources) -> Fit:
        """See the protocol."""
        return self._room.fit(resources)

    def submit(self, submission: Submission) -> None:
        """See the protocol."""
        if submission.attempt in self._room:
            return
        self._room.take(submission.attempt, submission.resources)
        self._sent[submission.attempt] = submission
        self._send(Submit(submission, self._may_run()))

    def poll(self) -> Sequence[Ended]:
        """See the protocol."""
        self._child.channel.flush()
        self._receive()
        ended, self._ended = self._ended, []
        for report in ended:
            self._room.give_back(report.attempt)
            self._sent.pop(report.attempt, None)
        return ended

    def cancel(self, attempt: str) -> None:
        """See the protocol."""
        if attempt in self._sent:
            self._send(Cancel(attempt))

    def recover(self, directories: Mapping[str, Path]) -> Mapping[str, Found]:
        """See the protocol."""
        if not directories:
            return {}
        self._send(Recover(dict(directories)))
        found = self._answer()
        for attempt, (what, resources) in found.items():
            if what is not Found.UNKNOWN:
                self._room.take(attempt, resources)
                self._sent.setdefault(attempt, directories[attempt])
        return {attempt: what for attempt, (what, _) in found.items()}

    def fileno(self) -> int:
        """See the protocol."""
        return self._epoll.fileno()

    def close(self) -> None:
        """End the process. Attempts go on running and can be recovered."""
        self._child.channel.close()
        _leave(self._child.process)
        self._epoll.close()

    def _may_run(self) -> bool:
        return self._allowed is None or self._allowed()

    def _send(self, command: Command) -> None:
        self._child.channel.send(command)

    def _receive(self) -> None:
        channel = self._child.channel
        for message in channel.receive():
            if isinstance(message, Ends):
                self._ended += message.ended
            elif isinstance(message, Recovered):
                self._found = message.found
            elif isinstance(message, Say):
                self._say(message.text)
        if channel.closed:
            self._take_over()

    def _answer(self) -> Mapping[str, tuple[Found, Resources]]:
        """Wait for what was recovered. Starting a process may take a while on a busy machine."""
        deadline = time.monotonic() + _PATIENCE
        self._found = None
        while self._found is None:
            if time.monotonic() > deadline:
                raise GoneError(f"The executor's process gave no answer within {_PATIENCE:.0f} s.")
            self._child.channel.wait(1.0)
            self._receive()
        return self._found

    def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                # Neither the directory that the server was started in nor the user's own site has a say in it.
                [sys.executable, "-P", "-m", "araneus.executors.apart_process", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        channel = Channel(ours)
        channel.send(self._plan)
        self._epoll.register(ours.fileno(), select.EPOLLIN)
        return _Child(process, channel, time.monotonic())

    def _take_over(self) -> None:
        """The process is gone: let another one look after what it had in hand."""
        gone = self._child
        self._short_lives = self._short_lives + 1 if time.monotonic() - gone.since < _SHORT_LIFE else 0
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(gone.channel.fileno())
        gone.channel.close()
        _leave(gone.process)
        if self._short_lives > _MAX_SHORT_LIVES:
            raise GoneError(
                f"The executor's process ended {self._short_lives} times in a row (exit code"
                f" {gone.process.returncode}): see the log, and start the server again."
            )
        self._say("The executor's process ended; another one takes over.")
        self._child = self._start()
        ended = {report.attempt for report in self._ended}
        sent = {attempt: what for attempt, what in self._sent.items() if attempt not in ended}
        again = {key: what.directory if isinstance(what, Submission) else what for key, what in sent.items()}
        if not again:
            return
        found = self.recover(again)
        for attempt, what in sent.items():
            if found.get(attempt, Found.UNKNOWN) is Found.UNKNOWN and isinstance(what, Submission):
                self._send(Submit(what, self._may_run()))


def _leave(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process, which has lost its socket, is gone."""
    try:
        process.wait(_LEAVE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
