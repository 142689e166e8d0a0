"""Which enclosure a tool gets: found out once at the start, chosen for each submission."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from araneus.executors.base import Image
from araneus.executors.bubblewrap import Bubblewrap
from araneus.executors.cgroups import Cgroups, unenforced
from araneus.executors.docker import CommandLineEngine
from araneus.executors.enclosure import Enclosure, Engine, Host
from araneus.executors.errors import CannotStartError
from araneus.executors.limits import Policy, default_policy
from araneus.model.errors import AraneusError
from araneus.model.job import Reason

CHOICES: Final = ("auto", "docker", "podman", "bubblewrap", "none")


class UnavailableError(AraneusError):
    """The settings ask for an enclosure that does not work here; the message says what to do."""


def default_path() -> str:
    """The PATH of tools that run with this machine's programs: the system's, then this interpreter's."""
    return f"/usr/local/bin:/usr/bin:/bin:{os.path.join(sys.prefix, 'bin')}"  # noqa: PTH118 - a PATH is a string


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """The enclosures of this machine: ``engine`` for tools with an image, ``bare`` for those without. ``policy`` says
    what each may use; an engine sees to that itself, ``groups`` hold the others to it, if that is wanted."""

    bare: Enclosure = field(default_factory=lambda: Host(default_path()))
    engine: Engine | None = None
    groups: Cgroups | None = None
    policy: Policy = field(default_factory=default_policy)

    @classmethod
    def detect(
        cls,
        choice: str = "auto",
        *,
        path: str = "",
        read_only: Sequence[Path] = (),
        rewrite: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        groups: Cgroups | None = None,
        images: bool = True,
    ) -> "Containers":
        """What works here. ``choice`` is one of `CHOICES`: ``auto`` takes the best of what works, ``none`` nothing;
        naming one makes it a must. ``path`` is the PATH of tools, ``read_only`` are further paths that sandboxed tools
        may read, ``rewrite`` replaces prefixes of image names; ``policy`` and ``groups`` as above. Without ``images``
        no engine is looked for unless it is named. Raises `UnavailableError`.
        """
        if choice not in CHOICES:
            raise UnavailableError(f"Unknown container setting {choice!r}: use one of {', '.join(CHOICES)}.")
        path = path or default_path()
        policy = policy or default_policy()
        if choice == "none":
            return cls(bare=Host(path), groups=groups, policy=policy)
        sandbox = Bubblewrap(path, read_only)
        sandboxed = sandbox.works()
        if choice == "bubblewrap" and not sandboxed:
            raise UnavailableError(
                "bubblewrap does not work here: install the package bubblewrap and allow user namespaces, or use the"
                " container setting 'auto'."
            )
        wanted = {"auto": ("docker", "podman") if images else (), "bubblewrap": ()}
        programs = wanted.get(choice, (choice,))
        engines = [CommandLineEngine(program, rewrite or {}, policy=policy) for program in programs]
        engine = next((engine for engine in engines if engine.works()), None)
        if engine is None and choice in {"docker", "podman"}:
            raise UnavailableError(
                f"{choice} does not answer: start it, let this user talk to it (try '{choice} info'), or use the"
                " container setting 'auto'."
            )
        return cls(bare=sandbox if sandboxed else Host(path), engine=engine, groups=groups, policy=policy)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what is not protected or not possible, to be said once at the start."""
        found = []
        if not self.bare.encloses:
            found.append(
                "Tools without a container image run as the server's own user and see its files. Install bubblewrap to"
                " close them off."
            )
        if self.engine is None:
            found.append("There is no container engine: tools that require an image will fail.")
        if self.groups is not None:
            found += unenforced(self.groups.controllers)
        return tuple(found)

    def enclosure(self, image: Image | None) -> Enclosure:
        """The enclosure for a tool with this image. Raises `CannotStartError` UNSUPPORTED."""
        if image is None:
            return self.bare
        if self.engine is not None:
            return self.engine
        if image.required:
            raise CannotStartError(
                Reason.UNSUPPORTED,
                f"The tool requires the container image {describe(image)}, but there is no container engine here:"
                " install docker or podman and start the server again.",
            )
        return self.bare

    def named(self, name: str) -> Enclosure:
        """The enclosure of this name, for an attempt of an earlier process; the bare one when it is gone."""
        return self.engine if self.engine is not None and self.engine.name == name else self.bare


def describe(image: Image) -> str:
    """The image in words."""
    name = image.pull or image.image_id or image.load or image.import_
    return repr(name) if name else "of a Dockerfile"
