"""Images that DockerRequirement names by URL: the file is fetched, and an archive is made to hold one image under a
name of ours.

An archive says itself which names its images get when an engine loads it. Those of a stranger could replace
``debian:12`` for everybody else on the machine, so all names in it are taken out.
"""

import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from araneus.executors.images import unavailable
from araneus.executors.programs import ProgramError, persevere

LARGEST: Final = 64 * 2**30
"""Bytes of an image's file."""
_SLOWEST: Final = 6 * 3600.0
_STILL: Final = 60.0
_CHUNK: Final = 1024 * 1024
_MANIFEST: Final = "manifest.json"
_LARGEST_MANIFEST: Final = 4 * 1024 * 1024
# What names the images of an archive besides its manifest, for older and for newer engines.
_OTHER_NAMES: Final = frozenset({_MANIFEST, "repositories", "index.json", "oci-layout"})


@contextmanager
def downloaded(url: str, where: str, say: Callable[[str], None], directory: Path | None = None) -> Iterator[IO[bytes]]:
    """The content behind an http(s) URL, in a file of ``directory`` without a name that stands at its start.

    What may pass is tried again. Raises `CannotStartError` IMAGE_UNAVAILABLE; ``where`` is the image in its message.
    """
    # Only from the network: a path would let a document read files of this machine.
    if not url.lower().startswith(("http://", "https://")):
        raise unavailable(where, f"it can only be loaded from an http(s) URL, not from {url[:200]!r}", _UPLOAD)
    with tempfile.TemporaryFile(dir=directory) as target:

        def work() -> str:
            target.seek(0)
            target.truncate()
            _copy(url, target)
            return ""

        try:
            persevere(work, say)
        except ProgramError as problem:
            raise unavailable(where, f"{url[:500]}: {problem}", "Check the URL.") from problem
        target.seek(0)
        yield target


_UPLOAD = "Put it on a server that this machine can reach, or into a registry and name it with dockerPull."


def single(archive: IO[bytes], target: IO[bytes], name: str, wanted: str | None, where: str) -> None:
    """Copy a ``docker save`` archive to ``target`` with one of its images, under ``name`` alone.

    ``wanted`` is a name or id that the document gives (dockerImageId), needed when there are several. ``where`` names
    the archive in errors. Raises `CannotStartError` IMAGE_UNAVAILABLE.
    """
    try:
        entry = _chosen(_manifest(archive, where), wanted, where)
        archive.seek(0)
        with (
            tarfile.open(fileobj=archive, mode="r:*") as source,
            tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as copy,
        ):
            for member in source:
                if member.name.removeprefix("./") not in _OTHER_NAMES:
                    copy.addfile(member, source.extractfile(member) if member.isreg() else None)
            content = json.dumps([{**entry, "RepoTags": [name]}]).encode()
            described = tarfile.TarInfo(_MANIFEST)
            described.size = len(content)
            copy.addfile(described, io.BytesIO(content))
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as problem:
        raise unavailable(where, f"it is not an archive that docker save has made ({problem})", _SAVE) from problem
    target.seek(0)


_SAVE = "Make it with docker save, or use dockerPull."


def _manifest(archive: IO[bytes], where: str) -> list[Mapping[str, Any]]:
    with tarfile.open(fileobj=archive, mode="r:*") as source:
        for member in source:
            if member.name.removeprefix("./") != _MANIFEST or not member.isreg():
                continue
            if member.size > _LARGEST_MANIFEST:
                raise ValueError("its manifest is too large")
            content = source.extractfile(member)
            entries = json.loads(content.read()) if content is not None else None
            if isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries):
                return entries
    raise ValueError("it has no manifest.json that lists an image")


def _chosen(entries: list[Mapping[str, Any]], wanted: str | None, where: str) -> Mapping[str, Any]:
    if wanted:
        for entry in entries:
            config = str(entry.get("Config", "")).rpartition("/")[2]
            if wanted in _tags(entry) or config.startswith(wanted.removeprefix("sha256:")):
                return entry
    if len(entries) == 1:
        return entries[0]
    names = sorted(tag for entry in entries for tag in _tags(entry))
    raise unavailable(where, f"it holds several images ({', '.join(names)[:300]})", "Say which with dockerImageId.")


def _tags(entry: Mapping[str, Any]) -> list[str]:
    tags = entry.get("RepoTags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _copy(url: str, target: IO[bytes]) -> None:
    # Imported here: a tenth of the start of `araneus cwl`, and rarely needed.
    import http.client  # noqa: PLC0415
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    deadline = time.monotonic() + _SLOWEST
    taken = 0
    try:
        with urllib.request.urlopen(url, timeout=_STILL) as source:  # noqa: S310 - the scheme was checked
            expected = source.headers.get("Content-Length")
            while chunk := source.read(_CHUNK):
                taken += len(chunk)
                if taken > LARGEST or time.monotonic() > deadline:
                    raise ProgramError("it is larger than 64 GiB, or takes longer than six hours")
                target.write(chunk)
    except urllib.error.HTTPError as problem:
        problem.close()
        raise ProgramError(f"the server answers {problem.code} {problem.reason}") from problem
    except http.client.HTTPException as problem:
        raise ProgramError(f"incomplete read: {problem!r}") from problem
    except (OSError, urllib.error.URLError, ValueError) as problem:
        raise ProgramError(str(problem)) from problem
    if expected is not None and expected.isdigit() and int(expected) != taken:
        raise ProgramError(f"incomplete read: {taken} of {expected} bytes came")
