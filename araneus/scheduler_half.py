"""The running half of a server: claims tasks and runs their jobs until told to stop."""

import math
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

import structlog

from araneus import confinement, interpreter
from araneus.config import Settings
from araneus.cwl.javascript import JavaScript
from araneus.executors.apart import Apart
from araneus.executors.containers import Containers
from araneus.half import Word, build_storage, clock, open_database, watch_parent
from araneus.model.instance import InstanceTypes
from araneus.scheduler.ending import abort_and_wait
from araneus.scheduler.housekeeping import Housekeeping, Premises
from araneus.scheduler.loop import Options, Scheduler
from araneus.store.database import Database, WrongSchema
from araneus.store.guard import SchedulerLock
from araneus.store.wakeup import WakeupListener

_log = structlog.get_logger("araneus.scheduler")
_PATIENCE = 0.02


def run(settings: Settings, parent: int, word: Word) -> None:
    """Work until told to stop or until the supervisor is gone. Says ``ready`` with how tools are closed off here."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(parent, stop.set)
    with ExitStack() as stack:
        database = stack.enter_context(open_database(settings))
        unconfined = confinement.Unconfined(settings, database)
        containers = confinement.build_containers(settings, unconfined)
        lock = SchedulerLock(database)
        stack.callback(lock.release)
        # The HTTP half is making the tables. Another scheduler may be at work on this database, or just leaving after
        # a crash: take over when it is gone.
        if not (_wait(lambda: _has_tables(database), stop) and _wait(lock.acquire, stop)):
            return
        scheduler = Scheduler(
            database,
            build_storage(settings),
            stack.enter_context(closing(_executor(settings, containers))),
            stack.enter_context(WakeupListener(database)),
            stack.enter_context(
                JavaScript(settings.javascript.workers, settings.javascript.time_limit, settings.javascript.memory)
            ),
            jobs_directory=settings.jobs_directory,
            clock=clock,
            options=Options(
                memory_growth=settings.jobs.memory_growth,
                temporary_tries=settings.jobs.temporary_tries,
                instances=_instances(settings),
            ),
        )
        premises = Premises(
            storage=settings.storage_directory,
            uploads=settings.storage_directory / "uploads",
            jobs=settings.jobs_directory,
        )
        stack.enter_context(Housekeeping(database, premises, clock=clock))
        over = threading.Event() if settings.jobs.end_with_server else stop
        threading.Thread(target=_stop_when, args=(stop, over, scheduler.wake, database), daemon=True).start()
        word.say(ready="\n".join(confinement.describe(containers, allowed=unconfined())))
        interpreter.settle()
        scheduler.run(over)


def _instances(settings: Settings) -> InstanceTypes:
    table = settings.instances
    sizes = {name: (float(cores), table.memory[name]) for name, cores in table.cores.items()}
    return InstanceTypes(sizes=sizes, default=table.default)


def _executor(settings: Settings, containers: Containers) -> Apart:
    """The executor of this machine, with the cores and memory of the settings or what jobs may have of it."""
    return Apart(
        cores=settings.jobs.cores or len(os.sched_getaffinity(0)),
        memory=containers.policy.memory,
        containers=containers,
        say=lambda message: _log.info("executor", message=message),
        interrupt_after=settings.jobs.interrupt_after or math.inf,
    )


def _has_tables(database: Database) -> bool:
    try:
        database.check()
    except WrongSchema:
        return False
    return True


def _wait(done: Callable[[], bool], stop: threading.Event) -> bool:
    """Whether it came to be done; False when told to stop before."""
    while not done():
        if stop.wait(_PATIENCE):
            return False
    return True


def _stop_when(stop: threading.Event, over: threading.Event, wake: Callable[[], None], database: Database) -> None:
    """Hand ``stop`` on to the loop as ``over``, after the end of all tasks where these are two events."""
    stop.wait()
    if over is not stop:
        abort_and_wait(database, wake, clock)
        over.set()
    wake()
