"""Any CWL v1.0, v1.1 or v1.2 document to the normal form of `araneus.cwl.process`.

The way in to the language: text → plain values (`text`) → one tree (`resolve`) → processes (`processes`, with `ports`,
`typedsl`, `bindings`, `requirements`, `workflows`) → checked links (`links`). The API loads app bodies with
`load_document`, the command line loads files with `load_path`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from araneus.cwl.errors import DocumentError, Problem
from araneus.cwl.fields import kind_of
from araneus.cwl.process import Process
from araneus.cwl.processes import Builder
from araneus.cwl.resolve import NO_MAPPING, Document, Library
from araneus.cwl.scope import Report
from araneus.cwl.text import check_plain, parse_text

__all__ = ["Examined", "examine", "load_document", "load_path", "parse_text"]


@dataclass(frozen=True, slots=True)
class Examined:
    """An app body that can be read. It can run when ``broken`` is empty; its ports can be used in any case.

    ``broken`` are the mistakes in how steps hang together: sources that do not exist, types that cannot fit, circles.
    ``doubts`` are mistakes that keep nothing from running right, such as a listed output that does not exist and that
    nothing uses.
    """

    process: Process
    broken: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()


def examine(document: Mapping[str, Any], *, name: str = "") -> Examined:
    """As `load_document`, but mistakes in the links of workflows are told, not raised.

    An app that is stored with such mistakes can still be shown; a new one is refused by whoever asks here.
    """
    if not isinstance(document, dict):
        raise DocumentError(Problem("", NO_MAPPING + kind_of(document)))
    check_plain(document)
    report = Report()
    library = Library(report)
    body = library.body(document)
    report.settle()  # what an import leaves out would look like further mistakes
    return _load(library, body, None, name, report)


def load_document(document: Mapping[str, Any], *, name: str = "") -> Process:
    """An app body in normal form. ``name`` becomes the id of a process that has neither id nor label.

    The document stands alone: whatever it names outside of itself is refused, and nothing is read or fetched. File and
    Directory values in it have a ``path`` and no ``location``. Raises `DocumentError` with every problem, or
    `UnsupportedError` (other languages and versions, requirements that this engine does not know).
    """
    return _unbroken(examine(document, name=name))


def load_path(path: Path, fragment: str | None = None) -> Process:
    """A file in normal form, with all that it imports, includes and runs from other local files.

    ``fragment`` names a process in a file with several (``main`` is taken without one). File and Directory values have
    absolute ``file://`` locations (percent-encoded). ``$schemas`` is kept in ``extensions`` with absolute URIs. Raises
    as `load_document` does.
    """
    report = Report()
    library = Library(report)
    document = library.file(path.resolve().as_uri())
    return _unbroken(_load(library, document, fragment, path.stem, report))


def _load(library: Library, document: Document, fragment: str | None, name: str, report: Report) -> Examined:
    try:
        process = Builder(library, report).main(document, fragment, name)
    except RecursionError as error:  # the limits of depth leave room; a caller may have left less
        raise DocumentError(Problem("", "the document is nested too deeply")) from error
    broken = report.settle()
    if process is None:
        raise DocumentError(Problem("", "the document holds no process"))
    return Examined(process, broken, report.doubts())


def _unbroken(examined: Examined) -> Process:
    if examined.broken:
        raise DocumentError(*examined.broken)
    return examined.process
