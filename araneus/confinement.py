"""How tools are closed off from this machine: from the settings to the enclosures that are there."""

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from araneus.config import JobSettings, Settings
from araneus.executors.cgroups import Cgroups
from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.enclosure import Guarded, Host
from araneus.executors.limits import Policy, job_memory, machine_memory
from araneus.store import users
from araneus.store.database import Database, is_away

_FEW: Final = 32
"""Sandboxes that a server makes before it copies what they show of /etc: one that runs for a test needs no copy."""


def tool_path(environ_path: str) -> str:
    """The PATH of tools: the server's own, so that what its owner can run tools can run, then this interpreter's."""
    given = [entry for entry in environ_path.split(os.pathsep) if entry.startswith("/")]
    own = str(Path(sys.prefix, "bin"))
    return os.pathsep.join(dict.fromkeys([*given, own, "/usr/local/bin", "/usr/bin", "/bin"]))


def readable(path: str) -> list[Path]:
    """What a closed-off tool must see of the machine to run the programs on this PATH.

    The directories themselves, and the whole of an environment (venv, conda, pyenv) whose programs are among them.
    """
    found = []
    for entry in map(Path, path.split(os.pathsep)):
        whole = entry.name == "shims" or any((entry.parent / mark).exists() for mark in ("pyvenv.cfg", "conda-meta"))
        found.append(entry.parent if whole else entry)
    return [place for place in found if len(place.parts) > 2]


def build_containers(settings: Settings, allowed: Callable[[], bool]) -> Containers:
    """The enclosures that the settings ask for and this machine has. Raises `UnavailableError`.

    A tool that none of them closes off is started only while ``allowed`` says so.
    """
    policy = policy_of(settings.jobs, machine_memory())
    path = settings.jobs.path or tool_path(os.environ.get("PATH", ""))
    choice = settings.jobs.containers
    found = Containers.detect(
        "auto" if choice == "none" else choice,
        path=path,
        read_only=readable(path),
        rewrite=settings.jobs.images,
        directory=settings.images_directory,
        etc=settings.sandbox_directory,
        patience=_FEW,
        policy=policy,
        groups=Cgroups.detect(group_name(settings.jobs_directory), policy.memory),
    )
    if choice == "none":
        found = replace(found, engine=None)
    if settings.jobs.sandbox == "bubblewrap" and not found.bare.encloses:
        raise UnavailableError("jobs.sandbox is 'bubblewrap', which does not work here: install it, or choose 'auto'.")
    if settings.jobs.sandbox == "none" or not found.bare.encloses:
        found = replace(found, bare=Guarded(Host(path), allowed))
    return found


def policy_of(jobs: JobSettings, machine: int) -> Policy:
    """What the jobs of a server may use on a machine with so many MiB of memory."""
    return Policy(
        memory=jobs.memory or job_memory(machine),
        strict=jobs.strict_limits,
        headroom=jobs.memory_headroom,
        processes=jobs.max_processes,
        network=jobs.network,
    )


def group_name(jobs: Path) -> str:
    """The control group of the server with this jobs directory: the same after a restart, and no other server's."""
    return f"araneus-{hashlib.sha256(os.fsencode(jobs.absolute())).hexdigest()[:16]}"


class Unconfined:
    """Whether a tool may run as the server's own user: its one user's tool, or when the settings say so.

    Asked before each such tool. While the database is away its last answer counts: nobody can add a user meanwhile.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._always = settings.jobs.unconfined
        self._database = database
        self._known: bool | None = None

    def __call__(self) -> bool:
        """The answer of this moment. Raises what the database raises that never answered."""
        if self._always:
            return True
        try:
            with self._database.read() as connection:
                self._known = users.count_enabled(connection) <= 1
        except DBAPIError as error:
            if self._known is None or not is_away(error):
                raise
        return self._known


def describe(containers: Containers, *, allowed: bool) -> list[str]:
    """How tools are closed off here, in lines for the person who starts the server."""
    engine = containers.engine.name if containers.engine else "none"
    lines = [f"Container engine: {engine}; tools without an image: {containers.bare.name}.", *containers.warnings]
    if not containers.bare.encloses and not allowed:
        lines.append("As there are several users, such tools are refused, unless jobs.unconfined is set.")
    return lines
