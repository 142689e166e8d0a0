"""Requests that are served at a turn get the answers that they would get alone, for no more queries."""

import threading
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, event

from araneus.api.call import Budget, Takes
from araneus.api.limits import RateLimiter
from araneus.api.routes import ROUTES, RouteTree
from araneus.api.serving import Asked, Exchange, Serving
from araneus.model.errors import Refusal
from araneus.model.task import Status
from araneus.model.user import token_digest
from araneus.store import tokens
from tests.api.tasks_fixtures import UNKNOWN, Lab, a_file, move

_ROUTES = RouteTree(ROUTES)


def serving_of(lab: Lab, limit: int = 0) -> Serving:
    """What serves requests, at a time that stands still."""
    now = lab.server.services.clock()
    return Serving(replace(lab.server.services, clock=lambda: now), RateLimiter(limit, 300))


def asked(target: str, token: str | None) -> Asked:
    """A GET with this token."""
    parts = urlsplit(target)
    headers = [] if token is None else [(b"x-sbg-auth-token", token.encode())]
    scope = {"method": "GET", "headers": headers, "query_string": parts.query.encode()}
    exchange = Exchange(scope, Budget(1000, 1000, 0))
    exchange.base, exchange.path = "http://localhost", parts.path
    route, parameters = _ROUTES.find("GET", parts.path.removeprefix("/v2/"))
    return Asked(exchange, route, parameters, answer=route.takes is Takes.NOTHING)


def alone(serving: Serving, one: Asked) -> Any:
    try:
        return serving.one(one).value
    except Refusal as refusal:
        return refusal.fault, refusal.message


def together(serving: Serving, turn: list[Asked]) -> list[Any]:
    outcomes = serving.turn(turn)
    assert len(outcomes) == len(turn)
    told = []
    for answer, error in outcomes:
        assert error is None or isinstance(error, Refusal)
        told.append(answer.value if error is None else (error.fault, error.message))
    return told


def some_tasks(lab: Lab) -> list[str]:
    """A draft, one that runs, one that has failed, a batch; two with files; one of another project."""
    text, second = lab.file("a.txt"), lab.file("b.txt")
    made = [lab.task(name=f"n{number}", inputs={"text": a_file(text if number % 2 else second)}) for number in range(4)]
    move(lab, made[1]["id"], Status.QUEUED, Status.RUNNING)
    move(lab, made[2]["id"], Status.QUEUED, Status.RUNNING, Status.FAILED)
    batch = lab.task(batch_by={"type": "item"}, batch_input="text", inputs={"text": [a_file(text), a_file(second)]})
    away = lab.another("RNA")
    away.install()
    far = away.task(inputs={"text": a_file(away.file("c.txt"))})
    return [task["id"] for task in (*made, batch, far)]


def test_a_turn_of_all_kinds(lab: Lab) -> None:
    ids = some_tasks(lab)
    known = lab.server.tokens
    lab.admit("francis", read=True).close()
    revoked = known["maurice"]
    with lab.server.services.database.write() as conn:
        assert tokens.delete(conn, token_digest(revoked))
    targets = [
        *(f"/v2/tasks/{identity}{fields}" for identity in ids for fields in ("", "?fields=id,status", "?fields=_all")),
        *(f"/v2/tasks/{identity}" for identity in (UNKNOWN, ids[0].upper(), "x", "%00", "x' OR 1")),
        f"/v2/tasks/{ids[0]}?fields=price,execution_status", f"/v2/tasks/{ids[0]}?fields=!inputs",
        f"/v2/tasks/{ids[0]}?fields=,,(", "/v2/user", f"/v2/tasks?project={lab.project}", f"/v2/tasks/{ids[0]}/inputs",
    ]  # fmt: skip
    asking = (known["rosalind"], known["francis"], revoked, "0" * 32, "", None)
    serving = serving_of(lab)
    turn = [(target, token) for target in targets for token in asking]
    expected = [alone(serving, asked(*one)) for one in turn]
    assert together(serving, [asked(*one) for one in turn]) == expected
    assert together(serving, [asked(*one) for one in reversed(turn)]) == expected[::-1]
    assert sum(isinstance(answer, dict) for answer in expected) > 40
    assert sum(isinstance(answer, tuple) for answer in expected) > 100


@pytest.mark.parametrize("fields", ["?fields=id,status", "?fields=inputs", ""])
def test_more_of_the_same_user_need_no_more_queries(lab: Lab, fields: str) -> None:
    ids = some_tasks(lab)
    serving = serving_of(lab)
    token = lab.server.tokens["rosalind"]

    def queries(wanted: list[str]) -> int:
        seen: list[str] = []

        def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if threading.current_thread() is threading.main_thread():  # not the server's own
                seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            together(serving, [asked(f"/v2/tasks/{identity}{fields}", token) for identity in wanted])
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return len(seen)

    assert queries(ids[:4] * 5) <= 6
    if fields:
        assert queries(ids) == queries(ids[:1])


def test_the_rate_limit_counts_each_of_a_turn(lab: Lab) -> None:
    ids = some_tasks(lab)
    serving = serving_of(lab, limit=3)
    told = together(serving, [asked(f"/v2/tasks/{ids[0]}", lab.server.tokens["rosalind"]) for _ in range(5)])
    assert [isinstance(answer, dict) for answer in told] == [True, True, True, False, False]
