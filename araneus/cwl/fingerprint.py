"""The parts of a job's key for memoization: equal parts mean that the job would do the same again.

Called by the scheduler with what `cwl.command.prepare` made. Nothing but the bytes of inputs is read, through a
`Digests` of the caller. What only people see (labels, descriptions) is in no part, nor is what decides about where and
how long a job runs.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeAlias

from araneus.cwl.command import Invocation
from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.expressions import Evaluator, value_text
from araneus.cwl.files import Locate, is_literal, listed
from araneus.cwl.inplace import IDENTITY
from araneus.cwl.process import DRAFT_2, CommandLineTool, Listing, OutputPort
from araneus.model.file import Location
from araneus.model.values import FileValue, Value, is_file_value

Digest: TypeAlias = Callable[[Location], str]
"""The SHA-256 of the file at a location, in hexadecimal. Raises `InputError` or OSError."""

_UNSEEN: Final = frozenset({"id", "label", "requirements", "hints", "extensions"})
_ELSEWHERE: Final = frozenset(
    {
        "DockerRequirement", "ResourceRequirement", "WorkReuse", "ToolTimeLimit", "MultipleInputFeatureRequirement",
        "ScatterFeatureRequirement", "StepInputExpressionRequirement", "SubworkflowFeatureRequirement",
        "SoftwareRequirement",
    }
)  # fmt: skip
_EXECUTED: Final = ("sbg:stageInput",)
_DERIVED: Final = frozenset(
    {
        "location", "path", "dirname", "basename", "nameroot", "nameext", "size", "contents", "listing",
        "secondaryFiles", "metadata", IDENTITY,
    }
)  # fmt: skip
_METADATA: Final = re.compile(r"\bmetadata\b")
_RUNTIME: Final = re.compile(r"\bruntime\b")
_PLAIN_REFERENCE: Final = re.compile(r"\$\((?:inputs|self|runtime)(?:\.\w+|\[\d+\]|\['[^']*'\]|\[\"[^\"]*\"\])+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolParts:
    """What a tool gives to the keys of all its jobs. ``metadata`` and ``runtime`` tell whether its expressions may look
    at the metadata of files, and at the resources."""

    parts: Mapping[str, str]
    metadata: bool
    runtime: bool


def tool_parts(tool: CommandLineTool) -> ToolParts:
    """The parts that are the same for every job of the tool."""
    plain = _plain(tool)
    needs = {
        name: _plain(found)
        for name in {*tool.requirements, *tool.hints}
        if name not in _ELSEWHERE and not name.startswith("sbg:") and (found := tool.requirement(name)) is not None
    }
    texts = [*_texts(plain), *_texts(needs)]
    dialect = tool.cwl_version == DRAFT_2
    return ToolParts(
        parts={
            "tool": _hash(plain),
            "requirements": _hash(needs),
            "image": _hash(_plain(tool.requirement("DockerRequirement"))),
        },
        metadata=dialect or any(_METADATA.search(text) for text in texts) or _is_dynamic(tool.outputs),
        runtime=dialect or any(_RUNTIME.search(text) for text in texts) or _is_dynamic(tool.outputs),
    )


def job_parts(
    of_tool: ToolParts,
    inputs: Mapping[str, Value],
    invocation: Invocation,
    *,
    attempt: str,
    network: bool,
    digest: Digest,
) -> dict[str, str]:
    """The parts of one job's key. ``inputs`` are the job's, with locations; ``attempt`` stands in the paths of the
    invocation, and means nothing. ``network``: whether the tool may really use it.

    Raises `CWLError` or OSError when bytes of the inputs cannot be read.
    """
    reader = _Reader(invocation.locate, digest)
    parts = dict(of_tool.parts)
    for port, value in inputs.items():
        parts[f"input {port}"] = _hash(reader.shape(value))
        found = reader.contents(value)
        if found:
            parts[f"content {port}"] = _hash(found)
        if of_tool.metadata and (said := _metadata(value)):
            parts[f"metadata {port}"] = _hash(said)
    if of_tool.runtime:
        sizes = {name: invocation.runtime.get(name) for name in ("cores", "ram", "outdirSize", "tmpdirSize")}
        parts["resources"] = _hash(sizes)
    parts["network"] = _hash(network)
    parts["command"] = _hash(_placed(invocation, attempt, reader))
    return parts


def key_of(parts: Mapping[str, str]) -> str:
    """The hash of all parts."""
    return _hash(dict(parts))


def may_be_reused(
    tool: CommandLineTool, inputs: Mapping[str, Value], runtime: Mapping[str, Value], evaluator: Evaluator
) -> bool:
    """What WorkReuse says (v1.1 on; an earlier tool may have it as a hint); true without it. Raises
    `ExpressionError` for what is neither true nor false."""
    requirement = tool.requirement("WorkReuse")
    if requirement is None:
        return True
    where = "WorkReuse/enableReuse"
    result = evaluator.evaluate(requirement.get("enableReuse", True), inputs=inputs, runtime=runtime, where=where)
    if not isinstance(result, bool):
        raise ExpressionError(Problem(where, f"must be true or false, not {value_text(result)[:60]}"))
    return result


def _plain(thing: Any) -> Any:
    """JSON for anything in the normal form, without what only people see."""
    if is_dataclass(thing) and not isinstance(thing, type):
        kept = {
            item.name: _plain(getattr(thing, item.name)) for item in fields(thing) if item.name not in _unseen(thing)
        }
        said = getattr(thing, "extensions", None) or {}
        kept.update({key: _plain(said[key]) for key in _EXECUTED if key in said})
        return {"is": type(thing).__name__, **kept}
    if isinstance(thing, Mapping):
        return {str(key): _plain(item) for key, item in thing.items()}
    if isinstance(thing, set | frozenset):
        return sorted(_plain(item) for item in thing)
    if isinstance(thing, list | tuple):
        return [_plain(item) for item in thing]
    return thing if thing is None or isinstance(thing, bool | int | float | str) else repr(thing)


def _unseen(thing: Any) -> Collection[str]:
    # The id of a port is a name that inputs and outputs are known by; the id of a process is for people.
    return _UNSEEN if isinstance(thing, CommandLineTool) else _UNSEEN - {"id"}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _is_dynamic(outputs: Collection[OutputPort]) -> bool:
    """Whether the expressions that make outputs are more than references to single values: nobody can tell then what
    of the inputs they look at. What expressions do before the tool runs is seen in the command."""
    rest = [_PLAIN_REFERENCE.sub("", text) for text in _texts(_plain(tuple(outputs)))]
    return any("$(" in text or "${" in text for text in rest)


class _Reader:
    """Looks at the values of one job."""

    def __init__(self, locate: Locate, digest: Digest) -> None:
        self._locate = locate
        self._digest = digest

    def shape(self, value: Value) -> Value:
        """The value with names and what is said of files, without their bytes."""
        if isinstance(value, list):
            return [self.shape(item) for item in value]
        if not isinstance(value, dict):
            return value
        if not is_file_value(value):
            return {key: self.shape(item) for key, item in value.items()}
        said = {key: item for key, item in value.items() if key not in _DERIVED}
        inner = {key: [self.shape(item) for item in self._inner(value, key)] for key in ("secondaryFiles", "listing")}
        return {**said, **inner, "basename": value.get("basename"), "has": "metadata" in value}

    def contents(self, value: Value) -> list[str]:
        """The hashes of all files in a value, in order."""
        if isinstance(value, list):
            return [found for item in value for found in self.contents(item)]
        if not isinstance(value, dict):
            return []
        if not is_file_value(value):
            return [found for key in sorted(value) for found in self.contents(value[key])]
        own = [self._own(value)] if value["class"] == "File" else []
        inner = [item for key in ("secondaryFiles", "listing") for item in self._inner(value, key)]
        return own + [found for item in inner for found in self.contents(item)]

    def content(self, location: Location) -> Value:
        """The hash of what a mount brings: a file, or a directory with all that it holds."""
        if location.startswith("blob:"):
            return self._digest(location)
        path = self._locate(location)
        if not path.is_dir():
            return self._digest(location)
        folder: FileValue = {"class": "Directory", "location": location, "basename": path.name}
        return [[self.shape(item), self.contents(item)] for item in self._inner(folder, "listing")]

    def _own(self, value: FileValue) -> str:
        if is_literal(value):
            return hashlib.sha256(str(value.get("contents")).encode("utf-8", "surrogatepass")).hexdigest()
        return self._digest(value["location"])

    def _inner(self, value: FileValue, key: str) -> list[FileValue]:
        if key == "secondaryFiles" or value["class"] == "File":
            found: list[FileValue] = value.get(key) or []
        else:
            found = listed(value, Listing.DEEP, self._locate, "").get("listing") or []
        return found


def _metadata(value: Value) -> Value:
    """The metadata of all files in a value, in order; nothing when there are no files."""
    if isinstance(value, list):
        return [found for item in value if (found := _metadata(item))]
    if not isinstance(value, dict):
        return []
    own = [value.get("metadata")] if is_file_value(value) else []
    inner = [
        _metadata(value[key]) for key in sorted(value) if key != "metadata" and isinstance(value[key], dict | list)
    ]
    return own + [found for found in inner if found]


def _placed(invocation: Invocation, attempt: str, reader: _Reader) -> Value:
    """Everything that is put in place and run, without what is different in every attempt: its own directory, and the
    locations of files, for which their contents stand."""
    names = {attempt: "attempt"}
    for origin in invocation.origins.values():
        location = origin.get("location")
        if isinstance(location, str) and not location.startswith("_:"):
            names[location] = "location"

    def settled(text: str) -> str:
        for name, instead in names.items():
            text = text.replace(name, instead) if name in text else text
        return text

    return {
        "command": [settled(word) for word in invocation.command],
        "environment": {name: settled(text) for name, text in invocation.environment.items()},
        "streams": [text and settled(text) for text in (invocation.stdin, invocation.stdout, invocation.stderr)],
        "work": settled(invocation.work),
        "mounts": [[settled(item.target), item.writable, reader.content(item.location)] for item in invocation.mounts],
        "literals": [
            [
                settled(item.target),
                item.executable,
                None if item.content is None else settled(item.content.decode("latin-1")),
            ]
            for item in invocation.literals
        ],
    }
