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


def test_nobody_holds_all_lanes() -> None:
    """Two people whose work hangs in all their tasks, and one whose work does not."""
    gate = threading.Event()
    made: Lanes[int] = Lanes(8)

    def hang() -> int:
        gate.wait(20)
        return 1

    try:
        for number in range(40):
            made.post(f"slow {number}", hang, "mallory")
        begun = time.monotonic()
        for _ in range(10):
            made.post("quick", lambda: 2, "alice")
            assert take(made, 1)["quick"].value == 2
        assert time.monotonic() - begun < 5
        gate.set()
        assert len(take(made, 40)) == 40
    finally:
        gate.set()
        made.close(2)


def test_whoever_holds_the_fewest_threads_is_next() -> None:
    gates = [threading.Event() for _ in range(3)]
    made: Lanes[int] = Lanes(4)
    begun: list[str] = []

    def wait(name: str, gate: threading.Event) -> int:
        begun.append(name)
        gate.wait(20)
        return 1

    def post(name: str, gate: threading.Event, owner: str) -> None:
        made.post(name, lambda: wait(name, gate), owner)

    try:
        for number in range(3):
            post(f"m{number}", gates[number], "mallory")
        post("x", gates[0], "xavier")
        while len(begun) < 4:
            time.sleep(0.001)
        post("m3", gates[0], "mallory")
        post("m4", gates[0], "mallory")
        post("alice", gates[0], "alice")
        gates[1].set()  # one of mallory's ends: the place is for alice, who came last
        while len(begun) < 5:
            time.sleep(0.001)
        assert begun[4] == "alice"
        gates[0].set()
        gates[2].set()
        assert len(take(made, 7)) == 7
    finally:
        for gate in gates:
            gate.set()
        made.close(2)


def test_one_lane_is_enough_for_everybody() -> None:
    made: Lanes[int] = Lanes(1)
    for number in range(30):
        made.post(f"task {number}", lambda: 1, f"owner {number % 3}")
    assert len(take(made, 30)) == 30
    made.close(1)
