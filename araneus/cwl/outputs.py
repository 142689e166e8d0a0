"""Collecting what a tool left behind into the outputs of its job.

Called by the scheduler when an attempt has ended with a success code. Source: CWL v1.2 CommandLineTool, "Output
binding", "CommandOutputBinding" and "cwl.output.json".
"""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from araneus.cwl.command import Invocation
from araneus.cwl.draft2.globs import matching_files
from araneus.cwl.errors import ExpressionError, MissingOutputError, OutputError, Problem
from araneus.cwl.expressions import Evaluator
from araneus.cwl.file_metadata import shared_with_secondary, with_metadata, with_own_metadata
from araneus.cwl.files import check_basename, contents, is_literal, local_path, split_name, trimmed, well_formed
from araneus.cwl.inplace import IDENTITY, identity
from araneus.cwl.output_document import output_document
from araneus.cwl.process import DRAFT_2, CommandLineTool, Listing, OutputBinding, OutputPort
from araneus.cwl.produced import WorkTree
from araneus.cwl.ready import listing_level, output_problems
from araneus.cwl.secondary import SecondaryRules, with_secondary
from araneus.cwl.types import (
    DIRECTORY,
    FILE,
    ArrayType,
    RecordField,
    RecordType,
    Type,
    holds_files,
    is_optional,
    matches,
    options,
)
from araneus.model.values import FileValue, Value, is_file_value, map_file_values

_SHOWN_NAMES = 10
_REBUILT = frozenset(
    {
        "path", "dirname", "location", "name", "size", "contents", "checksum", "nameroot", "nameext", "listing",
        "secondaryFiles", IDENTITY,
    }
)  # fmt: skip


def collect(
    tool: CommandLineTool,
    invocation: Invocation,
    host_work: Path,
    evaluator: Evaluator,
    *,
    exit_code: int,
    checksum: bool = False,
) -> dict[str, Value]:
    """One value for each output port of the tool.

    ``host_work`` is the working directory as this machine sees it. Files have ``location`` (``file://`` below
    ``host_work``, or the staged input's own), names and ``size`` in bytes, with ``checksum`` their SHA-1 too; literals
    keep ``contents``. Raises `OutputError`, `MissingOutputError` or `ExpressionError`.
    """
    tree = WorkTree(invocation, host_work, checksum=checksum)
    seen = replace(invocation, runtime={**invocation.runtime, "exitCode": exit_code})
    collector = _Collector(tool, seen, tree, evaluator)
    document = output_document(host_work)
    outputs: dict[str, Value] = {}
    problems: list[Problem] = []
    for port in tool.outputs:
        try:
            if document is None:
                value = collector.port(port)
            else:
                value = collector.fitted(collector.given(document.get(port.id)), port)
        except MissingOutputError:
            raise
        except OutputError as error:
            raise OutputError(*(_at_port(problem, port) for problem in error.problems)) from None
        if value is None and tool.cwl_version == DRAFT_2:
            outputs[port.id] = None  # whatever the type says: what needs it fails
            continue
        if value is None and output_problems(port.type, None):
            raise _missing(port, document is not None, collector.globs(port), tree)
        problems += (
            Problem(f"outputs/{port.id}{found.where}", found.what)
            for found in output_problems(port.type, value)
            if tool.cwl_version != DRAFT_2 or holds_files(port.type)
        )
        outputs[port.id] = value
    if problems:
        raise OutputError(*problems)
    return with_own_metadata(outputs)


def updated_in_place(invocation: Invocation, host_work: Path) -> dict[str, FileValue]:
    """What became of the files that the job was to change in place, by their identity.

    A file that the tool removed, renamed or made something else of stays for others what it was, as does one outside of
    the working directory. Raises `OutputError`.
    """
    if not invocation.in_place:
        return {}
    tree = WorkTree(invocation, host_work, checksum=False)
    found: dict[str, FileValue] = {}
    for target in sorted(invocation.in_place):
        origin = invocation.origins[target]
        name = identity(origin)
        value = tree.value_at(target) if name is not None and tree.relative(target) else None
        if name is not None and value is not None and value["class"] == origin["class"]:
            found[name] = _final(value)
    return found


