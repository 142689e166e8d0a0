"""The endpoints that the platform documents, and a plain word for those that are not available here.

`endpoints.tsv` lists them (source: API reference): method, path, what it does, its group, and how much scripts need it,
from 1 (the main job) to 3 (few do).
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from araneus.api.call import Answer, Call, Route, Takes
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One documented endpoint; ``path`` is below ``/v2``, with ``{parameters}``."""

    method: str
    path: str
    summary: str
    group: str
    importance: int

    @property
    def key(self) -> tuple[str, str]:
        """Method and path without the names of parameters, which may be called differently elsewhere."""
        return key(self.method, self.path)


def key(method: str, path: str) -> tuple[str, str]:
    """What two descriptions of one endpoint have in common."""
    return method, re.sub(r"\{\w+\}", "{}", path)


def endpoints() -> tuple[Endpoint, ...]:
    """All of them, in the order of the reference."""
    text = resources.files("araneus.api").joinpath("endpoints.tsv").read_text("utf-8")
    return tuple(
        Endpoint(
            method=row["method"], path=row["path"], summary=row["summary"], group=row["group"],
            importance=int(row["importance"]),
        )
        for row in csv.DictReader(io.StringIO(text), delimiter="\t")
    )  # fmt: skip


def missing(served: Iterable[Route]) -> tuple[Route, ...]:
    """A route for each documented endpoint that is not among these: it answers 404 and says so."""
    known = {key(route.method, route.path) for route in served}
    return tuple(
        Route(
            endpoint.method, endpoint.path, _not_yet, endpoint.summary, endpoint.importance, takes=Takes.NOTHING
        )
        for endpoint in endpoints()
        if endpoint.key not in known
    )  # fmt: skip


def _not_yet(call: Call, services: Services) -> Answer:
    raise Refusal(
        Fault.NOT_FOUND,
        f"{call.method} {call.url_path[:200]} is documented by the platform, but not available in Araneus yet;"
        " docs/compatibility.md lists what is.",
    )
