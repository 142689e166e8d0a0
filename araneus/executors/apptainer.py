"""Apptainer and SingularityCE through their command line, on image files that the server keeps.

The wrapper runs ``apptainer run`` in the foreground; the tool ends with it. ``run`` and not ``exec``, because the
entrypoint of an image comes before the command, as it does in docker, and ``--no-eval``, because otherwise a shell
would read the words of the command.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from araneus.executors import images, programs
from araneus.executors.base import Image, Submission
from araneus.executors.docker import mount_option
from araneus.executors.enclosure import Launch, with_odd_names
from araneus.executors.errors import CannotStartError
from araneus.executors.image_files import OncePerImage, docker_archive, workplace
from araneus.executors.images import Wanted, unavailable
from araneus.executors.jobdir import TEMPORARY, WORK
from araneus.executors.mounts import Bind, refuse_detours
from araneus.executors.programs import CLIENT_VARIABLES, PROXY_VARIABLES, ProgramError
from araneus.model.job import Outcome, Reason

_VARIABLES: Final = (
    "APPTAINER_CONFIGDIR",
    "APPTAINER_NOHTTPS",
    "SINGULARITY_CONFIGDIR",
    "SINGULARITY_NOHTTPS",
)
_LOGIN: Final = tuple(
    f"{program}_DOCKER_{word}" for program in ("APPTAINER", "SINGULARITY") for word in ("USERNAME", "PASSWORD")
)


_READ_ONLY: Final = ("acpi", "bus", "fs", "irq", "sys", "sysrq-trigger")
_MASKED: Final = ("kcore", "keys", "latency_stats", "sched_debug", "timer_list")


class Apptainer:
    """``program`` is apptainer or singularity; image files lie in ``directory``; ``rewrite`` is the table
    ``jobs.images``."""

    encloses = True
    warnings: tuple[str, ...] = ()

    def __init__(
        self, program: str, directory: Path, rewrite: Mapping[str, str], environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = Path(program).name
        self._directory = directory
        self._rewrite = dict(rewrite)
        variables = os.environ if environ is None else environ
        self._environment = {name: variables[name] for name in (*CLIENT_VARIABLES, *_VARIABLES) if name in variables}
        login = {name: variables[name] for name in (*PROXY_VARIABLES, *_LOGIN) if name in variables}
        self._fetching = self._environment | login
        self._program = shutil.which(program, path=self._environment.get("PATH")) or program
        self._prefix = "APPTAINERENV_"
        self._once = OncePerImage()

    def works(self) -> bool:
        """Whether the program is there and new enough to pass a command on as it is."""
        said = []
        for arguments in (("--version",), ("run", "--help")):
            try:
                done = subprocess.run(
                    (self._program, *arguments),
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=15,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return False
            said.append(done.stdout.decode("utf-8", "replace") if done.returncode == 0 else "")
        version, options = said
        if "apptainer" not in version.lower():
            self._prefix = "SINGULARITYENV_"
        return "--no-eval" in options and "--mount" in options

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """See `Engine.prepare`: the path of the image's file."""
        return self._once.get(image, lambda: self._fetch(image, progress))

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """``run`` with the job's directories and inputs bound, and nothing else of this machine."""
        if not Path(image).is_file():
            self._once.forget()
            raise unavailable(repr(Path(image).name), "somebody has removed its file meanwhile", "Run the task again.")
        work = os.fspath(submission.directory / WORK)
        if ":" in work or "," in work or ":" in submission.work or "," in submission.work:
            raise CannotStartError(
                Reason.UNSUPPORTED,
                f"{self.name} cannot run a tool in {submission.work!r}: there is a colon or a comma in the path. Set"
                " jobs.directory to another place.",
            )
        scratch = os.fspath(submission.directory / TEMPORARY)
        mounts = {f"/{PurePosixPath(bind.target.lstrip('/'))}": bind for bind in binds}
        # What the program puts there otherwise is memory that nobody counts, and very little of it.
        for target in ("/tmp", "/var/tmp", submission.temporary):  # noqa: S108 - the container's own
            mounts.setdefault(target, Bind(source=scratch, target=target, writable=True))
        # --home says what HOME is and mounts it, but before the others, one of which may lie above it.
        mounts[submission.work] = Bind(source=work, target=submission.work, writable=True)
        refuse_detours(mounts)
        environment = {"TMPDIR": submission.temporary, **submission.environment}
        environment.pop("HOME", None)
        command = with_odd_names(submission.command, environment, "env")
        options = (
            *("--quiet", "run", "--no-eval", "--containall", "--no-init", "--no-privs", "--no-mount", "sys"),
            *(() if submission.network else ("--net", "--network", "none")),
            *("--home", f"{work}:{submission.work}", "--pwd", submission.work),
            *(option for _, bind in sorted(mounts.items()) for option in ("--mount", mount_option(bind))),
            *(_kernel_files() if os.geteuid() == 0 else ()),
        )
        return Launch(
            command=(self._program, *options, image, *command),
            environment=self._environment | {f"{self._prefix}{name}": text for name, text in environment.items()},
        )

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """Apptainer ends with 255 and a line of its own when it could not start the tool; its shell with 126 or 127."""
        if code == 255:
            said = [line for line in stderr.splitlines() if re.match(r"(?:\x1b\[\d+m)?(?:FATAL|ERROR) *:", line)]
            if said:
                problem = re.sub(r"\x1b\[\d*m", "", said[-1]).partition(":")[2].strip()[:500]
                if "executable file not found" in problem or "permission denied" in problem:
                    return _no_command(problem)
                return Outcome(reason=Reason.NOT_STARTED, message=f"The container could not be started: {problem}")
        if code in {126, 127}:
            said = [line for line in stderr.splitlines() if line.startswith("/.singularity.d/")]
            if said:
                return _no_command(said[-1].rpartition("exec: ")[2][:500])
        return None

    def end(self, attempts: Sequence[str]) -> Collection[str]:
        """Nothing is left of a container whose processes have ended."""
        return attempts

    def _fetch(self, image: Image, progress: Callable[[str], None]) -> str:
        if image.file is not None and not image.pull:
            raise CannotStartError(
                Reason.UNSUPPORTED,
                f"The tool brings a Dockerfile, which {self.name} cannot build: build the image elsewhere, put it into"
                " a registry and name it with dockerPull, or run the server with docker or podman.",
            )
        pulled = bool(image.pull) or not (image.load or image.import_)
        wanted = images.pulled(image, self._rewrite) if pulled else None
        if wanted is not None and not images.is_name(wanted.reference):
            raise unavailable(wanted, f"{self.name} knows no image ids: name the image with dockerPull")
        key = images.key(Image(pull=wanted.reference) if wanted else image)
        file = self._directory / "sif" / f"{key}.sif"
        if file.is_file():
            return os.fspath(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        with workplace(self._directory) as place:
            made = place / "image.sif"
            if wanted is not None:
                self._pull(wanted, made, progress)
            else:
                self._build(image, place, made, progress)
            made.replace(file)
        return os.fspath(file)

    def _pull(self, wanted: Wanted, made: Path, progress: Callable[[str], None]) -> None:
        what = f"fetching the image {wanted}"
        progress(what)
        shown = programs.Progress(progress, what)
        command = (self._program, "pull", "--disable-cache", "--force", os.fspath(made), f"docker://{wanted.reference}")
        try:
            programs.persevere(lambda: programs.run(command, self._making(made), line=shown.line), progress)
        except ProgramError as problem:
            raise unavailable(wanted, str(problem)) from problem
        progress(f"fetched the image {wanted}")

    def _build(self, image: Image, place: Path, made: Path, progress: Callable[[str], None]) -> None:
        with docker_archive(image, place, progress) as archive:
            source = f"docker-archive:{archive}"
            command = (self._program, "build", "--disable-cache", "--force", os.fspath(made), source)
            try:
                programs.run(command, self._making(made))
            except ProgramError as problem:
                raise unavailable(images.describe(image), str(problem)) from problem

    def _making(self, made: Path) -> dict[str, str]:
        """Images are unpacked beside where they will lie, not in a /tmp that may be memory."""
        beside = os.fspath(made.parent)
        return self._fetching | {"TMPDIR": beside, "APPTAINER_TMPDIR": beside, "SINGULARITY_TMPDIR": beside}


def _kernel_files() -> list[str]:
    """What keeps a tool from the files of the kernel, which still take root's processes for root."""
    options: list[str] = []
    for names, source in ((_READ_ONLY, None), (_MASKED, "/dev/null")):
        for path in (Path("/proc", name) for name in names):
            if path.exists():
                options += ("--mount", mount_option(Bind(source=source or str(path), target=str(path))))
    return options


def _no_command(problem: str) -> Outcome:
    return Outcome(reason=Reason.COMMAND_NOT_FOUND, message=f"The image cannot run the command: {problem}")