def _at_port(problem: Problem, port: OutputPort) -> Problem:
    return problem if problem.where.startswith("outputs/") else Problem(f"outputs/{port.id}", str(problem))


def _missing(port: OutputPort, documented: bool, globs: list[str], tree: WorkTree) -> MissingOutputError:
    if documented:
        what = "the tool's cwl.output.json does not name it"
    elif globs:
        what = _nothing_matches(globs)
    else:
        what = "its outputBinding gave null"
    return MissingOutputError(Problem(f"outputs/{port.id}", f"{what}; {_held(tree)}"))


def _nothing_matches(globs: list[str]) -> str:
    return f"no file matches {' or '.join(repr(glob) for glob in globs)}"


def _held(tree: WorkTree) -> str:
    names = tree.names()
    held = ", ".join(repr(name) for name in names[:_SHOWN_NAMES]) or "nothing"
    if len(names) > _SHOWN_NAMES:
        held += f" and {len(names) - _SHOWN_NAMES} more"
    return f"the working directory holds {held}"


class _Collector:
    """Follows the bindings of one tool's outputs. Lives for one call of `collect`."""

    def __init__(
        self,
        tool: CommandLineTool,
        invocation: Invocation,
        tree: WorkTree,
        evaluator: Evaluator,
    ) -> None:
        self._tool = tool
        self._invocation = invocation
        self._tree = tree
        self._evaluator = evaluator
        self._runtime = invocation.runtime
        self._dialect = tool.cwl_version == DRAFT_2

    def port(self, port: OutputPort | RecordField, outer: str = "outputs") -> Value:
        """The value of an output port, or of a field of an output record."""
        if isinstance(port, OutputPort):
            name, binding = port.id, port.binding
        else:
            name, binding = port.name, port.output_binding
        where = f"{outer}/{name}"
        if binding is None:
            record = next((option for option in options(port.type) if isinstance(option, RecordType)), None)
            return None if record is None else {field.name: self.port(field, where) for field in record.fields}
        found = self._bound(port, binding, where)
        if self._dialect and is_file_value(found) and not matches(port.type, [found]):
            found = [found]
        if self._dialect and found == "" and holds_files(port.type):
            found = []
        result = found if self._dialect and _is_list(port.type, found) else _fitted(port.type, found, where)
        return map_file_values(result, lambda value: self._finished(self.settled(value), port, where))

    def given(self, value: Value) -> Value:
        """A value that the tool itself wrote into cwl.output.json."""
        return map_file_values(value, lambda item: _final(self.settled(item)))

    def fitted(self, value: Value, port: OutputPort) -> Value:
        """Such a value as the port wants it: sbg:draft-2 takes lists of files for one there, too."""
        return value if not self._dialect or _is_list(port.type, value) else _fitted(port.type, value, port.id)

    def globs(self, port: OutputPort) -> list[str]:
        """The patterns of a port as they were used, for messages."""
        return self._patterns(port.binding, f"outputs/{port.id}") if port.binding is not None else []

    def _evaluate(self, text: Value, where: str, self_: Value = None) -> Value:
        return self._evaluator.evaluate(
            text, inputs=self._invocation.inputs, self_=self_, runtime=self._runtime, where=where
        )

    def _patterns(self, binding: OutputBinding, where: str) -> list[str]:
        found: list[str] = []
        for glob in binding.glob:
            waiting = [self._evaluate(glob, f"{where}/glob")]
            while waiting:
                item = waiting.pop(0)
                if is_file_value(item):
                    found.append(str(item.get("path") or item.get("basename")))
                elif isinstance(item, str):
                    found.append(item)
                elif isinstance(item, list):
                    waiting[:0] = item
                elif item is not None and not self._dialect:  # which looks for nothing then
                    raise OutputError(Problem(f"{where}/glob", f"must give text or a list of texts, not {item!r:.60}"))
        return found

    def _bound(self, port: OutputPort | RecordField, binding: OutputBinding, where: str) -> Value:
        level = listing_level(self._tool, binding.load_listing)
        several = any(isinstance(option, ArrayType) for option in options(port.type))
        globs = self._patterns(binding, where)
        paths = dict.fromkeys(path for glob in globs for path in self._matching(glob, several))
        values = [value for path in paths if (value := self._tree.value_at(path)) is not None]
        if binding.load_contents:
            values = [self._with_contents(value, where) for value in values]
        if self._dialect:  # whose scripts see them
            values = [self._with_secondary(value, port, where) for value in values]
        if binding.metadata or binding.inherit_metadata_from:
            values = [self._with_metadata(value, binding, where) for value in values]
        if binding.output_eval is None:
            return values
        seen = values if level is Listing.DEEP else [trimmed(value, level) for value in values]
        try:
            result = self._evaluate(binding.output_eval, f"{where}/outputEval", seen)
        except ExpressionError as error:
            if seen or not globs:
                raise
            why = f"self is empty: {_nothing_matches(globs)}; {_held(self._tree)}"
            raise ExpressionError(*(Problem(each.where, f"{each.what}; {why}") for each in error.problems)) from error
        if not self._dialect:
            return result
        return map_file_values(
            result, lambda value: value if value.get("metadata") else self._with_metadata(value, binding, where)
        )

    def _matching(self, glob: str, several: bool) -> list[str]:
        return matching_files(self._tree, glob, several=several) if self._dialect else self._tree.matching(glob)

    def _with_metadata(self, value: FileValue, binding: OutputBinding, where: str) -> FileValue:
        if not binding.metadata and binding.inherit_metadata_from is None:
            return value
        place = f"{where}/sbg:metadata"
        return with_metadata(
            value, binding, self._invocation.inputs, lambda text, file: self._evaluate(text, place, file), place
        )

    def _with_contents(self, value: FileValue, where: str) -> FileValue:
        found = self._tree.resolve(value["path"]) if value["class"] == "File" else None
        if found is None:
            return value
        return {**value, "contents": contents(found.host, self._tool.cwl_version, where, OutputError)}

    def settled(self, value: FileValue) -> FileValue:
        """The file value as it really is: looked up by path or location, with what the expression said about it."""
        value = well_formed(value, "", OutputError)
        inner = [self.settled(item) for item in value.get("secondaryFiles") or ()]
        path = self._path(value)
        staged = self._invocation.origins.get(path) if path is not None and self._tree.relative(path) is None else None
        if path is None:
            base = self._literal(value)
        elif staged is not None and is_literal(staged):
            base = {key: item for key, item in staged.items() if key != "secondaryFiles"}
        else:
            at = self._tree.value_at(path)
            if at is None:
                raise OutputError(Problem("", f"there is no file at {path!r}"))
            base = at
        if path is not None and base["class"] != value["class"]:
            raise OutputError(Problem("", f"{path!r} is a {base['class']}, not a {value['class']}"))
        result = {**base, **{key: item for key, item in value.items() if key not in _REBUILT}}
        check_basename(result["basename"], "", OutputError)
        if result["class"] == "File":
            result["nameroot"], result["nameext"] = split_name(result["basename"])
        return {**result, "secondaryFiles": inner} if inner else result

    def _path(self, value: FileValue) -> str | None:
        """Where a file value is in the tool's view; None for a literal. Raises `OutputError` for other places."""
        path, location = value.get("path"), value.get("location")
        if isinstance(path, str):
            return self._allowed(posixpath.normpath(posixpath.join(self._invocation.work, path)))
        if not isinstance(location, str):
            return None
        for target, origin in self._invocation.origins.items():
            if origin.get("location") == location:
                return target
        if is_literal(value):
            return None
        if location.startswith("file://"):
            return self._allowed(posixpath.normpath(str(local_path(location))))
        if ":" in location.split("/")[0]:
            raise OutputError(Problem("", f"{location[:120]!r} is none of the job's files"))
        return self._allowed(posixpath.normpath(posixpath.join(self._invocation.work, location)))

    def _allowed(self, path: str) -> str:
        relative = self._tree.relative(path)
        if relative is not None:
            return f"{self._invocation.work}/{relative}".rstrip("/")
        root = path
        while root not in {"/", ""}:
            if root in self._invocation.origins:
                return path
            root = posixpath.dirname(root)
        for target, origin in self._invocation.origins.items():
            location = origin.get("location")
            if isinstance(location, str) and location.startswith("file://"):
                source = str(local_path(location))
                if path == source or path.startswith(source + "/"):
                    return target + path[len(source) :]
        raise OutputError(Problem("", f"{path!r} is neither an input nor in the working directory"))

    def _literal(self, value: FileValue) -> FileValue:
        basename = check_basename(value.get("basename", "literal"), "", OutputError)
        if value["class"] == "Directory":
            listing = value.get("listing")
            if not isinstance(listing, list):
                raise OutputError(Problem("", f"directory {basename!r} has neither a location nor a listing"))
            return {"class": "Directory", "basename": basename, "listing": [self.settled(item) for item in listing]}
        text = value.get("contents")
        if not isinstance(text, str):
            raise OutputError(Problem("", f"file {basename!r} has neither a location nor contents"))
        size = len(text.encode("utf-8", "surrogatepass"))
        return {"class": "File", "basename": basename, "contents": text, "size": size}

    def _with_secondary(self, value: FileValue, port: OutputPort | RecordField, where: str) -> FileValue:
        if not port.secondary_files or "path" not in value:
            return value
        rules = SecondaryRules(
            patterns=port.secondary_files,
            default_required=False,
            evaluator=self._evaluator,
            inputs=self._invocation.inputs,
            runtime=self._runtime,
            where=where,
            error=MissingOutputError,
        )
        found = with_secondary(value, rules, self._beside)
        return {**found, "secondaryFiles": [self._refreshed(item) for item in found.get("secondaryFiles", ())]}

    def _finished(self, value: FileValue, port: OutputPort | RecordField, where: str) -> FileValue:
        value = self._with_secondary(value, port, where)
        if port.format is not None and value["class"] == "File":
            format_ = self._evaluate(port.format, f"{where}/format", value)
            value = {**value, "format": format_[0] if isinstance(format_, list) and format_ else format_}
        return _final(shared_with_secondary(value))

    def _refreshed(self, value: FileValue) -> FileValue:
        return value if "path" in value and "location" in value else self.settled(value)

    def _beside(self, primary: FileValue, name: str) -> FileValue | None:
        return self._tree.value_at(f"{posixpath.dirname(primary['path'])}/{name}")


