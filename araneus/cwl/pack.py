"""One self-contained document out of a file and all that it names: what a server can be given.

``$import``, ``$include`` and ``$mixin`` are replaced by what they name, ``run`` references by the processes themselves,
and files that the document brings along (defaults, entries of InitialWorkDirRequirement) by literals of their content.
Used by ``araneus pack``. Source: SchemaSalad, "Document preprocessing"; CWL v1.2 Workflow, "Packed documents";
CWL v1.2 CommandLineTool, "File" (``contents``) and "Directory" (``listing``).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from araneus.cwl.draft2.steps import referenced
from araneus.cwl.errors import DocumentError, Problem
from araneus.cwl.files import MAX_ENTRIES
from araneus.cwl.processes import MAX_NESTING
from araneus.cwl.read_bindings import is_expression
from araneus.cwl.references import local_path, place_files
from araneus.cwl.resolve import Document, Library
from araneus.cwl.scope import Report, Scope
from araneus.cwl.secondary import secondary_name
from araneus.model.values import is_file_value

MAX_NODES: Final = 2_000_000
"""Mappings, lists and plain values of a packed document: a process that is run in many places is there many times."""
MAX_TEXT: Final = 4 * 2**20
"""Bytes of one file that becomes a literal. Servers bound the whole document."""
_OF_THE_FILE: Final = ("cwlVersion", "$namespaces", "$schemas")
_OF_A_PLACE: Final = frozenset({"location", "path", "dirname", "size", "checksum", "nameroot", "nameext"})


def pack(path: Path, fragment: str | None = None) -> dict[str, Any]:
    """The process of a file (``fragment`` names one of several) with everything in it.

    The document is only taken together, not checked: `araneus.cwl.load.load_document` does that with the result. Raises
    `DocumentError` for references that lead nowhere, and for files that a document cannot hold: larger than `MAX_TEXT`,
    or not UTF-8 text.
    """
    report = Report()
    library = Library(report)
    document = library.file(path.resolve().as_uri())
    packer = _Packer(library, report)
    node = library.select(document, fragment, Scope(report, base=document.uri))
    report.settle()
    if node is None:
        raise DocumentError(Problem("", "the document holds no process"))
    packed = packer.process(node, document, Scope(report, base=document.uri))
    report.settle()
    return packed


class _Packer:
    """Copies trees, with what they name. Lives for one call of `pack`."""

    def __init__(self, library: Library, report: Report) -> None:
        self._library = library
        self._report = report
        self._inside: list[int] = []
        self._nodes = 0

    def process(self, node: Mapping[str, Any], document: Document, scope: Scope) -> dict[str, Any]:
        """A process as it stands in its document, with what holds for the whole file."""
        if id(node) in self._inside or len(self._inside) >= MAX_NESTING:
            raise DocumentError(
                Problem(scope.where, f"workflows run each other in a circle, or deeper than {MAX_NESTING} levels")
            )
        self._inside.append(id(node))
        packed = self._mapping(node, document, scope)
        self._inside.pop()
        self._add_secondary(node.get("inputs"), packed.get("inputs"), scope)
        if isinstance(document.root, dict):
            packed |= {key: document.root[key] for key in _OF_THE_FILE if key in document.root and key not in packed}
        return packed

    def _copy(self, value: Any, document: Document, scope: Scope) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DocumentError(Problem("", f"the packed document would have more than {MAX_NODES} values"))
        if isinstance(value, list):
            return [self._copy(item, document, scope.at(number, item)) for number, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if is_file_value(value):
            return self._file(value, scope, 0)
        return self._mapping(value, document, scope)

    def _mapping(self, value: Mapping[str, Any], document: Document, scope: Scope) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, item in value.items():
            place = scope.at(key, item)
            if key.startswith("sbg:"):
                copied[key] = item  # the platform's own: files in it have ids
            elif key == "steps" and value.get("class") == "Workflow":
                copied[key] = self._steps(item, document, place)
            else:
                copied[key] = self._copy(item, document, place)
        return copied

    def _steps(self, steps: Any, document: Document, scope: Scope) -> Any:
        if isinstance(steps, dict):
            return {key: self._step(item, document, scope.at(key, item)) for key, item in steps.items()}
        if isinstance(steps, list):
            return [self._step(item, document, scope.at(number, item)) for number, item in enumerate(steps)]
        return steps

    def _step(self, step: Any, document: Document, scope: Scope) -> Any:
        if not isinstance(step, dict):
            return self._copy(step, document, scope)
        copied = self._mapping({key: item for key, item in step.items() if key != "run"}, document, scope)
        if "run" in step:
            copied["run"] = self._run(step["run"], document, scope.at("run", step["run"]))
        return copied

    def _run(self, run: Any, document: Document, scope: Scope) -> Any:
        run = referenced(run)
        if not isinstance(run, str):
            return self._copy(run, document, scope)
        found = self._library.run(run, document, scope)
        if found is None:
            self._report.settle()  # it says why
            return run
        other, node = found
        return self.process(node, other, scope.under(base=other.uri))

    def _file(self, value: Mapping[str, Any], scope: Scope, depth: int) -> dict[str, Any]:
        """A File or Directory as a literal, with what was said of it."""
        base = getattr(value, "base", scope.base)
        kept = {key: item for key, item in value.items() if key not in _OF_A_PLACE}
        for key in ("secondaryFiles", "listing"):
            if isinstance(value.get(key), list):
                kept[key] = [self._file(item, scope.at(key), depth) for item in value[key] if is_file_value(item)]
        path = _place(value, base)
        if path is None:
            return dict(value) | kept
        return {"basename": path.name} | kept | self._literal(path, value["class"], scope, depth)

    def _add_secondary(self, ports: Any, packed: Any, scope: Scope) -> None:
        """Give the defaults of a process the files that belong to them and lie beside them."""
        if not isinstance(ports, dict | list):
            return
        for key in ports if isinstance(ports, dict) else range(len(ports)):
            port = ports[key]
            if not isinstance(port, dict) or "default" not in port or "secondaryFiles" not in port:
                continue
            place = scope.at("inputs", ports).at(key, port).at("secondaryFiles")
            both = [port["default"], packed[key]["default"]]
            pairs = zip(*both, strict=True) if all(isinstance(item, list) for item in both) else [both]
            for value, literal in pairs:
                if is_file_value(value) and "secondaryFiles" not in value:
                    beside = self._beside(value, list(_patterns(port["secondaryFiles"])), place)
                    literal.update({"secondaryFiles": beside} if beside else {})

    def _beside(self, value: Mapping[str, Any], patterns: list[str], scope: Scope) -> list[dict[str, Any]]:
        path = _place(value, getattr(value, "base", scope.base))
        if path is None:
            return []
        found = [path.parent / secondary_name(path.name, pattern) for pattern in patterns]
        return [
            {"basename": item.name, **self._literal(item, "Directory" if item.is_dir() else "File", scope, 0)}
            for item in dict.fromkeys(found)
            if item.exists() and item != path
        ]

    def _literal(self, path: Path, kind: str, scope: Scope, depth: int) -> dict[str, Any]:
        self._nodes += 1
        if depth > MAX_NESTING or self._nodes > MAX_ENTRIES:
            raise DocumentError(Problem(scope.where, f"{path} holds too much to stand in a document; upload it"))
        try:
            if kind == "File":
                return {"class": kind, "contents": _text(path, scope)}
            listing = [
                {
                    "basename": entry.name,
                    **self._literal(entry, "Directory" if entry.is_dir() else "File", scope, depth + 1),
                }
                for entry in sorted(path.iterdir())
            ]
        except OSError as error:
            raise DocumentError(Problem(scope.where, f"{path} cannot be read: {error.strerror}")) from error
        return {"class": kind, "listing": listing}


def _patterns(declared: Any) -> Iterator[str]:
    """The patterns of ``secondaryFiles``, in all its forms, that can be told before a run: not the expressions."""
    if isinstance(declared, list):
        for item in declared:
            yield from _patterns(item)
    elif isinstance(declared, dict):
        yield from _patterns(declared.get("pattern"))
    elif isinstance(declared, str) and not is_expression(declared):
        yield declared.removesuffix("?")


def _text(path: Path, scope: Scope) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_TEXT + 1)
    if len(content) > MAX_TEXT:
        what = f"{path.name} is larger than {MAX_TEXT // 2**20} MiB; upload it, and make it an input"
        raise DocumentError(Problem(scope.where, what))
    try:
        return content.decode()
    except UnicodeDecodeError:
        what = f"{path.name} is not UTF-8 text, which a document cannot hold; upload it, and make it an input"
        raise DocumentError(Problem(scope.where, what)) from None


def _place(value: Mapping[str, Any], base: str | None) -> Path | None:
    """The local path that a file value names; None for a literal."""
    placed = place_files({key: value[key] for key in ("class", "location", "path") if key in value}, base)
    location = placed.get("location")
    return local_path(location) if isinstance(location, str) else None
