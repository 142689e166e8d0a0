"""The public methods of the installed sevenbridges-python, and what is noted down about them while they are called."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import pytest
import sevenbridges
from sevenbridges import models
from sevenbridges.http.client import HttpClient, RequestSession
from sevenbridges.meta.collection import Collection
from sevenbridges.meta.resource import Resource
from sevenbridges.models.compound.tasks.batch_by import BatchBy
from sevenbridges.transfer.download import Download
from sevenbridges.transfer.upload import Upload

from araneus.api.documented import endpoints, key, missing
from araneus.api.routes import ROUTES, RouteTree
from araneus.model.errors import Refusal

_OF_EVERY_RESOURCE = frozenset({"equals", "deepcopy"})
_LINKS = frozenset({"Link", "VolumeLink"})
_DOCUMENTED = {endpoint.key: f"{endpoint.method} {endpoint.path}" for endpoint in endpoints()}
_TREE = RouteTree((*ROUTES, *missing(ROUTES)))
SERVED = frozenset(
    _DOCUMENTED[key(route.method, route.path)] for route in ROUTES if key(route.method, route.path) in _DOCUMENTED
)


def classes() -> list[type[Any]]:
    """Every class of the client with methods for its users; parts of others (`sevenbridges.models.compound`) have none
    but BatchBy."""
    found: list[type[Any]] = [Collection, Download, Upload, BatchBy]
    for name in sorted(module.name for module in pkgutil.walk_packages(models.__path__, "sevenbridges.models.")):
        if ".compound" not in name:
            module = importlib.import_module(name)
            found += [
                thing
                for thing in vars(module).values()
                if inspect.isclass(thing) and thing.__module__ == name and issubclass(thing, Resource)
            ]
    return [one for one in found if one.__name__ not in _LINKS]


def methods_of(one: type[Any]) -> Iterator[str]:
    """The names of its public methods, with the inherited ones that can work on it."""
    urls, fields = getattr(one, "_URL", {}), getattr(one, "_fields", {})
    for name, value in vars(one).items():
        if name.startswith("_") or name in _OF_EVERY_RESOURCE:
            continue
        if inspect.isfunction(value) or isinstance(value, classmethod | staticmethod):
            yield name
    if issubclass(one, Resource):
        inherited = {
            "get": "get" in urls,
            "delete": "delete" in urls and hasattr(one, "id"),
            "reload": "href" in fields or "get" in urls,
        }
        yield from (name for name, works in inherited.items() if works and name not in vars(one))


def methods() -> set[str]:
    """All of them, as ``Class.method``; and the properties of the API object that ask the server."""
    asking = {f"Api.{name}" for name in ("limit", "remaining", "reset_time") if hasattr(HttpClient, name)}
    found = {f"{one.__name__}.{name}" for one in classes() for name in methods_of(one)}
    return (found | asking) - {"RateLimit.reload", "Endpoints.reload"}


class Notes:
    """What was sent while which methods were at work. The client's own threads work for the method that waits."""

    def __init__(self) -> None:
        self.sent: dict[str, set[str]] = {}
        self._at_work: list[str] = []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Take notes of every call until the patch is undone."""
        for one in {Resource, *classes()}:
            for name, value in list(vars(one).items()):
                if name.startswith("_") or name in _OF_EVERY_RESOURCE:
                    continue
                if isinstance(value, classmethod):
                    patch.setattr(one, name, classmethod(self._noted(name, value.__func__)))
                elif inspect.isfunction(value):
                    patch.setattr(one, name, self._noted(name, value))
        for name in ("limit", "remaining", "reset_time"):
            getter = getattr(HttpClient, name).fget
            patch.setattr(HttpClient, name, property(self._noted(name, getter)))
        send = RequestSession.send

        def noted(session: Any, request: Any, **options: Any) -> Any:
            self._note(request.method, request.url)
            return send(session, request, **options)

        patch.setattr(RequestSession, "send", noted)

    def _noted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):

            @wraps(function)
            def generator(subject: Any, *given: Any, **named: Any) -> Iterator[Any]:
                with self._working(subject, name):
                    yield from function(subject, *given, **named)

            return generator

        @wraps(function)
        def called(subject: Any, *given: Any, **named: Any) -> Any:
            with self._working(subject, name):
                return function(subject, *given, **named)

        return called

    def _working(self, subject: Any, name: str) -> "_Working":
        one = subject if inspect.isclass(subject) else type(subject)
        method = f"{one.__name__}.{name}"
        self.sent.setdefault(method, set())
        return _Working(self._at_work, method)

    def _note(self, method: str, url: str) -> None:
        endpoint = documented(method, urlsplit(url).path.removeprefix("/v2"))
        for name in tuple(self._at_work):
            if endpoint:
                self.sent[name].add(endpoint)


class _Working:
    def __init__(self, at_work: list[str], name: str) -> None:
        self._at_work, self._name = at_work, name

    def __enter__(self) -> None:
        self._at_work.append(self._name)

    def __exit__(self, *_: object) -> None:
        self._at_work.remove(self._name)


def documented(method: str, path: str) -> str | None:
    """The endpoint of a request, as the platform documents it; None for signed links and others of our own."""
    try:
        route, _ = _TREE.find(method, path)
    except Refusal:
        return f"{method} {path}"
    return _DOCUMENTED.get(key(route.method, route.path))


VERSION = sevenbridges.__version__
