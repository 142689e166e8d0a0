"""The platform's main job on one's own machine, through an unmodified sevenbridges-python.

    python examples/somatic/demo.py [--data DIRECTORY]

Starts Araneus on its defaults, creates a project, uploads a reference and a tumour/normal pair of BAM files, installs a
CWL workflow, runs a task of it, shows the progress, fetches the outputs, clones the task and runs the copy. Prints how
many of the known variants were found; exits with 1 when recall or precision is under 95 %.
"""

import argparse
import configparser
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sevenbridges
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

HERE = Path(__file__).resolve().parent
PROJECT = "Somatic demo"
APP = "somatic-small-variants"
REQUIRED = 0.95
Variant = tuple[str, int, str, str]
console = Console()


def container_setting() -> dict[str, str]:
    """Switch containers off when there is an engine but no way to the tools' image; say so."""
    document = (HERE / "somatic.cwl").read_text()
    image = document.split("dockerPull:", 1)[1].split()[0]
    for engine in ("docker", "podman"):
        if not shutil.which(engine) or _run(engine, "info", seconds=20):
            continue
        console.print(f"Container engine: {engine}; image {image}")
        if _run(engine, "image", "inspect", image, seconds=20) and _run(engine, "pull", image, seconds=300):
            console.print("  The image cannot be pulled from here, so the tools run without containers.")
            return {"ARANEUS__JOBS__CONTAINERS": "none"}
        return {}
    return {}


def _run(*command: str, seconds: float) -> int:
    try:
        return subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds, check=False
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return 1


