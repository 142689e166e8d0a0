"""The process behind `executors.apart.Apart`: a `LocalExecutor` that is told over a socket what to do.

    python -m araneus.executors.apart_process DESCRIPTOR PARENT

One thread waits for commands and for attempts that end. It goes when the other end does.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from araneus import interpreter
from araneus.executors.channel import Cancel, Channel, Command, Ends, Plan, Recovered, Say, Submit
from araneus.executors.enclosure import Guarded, Host
from araneus.executors.local import GRACE, LocalExecutor
from araneus.model.job import Resources

_PR_SET_PDEATHSIG = 1


class _Office:
    """Carries out commands and reports ends."""

    def __init__(self, plan: Plan, channel: Channel) -> None:
        self._channel = channel
        self._allowed = False
        containers = plan.containers
        if plan.guarded and isinstance(containers.bare, Host):
            containers = replace(containers, bare=Guarded(containers.bare, lambda: self._allowed))
        self.executor = LocalExecutor(
            cores=plan.cores,
            memory=plan.memory,
            containers=containers,
            clock=lambda: datetime.now(UTC),
            say=lambda text: channel.send(Say(text)),
            grace=GRACE if plan.grace is None else plan.grace,
            starters=0,
            interrupt_after=plan.interrupt_after,
        )

    def obey(self, command: Command) -> None:
        """Do what the scheduler wants."""
        if isinstance(command, Submit):
            self._allowed = command.allowed
            self.executor.submit(command.submission)
        elif isinstance(command, Cancel):
            self.executor.cancel(command.attempt)
        else:
            found = self.executor.recover(command.directories)
            taken = self.executor.room.taken
            self._channel.send(Recovered({key: (what, taken.get(key, Resources())) for key, what in found.items()}))

    def report(self) -> None:
        """Tell which attempts ended."""
        ended = self.executor.poll()
        if ended:
            self._channel.send(Ends(tuple(ended)))


def serve(channel: Channel) -> None:
    """Work until the other end is gone."""
    pending: list[Any] = []
    while not pending and not channel.closed:
        channel.wait()
        pending = channel.receive()
    if not pending:
        return
    office = _Office(pending.pop(0), channel)
    interpreter.settle()
    with contextlib.closing(office.executor):
        while not channel.closed:
            for command in pending:
                office.obey(command)
            office.report()
            channel.wait(other=office.executor.fileno())
            pending = channel.receive()


def die_with(parent: int) -> None:
    """End when the parent does, at once where the kernel offers that: a successor must not meet us at work."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def main() -> None:
    """The process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Not ignored, for what is started here would inherit that.
        signal.signal(number, lambda *_: None)
    die_with(int(sys.argv[2]))
    serve(Channel(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
