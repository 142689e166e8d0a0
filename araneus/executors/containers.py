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
from araneus.executors.enclosure import Enclosure, Engine, Host
from araneus.executors.errors import CannotStartError
from araneus.executors.images import describe
from araneus.executors.limits import Policy, default_policy
from araneus.model.errors import AraneusError
from araneus.model.job import Reason

CHOICES: Final = ("auto", "docker", "podman", "apptainer", "singularity", "unpacked", "bubblewrap", "none")


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
        directory: Path | None = None,
        etc: Path | None = None,
        patience: int = 0,
    ) -> "Containers":
        """What works here. ``choice`` is one of `CHOICES`: ``auto`` takes the best of what works, ``none`` nothing;
        naming one makes it a must. ``path`` is the PATH of tools, ``read_only`` are further paths that sandboxed tools
        may read, ``rewrite`` replaces prefixes of image names; ``policy`` and ``groups`` as above. Without ``images``
        no engine is looked for unless it is named; ``directory`` is where images are kept by engines that keep none;
        ``etc`` and ``patience`` are for `Bubblewrap`.
        Raises `UnavailableError`.
        """
        if choice not in CHOICES:
            raise UnavailableError(f"Unknown container setting {choice!r}: use one of {', '.join(CHOICES)}.")
        path = path or default_path()
        policy = policy or default_policy()
        if choice == "none":
            return cls(bare=Host(path), groups=groups, policy=policy)
        sandbox = Bubblewrap(path, read_only, etc=etc, patience=patience)
        sandboxed = sandbox.works()
        if choice == "bubblewrap" and not sandboxed:
            raise UnavailableError(
                "bubblewrap does not work here: install the package bubblewrap and allow user namespaces, or use the"
                " container setting 'auto'."
            )
        engine = None
        if choice != "bubblewrap" and (images or choice != "auto"):
            from araneus.executors import engines  # noqa: PLC0415 (much of the start of `araneus cwl`)

            engine = engines.find(choice, directory or engines.default_directory(), rewrite or {}, policy)
            if engine is None and choice != "auto":
                raise UnavailableError(
                    f"{choice} does not work here: {engines.how_to_get(choice)}, or use the container setting 'auto'."
                )
        return cls(bare=sandbox if sandboxed else Host(path), engine=engine, groups=groups, policy=policy)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what is not protected or not possible, to be said once at the start."""
        found = []
        if not self.bare.encloses:
            found.append(
                "Tools without a container image run as the server's own user, see its files and have its network."
                " Install bubblewrap to close them off."
            )
        if self.engine is None:
            found.append("There is no container engine: tools that require an image will fail.")
        else:
            found += self.engine.warnings
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
                " install docker, podman or apptainer (or skopeo and umoci beside bubblewrap) and start the server"
                " again.",
            )
        return self.bare

    def named(self, name: str) -> Enclosure:
        """The enclosure of this name, for an attempt of an earlier process; the bare one when it is gone."""
        return self.engine if self.engine is not None and self.engine.name == name else self.bare
