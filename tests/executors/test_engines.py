"""Every engine with the same images from a real registry: docker, podman, apptainer, bubblewrap on unpacked ones."""

import contextlib
import os
import pickle
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from araneus.executors import engines
from araneus.executors.base import Executor, Image
from araneus.executors.containers import Containers
from araneus.executors.enclosure import Engine
from araneus.executors.errors import CannotStartError
from araneus.executors.limits import Policy
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.testing.engine_contract import EngineContract, Images
from araneus.testing.executor_contract import ExecutorContract, Start, submission, wait
from tests.executors import daemons
from tests.executors.daemons import Registry, layer, plain, root_filesystem, saved_image, special
from tests.executors.test_local import out, run

# Where it cannot be had, the gate says so and leaves it out.
ENGINES = [
    name
    for name in ("docker", "podman", "apptainer", "unpacked")
    if name not in os.environ.get("ARANEUS_TESTS_WITHOUT", "").split(",")
]
POLICY = Policy(memory=2048, network=False)
TABLE = "moved.example.org/"
pytestmark = pytest.mark.container


def _images(registry: Registry) -> Images:
    busybox = Path(shutil.which("busybox") or "").read_bytes()
    root = root_filesystem()
    environment = ["PATH=/bin", "FROM_IMAGE=yes", "CHANGED=image"]
    setuid = layer(plain("bin/suid", b"#!/bin/sh\nexec /bin/id -u\n", 0o4755), plain("bin/id2", busybox, 0o6755))
    links = layer(
        *(special(name, tarfile.SYMTYPE, "/tmp/araneus-link-target") for name in ("data", "links", "tmp2")),
        *(special(name, tarfile.SYMTYPE, "/oldroot/tmp/araneus-link-target") for name in ("srv", "home")),
    )
    pushed = {
        "plain": saved_image((), root, setuid, Env=environment),
        "entry": saved_image((), root, Env=["PATH=/bin"], Entrypoint=["/bin/echo", "entry"], Cmd=["default"]),
        "user": saved_image((), root, Env=["PATH=/bin"], User="fly", WorkingDir="/elsewhere"),
        "odd": saved_image((), root, links, Env=["PATH=/bin"]),
    }
    names = {name: registry.push(f"araneus/{name}:1", archive) for name, archive in pushed.items()}
    return Images(**names, missing=f"{registry.address}/araneus/missing:1")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with daemons.registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def images(registry: Registry) -> Images:
    return _images(registry)


@pytest.fixture(scope="module", params=ENGINES)
def environ(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Mapping[str, str]]:
    with daemons.environment_of(str(request.param), registry.address) as variables:
        yield variables


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


def make(environ: Mapping[str, str], directory: Path, registry: Registry) -> engines.Candidate:
    """A new engine, as a new process would have it."""
    return engines.make(environ["ENGINE"], directory, {TABLE: f"{registry.address}/"}, POLICY, environ)


@pytest.fixture
def engine(environ: Mapping[str, str], kept: Path, registry: Registry) -> Engine:
    found = make(environ, kept, registry)
    assert found.works()
    return found


@pytest.fixture
def executor(opened: Callable[..., LocalExecutor], engine: Engine) -> LocalExecutor:
    return opened(Containers(engine=engine))


class TestEngine(EngineContract):
    """The surroundings of a tool."""


