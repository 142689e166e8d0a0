"""Threads that answer what is read from PostgreSQL, several requests at a turn.

A hop between the event loop and a thread costs as much as an answer, and so does each question to the database. A
thread that is free takes its share of the requests that wait and hands all answers back in one hop; what serves a turn
can ask for all of them at once. Nobody waits for company: a request that comes alone is answered alone.
"""

import threading
from asyncio import Future, get_running_loop
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeAlias, TypeVar

A = TypeVar("A")
MOST: Final = 16
"""Requests of one turn: the first of them waits for the last."""
Outcome: TypeAlias = tuple[Any, BaseException | None]
"""A result, or why there is none."""


class Readers(Generic[A]):
    """So many threads. ``serve`` gives the outcome of each of the requests of a turn, in their order."""

    def __init__(self, threads: int, serve: Callable[[Sequence[A]], Sequence[Outcome]]) -> None:
        self._serve = serve
        self._queue: SimpleQueue[tuple[A, Future[Any]] | None] = SimpleQueue()
        names = [f"read_{place}" for place in range(threads)]
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    async def run(self, request: A) -> Any:
        """The result of a request; raises what ``serve`` gave instead."""
        future: Future[Any] = get_running_loop().create_future()
        self._queue.put((request, future))
        return await future

    def close(self) -> None:
        """Answer what waits and end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            turn, end = [first], False
            for _ in range(min(self._queue.qsize() // len(self._threads), MOST - 1)):
                try:
                    following = self._queue.get_nowait()
                except Empty:
                    break
                if following is None:
                    end = True  # there is one for each thread
                    break
                turn.append(following)
            self._answer(turn)
            if end:
                return

    def _answer(self, turn: Sequence[tuple[A, "Future[Any]"]]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = self._serve([request for request, _ in turn])
        except BaseException as error:
            outcomes = [(None, error)] * len(turn)
        futures = [future for _, future in turn]
        futures[0].get_loop().call_soon_threadsafe(_deliver, futures, outcomes)


def _deliver(futures: Sequence["Future[Any]"], outcomes: Sequence[Outcome]) -> None:
    for future, (result, error) in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
