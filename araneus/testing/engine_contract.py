"""What every engine must do with a tool in its image: a base class of tests that the tests of each engine inherit.

    class TestMyEngine(EngineContract):
        @pytest.fixture
        def engine(self): return MyEngine(...)        # an `Engine` that works
        @pytest.fixture
        def executor(self, engine): ...               # a `LocalExecutor` with Containers(engine=engine)
        @pytest.fixture
        def images(self): return Images(...)          # names that it can prepare

The images are of busybox, with its programs in ``/bin``. pytest is needed only by whoever runs these.
"""

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from araneus.executors.base import Ended, Executor, Image, Literal, Mount, Submission
from araneus.executors.containers import Containers
from araneus.executors.enclosure import Engine
from araneus.executors.errors import CannotStartError
from araneus.executors.jobdir import STDOUT
from araneus.model.job import Reason
from araneus.testing.executor_contract import submission, wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """``plain``: PATH is ``/bin``, ``FROM_IMAGE`` is ``yes``, ``CHANGED`` is ``image``, a setuid program ``/bin/suid``;
    ``entry``: its entrypoint is ``/bin/echo entry``; ``user``: ``USER`` is 1234, ``WORKDIR`` is ``/elsewhere``;
    ``odd``: ``/data``, ``/links``, ``/srv`` and ``/home`` are links to a directory of this machine; ``missing`` is
    not in the registry."""

    plain: str
    entry: str
    user: str
    odd: str
    missing: str


def names_refused() -> list[Image]:
    """Images whose names are no names: options, paths, transports, and none at all."""
    words = [
        "--privileged",
        "-v/:/host",
        "two words",
        "a\nb",
        "dir:/etc",
        "oci-archive:/etc/passwd",
        "/etc/passwd",
        "../x",
    ]
    words += [
        "docker-archive:x",
        "oci:x",
        "dir:x",
        "UPPER/case",
        "x:y:z",
        "a//b",
        "x@sha256:12",
        "x\0y",
        "é",
        "x" * 600,
    ]
    return [Image(pull=word) for word in words] + [Image(image_id="--privileged"), Image()]