class TestExecutor(ExecutorContract):
    """The contract of executors, in each engine."""

    @pytest.fixture(autouse=True)
    def _with_image(self, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(TestExecutor, "EXTRA", {"image": Image(pull=images.plain)})

    EXTRA: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def start(self, opened: Callable[..., LocalExecutor], engine: Engine) -> Start:
        return lambda: opened(Containers(engine=engine))


class _Files(SimpleHTTPRequestHandler):
    """Serves a directory; the first ``failing`` requests are answered with 503."""

    failing = 0

    def do_GET(self) -> None:
        if type(self).failing > 0:
            type(self).failing -= 1
            self.send_error(503)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the URL under which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    _Files.failing = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def said(executor: Executor, jobs: Path, image: Image, *command: str) -> str:
    """What a tool prints in an image; fails unless it succeeds."""
    name = f"n{len(list(jobs.iterdir()))}"
    executor.submit(submission(jobs / name, *command, image=image))
    outcome = wait(executor, [name])[name].outcome
    assert outcome.exit_code == 0, outcome
    return out(jobs / name)


def from_url(kind: str, url: str) -> Image:
    """An image of dockerLoad or dockerImport."""
    return Image(load=url) if kind == "load" else Image(import_=url)


def test_a_pull_is_rewritten_reported_and_done_once(
    environ: Mapping[str, str], registry: Registry, tmp_path: Path
) -> None:
    name = registry.push(f"araneus/once-{environ['ENGINE']}:1", saved_image((), root_filesystem(), Env=["PATH=/bin"]))
    given = TABLE + name.removeprefix(registry.address + "/")
    told: list[str] = []
    engine = make(environ, tmp_path / "images", registry)
    threads = [threading.Thread(target=engine.prepare, args=(Image(pull=given), told.append)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    began = [line for line in told if line.startswith("fetching")]
    assert len(began) == 1
    assert given in began[0]
    assert name in began[0]
    assert any(line.startswith("fetched") for line in told)
    asked = registry.pulls(name)
    # A new process finds it without the registry.
    again: list[str] = []
    assert make(environ, tmp_path / "images", registry).prepare(Image(pull=given), again.append)
    assert again == []
    assert registry.pulls(name) == asked > 0


def test_a_registry_that_comes_back_is_asked_again(
    environ: Mapping[str, str], registry: Registry, tmp_path: Path
) -> None:
    name = registry.push(f"araneus/back-{environ['ENGINE']}:1", saved_image((), root_filesystem(), Env=["PATH=/bin"]))
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if "trying again" in line:
            registry.start()

    registry.stop()
    try:
        assert make(environ, tmp_path / "images", registry).prepare(Image(pull=name), say)
    finally:
        registry.stop()
        registry.start()
    assert sum("trying again" in line for line in told) == 1


def test_both_names_are_in_the_error(environ: Mapping[str, str], registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(CannotStartError) as caught:
        make(environ, tmp_path / "images", registry).prepare(Image(pull=f"{TABLE}none:7"), lambda _: None)
    assert caught.value.reason is Reason.IMAGE_UNAVAILABLE
    for word in (f"{TABLE}none:7", f"{registry.address}/none:7", "jobs.images", "unknown"):
        assert word in caught.value.message


def test_loaded_and_imported(
    executor: LocalExecutor, environ: Mapping[str, str], jobs: Path, served: tuple[Path, str]
) -> None:
    folder, url = served
    root = root_filesystem(plain("made", b"by hand\n"))
    (folder / "saved.tar").write_bytes(saved_image(("some/thing:1", "debian:12"), root, Env=["PATH=/bin", "A=saved"]))
    (folder / "root.tar").write_bytes(root)
    _Files.failing = 1
    for image in (
        Image(load=f"{url}/saved.tar", image_id="some/thing:1"),
        Image(load=f"{url}/saved.tar"),
        Image(import_=f"{url}/root.tar", image_id="other/thing:1"),
        Image(import_=f"{url}/root.tar"),
    ):
        assert said(executor, jobs, image, "/bin/cat", "/made") == "by hand\n"
    assert said(executor, jobs, Image(load=f"{url}/saved.tar"), "/bin/sh", "-c", "echo $A") == "saved\n"
    if environ["ENGINE"] in {"docker", "podman"}:
        # The names that the archive gives itself are not taken: they could be those of other people's images.
        for name in ("debian:12", "some/thing:1", "other/thing:1"):
            command = [environ["ENGINE"], "image", "inspect", name]
            assert subprocess.run(command, env=environ, capture_output=True, check=False).returncode != 0


def test_both_pull_and_id(executor: LocalExecutor, jobs: Path, images: Images) -> None:
    stale = Image(pull=images.plain, image_id="0123456789abcdef")
    assert said(executor, jobs, stale, "echo", "x") == "x\n"
    assert said(executor, jobs, Image(pull=images.plain, image_id="gone/away:2"), "echo", "x") == "x\n"


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("none.tar", None, "404"),
        ("text.tar", b"no archive" * 100, "archive"),
        ("empty.tar", b"", "archive"),
        ("short.tar", root_filesystem()[:700_000], ""),
    ],
)
@pytest.mark.parametrize("kind", ["load", "import_"])
def test_archives_that_are_none(  # noqa: PLR0917 - fixtures and parameters
    executor: LocalExecutor,
    jobs: Path,
    served: tuple[Path, str],
    path: str,
    content: bytes | None,
    says: str,
    kind: str,
) -> None:
    folder, url = served
    if content is not None:
        (folder / path).write_bytes(content)
    executor.submit(submission(jobs / "a", "true", image=from_url(kind, f"{url}/{path}")))
    outcome = wait(executor, ["a"])["a"].outcome
    assert outcome.reason is Reason.IMAGE_UNAVAILABLE, outcome
    assert path in outcome.message
    assert says in outcome.message


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "ftp://127.0.0.1/x", "-"])
@pytest.mark.parametrize("kind", ["load", "import_"])
def test_archives_are_never_read_from_this_machine(engine: Engine, url: str, kind: str) -> None:
    with pytest.raises(CannotStartError) as caught:
        engine.prepare(replace(from_url(kind, url), image_id="araneus-none:1"), lambda _: None)
    assert caught.value.reason is Reason.IMAGE_UNAVAILABLE
    assert "http" in caught.value.message


