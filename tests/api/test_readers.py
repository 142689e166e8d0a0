"""The threads that read: each request gets its own answer, whoever it was answered with."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from araneus.api.readers import MOST, Outcome, Readers


class Half:
    """Gives half of even numbers and refuses odd ones; notes the turns, and waits for ``go``."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, turn: Sequence[int]) -> Sequence[Outcome]:
        self.turns.append(list(turn))
        assert self.go.wait(20)
        if 0 in turn:
            raise ZeroDivisionError("all of them")
        return [(None, ValueError(one)) if one % 2 else (one // 2, None) for one in turn]


def told(half: Half, numbers: Sequence[int], threads: int, *, begun: int = 0) -> list[object]:
    """What each number got, when so many turns had begun before the first could end."""

    async def ask() -> list[object]:
        readers = Readers(threads, half)
        try:
            asked = []
            for number in numbers:
                asked.append(asyncio.ensure_future(readers.run(number)))
                await asyncio.sleep(0)
                while len(half.turns) < min(begun, len(asked)):
                    await asyncio.sleep(0.001)
            half.go.set()
            return list(await asyncio.gather(*asked, return_exceptions=True))
        finally:
            readers.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("threads", [1, 3])
def test_each_gets_its_own_answer(threads: int) -> None:
    half = Half()
    for number, got in zip(range(2, 402), told(half, range(2, 402), threads), strict=True):
        if number % 2:
            assert isinstance(got, ValueError)
            assert got.args == (number,)
        else:
            assert got == number // 2
    assert sorted(number for turn in half.turns for number in turn) == list(range(2, 402))
    assert max(map(len, half.turns)) <= MOST


def test_what_waits_is_taken_together() -> None:
    half = Half()
    told(half, range(2, 3 + 2 * MOST), 1, begun=1)
    assert list(map(len, half.turns)) == [1, MOST, MOST]
    assert half.turns[1] == list(range(3, 3 + MOST))


def test_threads_share_what_waits() -> None:
    half = Half()
    told(half, range(2, 12), 2, begun=2)
    assert half.turns[:2] == [[2], [3]]
    assert len(half.turns[2]) == 1 + (7 // 2)


def test_what_fails_for_a_turn_fails_for_all_of_it_and_no_other() -> None:
    half = Half()
    got = told(half, [2, 0, 4, *range(6, 6 + 2 * MOST, 2)], 1, begun=1)
    assert got[0] == 1
    together = len(half.turns[1])
    assert together == MOST
    assert all(isinstance(one, ZeroDivisionError) for one in got[1 : 1 + together])
    assert got[1 + together :] == [number // 2 for number in half.turns[2]]


def test_who_does_not_wait_any_more_disturbs_nobody() -> None:
    half = Half()

    async def ask() -> object:
        readers = Readers(1, half)
        gone, stays = (asyncio.ensure_future(readers.run(number)) for number in (4, 6))
        while not half.turns:
            await asyncio.sleep(0.001)
        gone.cancel()
        half.go.set()
        answer = await stays
        readers.close()
        return answer

    assert asyncio.run(ask()) == 3


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_closing_answers_what_waits_and_ends_the_threads(threads: int) -> None:
    half = Half()

    async def ask() -> list[object]:
        readers = Readers(threads, half)
        asked = [asyncio.ensure_future(readers.run(number)) for number in range(2, 120, 2)]
        while len(half.turns) < threads:
            await asyncio.sleep(0.001)
        closing = asyncio.ensure_future(asyncio.to_thread(readers.close))
        await asyncio.sleep(0.05)  # until it stands in line behind those that wait
        half.go.set()
        await asyncio.wait_for(closing, 20)
        return list(await asyncio.gather(*asked))

    before = threading.active_count()
    assert asyncio.run(ask()) == list(range(1, 60))
    assert threading.active_count() == before