class EngineContract:
    """Tests of a tool's surroundings in a container: CWL v1.2 CommandLineTool, "Runtime environment"."""

    @pytest.fixture
    def jobs(self, tmp_path: Path) -> Path:
        """Where the job directories lie."""
        jobs = tmp_path / "jobs"
        jobs.mkdir()
        return jobs

    @pytest.fixture
    def run(self, executor: Executor, images: Images, jobs: Path) -> Callable[..., tuple[Ended, str]]:
        """Runs a shell script in the plain image, or what it is given; gives the report and what was printed."""

        def start(script: str, *, name: str = "a", **changes: Any) -> tuple[Ended, str]:
            fields: dict[str, Any] = {"image": Image(pull=images.plain), "command": ("sh", "-c", script), **changes}
            prepared = submission(jobs / name, *fields.pop("command"), **fields)
            executor.submit(prepared)
            report = wait(executor, [name])[name]
            file = jobs / name / STDOUT
            return report, file.read_text() if file.exists() else ""

        return start

    def test_directories_and_variables(self, run: Callable[..., tuple[Ended, str]], jobs: Path) -> None:
        odd = "two\nlines, 'quoted', \"twice\", $(id) `id` \\ ${HOME}"
        script = 'pwd; echo "$HOME"; echo "$TMPDIR"; echo $FROM_IMAGE $CHANGED; echo "${PATH%%:*}"; printf %s "$ODD"'
        report, printed = run(script, environment={"CHANGED": "job", "ODD": odd})
        work = jobs / "a" / "work"
        assert report.outcome.reason is Reason.SUCCEEDED, report
        assert printed == f"{work}\n{work}\n{jobs}/a/tmp\nyes job\n/bin\n{odd}", printed

    def test_nothing_of_the_servers_environment(
        self, run: Callable[..., tuple[Ended, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SERVER_SECRET", "hunter2")
        monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1")
        _, printed = run("env; cat /proc/1/environ /proc/self/environ")
        assert "CHANGED=image" in printed
        assert "hunter2" not in printed
        assert str(Path.home()) not in printed.replace("/root/.singularity.d", "")

    def test_variables_that_a_shell_does_not_know(self, run: Callable[..., tuple[Ended, str]]) -> None:
        _, printed = run("", command=("env",), environment={"a.b": "1", "with-dash": "2"})
        assert {"a.b=1", "with-dash=2"} <= set(printed.splitlines())

    def test_variables_reach_nothing_outside(self, run: Callable[..., tuple[Ended, str]], tmp_path: Path) -> None:
        escaped = tmp_path / "escaped"
        report, _ = run(
            "true", environment={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(escaped), "LD_PRELOAD": "/x.so"}
        )
        assert report.outcome.exit_code == 0
        assert list(tmp_path.glob("escaped*")) == []

    def test_inputs_cannot_be_changed(self, run: Callable[..., tuple[Ended, str]], jobs: Path, tmp_path: Path) -> None:
        blob = tmp_path / 'blob, with "odd": name'
        blob.write_text("content\n")
        target = f"{jobs}/a/inputs/1/my file: 1,2.txt"
        linked = f"{jobs}/a/work/linked"
        report, printed = run(
            f"cat '{target}' linked; echo x >'{target}'; echo x >linked; chmod 777 '{target}'; rm '{target}'; exit 4",
            mounts=(Mount(source=blob, target=target), Mount(source=blob, target=linked)),
        )
        assert report.outcome.exit_code == 4
        assert printed == "content\ncontent\n"
        assert blob.read_text() == "content\n"
        assert blob.stat().st_mode & 0o777 == 0o644

    def test_only_the_job_is_seen(self, run: Callable[..., tuple[Ended, str]], jobs: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        (jobs / "b").mkdir()
        _, printed = run(
            f"ls {jobs}; ls {jobs}/a; ls -d {tmp_path}/secret /home/* /etc/shadow /var/log/dpkg.log; ls /root"
        )
        assert printed.split()[0] == "a"
        assert set(printed.split()[1:]) <= {"inputs", "tmp", "work"}

    def test_what_is_made_belongs_to_the_server(
        self, run: Callable[..., tuple[Ended, str]], images: Images, jobs: Path
    ) -> None:
        script = "mkdir -p d/e; touch d/e/f $TMPDIR/g; chmod 700 d d/e; chmod 600 d/e/f; umask"
        for name, image in (("a", images.plain), ("b", images.user)):
            report, printed = run(script, name=name, image=Image(pull=image))
            assert (report.outcome.exit_code, printed) == (0, "0022\n")
            for made in ("work/d", "work/d/e", "work/d/e/f", "tmp/g"):
                status = (jobs / name / made).stat()
                assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid()), made

    def test_the_working_directory_of_the_image_is_not_the_jobs(
        self, run: Callable[..., tuple[Ended, str]], images: Images, jobs: Path
    ) -> None:
        _, printed = run("pwd", image=Image(pull=images.user))
        assert printed == f"{jobs}/a/work\n"

    def test_the_entrypoint_comes_before_the_command(
        self, run: Callable[..., tuple[Ended, str]], images: Images
    ) -> None:
        words = ("one two", "$HOME", "'", '"', "", "*")
        _, printed = run("", image=Image(pull=images.entry), command=words)
        assert printed == f"entry {' '.join(words)}\n"

    def test_directories_of_other_names(self, run: Callable[..., tuple[Ended, str]], jobs: Path) -> None:
        literal = Literal(target="/data/inner/x", content=b"x")
        report, printed = run("pwd; cat /data/inner/x; touch here", work="/var/spool/out", literals=(literal,))
        assert report.outcome.exit_code == 0, report
        assert printed == "/var/spool/out\nx"
        assert (jobs / "a" / "work" / "here").exists()

    def test_no_rights(self, run: Callable[..., tuple[Ended, str]]) -> None:
        script = (
            "grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status; ls /sys/class/net 2>/dev/null || echo lo;"
            " mknod b b 1 3 2>/dev/null && echo made; mount -t tmpfs x /tmp 2>/dev/null && echo mounted;"
            " /bin/suid -u; cat /proc/1/root/etc/shadow 2>/dev/null; ls /dev | grep -E '^(vd|sd|nvme|kvm|mem)'"
        )
        report, printed = run(script)
        zero = "0" * 16
        lines = printed.split()
        assert lines[:7] == ["CapPrm:", zero, "CapEff:", zero, "NoNewPrivs:", "1", "lo"]
        # The setuid program of the image gives nobody else's rights.
        assert len(lines) == 8, printed
        assert report.outcome.exit_code != 0

    def test_nothing_of_the_kernel_can_be_set(self, run: Callable[..., tuple[Ended, str]]) -> None:
        # With the value that it has, so that this does no harm where it is possible.
        files = "/proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/enabled"
        script = f'for f in {files}; do v=$(cat $f 2>/dev/null) && echo "$v" 2>/dev/null >$f && echo $f; done; true'
        _, printed = run(script)
        assert printed == ""

    def test_it_can_be_handed_to_another_process(self, engine: Engine, images: Images) -> None:
        other = pickle.loads(pickle.dumps(engine))  # noqa: S301 - made in the line
        assert other.prepare(Image(pull=images.plain), lambda _: None) == engine.prepare(
            Image(pull=images.plain), lambda _: None
        )

    def test_a_command_that_the_image_lacks(self, run: Callable[..., tuple[Ended, str]]) -> None:
        report, _ = run("", command=("no-such-command", "x"), stderr="err.txt")
        assert report.outcome.reason is Reason.COMMAND_NOT_FOUND, report
        assert "no-such-command" in report.outcome.message

    def test_exit_codes_are_the_tools_own(self, run: Callable[..., tuple[Ended, str]]) -> None:
        for code in (1, 125, 126, 127, 255):
            report, _ = run(f"exit {code}", name=f"n{code}")
            assert (report.outcome.reason, report.outcome.exit_code) == (Reason.SUCCEEDED, code)

    def test_links_of_an_image_lead_nowhere(
        self, run: Callable[..., tuple[Ended, str]], images: Images, tmp_path: Path
    ) -> None:
        # `odd` has links to /tmp/araneus-link-target where the job's own paths want directories.
        targets = ("/data/x", "/links/deep/y", "/srv/deep/z", "/home/w")
        literals = tuple(Literal(target=target, content=b"x") for target in targets)
        before = {path.name for path in Path("/tmp").iterdir()}  # noqa: S108 - the machine's own
        run("cat /data/x /links/deep/y /srv/deep/z /home/w", image=Image(pull=images.odd), literals=literals)
        after = {path.name for path in Path("/tmp").iterdir()}  # noqa: S108 - as above
        assert "araneus-link-target" not in after - before

    def test_links_of_an_input_lead_nowhere(self, run: Callable[..., tuple[Ended, str]], tmp_path: Path) -> None:
        victim, given = tmp_path / "victim", tmp_path / "given"
        victim.mkdir()
        given.mkdir()
        (given / "out").symlink_to(victim)
        # Where bubblewrap has this machine's files while it makes a sandbox.
        (given / "old").symlink_to(f"/oldroot{victim}")
        mount = Mount(source=given, target="/given", writable=True)
        for number, target in enumerate(("/given/out/x", "/given/old/deep/x")):
            run("true", name=f"n{number}", mounts=(mount,), literals=(Literal(target=target, content=b"x"),))
            assert list(victim.iterdir()) == []

    def test_an_image_that_is_not_there_is_named(
        self, run: Callable[..., tuple[Ended, str]], images: Images, jobs: Path
    ) -> None:
        report, _ = run("true", image=Image(pull=images.missing))
        assert report.outcome.reason is Reason.IMAGE_UNAVAILABLE
        assert images.missing in report.outcome.message
        assert "jobs.images" in report.outcome.message
        assert not (jobs / "a" / "pid").exists()

    @pytest.mark.parametrize("image", names_refused(), ids=lambda image: repr(image.pull or image.image_id)[:20])
    def test_what_is_no_name_is_refused(self, engine: Engine, image: Image) -> None:
        with pytest.raises(CannotStartError) as caught:
            engine.prepare(image, lambda _: None)
        assert caught.value.reason is Reason.IMAGE_UNAVAILABLE
        assert "name" in caught.value.message

    def test_one_fetch_however_many_ask(self, executor: Executor, engine: Engine, images: Images, jobs: Path) -> None:
        assert Containers(engine=engine).enclosure(Image(pull=images.plain)) is engine
        submissions: list[Submission] = [
            submission(jobs / f"n{number}", "true", image=Image(pull=images.plain)) for number in range(6)
        ]
        for each in submissions:
            executor.submit(each)
        reports = wait(executor, [each.attempt for each in submissions])
        assert {report.outcome.exit_code for report in reports.values()} == {0}
