"""A short, repeatable form of ``make schemathesis``: all phases against a live server, the same requests each time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.runs import PHASES, SLOWEST, Tally, found, run
from tests.fuzz.world import World, made_world
from tests.live import Server

NOT_GRANTED = 40
"""Operations that few requests, made mostly at random, do not hit right."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = Server(tmp_path_factory.mktemp("fuzz") / "data")
    server.start()
    try:
        yield made_world(server)
    finally:
        server.stop()


@pytest.mark.slow
def test_answers_are_described_quick_and_no_faults(world: World, tmp_path: Path) -> None:
    tally = Tally()
    some = [phase for phase in PHASES if phase != "coverage"]
    done = run(world, tmp_path, seed=1, examples=6, phases=tuple(some), tally=tally)
    assert not found(done), done.stdout
    assert sum(count for status, count in tally.statuses.items() if status >= 500) == 0
    assert tally.slowest[0] < SLOWEST
    assert set(some) <= set(tally.phases)
    assert len(tally.reached) > 100
    assert len(tally.reached - tally.granted) < NOT_GRANTED, sorted(tally.reached - tally.granted)
