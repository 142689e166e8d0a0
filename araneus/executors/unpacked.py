"""Running a tool in an unpacked image with bubblewrap: no engine and no daemon, the image's files read-only, and the
job's own directories.

bubblewrap makes the directories that it mounts upon, and would follow an image's links while it does, also to where it
has put this machine's files aside. So the root of the sandbox is an empty one, filled with the entries of the image;
every directory on the way to a mount is opened in the same way, and no name that an image has chosen is passed through.
"""

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from araneus.executors import bubblewrap
from araneus.executors.base import Image, Submission
from araneus.executors.enclosure import Launch
from araneus.executors.jobdir import TEMPORARY, WORK
from araneus.executors.mounts import Bind, refuse_detours
from araneus.executors.unpacked_images import UnpackedImages
from araneus.model.job import Outcome

_NOBODY: Final = 65534
_KERNEL: Final = ("/proc", "/dev")
_NETWORK: Final = ("/etc/hosts", "/etc/resolv.conf")
_PATH: Final = "/usr/bin:/bin"
_TOP: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class Unpacked:
    """Images in ``directory``, run by ``program`` (bubblewrap). ``rewrite`` is the table ``jobs.images``."""

    name = "unpacked"
    encloses = True
    warnings: tuple[str, ...] = ()

    def __init__(
        self,
        directory: Path,
        rewrite: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        *,
        program: str = "bwrap",
    ) -> None:
        variables = os.environ if environ is None else environ
        self._program = shutil.which(program, path=variables.get("PATH")) or program
        closed = ("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL")
        self._closed: tuple[str, ...] = (self._program, *closed)
        self._seal = bubblewrap.Seal()
        self._images = UnpackedImages(directory, rewrite, variables, (*self._closed, *_machine()))

    def works(self) -> bool:
        """Whether the programs are there and a sandbox can be made; finds out what else it can close."""
        seal = bubblewrap.find_seal((*self._closed, *_machine()), _PATH) if self._images.works() else None
        self._seal = seal or bubblewrap.Seal()
        return seal is not None

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """See `Engine.prepare`: the image's digest."""
        return self._images.prepare(image, progress)

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """The image's entrypoint and the command in a sandbox on the image's root."""
        stored = self._images.stored(image)
        mounts = _mounts(submission, binds)
        refuse_detours(mounts)
        environment = {
            **stored.environment,
            "HOME": submission.work,
            "TMPDIR": submission.temporary,
            **submission.environment,
        }
        user = stored.user if stored.user is not None else os.geteuid() or _NOBODY
        group = stored.group if stored.group is not None else os.getegid() or _NOBODY
        options = (
            *(*self._closed, *self._seal.options),
            *("--uid", str(user), "--gid", str(group)),
            *(("--share-net",) if submission.network else ()),
            *shown(stored.root, mounts),
            *bubblewrap.kernel_files(),
            *(
                option
                for target, bind in mounts.items()
                for option in ("--bind" if bind.writable else "--ro-bind", bind.source, target)
            ),
            *bubblewrap.variables(environment),
            *("--remount-ro", "/", "--chdir", submission.work),
        )
        command = (*options, "--", *stored.entrypoint, *submission.command)
        return Launch(command=command, environment={"PATH": _PATH}, filter=self._seal.filter)

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """As of every sandbox of bubblewrap's."""
        return bubblewrap.judge(code, stderr)

    def end(self, attempts: Sequence[str]) -> Collection[str]:
        """Nothing is left of a sandbox whose processes have ended."""
        return attempts


def shown(root: Path, targets: Collection[str]) -> list[str]:
    """The options that show an image's root read-only, with room for mounts under these targets."""
    wanted = {PurePosixPath(target) for target in (*targets, *_KERNEL)}
    opened = {parent for target in wanted for parent in target.parents}
    options: list[str] = []
    for folder in sorted(opened):
        if any(str(part) in _KERNEL for part in (folder, *folder.parents)):
            continue
        for entry in _entries(root, folder):
            inner = folder / entry.name
            # Where a mount needs a directory and the image has a link or a file, the directory wins.
            if inner in wanted or inner in opened:
                continue
            if entry.is_symlink():
                options += ("--symlink", os.readlink(entry.path), str(inner))  # noqa: PTH115 - kept as it is written
            else:
                options += ("--ro-bind", entry.path, str(inner))
    return options


def _entries(root: Path, folder: PurePosixPath) -> "list[os.DirEntry[str]]":
    """What an image has in a directory; nothing when a link leads there, or it is none."""
    place = root
    for part in folder.parts[1:]:
        place /= part
        try:
            if not stat.S_ISDIR(place.lstat().st_mode):
                return []
        except OSError:
            return []
    with os.scandir(place) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _mounts(submission: Submission, binds: Iterable[Bind]) -> dict[str, Bind]:
    """What is mounted upon the image, by target, the outer before the inner."""
    scratch = os.fspath(submission.directory / TEMPORARY)
    found = [Bind(source=scratch, target="/tmp", writable=True)]  # noqa: S108 - the sandbox's own /tmp
    if submission.network:
        real = ((target, os.path.realpath(target)) for target in _NETWORK)
        found += [Bind(source=source, target=target) for target, source in real if os.path.isfile(source)]  # noqa: PTH113
    found.append(Bind(source=scratch, target=submission.temporary, writable=True))
    found.append(Bind(source=os.fspath(submission.directory / WORK), target=submission.work, writable=True))
    by_target = {f"/{PurePosixPath(bind.target.lstrip('/'))}": bind for bind in (*found, *binds)}
    return {target: by_target[target] for target in sorted(by_target, key=lambda target: PurePosixPath(target).parts)}


def _machine() -> tuple[str, ...]:
    """This machine's programs, for what unpacks images: nothing of /etc, no home, no network."""
    options: list[str] = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP:
        path = Path("/", name)
        if path.is_symlink():
            options += ("--symlink", os.readlink(path), str(path))  # noqa: PTH115 - kept as it is written
        elif path.is_dir():
            options += ("--ro-bind", str(path), str(path))
    return (*options, *bubblewrap.kernel_files(), "--tmpfs", "/tmp")  # noqa: S108 - the sandbox's own
