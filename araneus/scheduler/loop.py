"""The scheduler: one loop that claims tasks, starts jobs, takes in their ends and writes it all down.

    wake-up, attempt ended, lane done
                 │
    take in ─▶ start what has room ─▶ write (one transaction) ─▶ start what was just written ─▶ give the lanes work

The loop's thread alone talks to the executor and writes to the database, and it never evaluates, stages or collects:
that is the lanes' work (`run.Run`). An attempt is in the database before the executor hears of it, and how it ended is
there before, or together with, what builds on it, so the process may be killed at any instant (ARCHITECTURE.md, "A
server is killed and comes back").
"""

import math
import selectors
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from araneus.cwl.javascript import JavaScript
from araneus.executors.base import Ended, Executor, Found
from araneus.model.instance import InstanceTypes, too_small
from araneus.model.job import Attempt, Outcome, Reason
from araneus.model.task import TERMINAL, Status
from araneus.scheduler.active import Active
from araneus.scheduler.admission import capacity, choose, too_large
from araneus.scheduler.apps import Apps
from araneus.scheduler.batches import Batches
from araneus.scheduler.facts import Aborted, Facts, Failed, Prepared
from araneus.scheduler.fleets import Fleets
from araneus.scheduler.lanes import Lanes, Result
from araneus.scheduler.messages import internal_error, task_failed
from araneus.scheduler.record import Entry, Written
from araneus.scheduler.run import Means, Run, disk_is_full
from araneus.scheduler.writer import Trouble, Writer
from araneus.storage.base import Storage
from araneus.store import jobs, tasks
from araneus.store.database import Connection, Database, is_away

_BEGUN = frozenset({Status.RUNNING, Status.ABORTING})
_OUTAGE_PAUSE = 1.0
log = structlog.get_logger("araneus.scheduler")


class Listener(Protocol):
    """Hears that somebody changed something in the database."""

    def fileno(self) -> int:
        """A descriptor that becomes readable on a wake-up."""
        ...

    def drain(self) -> object:
        """Forget the wake-ups that came in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Times are in seconds. ``poll`` finds lost wake-ups; ``max_tasks`` are in hand at once, the others stay QUEUED;
    ``window`` jobs of a task are prepared ahead; ``patience`` is how long small jobs may pass a large one;
    ``queue_after`` is how long a task may want room before it is QUEUED again;
    ``memory_growth`` times the memory is what a job gets that ran out of it (1: it is not tried again);
    ``temporary_tries`` attempts a job has in all that ends with an exit code which its tool calls temporary;
    ``instances`` are the types that apps and tasks may name."""

    lanes: int = 8
    poll: float = 2.0
    max_tasks: int = 100
    window: int = 64
    patience: float = 60.0
    queue_after: float = 3.0
    lazy_write: float = 0.1
    max_troubles: int = 6
    memory_growth: float = 1.0
    temporary_tries: int = 1
    instances: InstanceTypes = field(default_factory=InstanceTypes)


