"""Images as directories of the server's own: fetched by skopeo, unpacked by umoci, kept once by digest.

    names/KEY.json            which image a name or an origin stands for
    unpacked/DIGEST/root      its root file system, owned by the server's user, without setuid bits and devices
    unpacked/DIGEST/run.json  what of its configuration matters to a tool

umoci follows no link out of the root that it fills. That it is right about this is not relied upon: it runs in a
sandbox that has nothing but the directory of this one image.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from araneus.executors import images, programs
from araneus.executors.base import Image
from araneus.executors.errors import CannotStartError
from araneus.executors.image_files import OncePerImage, docker_archive, workplace
from araneus.executors.images import unavailable
from araneus.executors.jobdir import read_small
from araneus.executors.programs import CLIENT_VARIABLES, PROXY_VARIABLES, ProgramError
from araneus.model.job import Reason

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LARGEST_BLOB: Final = 8 * 1024 * 1024
# Directories that their owner cannot enter could never be removed; the rest could hurt whoever meets it outside.
_TAMED: Final = (
    'umoci raw unpack --rootless --image "$1/oci:image" "$1/root" >&2 || exit 1;'
    ' find "$1/root" -type d ! -perm -0700 -exec chmod u+rwx {} ";" || exit 1;'
    ' find "$1/root" "(" -type b -o -type c ")" -delete || exit 1;'
    ' find "$1/root" "(" -type f -o -type d ")" -perm /6000 -exec chmod ug-s {} + || exit 1'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An unpacked image: its root, and what its configuration says (``user`` and ``group`` when it names one)."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None


class UnpackedImages:
    """The images in ``directory``. ``sandbox`` are the options of a bubblewrap that shows this machine's programs."""

    def __init__(
        self, directory: Path, rewrite: Mapping[str, str], environ: Mapping[str, str], sandbox: Sequence[str]
    ) -> None:
        self._directory = directory
        self._rewrite = dict(rewrite)
        self._sandbox = tuple(sandbox)
        self._environment = {name: environ[name] for name in (*CLIENT_VARIABLES, *PROXY_VARIABLES) if name in environ}
        self._once = OncePerImage()
        self._stored: dict[str, Stored] = {}

    def works(self) -> bool:
        """Whether the programs that fetch and unpack are there."""
        path = self._environment.get("PATH")
        return all(shutil.which(program, path=path) is not None for program in ("skopeo", "umoci"))

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """See `Engine.prepare`: the image's digest."""
        return self._once.get(image, lambda: self._fetch(image, progress))

    def stored(self, digest: str) -> Stored:
        """The image of this digest. Raises IMAGE_UNAVAILABLE when somebody has removed it."""
        found = self._stored.get(digest) or self._read(digest)
        if not found.root.is_dir():
            self._stored.pop(digest, None)
            self._once.forget()
            raise unavailable(repr(digest[:12]), "somebody has removed it meanwhile", "Run the task again.")
        self._stored[digest] = found
        return found

    def _fetch(self, image: Image, progress: Callable[[str], None]) -> str:
        if image.file is not None and not image.pull:
            raise CannotStartError(
                Reason.UNSUPPORTED,
                "The tool brings a Dockerfile, and there is no program here that builds images: build it elsewhere, put"
                " it into a registry and name it with dockerPull, or run the server with docker or podman.",
            )
        pulled = bool(image.pull) or not (image.load or image.import_)
        wanted = images.pulled(image, self._rewrite) if pulled else None
        if wanted is not None and not images.is_name(wanted.reference):
            raise unavailable(wanted, "ids of images are not known without an engine: name the image with dockerPull")
        # Everything that leads to the same image has the same key: the name asked for, or the whole origin.
        name = self._directory / "names" / f"{images.key(Image(pull=wanted.reference) if wanted else image)}.json"
        known = self._known(name)
        if known is not None:
            return known
        with workplace(self._directory) as place:
            if wanted is not None:
                what = f"fetching the image {wanted}"
                progress(what)
                shown = programs.Progress(progress, what)
                self._copy(f"docker://{wanted.reference}", place, wanted, progress, shown.line)
                progress(f"fetched the image {wanted}, unpacking it")
            else:
                with docker_archive(image, place, progress) as archive:
                    self._copy(f"docker-archive:{archive}", place, images.describe(image), progress, lambda _: None)
            digest = self._unpack(place, wanted or images.describe(image))
            said = {"name": str(wanted or images.describe(image)), "digest": digest}
            _write(place / "name.json", json.dumps(said))
            name.parent.mkdir(exist_ok=True)
            (place / "name.json").replace(name)
        return digest

    def _copy(
        self,
        source: str,
        place: Path,
        what: object,
        progress: Callable[[str], None],
        line: Callable[[str], None],
    ) -> None:
        # Unlike podman, skopeo does not look at this variable by itself.
        registries = self._environment.get("CONTAINERS_REGISTRIES_CONF")
        options: tuple[str, ...] = ("--registries-conf", registries) if registries else ()
        options += ("--insecure-policy", "--override-os", "linux", "--tmpdir", os.fspath(place))
        command = ("skopeo", *options, "copy", source)

        def work() -> str:
            shutil.rmtree(place / "oci", ignore_errors=True)
            return programs.run((*command, f"oci:{place / 'oci'}:image"), self._environment, line=line)

        try:
            programs.persevere(work, progress)
        except ProgramError as problem:
            raise unavailable(what, _words(str(problem))) from problem

    def _unpack(self, place: Path, what: object) -> str:
        """Unpack what was copied, and give it its final place unless it is there already."""
        digest, config = _configuration(place / "oci", what)
        final = self._directory / "unpacked" / digest
        if final.is_dir():
            return digest
        binds = ("--bind", os.fspath(place), os.fspath(place), "--chdir", os.fspath(place))
        command = (*self._sandbox, *binds, "--", "sh", "-c", _TAMED, "unpack", os.fspath(place))
        try:
            programs.run(command, {"PATH": self._environment.get("PATH", "/usr/bin:/bin")})
        except ProgramError as problem:
            raise unavailable(what, f"it cannot be unpacked: {problem}") from problem
        whole = place / "whole"
        whole.mkdir()
        (place / "root").replace(whole / "root")
        _write(whole / "run.json", json.dumps(_run_configuration(config, whole / "root")))
        final.parent.mkdir(exist_ok=True)
        try:
            whole.replace(final)
        except OSError:
            # Another process was faster.
            if not final.is_dir():
                raise
        return digest

    def _known(self, name: Path) -> str | None:
        content = read_small(name)
        try:
            digest = str(json.loads(content or b"{}").get("digest", ""))
        except ValueError:
            return None
        there = re.fullmatch(r"[0-9a-f]{64}", digest) and (self._directory / "unpacked" / digest / "run.json").exists()
        return digest if there else None

    def _read(self, digest: str) -> Stored:
        place = self._directory / "unpacked" / digest
        try:
            found = json.loads((place / "run.json").read_bytes())
        except (OSError, ValueError):
            return Stored(root=place / "gone")
        return Stored(
            root=place / "root",
            environment=dict(found["environment"]),
            entrypoint=tuple(found["entrypoint"]),
            user=found["user"],
            group=found["group"],
        )


