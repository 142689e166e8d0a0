"""The engines that can run images here, in the order in which they are preferred.

docker and podman come first: they enforce limits themselves and build Dockerfiles. Then what needs no daemon and no
rights: apptainer, singularity, and bubblewrap on an unpacked image. Imported only when an image has to be run.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from araneus.executors.apptainer import Apptainer
from araneus.executors.docker import CommandLineEngine
from araneus.executors.enclosure import Engine
from araneus.executors.limits import Policy
from araneus.executors.unpacked import Unpacked

ORDER: Final = ("docker", "podman", "apptainer", "singularity", "unpacked")


class Candidate(Engine, Protocol):
    """An engine that may or may not work here."""

    def works(self) -> bool:
        """Whether its programs are there and answer. Takes at most some seconds."""
        ...


def find(choice: str, directory: Path, rewrite: Mapping[str, str], policy: Policy) -> Engine | None:
    """The first engine that works of those that ``choice`` allows (one of `ORDER`, or ``auto``); None without one.

    ``directory`` is where images are kept by those engines that keep none themselves.
    """
    names = ORDER if choice == "auto" else (choice,)
    engines = (make(name, directory, rewrite, policy) for name in names)
    return next((engine for engine in engines if engine.works()), None)


def make(
    name: str,
    directory: Path,
    rewrite: Mapping[str, str],
    policy: Policy,
    environ: Mapping[str, str] | None = None,
) -> Candidate:
    """The engine of this name (one of `ORDER`)."""
    if name == "unpacked":
        return Unpacked(directory, rewrite, environ)
    if name in {"apptainer", "singularity"}:
        return Apptainer(name, directory, rewrite, environ)
    return CommandLineEngine(name, rewrite, environ, policy=policy)


def default_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where images are kept when there is no data directory: the user's cache."""
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or "/var/tmp", ".cache")  # noqa: PTH118, S108
    return Path(cache) / "araneus" / "images"


def how_to_get(name: str) -> str:
    """What to do when the engine that the settings name does not work."""
    needs = {
        "unpacked": "install bubblewrap, skopeo and umoci, and allow user namespaces",
        "apptainer": "install apptainer 1.1 or newer",
        "singularity": "install SingularityCE 3.10 or newer",
    }
    return needs.get(name) or f"start it, and let this user talk to it (try '{name} info')"
