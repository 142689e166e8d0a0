"""Removing directory trees that strangers' programs have filled: any depth, names and modes; no link is followed.

What is to go is renamed into the bin first, so it is gone from its place at once; emptying the bin may be interrupted
at any point and goes on with the next call. Every directory of a tree is renamed to the top of the bin before it is
emptied, so that no path is ever longer than two names and nothing recurs.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Bin:
    """A directory on the file system of what it removes. For one thread of one process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def throw(self, path: Path) -> bool:
        """Take a file or directory away from its place. False when it is not there or belongs to somebody else."""
        self._directory.mkdir(exist_ok=True, mode=0o700)
        return _moved(path, self._directory / secrets.token_hex(12))

    def empty(self, go_on: Callable[[], bool] = lambda: True) -> int:
        """Remove what was thrown in, as long as ``go_on`` says so (asked for every directory). Answers how many
        directories are left: those that cannot be removed, or that there was no time for."""
        stuck: set[str] = set()
        while go_on():
            waiting = [name for name in _names(self._directory) if name not in stuck]
            if not waiting:
                break
            for name in waiting:
                if not go_on():
                    break
                if not self._remove(self._directory / name):
                    stuck.add(name)
        return len(_names(self._directory))

    def _remove(self, path: Path) -> bool:
        """Remove a file or an emptied directory; what lies in it moves to the top. False when it resists."""
        with suppress(OSError):
            path.unlink()
            return True
        _open_up(path)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        Path(entry.path).unlink()
                    elif not _moved(Path(entry.path), self._directory / secrets.token_hex(12)):
                        return False
            path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _moved(path: Path, to: Path) -> bool:
    """Rename; a directory that its owner closed is opened first, for moving it writes its ``..``."""
    for attempt in (1, 2):
        try:
            path.rename(to)
        except PermissionError:
            if attempt == 1:
                _open_up(path)
        except OSError:
            return False
        else:
            return True
    return False


def _open_up(path: Path) -> None:
    """Let its owner into a directory; a link is not followed."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.chmod(f"/proc/self/fd/{descriptor}", 0o700)  # noqa: PTH101 - an open descriptor
        finally:
            os.close(descriptor)


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - names are all that is needed
    except FileNotFoundError:
        return []
