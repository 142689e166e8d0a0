"""Names of CWL's own vocabulary in full: ``cwl:requirements`` and ``https://w3id.org/cwl/cwl#Workflow`` made plain.

Used by `araneus.cwl.resolve` before anything else looks at a document. A field that kept its prefix would pass for
somebody else's, and a tool would run without its requirements.
Source: SchemaSalad, "Field name resolution", "Vocabulary".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl.nesting import mappings

_CWL: Final = "https://w3id.org/cwl/cwl#"
_USUAL: Final = ("cwl:", _CWL)
_FIELDS: Final = frozenset(
    """
    arguments baseCommand coresMax coresMin cwlVersion default dockerFile dockerImageId dockerImport dockerLoad
    dockerOutputDirectory dockerPull doc enableReuse entry entryname envDef envName envValue expression expressionLib
    fields format glob hints in inplaceUpdate inputBinding inputs intent itemSeparator items label linkMerge listing
    loadContents loadListing name networkAccess out outdirMax outdirMin outputBinding outputEval outputs outputSource
    package packages pattern permanentFailCodes pickValue position prefix ramMax ramMin required requirements run
    scatter scatterMethod secondaryFiles separate shellQuote source specs stderr stdin stdout steps streamable
    successCodes symbols temporaryFailCodes timelimit tmpdirMax tmpdirMin type types valueFrom version when writable
""".split()  # noqa: SIM905 -- a word list
)
_CLASSES: Final = frozenset({"CommandLineTool", "ExpressionTool", "Workflow", "Operation", "File", "Directory"})
_PREFIX: Final = re.compile(r"[A-Za-z][\w.-]*")


def with_plain_names(root: Any) -> Any:
    """The tree with the fields and classes of CWL under their short names; the same tree when they all are already.

    A field that is there under both names keeps them: the full one is then nobody's. Data (``default``) is left alone.
    """
    prefixes = _prefixes(root)
    if not any(_is_full(node, prefixes) for node in mappings(root)):
        return root
    return _plain(root, prefixes)


def plain_name(field: str) -> str:
    """The short name of a field of CWL that has one of the usual prefixes; others as they are."""
    return _short(field, _USUAL, _FIELDS)


def _prefixes(root: Any) -> tuple[str, ...]:
    """The usual prefixes, and those that a ``$namespaces`` in the document gives to the same vocabulary."""
    spaces = [node["$namespaces"] for node in mappings(root) if "$namespaces" in node]
    own = [pair for each in spaces if isinstance(each, dict) for pair in each.items()]
    return (*_USUAL, *(f"{name}:" for name, uri in own if uri == _CWL and _PREFIX.fullmatch(name) and name != "cwl"))


def _is_full(node: Mapping[str, Any], prefixes: tuple[str, ...]) -> bool:
    kind = node.get("class")
    return any(key.startswith(prefixes) for key in node) or (isinstance(kind, str) and kind.startswith(prefixes))


def _plain(value: Any, prefixes: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_plain(item, prefixes) for item in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, item in value.items():
        name = _short(key, prefixes, _FIELDS | {"id", "class"})
        if name in made or (name != key and name in value):
            name = key
        if name == "class" and isinstance(item, str):
            made[name] = _short(item, prefixes, _CLASSES)
        else:
            made[name] = item if name == "default" else _plain(item, prefixes)
    return made


def _short(name: str, prefixes: tuple[str, ...], known: frozenset[str]) -> str:
    for prefix in prefixes:
        if name.startswith(prefix) and name[len(prefix) :] in known:
            return name[len(prefix) :]
    return name