def _hostile(outside: Path) -> bytes:
    """A root file system whose members want to be somewhere else, or to be more than files."""
    return root_filesystem(
        plain("../../../../../../../../tmp/araneus-traversed", b"x"),
        plain("/tmp/araneus-absolute", b"x"),
        special("away", tarfile.SYMTYPE, str(outside)),
        plain("away/through-a-link", b"x"),
        special("up", tarfile.SYMTYPE, "../../../../../../../../tmp"),
        plain("up/araneus-up", b"x"),
        special("hard", tarfile.LNKTYPE, "../../../../../../../../etc/passwd"),
        special("device", tarfile.CHRTYPE, mode=0o666),
        special("disk", tarfile.BLKTYPE, mode=0o666),
        special("pipe", tarfile.FIFOTYPE),
        plain("bin/setuid", b"#!/bin/sh\nid -u\n", 0o6755),
        special("closed", tarfile.DIRTYPE, mode=0o000),
        plain("bin/echo-ok", b"#!/bin/sh\necho ok\n", 0o755),
    )


def test_a_hostile_archive_reaches_nothing(  # noqa: PLR0917 - fixtures
    executor: LocalExecutor,
    environ: Mapping[str, str],
    kept: Path,
    jobs: Path,
    tmp_path: Path,
    served: tuple[Path, str],
) -> None:
    folder, url = served
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "root.tar").write_bytes(_hostile(outside))
    executor.submit(submission(jobs / "a", "/bin/sh", "-c", "/bin/setuid", image=Image(import_=f"{url}/root.tar")))
    outcome = wait(executor, ["a"])["a"].outcome
    assert outcome.reason in {Reason.SUCCEEDED, Reason.IMAGE_UNAVAILABLE}, outcome
    assert list(outside.iterdir()) == []
    made = {"araneus-traversed", "araneus-absolute", "araneus-up"}
    assert not made & {path.name for path in Path("/tmp").iterdir()}
    assert list(kept.glob("partial-*")) == []
    if environ["ENGINE"] == "unpacked":
        find = ["find", str(kept), "(", "-type", "b", "-o", "-type", "c", "-o", "-perm", "/6000", ")"]
        assert subprocess.run(find, capture_output=True, text=True, check=True).stdout == ""
        assert kept.stat().st_mode & 0o077 == 0