class Scheduler:
    """Runs the tasks of one database on one executor. Build it, then call `run` in a thread of its own."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        executor: Executor,
        listener: Listener,
        javascript: JavaScript,
        *,
        jobs_directory: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        options: Options = Options(),
    ) -> None:
        self._database = database
        self._executor = executor
        self._listener = listener
        self._clock = clock
        self._options = options
        self._means = Means(
            database=database,
            storage=storage,
            javascript=javascript,
            load=Apps().load,
            jobs=jobs_directory.resolve(),
            executor=executor.name,
            clock=clock,
            window=options.window,
            memory_growth=options.memory_growth,
            temporary_tries=options.temporary_tries,
            instances=options.instances,
        )
        self._writer = Writer(database, clock, storage)
        self._batches = Batches(database, clock)
        self._lanes: Lanes[Facts] = Lanes(options.lanes)
        self._active: dict[str, Active] = {}
        self._queue: OrderedDict[str, Prepared] = OrderedDict()
        self._open: dict[str, list[Attempt]] = {}
        self._unknown: set[str] = set()
        self._early: dict[str, list[Ended]] = {}
        self._fleets = Fleets()
        self._owners: dict[str, str] = {}
        self._look_at = 0.0
        self._written_at = 0.0
        self._room_changed = True

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; jobs go on running after that and are found again by the next scheduler.

        After setting ``stop`` call `wake`, else it is noticed at the next poll.
        """
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._lanes.fileno(), self._listener.fileno(), self._executor.fileno()):
                selector.register(descriptor, selectors.EVENT_READ)
            recovered = False
            while not stop.is_set():
                try:
                    if not recovered:
                        self._recover()
                        recovered = True
                    ready = selector.select(self._timeout())
                    self._tick({key.fd for key, _ in ready})
                except Exception:
                    log.exception("scheduler_tick_failed")
                    stop.wait(0.5)
        self._lanes.close(timeout=5.0)

    def wake(self) -> None:
        """Make `run` look at ``stop`` and the database now; from any thread or signal handler."""
        self._look_at = 0.0
        self._lanes.wake()

    # --- the beat -------------------------------------------------------------------------------------------------

    def _tick(self, ready: set[int]) -> None:
        if self._listener.fileno() in ready:
            self._listener.drain()
            self._look_at = 0.0
        for result in self._lanes.take():
            self._receive(result)
        for ended in self._executor.poll():
            self._hear(ended)
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + self._options.poll
            self._look()
        self._start()
        self._give_work()
        if self._write():
            self._start()
            self._give_work()

    def _timeout(self) -> float:
        due = min((self._next_at(active) for active in self._active.values()), default=math.inf)
        return max(0.0, min(self._look_at, due) - time.monotonic())

    def _next_at(self, active: Active) -> float:
        due = self._due_at(active)
        return due if self._lanes.busy(active.task) else min(due, active.turn_at(self._options.window))

    def _due_at(self, active: Active) -> float:
        return active.due_at(self._written_at, self._options.lazy_write)

    # --- taking in ------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Ask the executor for every attempt that an earlier process left open."""
        with self._database.read() as connection:
            attempts = jobs.open_attempts(connection)
        found = self._executor.recover({attempt.id: Path(attempt.directory) for attempt in attempts})
        for attempt in attempts:
            self._owners[attempt.id] = attempt.task
            if found.get(attempt.id, Found.UNKNOWN) is Found.UNKNOWN:
                self._unknown.add(attempt.id)
            else:
                self._open.setdefault(attempt.task, []).append(attempt)
        if attempts:
            log.info("attempts_recovered", open=len(attempts), never_started=len(self._unknown))

    def _look(self) -> None:
        """Find tasks that the API queued, wants aborted, or has deleted with their project, and give the ones that are
        stopping another push."""
        with self._database.read() as connection:
            listed = tasks.ids_active(connection)
            # Those that an earlier process had begun come first, and are taken however many there are.
            for task, status, _ in sorted(listed, key=lambda entry: entry[1] is Status.QUEUED):
                if task in self._batches:
                    continue
                if task in self._active:
                    if status is Status.ABORTING:
                        self._abort(self._active[task])
                elif status in _BEGUN or (status is Status.QUEUED and len(self._active) < self._options.max_tasks):
                    self._adopt(connection, task)
            moved = self._batches.moved(connection)
        present = {task for task, _, _ in listed}
        for active in [one for one in self._active.values() if one.task not in present]:
            self._forget(active, None)
        for parent in moved:
            self._batches.settle(parent)
        for active in self._active.values():
            if active.stopping:
                self._cancel(active)

    def _adopt(self, connection: Connection, identity: str) -> None:
        task = tasks.get(connection, identity)
        if task is None or task.status in TERMINAL:
            return
        if task.batch:
            self._batches.follow(task.id)
            return
        attempts = self._open.pop(task.id, [])
        active = self._active[task.id] = Active.of(
            task, Run(task, self._means), attempts, time.monotonic(), self._options.queue_after
        )
        self._owners.update((attempt.id, task.id) for attempt in attempts)
        for ended in self._early.pop(task.id, []):
            active.hear(ended, time.monotonic())
        log.info("task_taken", task=task.id, status=task.status.value, open_attempts=len(attempts))
        if task.status is Status.ABORTING:
            self._abort(active)

    def _receive(self, result: Result[Facts]) -> None:
        active = self._active.get(result.key)
        if active is None:
            return
        if result.error is not None:
            log.error("task_turn_failed", task=active.task, exc_info=result.error)
            full = disk_is_full(result.error)
            active.fail(task_failed(Outcome(reason=Reason.DISK_FULL)) if full else internal_error(result.error))
            self._cancel(active)
            return
        facts = result.value
        assert facts is not None
        active.take(facts, time.monotonic())
        if active.stopping:
            self._cancel(active)
            return
        for one in facts.resumed:
            self._resume(active, one)

    def _resume(self, active: Active, one: Prepared) -> None:
        """An attempt from before a restart: it runs, it has ended, or it was never started and is started now."""
        identity = one.attempt.id
        if identity in self._unknown:
            self._unknown.discard(identity)
            self._owners[identity] = active.task
            active.waiting += 1
            self._queue[identity] = one
            self._queue.move_to_end(identity, last=False)
            self._room_changed = True
        elif identity in active.flying:
            self._fleets.take(one)
            active.resumed(one)

    def _hear(self, ended: Ended) -> None:
        self._room_changed = True
        self._fleets.give_back(ended.attempt)
        owner = self._owners.pop(ended.attempt, None)
        active = self._active.get(owner) if owner is not None else None
        if active is not None:
            active.hear(ended, time.monotonic())
        elif owner is not None:
            self._early.setdefault(owner, []).append(ended)

    # --- starting and stopping ------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start what has room; nothing can have got any unless an attempt ended or the queue changed."""
        if not self._room_changed:
            return
        self._room_changed = False
        if not self._queue:
            return
        choice = choose(
            self._queue.values(),
            self._executor.fit,
            now=time.monotonic(),
            patience=self._options.patience,
            seats=self._fleets,
        )
        for one in choice.now:
            self._submit(one)
        for one in choice.never:
            if one.instance is not None and not one.instance.holds(one.resources):
                message = too_small(one.instance, one.resources)
            else:
                message = too_large(one.resources, capacity(self._executor.fit))
            self._refuse(one, Outcome(reason=Reason.TOO_LARGE, message=message))

    def _submit(self, one: Prepared) -> None:
        del self._queue[one.attempt.id]
        active = self._active[one.job.task]
        active.started(one, self._clock())
        try:
            self._executor.submit(one.submission)
        except Exception as error:
            log.exception("submit_failed", attempt=one.attempt.id)
            message = internal_error(error)
            self._hear(self._ended(one, Outcome(reason=Reason.NOT_STARTED, message=message)))

    def _refuse(self, one: Prepared, outcome: Outcome) -> None:
        del self._queue[one.attempt.id]
        self._active[one.job.task].waiting -= 1
        self._hear(self._ended(one, outcome))

    def _ended(self, one: Prepared, outcome: Outcome) -> Ended:
        return Ended(attempt=one.attempt.id, outcome=outcome, started_on=None, ended_on=self._clock())

    def _abort(self, active: Active) -> None:
        if not isinstance(active.verdict, Aborted):
            active.abort()
            self._cancel(active)

    def _cancel(self, active: Active) -> None:
        """Stop what runs of a task that is stopping; may be asked again."""
        self._room_changed = True
        if active.waiting:
            for identity in [key for key, one in self._queue.items() if one.job.task == active.task]:
                del self._queue[identity]
                self._owners.pop(identity, None)
            active.waiting = 0
        for identity in sorted(active.flying):
            self._executor.cancel(identity)

    # --- writing --------------------------------------------------------------------------------------------------

    def _write(self) -> bool:
        """Write what is to be written; whether anything was."""
        now = time.monotonic()
        if not any(self._due_at(active) <= now for active in self._active.values()):
            return False
        due = [active for active in self._active.values() if active.due_at(0.0, -math.inf) <= now]
        at = self._clock()
        entries = [active.entry(now, at) for active in due]
        results = self._writer.write(entries)
        self._written_at = time.monotonic()
        for active, entry, result in zip(due, entries, results, strict=True):
            if isinstance(result, Trouble):
                self._trouble(active, result)
            else:
                self._written(active, entry, result)
        return True

    def _written(self, active: Active, entry: Entry, result: Written) -> None:
        active.written(entry)
        if result.status is None or result.status in TERMINAL:
            self._forget(active, result.status)
            return
        if result.status is Status.ABORTING:
            self._abort(active)
        if entry.claim and self._batches.waits(active.parent):
            self._look_at = 0.0
        if not active.stopping:
            for one in entry.prepared:
                self._owners[one.attempt.id] = active.task
                self._queue[one.attempt.id] = one
            active.waiting += len(entry.prepared)
            self._room_changed = True

    def _forget(self, active: Active, status: Status | None) -> None:
        """The task is over, or its rows are gone."""
        active.stop()
        self._cancel(active)
        del self._active[active.task]
        self._look_at = 0.0
        failed = {"message": active.verdict.message} if isinstance(active.verdict, Failed) else {}
        log.info("task_ended", task=active.task, status=status.value if status else "deleted", **failed)

    def _trouble(self, active: Active, trouble: Trouble) -> None:
        """Try again later; give the task up when only its own facts cannot be written."""
        if is_away(trouble.error):
            active.retry_at = time.monotonic() + _OUTAGE_PAUSE
            log.warning("database_away", task=active.task, error=str(trouble.error))
            return
        active.troubles += 1
        active.retry_at = time.monotonic() + min(5.0, 0.1 * 2**active.troubles)
        log.error("write_failed", task=active.task, tries=active.troubles, exc_info=trouble.error)
        if active.troubles == self._options.max_troubles:
            active.give_up(internal_error(trouble.error))
            self._cancel(active)

    # --- lanes ----------------------------------------------------------------------------------------------------

    def _give_work(self) -> None:
        now = time.monotonic()
        for active in self._active.values():
            if not self._lanes.busy(active.task) and active.turn_at(self._options.window) <= now:
                ended, active.inbox, active.more = active.inbox, [], False
                waiting = active.waiting + len(active.prepared)
                self._lanes.post(active.task, partial(active.run.turn, ended, waiting), active.person)