@contextlib.contextmanager
def server(data: Path) -> Iterator[dict[str, str]]:
    """A running Araneus on this data directory; yields the endpoint and the token of its credentials file."""
    # The tools' pysam is in this environment; without an image they run with this `python`.
    own = {"ARANEUS__JOBS__PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])}
    environment = {**os.environ, **own, **container_setting()}
    credentials = data / "credentials"
    before = credentials.stat().st_mtime_ns if credentials.exists() else 0
    command = [sys.executable, "-m", "araneus", "up", "--data", str(data), "--port", "0", "--quiet"]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None:
                raise SystemExit(f"Araneus ended with code {process.returncode}; its logs are in {data / 'log'}.")
            if time.monotonic() > deadline:
                raise SystemExit(f"Araneus did not answer within 60 s; its logs are in {data / 'log'}.")
            if credentials.exists() and credentials.stat().st_mtime_ns != before:
                parser = configparser.ConfigParser(interpolation=None)
                parser.read(credentials)
                if _answers(parser["default"]["api_endpoint"]):
                    yield dict(parser["default"])
                    return
            time.sleep(0.05)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint + "/", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def prepare(api: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The project, the app and the task's inputs: made on the first run, brought up to date on the next."""
    project = next((found for found in api.projects.query(name=PROJECT).all() if found.name == PROJECT), None)
    if project is None:
        group = api.billing_groups.query(limit=1)[0]
        project = api.projects.create(name=PROJECT, billing_group=group.id)
    console.print(f"Project [bold]{project.id}[/bold]")
    for name in ("reference.fa", "normal.bam", "normal.bam.bai", "tumor.bam", "tumor.bam.bai"):
        path = HERE / "data" / name
        api.files.upload(str(path), project=project.id, overwrite=True)
        console.print(f"  uploaded {name} ({path.stat().st_size:,} bytes)")
    app_id = f"{project.id}/{APP}"
    document = yaml.safe_load((HERE / "somatic.cwl").read_text())
    try:
        revision = api.apps.get(app_id).revision + 1
        app = api.apps.create_revision(app_id, revision, document)
    except sevenbridges.errors.NotFound:
        app = api.apps.install_app(app_id, document)
    console.print(f"App [bold]{app.id}[/bold], revision {app.revision}")
    named = {found.name: found for found in api.files.query(project=project.id).all()}
    inputs = {
        "input_fasta_file": named["reference.fa"],
        "Normal_BAM": named["normal.bam"],
        "Tumor_BAM": named["tumor.bam"],
    }
    return project, app, inputs


def follow(task: Any) -> None:
    """Show the task's progress until it ends; exit when it does not complete."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(task.status, total=None)
        while True:
            task.reload()
            state = task.execution_status
            completed, total = (state.steps_completed or 0, state.steps_total or None) if state else (0, None)
            message = (state.message or "").splitlines()[0][:60] if state and state.message else ""
            progress.update(bar, description=f"{task.status:<9} {message}", completed=completed, total=total)
            if task.status in {"COMPLETED", "FAILED", "ABORTED"}:
                break
            time.sleep(0.15)
    if task.status != "COMPLETED":
        console.print(f"Task {task.id} ended {task.status}: {task.execution_status.message}", markup=False)
        raise SystemExit(1)


def show_jobs(task: Any) -> None:
    """The execution details: one line a job."""
    table = Table(title="Execution details", title_justify="left", expand=True)
    for heading in ("job", "status", "seconds"):
        table.add_column(heading, no_wrap=True, min_width=len(heading))
    table.add_column("command line", no_wrap=True, ratio=1)
    for job in task.get_execution_details().jobs:
        seconds = f"{(job.end_time - job.start_time).total_seconds():.2f}" if job.end_time and job.start_time else ""
        # Staged paths are long: the names at their ends say enough.
        words = [word.rpartition("/")[2] for word in (job.command_line or "").split()]
        table.add_row(job.name, job.status, seconds, " ".join(words))
    console.print(table)


def variants(text: str) -> dict[Variant, str]:
    """The variants of a VCF, with their INFO column."""
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return {(row[0], int(row[1]), row[3], row[4]): row[7] for row in rows}


def judge(task: Any) -> bool:
    """Compare what was found with what was put in; True when recall and precision suffice."""
    truth = variants((HERE / "data" / "truth.vcf").read_text())
    found = variants(task.outputs["High_Confidence_SNPs"].content())
    found |= variants(task.outputs["High_Confidence_INDELs"].content())
    table = Table(title="Variants", title_justify="left")
    for heading in ("contig", "position", "ref", "alt", "put in", "found", ""):
        table.add_column(heading)
    for variant in sorted(truth.keys() | found.keys()):
        verdict = "✓" if variant in truth and variant in found else "missed" if variant in truth else "false"
        table.add_row(
            variant[0], str(variant[1]), variant[2], variant[3], truth.get(variant, ""), found.get(variant, ""), verdict
        )
    console.print(table)
    right = len(truth.keys() & found.keys())
    recall, precision = right / len(truth), right / len(found) if found else 0.0
    empty = task.outputs["empty_contigs"].content().split()
    console.print(f"Contigs without variants: {', '.join(empty) or 'none'}")
    console.print(
        f"[bold]{right} of {len(truth)} variants found: recall {recall:.1%}, precision {precision:.1%}[/bold]"
        f" (required: {REQUIRED:.0%})"
    )
    return recall >= REQUIRED and precision >= REQUIRED


def main() -> int:
    """Run the example; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=HERE.parent.parent / "demo-data", help="where the server keeps all"
    )
    data = parser.parse_args().data.resolve()
    started = time.monotonic()
    with server(data) as credentials:
        os.environ["SB_API_ENDPOINT"] = credentials["api_endpoint"]
        os.environ["SB_AUTH_TOKEN"] = credentials["auth_token"]
        api = sevenbridges.Api(config=sevenbridges.Config())
        console.print(f"Araneus at {credentials['api_endpoint']}, user [bold]{api.users.me().username}[/bold]")
        project, app, inputs = prepare(api)
        task = api.tasks.create(name="Tumour against normal", project=project.id, app=app.id, inputs=inputs)
        console.print(f"Task [bold]{task.id}[/bold] is a {task.status}; running it")
        task.run()
        follow(task)
        show_jobs(task)
        passed = judge(task)
        copy = task.clone(run=True)
        console.print(f"Clone [bold]{copy.id}[/bold]")
        follow(copy)
        agree = [variants(copy.outputs[port].content()) == variants(task.outputs[port].content()) for port in
                 ("High_Confidence_SNPs", "High_Confidence_INDELs")]  # fmt: skip
        console.print("The copy gives the same variants." if all(agree) else "The copy gives other variants!")
    console.print(
        f"\nDone in {time.monotonic() - started:.1f} s. The server is stopped; everything it knows is in {data}:\n"
        f"  credentials   the token, in the form of ~/.sevenbridges/credentials\n"
        f"  storage, jobs the files, and the working directory and logs of each job\n"
        "What to try next:\n"
        f"  .venv/bin/araneus up --data {data.name}\n"
        "      start it again, and use your own scripts with the two lines that it prints\n"
        "  .venv/bin/araneus cwl --help\n"
        "      run a CWL document without a server",
        soft_wrap=True,
    )
    return 0 if passed and all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
