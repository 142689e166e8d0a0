"""App documents: reading one from a request, the keys that the server adds to it, and its normal form.

Flow: request body → `read_document` → `without_managed` → `checked` (the loader) → a row; back: row → `raw_document`.
Documents in another language (Nextflow, WDL) are kept and say why they cannot run; broken CWL is refused,
but for documents of the platform whose links alone are broken (docs/adr/0010-broken-apps.md).
`NormalForms` keeps loaded processes in memory by content hash, so that a task of a known app costs no load.
Source: API reference, apps ("raw"); README, section 8, item 13.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from araneus.cwl.errors import DocumentError, Problem, UnsupportedError
from araneus.cwl.load import examine, parse_text
from araneus.cwl.positions import located
from araneus.cwl.process import Process
from araneus.model.app import App
from araneus.model.errors import Fault, Refusal

MAX_DOCUMENT: Final = 16 * 1024**2
MAX_VALUES: Final = 300_000
"""Values in one document: ten times those of the largest real app, and loaded in about a second."""
MAX_PROBLEMS: Final = 200
_PREFIX: Final = "sbg"
_OWN: Final = f"{_PREFIX}:"

MANAGED_KEYS: Final = frozenset(
    {
        "sbg:id", "sbg:project", "sbg:projectName", "sbg:revision", "sbg:latestRevision", "sbg:revisionNotes",
        "sbg:revisionsInfo", "sbg:createdBy", "sbg:createdOn", "sbg:modifiedBy", "sbg:modifiedOn",
        "sbg:contributors", "sbg:sbgMaintained", "sbg:validationErrors", "sbg:appVersion", "sbg:publisher",
        "sbg:content_hash", "sbg:image_url", "sbg:workflowLanguage", "sbg:copyOf",
    }
)  # fmt: skip
"""Keys of a document's top level that the server writes; what a caller sends for them is overwritten."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as it was sent: ``text`` is what it was read from, for the lines of its problems."""

    document: dict[str, Any]
    text: str | bytes = ""


def read_document(body: Any) -> Upload:
    """The document of an install request: a JSON object, or text (also JSON text) that holds JSON or YAML.

    Raises `Refusal` (400) for anything that is not an object with ``class`` (or a ``$graph``).
    """
    text: str | bytes = ""
    if isinstance(body, bytes | str):
        text, body = body, _parsed(body)
    if isinstance(body, str):
        # `sevenbridges-python` sends YAML as a JSON text.
        text, body = body, _parsed(body)
    if not isinstance(body, dict):
        raise _invalid(["the body must be a CWL document: an object with a class"])
    if not isinstance(body.get("class"), str) and "$graph" not in body:
        raise _invalid(["class: a CWL document needs a class such as CommandLineTool or Workflow"])
    return Upload(body, text)


def is_of_the_platform(document: Mapping[str, Any]) -> bool:
    """Whether a document was written for the platform or came from it: an ``sbg:`` key, class, version or namespace."""
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            if any(isinstance(said, str) and said.startswith(_OWN) for said in map(node.get, ("class", "cwlVersion"))):
                return True
            for key, value in node.items():
                if key.startswith(_OWN) or (key == "$namespaces" and isinstance(value, dict) and _PREFIX in value):
                    return True
                pending.append(value)
    return False


def _parsed(text: str | bytes) -> Any:
    if len(text) > MAX_DOCUMENT:
        raise Refusal(Fault.TOO_LARGE, f"An app document may have at most {MAX_DOCUMENT // 1024**2} MiB.")
    try:
        return parse_text(text, values=MAX_VALUES)
    except (DocumentError, UnsupportedError) as error:
        raise _invalid([str(problem) for problem in error.problems]) from error


