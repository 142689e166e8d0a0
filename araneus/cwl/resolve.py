"""Documents and what they point at: ``$import``, ``$include``, ``$mixin``, ``$graph``, ``run`` references.

A `Library` reads each file once. A library without files (an app body from the API) refuses every reference that
leaves the document, and never touches the file system; no library touches the network.
Source: SchemaSalad, "Import directive", "Include directive", "Mixin"; CWL v1.2, "Packed documents".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from araneus.cwl.errors import DocumentError, Problem
from araneus.cwl.fields import kind_of, meant
from araneus.cwl.nesting import mappings
from araneus.cwl.references import join, local_path
from araneus.cwl.scope import MAX_SHOWN, PlacedDict, PlacedList, Report, Scope, short
from araneus.cwl.text import MAX_TEXT, check_plain, parse_text
from araneus.cwl.vocabulary import with_plain_names

MAX_IMPORTS: Final = 20
NO_MAPPING: Final = "a CWL document must be a mapping with cwlVersion and class, not "
_DIRECTIVES: Final = ("$import", "$include", "$mixin")
PROCESS_CLASSES: Final = frozenset({"CommandLineTool", "ExpressionTool", "Workflow", "Operation"})
_RUNNABLE: Final = ("CommandLineTool", "ExpressionTool", "Workflow", "Operation")


class Document:
    """One file, or one app body: its tree and the processes in it by id.

    ``uri`` is None for an app body. ``places`` says where in the tree a process stands.
    """

    def __init__(self, uri: str | None, root: Any) -> None:
        self.uri = uri
        self.root = root
        self._by_id: dict[str, Mapping[str, Any] | None] = {}
        self._embedded_read = False
        graph = root.get("$graph") if isinstance(root, dict) else None
        self.graph = graph if isinstance(graph, list) else None
        if self.graph is not None:
            for entry in self.graph:
                self._note(entry)
        else:
            self._note(root)

    def _note(self, node: Any) -> None:
        name = node.get("id") if isinstance(node, dict) else None
        if not isinstance(name, str):
            return
        for alias in {name, name.rpartition("#")[2], _beside(name)}:
            if alias not in self._by_id:
                self._by_id[alias] = node
            elif self._by_id[alias] is not node:
                self._by_id[alias] = None  # two processes: the short form names neither

    def find(self, reference: str) -> Mapping[str, Any] | None:
        """The process that ``#id``, a full id, or the id alone names; None when there is none, or more than one."""
        for name in (reference, reference.rpartition("#")[2]):
            if self._by_id.get(name) is not None:
                return self._by_id[name]
        if not self._embedded_read:
            self._embedded_read = True
            for node in mappings(self.root):
                kind = node.get("class")
                if isinstance(kind, str) and kind in PROCESS_CLASSES:
                    self._note(node)
            return self.find(reference)
        return None

    def outermost(self) -> Mapping[str, Any] | None:
        """Of the processes in ``$graph`` the one that no other runs, or the only such workflow; not when there is a
        ``main`` (or two). Packers other than cwltool leave ``main`` out."""
        given = [entry for entry in self.graph or () if isinstance(entry, dict)]
        if len(given) == 1:
            return given[0]
        if "main" in self._by_id:
            return None
        run = {node["run"] for node in mappings(given) if isinstance(node.get("run"), str)}
        used = {id(self.find(reference)) for reference in run}
        free = [entry for entry in given if id(entry) not in used and entry.get("class") in _RUNNABLE]
        workflows = [entry for entry in free if entry["class"] == "Workflow"]
        return next((found[0] for found in (free, workflows) if len(found) == 1), None)

    def names(self) -> list[str]:
        """The ids of the processes in ``$graph``, as fragments."""
        found = [entry.get("id") for entry in self.graph or () if isinstance(entry, dict)]
        return [f"#{name.rpartition('#')[2]}" for name in found if isinstance(name, str)]


