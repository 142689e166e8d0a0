"""The composition root: settings in, running parts out. The only place that knows every package.

``python -m araneus.main api|scheduler DATA PIPE SOCKET`` runs one half for the supervisor: ``PIPE`` is a descriptor
that closes when the supervisor dies, ``SOCKET`` the listening socket.
"""

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from araneus import config, logs
from araneus.config import Settings
from araneus.cwl.javascript import JavaScript
from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.enclosure import Host
from araneus.executors.local import LocalExecutor
from araneus.storage.posix import PosixStorage
from araneus.store.database import Database
from araneus.store.guard import SchedulerLock
from araneus.store.wakeup import WakeupListener, WakeupSender

HALF_ARGUMENTS = 5

LAST_RESORT = 8.0
"""Seconds that a half may take to stop before it is ended."""


def clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, for as long as the context lasts."""
    database = Database.open(settings.database_url)
    try:
        yield database
    finally:
        database.close()


def build_storage(settings: Settings) -> PosixStorage:
    """Where bytes are, made if absent."""
    for directory in (settings.storage_directory, settings.jobs_directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return PosixStorage(settings.storage_directory, settings.jobs_directory)


def tool_path(environ_path: str) -> str:
    """The PATH of tools: the server's own, so that what its owner can run tools can run, then this interpreter's."""
    given = [entry for entry in environ_path.split(os.pathsep) if entry.startswith("/")]
    own = str(Path(sys.prefix, "bin"))
    return os.pathsep.join(dict.fromkeys([*given, own, "/usr/local/bin", "/usr/bin", "/bin"]))


def readable(path: str) -> list[Path]:
    """What a closed-off tool must see of the machine to run the programs on this PATH.

    The directories themselves, and the whole of an environment (venv, conda, pyenv) whose programs are among them.
    """
    found = []
    for entry in map(Path, path.split(os.pathsep)):
        whole = entry.name == "shims" or any((entry.parent / mark).exists() for mark in ("pyvenv.cfg", "conda-meta"))
        found.append(entry.parent if whole else entry)
    return [place for place in found if len(place.parts) > 2]


def build_containers(settings: Settings) -> Containers:
    """The enclosures that the settings ask for and this machine has. Raises `UnavailableError`."""
    path = settings.jobs.path or tool_path(os.environ.get("PATH", ""))
    choice = settings.jobs.containers
    found = Containers.detect("auto" if choice == "none" else choice, path=path, read_only=readable(path))
    if choice == "none":
        found = replace(found, engine=None)
    if settings.jobs.sandbox == "none":
        found = replace(found, bare=Host(path))
    elif settings.jobs.sandbox == "bubblewrap" and not found.bare.encloses:
        raise UnavailableError("jobs.sandbox is 'bubblewrap', which does not work here: install it, or choose 'auto'.")
    return found


def describe_confinement(settings: Settings) -> str:
    """How tools are closed off here, for the person who starts the server. Raises `UnavailableError`."""
    containers = build_containers(settings)
    engine = containers.engine.name if containers.engine else "none"
    return "\n".join(
        [f"Container engine: {engine}; tools without an image: {containers.bare.name}.", *containers.warnings]
    )


def build_executor(settings: Settings, say: Callable[[str], None]) -> LocalExecutor:
    """The executor of this machine, with the cores and memory of the settings or all there are."""
    return LocalExecutor(
        cores=settings.jobs.cores or len(os.sched_getaffinity(0)),
        memory=settings.jobs.memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2,
        containers=build_containers(settings),
        clock=clock,
        say=say,
    )


def run_api(settings: Settings, sock: socket.socket, parent: int) -> None:
    """The HTTP half: serve until told to stop or until the supervisor is gone."""
    import uvicorn  # noqa: PLC0415 (the scheduler does without)

    from araneus.api.app import build  # noqa: PLC0415
    from araneus.api.services import ApiSettings, Services  # noqa: PLC0415

    with open_database(settings) as database:
        wakeup = WakeupSender(database)
        services = Services(
            database=database,
            storage=build_storage(settings),
            clock=clock,
            wake=wakeup.send,
            settings=ApiSettings(
                uploads=settings.storage_directory / "uploads",
                public_url=settings.server.public_url or None,
                trust_proxy=settings.server.trust_proxy,
                rate_limit=settings.limits.requests,
                rate_window=settings.limits.window,
                link_lifetime=timedelta(seconds=settings.storage.link_lifetime),
                max_body=settings.server.body_limit * 1024**2,
            ),
        )
        server = uvicorn.Server(
            uvicorn.Config(
                build(services),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=5,
            )
        )

        def stop() -> None:
            server.should_exit = True

        _watch_parent(parent, stop)
        server.run(sockets=[sock])
        wakeup.close()


def run_scheduler(settings: Settings, parent: int) -> None:
    """The running half: work until told to stop or until the supervisor is gone."""
    from araneus.scheduler.loop import Scheduler  # noqa: PLC0415 (the API does without)

    log = structlog.get_logger("araneus.scheduler")
    stop = threading.Event()
    with ExitStack() as stack:
        database = stack.enter_context(open_database(settings))
        lock = SchedulerLock(database)
        stack.callback(lock.release)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        _watch_parent(parent, stop.set)
        while not lock.acquire():
            # Another scheduler is at work on this database, or just leaving after a crash: take over when it is gone.
            if stop.wait(0.1):
                return
        scheduler = Scheduler(
            database,
            build_storage(settings),
            build_executor(settings, lambda message: log.info("executor", message=message)),
            stack.enter_context(WakeupListener(database)),
            stack.enter_context(
                JavaScript(settings.javascript.workers, settings.javascript.time_limit, settings.javascript.memory)
            ),
            jobs_directory=settings.jobs_directory,
            clock=clock,
        )
        threading.Thread(target=_wake_when, args=(stop, scheduler.wake), daemon=True).start()
        scheduler.run(stop)


def _wake_when(stop: threading.Event, wake: Callable[[], None]) -> None:
    stop.wait()
    wake()


def _watch_parent(descriptor: int, stop: Callable[[], object]) -> None:
    """Call ``stop`` when the other end of the pipe is closed; end the process if that does not help in time."""

    def watch() -> None:
        select.select([descriptor], [], [])
        stop()
        time.sleep(LAST_RESORT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: list[str]) -> None:
    """Run one half, as the supervisor asks."""
    if len(arguments) != HALF_ARGUMENTS or arguments[1] not in {"api", "scheduler"}:
        raise SystemExit("This is run by `araneus up`.")
    half, data, parent, listening = arguments[1], Path(arguments[2]), int(arguments[3]), int(arguments[4])
    settings = config.load(data, os.environ)
    logs.configure(settings.log.level, half)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if half == "api":
        with socket.socket(fileno=listening) as sock:
            run_api(settings, sock, parent)
    else:
        os.close(listening)
        run_scheduler(settings, parent)


if __name__ == "__main__":
    main(sys.argv)