def _is_list(kind: Type, value: Value) -> bool:
    """Whether a list stands for itself where sbg:draft-2 wants one: an empty one does, too."""
    return isinstance(value, list) and any(isinstance(option, ArrayType) for option in options(kind))


def _fitted(kind: Type, result: Value, where: str) -> Value:
    """A list of files as the port wants it: alone, as null, or as a list.

    No file is null wherever null is allowed, as in the reference runner: ``pickValue`` and ``when`` look at it.
    """
    if not isinstance(result, list):
        return result
    if not result and is_optional(kind):
        return None
    if not any(option in {FILE, DIRECTORY} for option in options(kind)):
        return result
    lists = any(isinstance(option, ArrayType) for option in options(kind))
    if len(result) == 1:
        return result[0]
    if not result:
        return [] if lists else None
    if lists:
        return result
    names = ", ".join(repr(item.get("basename")) for item in result[:3] if isinstance(item, Mapping))
    raise OutputError(Problem(where, f"{len(result)} files match ({names}, ...) but the port takes a single one"))


def _final(value: FileValue) -> FileValue:
    """The value without what only mattered inside the job."""
    result = {key: item for key, item in value.items() if key not in {"path", "dirname"} and item is not None}
    if "location" in result:
        result.pop("contents", None)
    for key in ("secondaryFiles", "listing"):
        if key in result:
            result[key] = [_final(item) for item in result[key]]
    if not result.get("secondaryFiles"):
        result.pop("secondaryFiles", None)
    return result