def _beside(name: str) -> str:
    """The last part of a full URI without fragment (``https://host/tool.cwl`` gives ``tool.cwl``)."""
    return short(name) if "://" in name and "#" not in name else name


class Library:
    """The documents of one load."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._documents: dict[str, Document] = {}

    def body(self, root: Any) -> Document:
        """An app body as a document. Import directives in it are noted as problems."""
        root = with_plain_names(root)
        if any(directive in node for node in mappings(root) for directive in _DIRECTIVES):
            root = with_own_imports(root)
            for where, reference in _directives(root):
                what = f"{reference} points outside of the document; pack the app before sending it"
                self._report.problem(where, what)
        return Document(None, root)

    def file(self, uri: str, where: str = "") -> Document:
        """The file at a ``file:`` URI, read and parsed once. Raises `DocumentError`."""
        uri = uri.partition("#")[0]
        if uri not in self._documents:
            self._documents[uri] = Document(uri, self._tree(uri, where, ()))
        return self._documents[uri]

    def run(self, reference: str, document: Document, scope: Scope) -> tuple[Document, Mapping[str, Any]] | None:
        """The process that a ``run`` reference names, and its document; None (and a problem) when there is none."""
        inside = document.find(reference)
        if inside is not None and (reference.startswith("#") or document.uri is None):
            return document, inside
        if document.uri is None or scope.base is None:
            near = meant(reference.rpartition("#")[2], [name[1:] for name in document.names()])
            scope.problem(
                f"{reference[:200]!r} points outside of the document, or to an id that is not in it; "
                f"pack the app before sending it{near}"
            )
            return None
        target = join(scope.base, reference)
        try:
            other = self.file(target, scope.where)
        except DocumentError as error:
            for problem in error.problems:
                self._report.problem(problem.where or scope.where, problem.what)
            return None
        node = self.select(other, target.partition("#")[2] or None, scope)
        return None if node is None else (other, node)

    def select(self, document: Document, fragment: str | None, scope: Scope) -> Mapping[str, Any] | None:
        """The process of a document that a fragment names; without one ``main``, or the only one."""
        name = fragment.removeprefix("#") if fragment else None
        if not isinstance(document.root, dict):
            scope.problem(NO_MAPPING + kind_of(document.root))
            return None
        if document.graph is None and "$graph" in document.root:
            scope.problem(f"must be a list of processes, not {kind_of(document.root['$graph'])}", "$graph")
            return None
        if document.graph is None:
            found = document.root if name is None else document.find(name)
        else:
            found = document.find(name or "main") or (document.outermost() if name is None else None)
        if found is None:
            known = ", ".join(document.names()[:20]) or "none"
            wanted = f"#{name[:80]}" if name else "#main"
            scope.problem(f"there is no (single) process {wanted} in the document; its processes: {known}")
        return found

    def _tree(self, uri: str, where: str, stack: tuple[str, ...]) -> Any:
        if uri in stack:
            raise DocumentError(Problem(where, f"files import each other in a circle: {short(uri)}"))
        if len(stack) >= MAX_IMPORTS:
            raise DocumentError(Problem(where, f"files import each other more than {MAX_IMPORTS} levels deep"))
        content = read_text(uri, where)
        try:
            root = with_plain_names(parse_text(content))
        except DocumentError as error:
            name = uri.rpartition("/")[2]
            raise DocumentError(
                *(Problem(f"{name} {each.where}".strip(), each.what) for each in error.problems)
            ) from error
        if any(directive in content for directive in _DIRECTIVES):
            return self._expand(with_own_imports(root), uri, where, (*stack, uri))
        return root

    def _expand(self, value: Any, uri: str, where: str, stack: tuple[str, ...]) -> Any:
        """The tree with its directives replaced by what they name."""
        if isinstance(value, list):
            return [self._expand(item, uri, f"{where}/{index}", stack) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        for directive in _DIRECTIVES:
            if isinstance(value.get(directive), str) and (directive == "$mixin" or len(value) == 1):
                return self._directive(directive, value, uri, where, stack)
        return {key: self._expand(item, uri, f"{where}/{key}".lstrip("/"), stack) for key, item in value.items()}

    def _directive(self, name: str, value: Mapping[str, Any], uri: str, where: str, stack: tuple[str, ...]) -> Any:
        target = join(uri, value[name])
        place = f"{where}/{name}".lstrip("/")
        if name == "$include":
            return read_text(target, place)
        base, _, fragment = target.partition("#")
        if base == uri and fragment:
            raise DocumentError(Problem(place, f"there is nothing named #{fragment[:80]} here, or it holds itself"))
        tree = self._tree(base, place, stack)
        if fragment:
            tree = _named(tree, fragment)
            if tree is None:
                raise DocumentError(Problem(place, f"there is nothing named #{fragment[:80]} in {short(base)}"))
        if name == "$mixin":
            if not isinstance(tree, dict):
                raise DocumentError(Problem(place, "a $mixin must name a mapping"))
            own = {key: item for key, item in value.items() if key != "$mixin"}
            return PlacedDict({**tree, **self._expand(own, uri, where, stack)}, base)
        if isinstance(tree, dict):
            return PlacedDict(tree, base)
        return PlacedList(tree, base) if isinstance(tree, list) else tree


def with_own_imports(root: Any) -> Any:
    """The tree with every ``{"$import": "#name"}`` replaced by what has that id or name in the same tree.

    Packers write a type that several processes use once, and import it from there. An import of what is not there, or
    of what holds it, stays. Raises `DocumentError` when the tree grows beyond all bounds.
    """
    named: dict[str, Any] = {}
    for node in mappings(root):
        for key in ("id", "name"):
            if isinstance(node.get(key), str):
                named.setdefault(node[key].rpartition("#")[2], node)
    ready: dict[str, Any] = {}
    around: set[str] = set()

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$import")
        if not isinstance(reference, str) or not reference.startswith("#") or len(value) > 1:
            return {key: replaced(item) for key, item in value.items()}
        name = reference[1:]
        if name not in named or name in around:
            return value
        if name not in ready:
            around.add(name)
            ready[name] = replaced(named[name])
            around.discard(name)
        return ready[name]

    try:
        found = replaced(root)
    except RecursionError as error:
        raise DocumentError(Problem("", "definitions import each other too deeply")) from error
    check_plain(found)
    return found


def read_text(uri: str, where: str) -> str:
    """The text of a local file. Raises `DocumentError` for other schemes and for what cannot be read."""
    path = local_path(uri)
    if path is None:
        raise DocumentError(Problem(where, f"{uri[:200]!r} is not a local file, and nothing is fetched from elsewhere"))
    return _read(path, where)


def _read(path: Path, where: str) -> str:
    try:
        if path.stat().st_size > MAX_TEXT:
            raise DocumentError(Problem(where, f"{path.name} is larger than {MAX_TEXT // 2**20} MiB"))
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(Problem(where, f"{path.name} is not UTF-8 text (byte {error.start})")) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DocumentError(Problem(where, f"{path} cannot be read: {reason}")) from error


def _named(tree: Any, fragment: str) -> Any:
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if fragment in {short(str(node.get(key, ""))) for key in ("id", "name")}:
                return node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return None


def _directives(root: Any) -> Iterator[tuple[str, str]]:
    pending: list[tuple[str, Any]] = [("", root)]
    while pending:
        where, node = pending.pop()
        if isinstance(node, dict):
            for directive in _DIRECTIVES:
                if directive in node:
                    yield where or directive, f"{directive} {str(node[directive])[:200]!r}"
            pending.extend((f"{where}/{key[:MAX_SHOWN]}".lstrip("/"), item) for key, item in node.items())
        elif isinstance(node, list):
            pending.extend((f"{where}/{index}".lstrip("/"), item) for index, item in enumerate(node))
