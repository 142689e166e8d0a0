"""Container engines and a registry of the tests' own, on unix sockets and loopback, with images that are made here."""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

APPLETS = (
    *("sh", "cat", "echo", "ls", "id", "env", "sleep", "true", "touch", "tail", "grep", "pwd", "wget", "readlink"),
    *("mkdir", "chmod", "mknod", "ln", "rm", "stat", "printf", "mount", "unshare", "setsid"),
)
_PROGRAMS = {
    "docker": ("dockerd", "docker", "busybox"),
    "podman": ("podman", "runc", "conmon", "busybox"),
    "apptainer": ("apptainer", "busybox"),
    "unpacked": ("bwrap", "skopeo", "umoci", "busybox"),
}
"""What each engine needs on this machine, for its tests."""


def root_filesystem(*further: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar archive of busybox with what a container needs, and further members."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for folder in ("bin", "dev", "etc", "proc", "sys", "root", "var", "var/tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(Path(shutil.which("busybox") or "/bin/busybox").resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        scratch = tarfile.TarInfo("tmp")
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(scratch)
        for name, text in (("etc/passwd", "root:x:0:0::/root:/bin/sh\nfly:x:1234:567::/:/bin/sh\n"), ("etc/group", "")):
            member, content = plain(name, text.encode())
            tar.addfile(member, io.BytesIO(content))
        for member, content in further:
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return target.getvalue()


def plain(name: str, content: bytes = b"", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A regular file as a member of an archive."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    return member, content


def special(name: str, kind: bytes, link: str = "", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A link, device or directory as a member of an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    member.devmajor, member.devminor = (1, 3) if kind in {tarfile.CHRTYPE, tarfile.BLKTYPE} else (0, 0)
    return member, b""


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar archive of these members alone."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return target.getvalue()


def saved_image(tags: Sequence[str], *layers: bytes, **config: Any) -> bytes:
    """An archive as ``docker save`` makes it, with one image of these layers under all tags."""
    digests = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in layers]
    described = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "history": [{"created_by": "tests"} for _ in layers],
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    ).encode()
    name = f"{hashlib.sha256(described).hexdigest()}.json"
    files = {f"{number}/layer.tar": content for number, content in enumerate(layers)}
    manifest = [{"Config": name, "RepoTags": list(tags), "Layers": list(files)}]
    repositories = {tag.rpartition(":")[0]: {tag.rpartition(":")[2]: digests[-1].partition(":")[2]} for tag in tags}
    others = {name: described, "manifest.json": json.dumps(manifest).encode()}
    others |= {"repositories": json.dumps(repositories).encode()}
    return layer(*(plain(path, content) for path, content in {**files, **others}.items()))


def require(engine: str) -> None:
    """Skip unless this engine's programs are there."""
    missing = [name for name in _PROGRAMS[engine] if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        wanted = ", ".join(missing or _PROGRAMS[engine])
        pytest.skip(f"needs root and the programs {wanted} (busybox: package busybox-static; all: bash .ci/run)")


@contextlib.contextmanager
def environment_of(engine: str, insecure: str = "") -> Iterator[dict[str, str]]:
    """The environment of a client whose images and containers are its own; ENGINE is its name. ``insecure`` is the
    address of a registry that speaks plain HTTP."""
    require(engine)
    # A socket's path must be short.
    base = Path(f"/tmp/araneus-{engine}-{os.getpid()}-{os.urandom(2).hex()}")
    base.mkdir()
    (base / "registries.conf").write_text(f'[[registry]]\nlocation = "{insecure or "localhost"}"\ninsecure = true\n')
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(base),
        "ENGINE": engine,
        "CONTAINERS_REGISTRIES_CONF": str(base / "registries.conf"),
        "APPTAINER_NOHTTPS": "1",
    }
    try:
        with _STARTED[engine](base, variables):
            yield variables
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def _dockerd(base: Path, variables: dict[str, str]) -> Iterator[None]:
    options = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=overlay2")
    places = (f"--data-root={base}/data", f"--exec-root={base}/exec", f"--pidfile={base}/pid")
    variables |= {"DOCKER_HOST": f"unix://{base}/socket", "DOCKER_BUILDKIT": "0"}
    with (
        (base / "log").open("wb") as log,
        subprocess.Popen(
            ["dockerd", *options, *places, "-H", variables["DOCKER_HOST"]],
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as daemon,
    ):
        try:
            _wait_for_daemon(variables, base / "log")
            yield
        finally:
            daemon.terminate()
            daemon.wait(30)


@contextlib.contextmanager
def _podman(base: Path, variables: dict[str, str]) -> Iterator[None]:
    (base / "containers.conf").write_text(
        '[containers]\nnetns = "none"\npids_limit = 2048\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    (base / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{base}/root"\nrunroot = "{base}/run"\n'
    )
    variables |= {
        "CONTAINERS_CONF": str(base / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(base / "storage.conf"),
    }
    yield
    subprocess.run(["podman", "rmi", "--all", "--force"], env=variables, capture_output=True, check=False)
    subprocess.run(["umount", "-l", base / "root" / "overlay"], capture_output=True, check=False)


@contextlib.contextmanager
def _nothing(base: Path, variables: dict[str, str]) -> Iterator[None]:
    yield


_STARTED = {"docker": _dockerd, "podman": _podman, "apptainer": _nothing, "unpacked": _nothing}


def _wait_for_daemon(variables: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(["docker", "version"], env=variables, capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            pytest.skip(f"dockerd does not start here: {log.read_text()[-500:]}")
        time.sleep(0.1)


class Registry:
    """A real registry on loopback. ``address`` is its host and port; ``log`` has a line for each request."""

    def __init__(self, base: Path, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.log = base / "log"
        self._base = base
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start to serve, and wait until it does."""
        configuration = self._base / "config.yml"
        configuration.write_text(
            f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self._base}/data}}}}\nhttp: {{addr: {self.address}}}\n"
        )
        command = ["docker-registry", "serve", str(configuration)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(self.address.split(":"), 1):  # type: ignore[arg-type]
                return
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop to serve."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def push(self, name: str, archive: bytes) -> str:
        """Put the image of a ``docker save`` archive there; its whole name."""
        file = self._base / "pushed.tar"
        file.write_bytes(archive)
        target = f"{self.address}/{name}"
        command = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", "--format", "oci"]
        subprocess.run(
            [*command, f"docker-archive:{file}", f"docker://{target}"], check=True, capture_output=True, timeout=60
        )
        return target

    def pulls(self, name: str) -> int:
        """How often the registry was asked for the manifest of an image by its tag."""
        repository, _, tag = name.removeprefix(self.address + "/").rpartition(":")
        return len(re.findall(f'"(?:GET|HEAD) /v2/{re.escape(repository)}/manifests/{tag} ', self.log.read_text()))


@contextlib.contextmanager
def registry(base: Path) -> Iterator[Registry]:
    """A registry whose files lie in ``base``; skips where its programs are absent."""
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"needs the program {program} (bash .ci/run installs it)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Registry(base, port)
    found.start()
    try:
        yield found
    finally:
        found.stop()
