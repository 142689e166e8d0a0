"""Names of images, what the settings make of them, Dockerfiles, and the programs that fetch. No engine is needed."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.executors import dockerfile
from araneus.executors.base import Image
from araneus.executors.containers import CHOICES, Containers, UnavailableError
from araneus.executors.engines import ORDER
from araneus.executors.errors import CannotStartError
from araneus.executors.images import full_name, is_id, is_name, is_transient, key, named, pulled, rewritten, unavailable
from araneus.executors.programs import ProgramError, Progress, persevere
from araneus.executors.programs import run as run_program
from araneus.executors.unpacked import shown

HERE = {"PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize(
    "name",
    [
        "debian",
        "debian:12",
        "docker:24-dind",
        "biocontainers/samtools:v1.9-4-deb_cv1",
        "quay.io/biocontainers/samtools:1.9--h91753b0_8",
        "images.sbgenomics.com/some.user/bwa:0.7.17",
        "localhost:5000/a/b__c/d-e:F.g",
        "[::1]:5000/a",
        f"a@sha256:{'0' * 64}",
        f"registry.lab/a:1@sha256:{'f' * 64}",
    ],
)
def test_names(name: str) -> None:
    assert is_name(name)
    assert named(name, {}).reference == name
    assert named(f"docker://{name}", {}).reference == name


@given(st.text(max_size=60))
def test_whatever_is_a_name_is_harmless_as_an_argument(text: str) -> None:
    if is_name(text) or is_id(text):
        assert re.fullmatch(r"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]*", text)
        assert ".." not in text.split("/")
        assert not text.startswith(("dir:", "oci:", "docker-archive:"))


def test_names_are_judged_in_little_time() -> None:
    began = time.monotonic()
    for text in ("a" * 511 + "!", "a-" * 255 + "!", "a." * 255 + "!", "a/" * 255 + "!", "a" * 10_000_000):
        assert not is_name(text)
    assert time.monotonic() - began < 1.0


TABLE = {
    "quay.io/": "registry.lab/quay/",
    "quay.io/bio": "bio.lab/all",
    "quay.io/bio/samtools:1.9": "exact.lab/samtools:1",
    "docker.io/": "mirror.lab/hub/",
    "ubuntu": "ubuntu.lab/ubuntu",
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quay.io/x:1", "registry.lab/quay/x:1"),
        ("quay.io/biology:1", "registry.lab/quay/biology:1"),
        ("quay.io/bio:1", "bio.lab/all:1"),
        ("quay.io/bio/bwa:1", "bio.lab/all/bwa:1"),
        ("quay.io/bio/samtools:1.9", "exact.lab/samtools:1"),
        ("quay.io/bio/samtools:1.90", "bio.lab/all/samtools:1.90"),
        ("debian:12", "mirror.lab/hub/library/debian:12"),
        ("some/tool", "mirror.lab/hub/some/tool"),
        ("index.docker.io/some/tool", "mirror.lab/hub/some/tool"),
        ("ubuntu:20.04", "mirror.lab/hub/library/ubuntu:20.04"),
        ("ghcr.io/x", "ghcr.io/x"),
        ("localhost:5000/x", "localhost:5000/x"),
    ],
)
def test_the_longest_entry_that_fits_is_taken(name: str, expected: str) -> None:
    assert rewritten(name, TABLE) == expected
    assert rewritten(name, {}) == name


def test_the_empty_entry_fits_all() -> None:
    assert rewritten("debian:12", {"": "mirror.lab/"}) == "mirror.lab/debian:12"
    assert rewritten("quay.io/x", {"": "mirror.lab/", "quay.io/": "q/"}) == "q/x"


def test_both_names_are_told() -> None:
    wanted = pulled(Image(pull="quay.io/x:1"), TABLE)
    message = unavailable(wanted, "manifest unknown").message
    assert "'quay.io/x:1'" in message
    assert "'registry.lab/quay/x:1'" in message
    assert "jobs.images" in message
    with pytest.raises(CannotStartError, match=re.escape("'--x/y'")):
        pulled(Image(pull="quay.io/y"), {"quay.io/": "--x/"})


def test_full_names() -> None:
    assert full_name("debian") == "docker.io/library/debian"
    assert full_name("a/b") == "docker.io/a/b"
    assert full_name("quay.io/a") == "quay.io/a"
    assert full_name("localhost/a") == "localhost/a"


def test_keys_tell_origins_apart() -> None:
    origins = [
        Image(pull="a"),
        Image(image_id="a"),
        Image(load="a"),
        Image(import_="a"),
        Image(file="a"),
        Image(file="b"),
    ]
    assert len({key(image) for image in origins}) == len(origins)
    assert key(Image(pull="a", required=False)) == key(Image(pull="a"))


@pytest.mark.parametrize(
    ("why", "passes"),
    [
        ("dial tcp: i/o timeout", True),
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        ("toomanyrequests: You have reached your pull rate limit", True),
        ("connect: connection refused", True),
        ("unexpected EOF", True),
        ("manifest unknown: manifest unknown", False),
        ("unauthorized: access to the requested resource is not authorized", False),
        ("no such host", False),
        ("no space left on device", False),
    ],
)
def test_what_may_pass(why: str, passes: bool) -> None:
    assert is_transient(why) is passes


def test_trying_again_is_bounded() -> None:
    told: list[str] = []
    tries = iter(["503", "timeout", ""])

    def work() -> str:
        why = next(tries)
        if why:
            raise ProgramError(why)
        return "done"

    assert persevere(work, told.append, (0.0, 0.0)) == "done"
    assert len(told) == 2
    tries = iter(["503", "503", "503", "never asked"])
    with pytest.raises(ProgramError, match="503"):
        persevere(work, told.append, (0.0, 0.0))
    assert next(tries) == "never asked"
    tries = iter(["denied", "never asked"])
    with pytest.raises(ProgramError, match="denied"):
        persevere(work, told.append, (0.0, 0.0))
    assert next(tries) == "never asked"


def test_programs_say_why_they_fail() -> None:
    script = "printf 'one\\rtwo\\nerror: \\033[31mno such thing\\033[0m\\n' >&2; echo last; exit 3"
    with pytest.raises(ProgramError, match=r"^error: no such thing$"):
        run_program(("sh", "-c", script), HERE)
    with pytest.raises(ProgramError, match="exit code 4"):
        run_program(("sh", "-c", "exit 4"), HERE)
    with pytest.raises(ProgramError, match="no-such-program"):
        run_program(("no-such-program",), HERE)
    with pytest.raises(ProgramError):
        run_program(("echo", "a\0b"), HERE)


def test_programs_take_their_time_and_no_more() -> None:
    began = time.monotonic()
    with pytest.raises(ProgramError, match="longer than"):
        run_program(("sh", "-c", "sleep 60 & sleep 60"), HERE, limit=0.3)
    assert time.monotonic() - began < 10.0


def test_programs_may_say_very_much() -> None:
    lines: list[str] = []
    kept = run_program(("sh", "-c", "yes x | head -c 20000000; head -c 5000000 /dev/zero"), HERE, line=lines.append)
    assert len(kept) < 50_000
    assert max(map(len, lines)) <= 500


def test_what_is_given_to_a_program() -> None:
    text = "FROM x\n" * 100_000
    assert (
        run_program(("md5sum",), HERE, text=text).split()[0]
        == run_program(("sh", "-c", "yes 'FROM x' | head -n 100000 | md5sum"), HERE).split()[0]
    )


def test_progress_is_told_now_and_then() -> None:
    told: list[str] = []
    docker = Progress(told.append, "fetching 'x'", 0.0)
    for line in (
        "1: Pulling from x",
        "a0b1c2d3e4f5: Pulling fs layer",
        "00b1c2d3e4f5: Waiting",
        "a0b1c2d3e4f5: Pull complete",
    ):
        docker.line(line)
    assert told[-1] == "fetching 'x': 1 of 2 layers"
    skopeo = Progress(told.append, "fetching 'y'", 0.0)
    skopeo.line(f"Copying blob sha256:{'a' * 64}")
    skopeo.line("Copying blob bbbbbbbbbbbb done")
    assert told[-1] == "fetching 'y': layer 2"
    count = len(told)
    Progress(told.append, "fetching 'z'").line("Copying blob cccccccccccc done")
    assert len(told) == count


def _bases(text: str, *, network: bool = False) -> tuple[str, list[str]]:
    asked: list[str] = []

    def base(name: str) -> str:
        asked.append(name)
        return f"here/{name}"

    return dockerfile.prepared(text, base, network=network), asked


def test_a_dockerfile_is_written_anew() -> None:
    text = (
        "# syntax=evil.example.org/frontend\n# a comment\nARG TAG=12\nARG NAME=debian:$TAG\n"
        "from --platform=linux/amd64 ${NAME} as Builder\nrun echo a \\\n\n  # in between\n  && echo b\n"
        "FROM ${NONE:-alpine:3}\nCOPY --from=builder /a /a\nCOPY --from=0 /a /b\n"
        "COPY --chown=1 --from=busybox /bin /c\nRUN <<EOF\n  echo '# kept'\nEOF\n"
    )
    written, asked = _bases(text)
    assert asked == ["debian:12", "alpine:3", "busybox"]
    assert written == (
        "ARG TAG=12\nARG NAME=debian:$TAG\nFROM --platform=linux/amd64 here/debian:12 as Builder\n"
        "RUN echo a   && echo b\nFROM here/alpine:3\nCOPY --from=builder /a /a\nCOPY --from=0 /a /b\n"
        "COPY --chown=1 --from=here/busybox /bin /c\nRUN <<EOF\n  echo '# kept'\nEOF\n"
    )


def test_the_network_of_a_build_is_a_matter_of_policy() -> None:
    text = "FROM x\nADD https://example.org/y /y\n"
    assert _bases(text, network=True)[0] == "FROM here/x\nADD https://example.org/y /y\n"
    with pytest.raises(CannotStartError, match="line 2: ADD fetches"):
        _bases(text)


@given(st.text(alphabet="FROMRUNADDCOPYARG abc:/$\\\n#<={}\"'-", max_size=200))
def test_any_dockerfile_is_read_or_refused(text: str) -> None:
    try:
        written, _ = _bases("FROM scratch\n" + text)
    except CannotStartError:
        return
    # What was checked is what is built: nothing is left that a builder would read in another way.
    assert [str(instruction) for instruction in dockerfile.read(written)] == written.splitlines()


def test_an_images_links_are_never_gone_through(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("usr/bin", "srv/kept", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "data").symlink_to("/oldroot/etc")
    (root / "srv" / "link").symlink_to("/")
    (root / "file").touch()
    options = shown(root, ["/data/x", "/srv/link/y", "/file/z", "/tmp"])
    pairs = {options[index + 2]: options[index : index + 2] for index in range(0, len(options), 3)}
    assert pairs == {
        "/bin": ["--symlink", "usr/bin"],
        "/etc": ["--ro-bind", str(root / "etc")],
        "/usr": ["--ro-bind", str(root / "usr")],
        "/srv/kept": ["--ro-bind", str(root / "srv/kept")],
    }


def test_the_order_is_that_of_the_documents() -> None:
    text = (Path(__file__).parents[2] / "docs" / "containers.md").read_text()
    places = [text.index(f"`{name}`") for name in ORDER]
    assert places == sorted(places)
    assert set(ORDER) < set(CHOICES)


@pytest.mark.parametrize("choice", ORDER)
def test_an_engine_that_is_asked_for_and_not_there(
    choice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(UnavailableError, match=choice):
        Containers.detect(choice, directory=tmp_path)


def test_nothing_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = Containers.detect("auto", directory=tmp_path)
    assert found.engine is None
    with pytest.raises(CannotStartError, match="install docker"):
        found.enclosure(Image(pull="x"))
