"""Leads names of the platform to a server of a test, in every Python that has this directory on its PYTHONPATH.

An interpreter imports `sitecustomize` when it starts. This one makes the resolver answer with the address in
``ARANEUS_REDIRECT`` (``name,name=host:port``) for these names, and then lets the next `sitecustomize` have its turn. It
imports nothing of ours: the programs of a test may run in another environment. The plugin (`araneus.pytest_plugin`)
uses it for the process of the test itself, too.
"""

import importlib.machinery
import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Collection
from typing import Any

VARIABLE = "ARANEUS_REDIRECT"


def redirecting(original: Callable[..., Any], names: Collection[str], host: str, port: int) -> Callable[..., Any]:
    """`socket.getaddrinfo` that answers with one address for these names, whatever port is asked for."""

    def getaddrinfo(asked: Any, service: Any, *rest: Any, **named: Any) -> Any:
        name = asked.decode("ascii", "replace") if isinstance(asked, bytes) else asked
        if isinstance(name, str) and name.lower().rstrip(".") in names:
            asked, service = host, port
        return original(asked, service, *rest, **named)

    return getaddrinfo


def _install(told: str) -> None:
    names, _, address = told.partition("=")
    host, _, port = address.rpartition(":")
    socket.getaddrinfo = redirecting(socket.getaddrinfo, names.split(","), host, int(port))


def _go_on() -> None:
    """Run the `sitecustomize` that this one stands in front of."""
    here = os.path.realpath(os.path.dirname(__file__))  # noqa: PTH120 (each start of an interpreter pays for pathlib)
    rest = [path for path in sys.path if os.path.realpath(path) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    if VARIABLE in os.environ:
        _install(os.environ[VARIABLE])
    _go_on()