def _configuration(layout: Path, what: object) -> tuple[str, Mapping[str, Any]]:
    """The digest of the image in an OCI layout, and its configuration."""
    try:
        index = json.loads((layout / "index.json").read_bytes())
        digest = _DIGEST.fullmatch(index["manifests"][0]["digest"])
        if digest is None:
            raise ValueError("its digest is not SHA-256")
        manifest = _blob(layout, digest[0])
        config = _blob(layout, manifest["config"]["digest"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError) as problem:
        raise unavailable(what, f"it is not an image that this server can read ({problem})") from problem
    return digest[1], config


def _blob(layout: Path, digest: object) -> Mapping[str, Any]:
    match = _DIGEST.fullmatch(str(digest))
    if match is None:
        raise ValueError("its digest is not SHA-256")
    path = layout / "blobs" / "sha256" / match[1]
    if path.stat().st_size > _LARGEST_BLOB:
        raise ValueError("its configuration is too large")
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError("its configuration is not an object")
    return found


def _run_configuration(config: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """What matters to a tool; what makes no sense in it is left out, as an engine would refuse it."""
    given = config.get("config")
    settings = given if isinstance(given, dict) else {}
    pairs = [str(text).partition("=") for text in _texts(settings.get("Env"))]
    environment = {name: value for name, equals, value in pairs if name and equals}
    user, group = _identity(str(settings.get("User") or ""), root)
    return {
        "environment": {"PATH": DEFAULT_PATH, **environment},
        "entrypoint": _texts(settings.get("Entrypoint")),
        "user": user,
        "group": group,
    }


def _texts(found: object) -> list[str]:
    return [text for text in found if isinstance(text, str) and "\0" not in text] if isinstance(found, list) else []


def _identity(text: str, root: Path) -> tuple[int | None, int | None]:
    """The ids behind ``USER``: numbers, or names that the image's own files know."""
    name, _, group = text.partition(":")
    entries = {entry[0]: entry for entry in _entries(root, "passwd")}
    groups = {entry[0]: entry for entry in _entries(root, "group")}
    user = _number(name) if name.isdigit() else _number(entries[name][2]) if name in entries else None
    if user in {None, 0}:
        return None, None
    own = _number(entries[name][3]) if name in entries else None
    given = _number(group) if group.isdigit() else _number(groups[group][2]) if group in groups else own
    return user, user if given is None else given


def _entries(root: Path, file: str) -> list[list[str]]:
    if (root / "etc").is_symlink():
        return []
    text = (read_small(root / "etc" / file) or b"").decode("utf-8", "replace")
    return [fields for line in text.splitlines() if len(fields := [*line.split(":"), "", "", ""]) >= 7]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _words(said: str) -> str:
    """skopeo's last line without its time and its marks."""
    match = re.search(r'msg="((?:[^"\\]|\\.)*)"', said)
    return match[1].replace('\\"', '"') if match else said


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
