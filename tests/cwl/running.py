"""Tools for tests of commands and outputs: a document becomes a process, an invocation is really run."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from araneus.cwl.command import Invocation, Layout, prepare, resources
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.files import file_location, local_path
from araneus.cwl.inputs import complete
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.cwl.outputs import collect
from araneus.cwl.process import CommandLineTool

JS: dict[str, Any] = {"InlineJavascriptRequirement": {}}


def tool(version: str = "v1.2", **fields: Any) -> CommandLineTool:
    """A tool of these fields, loaded as an app would be."""
    document = {"class": "CommandLineTool", "cwlVersion": version, "inputs": {}, "outputs": {}, **fields}
    if "baseCommand" not in document and "arguments" not in document:
        document["baseCommand"] = "true"
    process = load_document(document)
    assert isinstance(process, CommandLineTool)
    return process


def file_value(path: Path, **more: Any) -> dict[str, Any]:
    """The File or Directory at a path, as the scheduler hands it over."""
    return {"class": "Directory" if path.is_dir() else "File", "location": file_location(path), **more}


def write(path: Path, text: str = "") -> Path:
    """A file with this text, its directories made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@dataclass(frozen=True)
class Bench:
    """Prepares, runs and collects below one directory."""

    directory: Path
    javascript: JavaScript

    @property
    def work(self) -> Path:
        """The working directory of the job."""
        return self.directory / "job" / "work"

    @property
    def layout(self) -> Layout:
        """The same paths for the tool and for this machine."""
        job = self.directory / "job"
        return Layout(work=str(job / "work"), temporary=str(job / "tmp"), inputs=str(job / "inputs"))

    def prepare(self, process: CommandLineTool, inputs: Mapping[str, Any] | None = None) -> Invocation:
        """The invocation of a tool with these inputs, completed."""
        evaluator = evaluator_for(process, self.javascript)
        values = complete(process, inputs or {})
        asked = resources(process, values, evaluator)
        return prepare(process, values, self.layout, asked, evaluator, locate=self.locate)

    def locate(self, location: str) -> Path:
        """Blobs lie in a directory of their own, under names that say nothing, as a storage keeps them."""
        if location.startswith("blob:"):
            return self.directory / "blobs" / location.removeprefix("blob:")
        return local_path(location)

    def blob(self, text: str, basename: str, **more: Any) -> dict[str, Any]:
        """A File in the storage."""
        name = hashlib.sha256(text.encode()).hexdigest()
        write(self.directory / "blobs" / name, text)
        return {"class": "File", "location": f"blob:{name}", "basename": basename, "size": len(text), **more}

    def run(self, process: CommandLineTool, inputs: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Prepare, stage, start the real process, wait, collect."""
        invocation = self.prepare(process, inputs)
        self.stage(invocation)
        code = self.start(invocation)
        evaluator = evaluator_for(process, self.javascript)
        return collect(process, invocation, self.work, evaluator, exit_code=code, **options)

    def stage(self, invocation: Invocation) -> None:
        """Links for what is read, copies for what is writable, files for literals."""
        self.work.mkdir(parents=True, exist_ok=True)
        Path(self.layout.temporary).mkdir(exist_ok=True)
        for literal in invocation.literals:
            target = Path(literal.target)
            if literal.content is None:
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(literal.content)
        for mount in invocation.mounts:
            source, target = self.locate(mount.location), Path(mount.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not mount.writable:
                target.symlink_to(source)
            elif source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)

    def start(self, invocation: Invocation) -> int:
        """Run the command to its end; its exit code."""
        streams: dict[str, Any] = {}
        for name in ("stdout", "stderr"):
            place = getattr(invocation, name)
            streams[name] = (self.work / place).open("wb") if place else subprocess.DEVNULL
        source = open(invocation.stdin, "rb") if invocation.stdin else subprocess.DEVNULL  # noqa: SIM115, PTH123
        try:
            environment = {"PATH": os.environ["PATH"], **invocation.environment}
            done = subprocess.run(
                invocation.command, cwd=self.work, env=environment, stdin=source, timeout=30, check=False, **streams
            )
        finally:
            for stream in (source, *streams.values()):
                if not isinstance(stream, int):
                    stream.close()
        return done.returncode
