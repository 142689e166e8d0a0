"""The images of docker and podman: pulled, loaded, imported or built through their command lines, each once.

What is made from an app's own words (a Dockerfile, an archive) gets a name of ours that only its origin decides: no
app can replace an image that another one names.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from araneus.executors import dockerfile, images, programs
from araneus.executors.base import Image
from araneus.executors.errors import CannotStartError
from araneus.executors.image_files import OncePerImage, docker_archive, own_name
from araneus.executors.images import Wanted, unavailable
from araneus.executors.programs import CLIENT_VARIABLES, PROXY_VARIABLES, ProgramError
from araneus.model.job import Reason

_BUILD_LIMIT: Final = 2 * 3600.0
_AWAY: Final = 30.0
"""Seconds that an engine may be away."""
_LOOK: Final = 1.0
_ANSWER: Final = 15.0
_GONE = re.compile(r"no such image|image not known|not found locally|unable to find image", re.IGNORECASE)
ADVICE: Final = {
    "file": "Correct the Dockerfile; it is built without any files beside it, and without network unless jobs.network"
    " is set.",
    "load": "The URL must lead to an archive that docker save has made.",
    "import": "The URL must lead to a tar archive of a root file system.",
}


class EngineImages:
    """The images of one engine. ``name`` is "docker" or "podman", ``rewrite`` the table ``jobs.images``; ``network``
    lets a Dockerfile fetch things while it is built. Methods may be called from several threads."""

    def __init__(
        self, program: str, name: str, rewrite: Mapping[str, str], environ: Mapping[str, str], *, network: bool = False
    ) -> None:
        self._name = name
        self._rewrite = dict(rewrite)
        self._network = network
        self.environment = {variable: environ[variable] for variable in CLIENT_VARIABLES if variable in environ}
        self._fetching = self.environment | {name: environ[name] for name in PROXY_VARIABLES if name in environ}
        self.program = shutil.which(program, path=self.environment.get("PATH")) or program
        self._once = OncePerImage()

    def ask(self, *arguments: str, patience: float = 60.0, regardless: bool = False) -> str | None:
        """What the engine answers to a command, or None when it fails or takes longer. ``regardless``: also when it
        fails."""
        try:
            done = subprocess.run(
                (self.program, *arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=patience,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 or regardless else None

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """See `Engine.prepare`: the image's id."""
        return self._once.get(image, lambda: self._fetch(image, progress))

    def is_gone(self, said: str) -> bool:
        """Whether the engine says that it does not have an image any more; it is fetched again for the next job."""
        if _GONE.search(said) is None:
            return False
        self._once.forget()
        return True

    def doubt(self) -> None:
        """The engine may be away: before the next job in an image, wait until it answers."""
        self._once.forget()

    def _await_engine(self, progress: Callable[[str], None]) -> None:
        """Wait for an engine that is being started again. Raises `CannotStartError` REFUSED when it does not answer."""
        deadline = time.monotonic() + _AWAY
        while self.ask("version", patience=_ANSWER) is None:
            if time.monotonic() > deadline:
                raise CannotStartError(
                    Reason.REFUSED, f"{self._name} does not answer: start it, and run the task again."
                )
            progress(f"waiting for {self._name}, which does not answer")
            time.sleep(_LOOK)

    def _fetch(self, image: Image, progress: Callable[[str], None]) -> str:
        self._await_engine(progress)
        if image.pull or not (image.load or image.import_ or image.file is not None):
            return self._pull(image, progress)
        name = image.image_id or ""
        if name and image.file is None:
            # What is here under this name already: whoever keeps this machine has put it there.
            images.check(name)
            found = self._id(images.rewritten(name, self._rewrite))
            if found is not None:
                return found
        tag = own_name(image)
        found = self._id(tag)
        if found is not None:
            return found
        where = repr(name) if name else images.describe(image)
        kind = "file" if image.file is not None else "load" if image.load else "import"
        try:
            if image.file is not None:
                self._build(image.file, tag, progress)
            else:
                self._load(image, progress)
        except ProgramError as problem:
            raise unavailable(where, str(problem), ADVICE[kind]) from problem
        return self._must_have(tag, where)

    def _pull(self, image: Image, progress: Callable[[str], None]) -> str:
        wanted = images.pulled(image, self._rewrite)
        found = self._id(wanted.reference)
        if found is None:
            self._pull_name(wanted, progress)
            found = self._must_have(wanted.reference, wanted)
        if image.image_id and image.image_id != image.pull and images.is_name(image.image_id):
            # When both are given, dockerImageId is the pulled image's name here. Many apps carry a stale one.
            return self._id(image.image_id) or found
        return found

    def _pull_name(self, wanted: Wanted, progress: Callable[[str], None]) -> None:
        if images.is_id(wanted.reference) and not images.is_name(wanted.reference):
            raise unavailable(wanted, "there is no image with this id on this machine")
        what = f"fetching the image {wanted}"
        progress(what)
        # podman would also take names of directories and archives.
        name = f"docker://{wanted.reference}" if self._name == "podman" else wanted.reference
        shown = programs.Progress(progress, what)
        command = (self.program, "pull", name)
        try:
            programs.persevere(lambda: programs.run(command, self._fetching, line=shown.line), progress)
        except ProgramError as problem:
            raise unavailable(wanted, str(problem)) from problem
        progress(f"fetched the image {wanted}")

    def _build(self, text: str, tag: str, progress: Callable[[str], None]) -> None:
        written = dockerfile.prepared(text, lambda name: self._base(name, progress), network=self._network)
        progress("building the image of the app's Dockerfile")
        options = ("--force-rm", "--tag", tag, *(() if self._network else ("--network", "none")))
        with tempfile.TemporaryDirectory(prefix="araneus-build-") as empty:
            # No context, or an empty one: nothing of this machine can be copied into the image.
            context = ("--http-proxy=false", "--file", "-", empty) if self._name == "podman" else ("-",)
            command = (self.program, "build", *options, *context)
            programs.run(command, self.environment, text=written, limit=_BUILD_LIMIT)

    def _base(self, given: str, progress: Callable[[str], None]) -> str:
        """Make the base image of a Dockerfile available; the name by which a builder finds it."""
        wanted = images.named(given, self._rewrite)
        if self._id(wanted.reference) is not None:
            return wanted.reference
        self._pull_name(wanted, progress)
        return images.full_name(wanted.reference)

    def _load(self, image: Image, progress: Callable[[str], None]) -> None:
        with tempfile.TemporaryDirectory(prefix="araneus-image-") as place:  # noqa: SIM117 - the file lies in it
            with docker_archive(image, Path(place), progress) as archive, archive.open("rb") as file:
                programs.run((self.program, "load"), self.environment, stdin=file.fileno())

    def _must_have(self, name: str, where: object) -> str:
        found = self._id(name)
        if found is None:
            raise unavailable(where, f"{self._name} has fetched it, and does not have it")
        return found

    def _id(self, name: str) -> str | None:
        """The id of an image that is on this machine."""
        found = self.ask("image", "inspect", "--format", "{{.Id}}", name)
        return found if found is not None and images.is_id(found) else None