def test_a_dockerfile(  # noqa: PLR0917 - fixtures
    opened: Callable[..., LocalExecutor],
    environ: Mapping[str, str],
    registry: Registry,
    images: Images,
    jobs: Path,
    tmp_path: Path,
) -> None:
    executor = opened(Containers(engine=make(environ, tmp_path / "images", registry)))
    given = TABLE + images.plain.removeprefix(registry.address + "/")
    text = f"ARG BASE={given}\nFROM ${{BASE}}\nENV A=1 \\\n  # why not\n  B=2\n"
    text += "RUN ls /sys/class/net > /net; echo $A >> /net\n"
    executor.submit(submission(jobs / "a", "sh", "-c", "cat /net; echo $B", image=Image(file=text, image_id="x/y:1")))
    outcome = wait(executor, ["a"])["a"].outcome
    if environ["ENGINE"] in {"docker", "podman"}:
        assert outcome.exit_code == 0, outcome
        assert out(jobs / "a") == "lo\n1\n2\n"
    else:
        assert outcome.reason is Reason.UNSUPPORTED
        assert "Dockerfile" in outcome.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FROM {image}\nRUN exit 7\n", ""),
        ("FROM {image}\nCOPY /etc/passwd /x\n", ""),
        ("FROM {image}\nCOPY ../../../../../../../../etc/passwd /x\n", ""),
        ("FROM {image}\nADD http://127.0.0.1:1/x /x\n", "network"),
        ("FROM {image}\nADD git@example.org:x/y.git /x\n", "network"),
        ("FROM {image}\nONBUILD ADD https://127.0.0.1:1/x /x\n", "network"),
        ("FROM {image}\nRUN --network=host true\n", "--network=host"),
        ("FROM {image}\nRUN --security=insecure true\n", "--security"),
        ("FROM {image}\nRUN --mount=type=bind,from=x,target=/y true\n", "--mount"),
        ("FROM {image}\nRUN --mount=type=cache,from=x,target=/y true\n", "--mount"),
        ("FROM dir:/etc\n", "name"),
        ("FROM oci-archive:/etc/passwd\n", "name"),
        ("FROM --privileged\n", "FROM"),
        ("ARG X=dir:/etc\nFROM $X\n", "name"),
        ("FROM {image}\nCOPY --from=dir:/etc passwd /x\n", "name"),
        ("# escape=`\nFROM {image}\n", "backslash"),
        ("FROM scratch\nNONSENSE\n", "line 2"),
        ("RUN true\n", "FROM"),
        ("", "FROM"),
    ],
)
def test_dockerfiles_that_are_not_built(engine: Engine, images: Images, text: str, says: str) -> None:
    with pytest.raises(CannotStartError) as caught:
        engine.prepare(Image(file=text.replace("{image}", images.plain)), lambda _: None)
    if caught.value.reason is not Reason.UNSUPPORTED:
        assert caught.value.reason is Reason.IMAGE_UNAVAILABLE
        assert says in caught.value.message
        assert "Dockerfile" in caught.value.message or says == "name"


def test_an_image_that_was_removed_is_fetched_again(
    opened: Callable[..., LocalExecutor], environ: Mapping[str, str], registry: Registry, tmp_path: Path
) -> None:
    name = registry.push(f"araneus/gone-{environ['ENGINE']}:1", saved_image((), root_filesystem(), Env=["PATH=/bin"]))
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    executor = opened(Containers(engine=make(environ, tmp_path / "images", registry)))
    assert said(executor, jobs, Image(pull=name), "echo", "x") == "x\n"
    if environ["ENGINE"] in {"docker", "podman"}:
        subprocess.run([environ["ENGINE"], "rmi", "--force", name], env=environ, check=True, capture_output=True)
    else:
        shutil.rmtree(tmp_path / "images")
    first = run(executor, jobs / "first", "echo", "x", image=Image(pull=name)).outcome
    if first.reason is not Reason.SUCCEEDED:
        assert first.reason is Reason.IMAGE_UNAVAILABLE
        assert said(executor, jobs, Image(pull=name), "echo", "x") == "x\n"


def test_what_a_killed_process_left_is_removed(registry: Registry, images: Images, tmp_path: Path) -> None:
    with daemons.environment_of("unpacked", registry.address) as environ:
        left = tmp_path / "images" / "partial-left"
        (left / "root" / "closed").mkdir(parents=True)
        (left / "root" / "closed").chmod(0)
        (left / "lock").touch()
        with contextlib.suppress(CannotStartError):
            make(environ, tmp_path / "images", registry).prepare(Image(pull=images.missing), lambda _: None)
        assert not left.exists()
        assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize("name", engines.ORDER)
def test_an_engine_can_be_sent_to_another_process(name: str, tmp_path: Path) -> None:
    engine = engines.make(name, tmp_path, {}, Policy(memory=1000))
    assert pickle.loads(pickle.dumps(engine)).name == engine.name
