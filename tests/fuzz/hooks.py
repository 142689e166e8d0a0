"""Loaded by schemathesis: keeps the hand that it is fed with, and writes down every call.

A line for each answer goes to the file that ``ARANEUS_FUZZ_CALLS`` names: JSON with the operation, the status and the
seconds. What would end the caller's own account or token is aimed at others.
"""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import schemathesis

_WORLD = json.loads(os.environ["ARANEUS_FUZZ_WORLD"])
_CALLS = Path(os.environ["ARANEUS_FUZZ_CALLS"]).open("a", buffering=1)  # noqa: SIM115 -- open as long as the process
_LOCK = threading.Lock()
_ELSEWHERE = {"username": "person4", "token": "0" * 64}
_KEPT = ("project", "app", "team", "upload", "division", "file", "task")


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Nobody is to disable or unmake the caller, to revoke the token that all calls are made with, or to delete the
    first thing of a kind, in which the others are."""
    method, values = case.method.upper(), _WORLD["values"]
    about = case.path.startswith("/users/") or "/members/" in case.path
    if method in {"DELETE", "PATCH", "PUT"} and about:
        _swap(case.path_parameters, {"username": _WORLD["me"], "token": _WORLD["kept"]}, _ELSEWHERE)
    if method == "DELETE":
        _swap(
            case.path_parameters, {name: values[name][0] for name in _KEPT}, {name: values[name][-1] for name in _KEPT}
        )


def _swap(given: dict[str, Any], kept: dict[str, str], instead: dict[str, str]) -> None:
    for name, value in kept.items():
        if str(given.get(name)) == value:
            given[name] = instead[name]


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Write down what was answered."""
    line = {
        "method": case.method.upper(),
        "operation": f"{case.operation.method.upper()} {case.path}",
        "status": response.status_code, "seconds": response.elapsed, "at": time.time(),
        "phase": case.meta.phase.name.value if case.meta is not None else "",
    }  # fmt: skip
    with _LOCK:
        _CALLS.write(json.dumps(line, default=str) + "\n")
