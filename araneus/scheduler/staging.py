"""Between the language and the executors: an `Invocation` becomes a `Submission`, locations become paths.

`submission` translates and decides nothing about CWL. `Gate` is the guard of the server: a running task may reach the
bytes of its own inputs and what its own jobs left behind, and nothing else of this machine, whatever a document, an
expression or a tool puts into a ``location``.
"""

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from araneus.cwl.command import Invocation, Layout
from araneus.cwl.errors import InputError, Problem
from araneus.cwl.files import Locate
from araneus.executors import jobdir
from araneus.executors.base import Image, Literal, Mount, Submission
from araneus.model.file import Location
from araneus.model.job import Resources
from araneus.storage.base import Storage

_IMAGE_FIELDS = {
    "pull": "dockerPull",
    "load": "dockerLoad",
    "file": "dockerFile",
    "import_": "dockerImport",
    "image_id": "dockerImageId",
}


def layout(directory: Path) -> Layout:
    """Where a tool finds its directories: inside the job directory, under the same paths with and without a sandbox."""
    return Layout(
        work=str(directory / jobdir.WORK),
        temporary=str(directory / jobdir.TEMPORARY),
        inputs=str(directory / jobdir.INPUTS),
    )


def submission(
    invocation: Invocation,
    *,
    attempt: str,
    directory: Path,
    resources: Resources,
    locate: Locate,
    network: bool = True,
    interruptible: bool = False,
    name: str = "",
) -> Submission:
    """What an executor needs to run the invocation. ``network`` False forbids it whatever the tool asks for.
    ``interruptible``: see `Submission`.

    Raises `InputError` when ``locate`` refuses a location.
    """
    return Submission(
        attempt=attempt,
        directory=directory,
        command=invocation.command,
        environment=invocation.environment,
        work=invocation.work,
        temporary=str(directory / jobdir.TEMPORARY),
        stdin=invocation.stdin,
        stdout=invocation.stdout,
        stderr=invocation.stderr,
        mounts=tuple(
            Mount(source=locate(mount.location), target=mount.target, writable=mount.writable)
            for mount in invocation.mounts
        ),
        literals=tuple(
            Literal(target=literal.target, content=literal.content, executable=literal.executable)
            for literal in invocation.literals
        ),
        resources=resources,
        image=_image(invocation.container, required=invocation.container_required),
        network=network and invocation.network,
        time_limit=invocation.time_limit,
        interruptible=interruptible,
        job={"name": name, "inputs": invocation.inputs, "runtime": invocation.runtime},
    )


def _image(container: Mapping[str, object] | None, *, required: bool) -> Image | None:
    if container is None:
        return None
    fields = {field: str(container[key]) for field, key in _IMAGE_FIELDS.items() if container.get(key)}
    return Image(required=required, **fields) if fields else None


def file_path(location: Location) -> Path | None:
    """The path that a ``file:`` location or a bare absolute path names, else None."""
    if location.startswith("/"):
        return Path(location)
    for prefix in ("file:///", "file://localhost/"):
        if location.startswith(prefix):
            return Path("/" + unquote(location.removeprefix(prefix), errors="surrogateescape"))
    return None


class Gate:
    """Which bytes one task may reach: blobs that it was given, and files inside the job directories of its attempts."""

    def __init__(self, storage: Storage, jobs: Path | None = None) -> None:
        """``jobs``: the real path of the directory in which job directories lie, when they lie in one."""
        self._storage = storage
        self._jobs = jobs
        self._blobs: set[Location] = set()
        self._directories: set[Path] = set()

    def admit(self, locations: Iterable[Location]) -> None:
        """Let these blobs through from now on."""
        self._blobs.update(locations)

    def open(self, directory: Path) -> None:
        """Let the files of a job directory through from now on."""
        # Resolving costs as much as the rest of a small job's staging, and a new directory has no links in it.
        self._directories.add(directory if directory.parent == self._jobs else directory.resolve())

    def locate(self, location: Location) -> Path:
        """The path behind a location. Raises `InputError` when it is none of the task's or is not there any more."""
        path = file_path(location)
        if path is None:
            return self._blob(location)
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(Problem("", _unreachable(path, error))) from error
        if not any(parent in self._directories for parent in real.parents) and not self._is_known_blob(real):
            raise InputError(Problem("", f"{path} is outside the task: only its inputs and outputs can be used"))
        return real

    def _blob(self, location: Location) -> Path:
        if location not in self._blobs:
            raise InputError(Problem("", f"{location[:120]!r} is none of the task's inputs or outputs"))
        try:
            return self._storage.path(location)
        except FileNotFoundError as error:
            raise InputError(Problem("", f"the bytes of {location} are not in the storage any more")) from error

    def _is_known_blob(self, real: Path) -> bool:
        return f"blob:{real.name}" in self._blobs and self._storage.path(f"blob:{real.name}").resolve() == real


def _unreachable(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"the path of {path.name[:100]!r} is longer than this system allows: use fewer or shorter folders"
    return f"the file {path} is not there any more"
