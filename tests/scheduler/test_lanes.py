"""Lanes: one piece of work at a time per key, results through a descriptor."""

import select
import threading
import time
from collections.abc import Iterator

import pytest

from araneus.scheduler.lanes import Lanes, Result


@pytest.fixture
def lanes() -> Iterator[Lanes[int]]:
    made: Lanes[int] = Lanes(3)
    yield made
    made.close(2)


def take(lanes: Lanes[int], count: int) -> dict[str, Result[int]]:
    found: dict[str, Result[int]] = {}
    while len(found) < count:
        assert select.select([lanes.fileno()], [], [], 5)[0], found
        found.update((result.key, result) for result in lanes.take())
    return found


def test_results_come_back_under_their_keys(lanes: Lanes[int]) -> None:
    for number in range(20):
        lanes.post(f"task {number}", lambda number=number: number * number)  # type: ignore[misc]
    found = take(lanes, 20)
    assert {key: result.value for key, result in found.items()} == {f"task {n}": n * n for n in range(20)}
    assert not lanes.busy("task 3")


def test_an_exception_is_a_result(lanes: Lanes[int]) -> None:
    def fail() -> int:
        raise ValueError("odd")

    lanes.post("a", fail)
    result = take(lanes, 1)["a"]
    assert isinstance(result.error, ValueError)
    assert str(result.error) == "odd"


def test_a_lane_that_hangs_holds_up_nobody(lanes: Lanes[int]) -> None:
    gate = threading.Event()

    def hang() -> int:
        gate.wait(20)
        return 1

    lanes.post("slow", hang)
    begun = time.monotonic()
    for _ in range(10):
        lanes.post("quick", lambda: 2)
        take(lanes, 1)
    assert time.monotonic() - begun < 2
    assert lanes.busy("slow")
    gate.set()
    assert take(lanes, 1)["slow"].value == 1


def test_waking_is_possible_at_any_time() -> None:
    made: Lanes[int] = Lanes(1)
    for _ in range(200_000):
        made.wake()
    assert made.take() == []
    assert not select.select([made.fileno()], [], [], 0)[0]
    made.close(1)
    made.wake()