def without_managed(document: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The document without the server's own keys, and the revision notes that it carried."""
    notes = document.get("sbg:revisionNotes")
    kept = {key: value for key, value in document.items() if key not in MANAGED_KEYS}
    return kept, notes if isinstance(notes, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the loader says of a document: its normal form, and why it can be stored but not run.

    An app runs when there is a ``process`` and no ``validation_errors``. Other languages leave no process. ``broken``
    are the links between steps that lead nowhere or cannot fit: an app that is stored all the same keeps its process,
    so that its ports can be shown and inputs checked. ``doubts`` keep nothing from running.
    """

    process: Process | None
    unsupported: tuple[str, ...] = ()
    broken: tuple[Problem, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def validation_errors(self) -> tuple[str, ...]:
        """Why it cannot run; at most `MAX_PROBLEMS`, each of bounded length."""
        return _shown((*self.unsupported, *map(str, self.broken)))


def checked(document: Mapping[str, Any], name: str, text: str | bytes = "") -> Checked:
    """Load the document. Raises `Refusal` (400, with every problem and its place) when it is not valid CWL.

    Steps that do not fit together are told, not raised: whether they are let in is the caller's decision.
    """
    try:
        found = examine(document, name=name)
    except UnsupportedError as error:
        sentences = tuple(str(problem) for problem in error.problems) or ("it asks for an unsupported feature",)
        return Checked(process=None, unsupported=tuple(f"This app cannot run here yet: {it}" for it in sentences))
    except DocumentError as error:
        raise _faulty(error.problems, text) from error
    return Checked(process=found.process, broken=found.broken, doubts=_shown(map(str, found.doubts)))


def _faulty(problems: Sequence[Problem], text: str | bytes) -> Refusal:
    """The refusal for problems in a document, with the lines of its text."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", "replace")
    return _invalid([str(problem) for problem in located(problems, text)])


def _shown(problems: Iterable[str]) -> tuple[str, ...]:
    return tuple(_printable(problem) for problem in islice(problems, MAX_PROBLEMS))


def _invalid(problems: Sequence[str]) -> Refusal:
    shown = [_printable(problem) for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        shown.append(f"... and {len(problems) - MAX_PROBLEMS} more")
    count = f"{len(problems)} problems: " if len(problems) > 1 else ""
    return Refusal(Fault.APP_INVALID, f"Invalid app: {count}{'; '.join(shown)}")


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:1000]


class NormalForms:
    """Loaded processes by the content hash of their document: the most recently used ones, shared by all threads.

    A document that cannot be loaded is kept too, as the reasons why. `get` may take as long as loading takes, so
    callers on an event loop call it from a thread; `peek` never loads.
    """

    def __init__(self, capacity: int = 128) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, Checked] = OrderedDict()
        self._lock = threading.Lock()

    def peek(self, content: str) -> Checked | None:
        """What is known of this document without loading it."""
        with self._lock:
            found = self._known.get(content)
            if found is not None:
                self._known.move_to_end(content)
            return found

    def get(self, app: App) -> Checked:
        """The normal form of a stored app, or why it has none."""
        found = self.peek(app.content)
        if found is not None:
            return found
        try:
            return self._keep(app.content, checked(app.raw, app.name))
        except Refusal as refusal:  # an earlier version accepted it: it stays readable, and its tasks say what is wrong
            return self._keep(app.content, Checked(process=None, unsupported=(refusal.message,)))

    def admit(self, content: str, document: Mapping[str, Any], name: str, upload: Upload) -> Checked:
        """The normal form of a new document. Raises `Refusal` for an invalid one, also for one whose steps do not fit
        together, unless the ``upload`` bears marks of the platform: such apps are stored and say what is wrong."""
        found = self.peek(content)
        if found is None or (found.process is None and found.unsupported):
            found = self._keep(content, checked(document, name, upload.text))
        if found.broken and not is_of_the_platform(upload.document):
            raise _faulty(found.broken, upload.text)
        return found

    def _keep(self, content: str, found: Checked) -> Checked:
        with self._lock:
            self._known[content] = found
            self._known.move_to_end(content)
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a document's bookkeeping keys need besides its own row: all revisions so far, without documents."""

    revisions: tuple[App, ...]
    project_name: str


def raw_document(app: App, history: History) -> dict[str, Any]:
    """The stored document with ``id`` and the server's own keys. Times are Unix seconds."""
    revisions = history.revisions or (app,)
    first = revisions[0]
    return (
        app.raw
        | {
            "id": app.id,
            "sbg:id": app.id,
            "sbg:project": app.project,
            "sbg:projectName": history.project_name,
            "sbg:revision": app.revision,
            "sbg:latestRevision": max(revision.revision for revision in revisions),
            "sbg:revisionNotes": app.notes,
            "sbg:revisionsInfo": [_revision_info(revision) for revision in revisions],
            "sbg:createdBy": first.created_by,
            "sbg:createdOn": int(first.created_on.timestamp()),
            "sbg:modifiedBy": app.created_by,
            "sbg:modifiedOn": int(app.created_on.timestamp()),
            "sbg:contributors": sorted({revision.created_by for revision in revisions}),
            "sbg:sbgMaintained": False,
            "sbg:validationErrors": list(app.validation_errors),
            "sbg:appVersion": _versions(app.raw),
            "sbg:publisher": "sbg",
            "sbg:content_hash": f"a{app.content}",
            "sbg:image_url": None,
            "sbg:workflowLanguage": _language(app.raw),
        }
        | ({"sbg:copyOf": app.copy_of} if app.copy_of else {})
    )


def _revision_info(revision: App) -> dict[str, Any]:
    return {
        "sbg:revision": revision.revision,
        "sbg:modifiedBy": revision.created_by,
        "sbg:modifiedOn": int(revision.created_on.timestamp()),
        "sbg:revisionNotes": revision.notes,
    }


def _versions(raw: Mapping[str, Any]) -> list[str]:
    version = raw.get("cwlVersion")
    return [version] if isinstance(version, str) else []


def _language(raw: Mapping[str, Any]) -> str:
    name = raw.get("class")
    return {"nextflow": "Nextflow", "WDL": "WDL"}.get(name, "CWL") if isinstance(name, str) else "CWL"
