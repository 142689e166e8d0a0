"""InplaceUpdateRequirement: files that a job changes where they lie, as those who read them later see them.

No file ever changes here. A job that updates in place works on a copy of its own, like every job with a writable entry;
when it has succeeded, what became of the copy stands for the original, for all that comes after the job in the same
execution. `cwl.outputs.updated_in_place` tells what became of it; `engine.updates` decides who comes after; this module
says which values are the same file, and puts one in the place of another.
Source: CWL v1.2 CommandLineTool, "InplaceUpdateRequirement"; `docs/adr/0007-inplace-update.md`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote

from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.expressions import Evaluator, value_text
from araneus.cwl.process import CommandLineTool, Process, Workflow
from araneus.model.values import FileValue, Value, is_file_value

REQUIREMENT: Final = "InplaceUpdateRequirement"
IDENTITY: Final = "araneus:file"
"""The key of a file value that says which file it is, where its location does not: equal bytes of a storage have one
location."""

Current: TypeAlias = Callable[[str], FileValue | None]
"""What stands for the file of this identity now; None for a file that nobody has changed."""
_TAKEN_OVER: Final = ("location", "listing", "size")
_OUTDATED: Final = frozenset({*_TAKEN_OVER, "checksum", "contents", IDENTITY})


def wants(
    tool: CommandLineTool, inputs: Mapping[str, Value], runtime: Mapping[str, Value], evaluator: Evaluator
) -> bool:
    """Whether a tool insists on changing its writable entries in place. For one that only hints at it copies will do:
    "workflows produce the same results whether or not InplaceUpdateRequirement is supported"."""
    requirement = tool.requirements.get(REQUIREMENT)
    if requirement is None:
        return False
    where = f"{REQUIREMENT}/inplaceUpdate"
    result = evaluator.evaluate(requirement.get("inplaceUpdate"), inputs=inputs, runtime=runtime, where=where)
    if not isinstance(result, bool):
        raise ExpressionError(Problem(where, f"must be true or false, not {value_text(result)[:60]}"))
    return result


def may_happen(process: Process) -> bool:
    """Whether any tool of a process requires it."""
    pending, seen = [process], set[int]()
    while pending:
        process = pending.pop()
        if id(process) in seen:
            continue
        seen.add(id(process))
        if REQUIREMENT in process.requirements:
            return True
        if isinstance(process, Workflow):
            pending.extend(step.run for step in process.steps)
    return False


def identity(value: FileValue) -> str | None:
    """What two values have in common that are the same file, however they are called. None when nobody can tell: a
    literal without a name of its own, or bytes in a storage that came without `IDENTITY`."""
    known = value.get(IDENTITY)
    if isinstance(known, str):
        return known
    location = value.get("location")
    return location if isinstance(location, str) and location.startswith(("file:", "_:")) else None


def with_contents(name: str, value: FileValue) -> Iterator[tuple[str, FileValue]]:
    """A changed file under its identity; of a directory that has a location also all that lies in it now."""
    yield name, value
    if value["class"] == "Directory" and name.startswith("file:"):
        for item in value.get("listing") or ():
            inner = f"{name.rstrip('/')}/{quote(item['basename'].encode('utf-8', 'surrogateescape'))}"
            yield from with_contents(inner, item)


def replaced(value: Value, current: Current) -> Value:
    """The value with every file in it as it is now. What nobody has changed is the same object as before."""
    if isinstance(value, list):
        items = [replaced(item, current) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if not isinstance(value, dict):
        return value
    if is_file_value(value):
        return _file_replaced(value, current)
    changed = {key: replaced(item, current) for key, item in value.items() if isinstance(item, list | dict)}
    return value if all(value[key] is item for key, item in changed.items()) else {**value, **changed}


def _file_replaced(value: FileValue, current: Current) -> FileValue:
    new = _latest(value, current)
    if new is not value:
        # Its name stays: the job may have worked on it under another one.
        result = {key: item for key, item in value.items() if key not in _OUTDATED}
        result |= {key: new[key] for key in _TAKEN_OVER if key in new}
    else:
        result = value
        listing = value.get("listing")
        if isinstance(listing, list) and (items := replaced(listing, current)) is not listing:
            # Only the listing tells where the changed ones are.
            result = {**{key: item for key, item in value.items() if key != "location"}, "listing": items}
    secondary = result.get("secondaryFiles")
    if isinstance(secondary, list) and (beside := replaced(secondary, current)) is not secondary:
        result = {**result, "secondaryFiles": beside}
    return result


def _latest(value: FileValue, current: Current) -> FileValue:
    """What several jobs made of a file, one after the other."""
    passed: set[str] = set()
    while (name := identity(value)) is not None and name not in passed:
        passed.add(name)
        new = current(name)
        if new is None:
            break
        value = new
    return value
