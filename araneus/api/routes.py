"""Which path leads to which handler: the list of all routes, and the tree that finds one.

A resource module contributes its tuple ``ROUTES``; add the module to the list and its paths are served, described in
the OpenAPI document and counted in the table of compatibility.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from araneus.api import (
    accounts,
    app_copies,
    apps,
    billing,
    bulk,
    divisions,
    downloads,
    errands,
    files,
    folders,
    invoices,
    limits,
    members,
    memos,
    metadata,
    openapi,
    paths,
    projects,
    reruns,
    root,
    scroll,
    search,
    task_actions,
    uploads,
    users,
)
from araneus.api.call import Route
from araneus.model.errors import Fault, Refusal

_RESOURCES: tuple[Route, ...] = (
    *root.ROUTES,
    *limits.ROUTES,
    *users.ROUTES,
    *accounts.ROUTES,
    *divisions.ROUTES,
    *billing.ROUTES,
    *invoices.ROUTES,
    *projects.ROUTES,
    *members.ROUTES,
    *files.ROUTES,
    *folders.ROUTES,
    *scroll.ROUTES,
    *search.ROUTES,
    *metadata.ROUTES,
    *uploads.ROUTES,
    *downloads.ROUTES,
    *bulk.ROUTES,
    *errands.ROUTES,
    *paths.ROUTES,
    *apps.ROUTES,
    *app_copies.ROUTES,
    *task_actions.ROUTES,
    *reruns.ROUTES,
    *memos.ROUTES,
)
ROUTES: tuple[Route, ...] = (*_RESOURCES, *openapi.self_description(lambda: ROUTES))


class MethodNotAllowed(Refusal):
    """The path is served, but not by this method; ``allowed`` are those that it is, for the header of RFC 9110."""

    def __init__(self, method: str, served: set[str]) -> None:
        self.allowed = ", ".join(sorted(served | ({"HEAD"} if "GET" in served else set())))
        message = f"{method[:20]} is not allowed here; allowed: {', '.join(sorted(served))}."
        super().__init__(Fault.METHOD_NOT_ALLOWED, message)


@dataclass(slots=True)
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    methods: dict[str, Route] = field(default_factory=dict)


class RouteTree:
    """Finds routes by path segments: a literal segment beats a parameter, empty segments do not count.

    So every path works with and without slashes at its end, directly, which a redirect would not do for a POST.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for part in _segments(route.path):
                if part.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literal.setdefault(part, _Node())
            if route.method in node.methods:
                raise ValueError(f"two routes for {route.method} {route.path}")
            node.methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and its parameters. HEAD is found as GET.

        Raises `Refusal` NOT_FOUND for an unknown path and `MethodNotAllowed` for another method.
        """
        wanted, allowed = "GET" if method == "HEAD" else method, set[str]()
        found = _search(self._root, _segments(path), 0, wanted, allowed)
        if found is not None:
            route, values = found
            return route, dict(zip(route.names, reversed(values), strict=True))
        if allowed:
            raise MethodNotAllowed(method, allowed)
        raise Refusal(Fault.NOT_FOUND, f"There is nothing at {path[:200]!r}.")


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _search(
    node: _Node, segments: list[str], depth: int, method: str, allowed: set[str]
) -> tuple[Route, list[str]] | None:
    """The route with its parameters, last one first; literals are tried before parameters.

    Notes in ``allowed`` the methods of nodes that the path leads to without having this one.
    """
    if depth == len(segments):
        if method in node.methods:
            return node.methods[method], []
        allowed.update(node.methods)
        return None
    literal = node.literal.get(segments[depth])
    found = _search(literal, segments, depth + 1, method, allowed) if literal else None
    if found is None and node.parameter is not None:
        found = _search(node.parameter, segments, depth + 1, method, allowed)
        if found is not None:
            found[1].append(segments[depth])
    return found
