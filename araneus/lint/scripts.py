"""Rules for JavaScript. The platform and Araneus run scripts as browsers do; strict engines refuse some of them."""

import re
from collections.abc import Iterator
from typing import Final

from araneus.cwl.process import DRAFT_2
from araneus.lint.findings import Finding, Level, Runner
from araneus.lint.sites import Site, expressions

_CODE: Final = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|/\*.*?\*/|//[^\n]*", re.DOTALL)
_ASSIGNED: Final = re.compile(r"(?:^|[;{}])\s*([A-Za-z_$][\w$]*)\s*=(?![=>])", re.MULTILINE)
_DECLARED: Final = re.compile(r"\b(?:var|let|const|function|class|catch\s*\()\s*([A-Za-z_$][\w$]*)")
_LISTED: Final = re.compile(r"\b(?:var|let|const)\s+([^;]+)")
_PARAMETERS: Final = re.compile(r"function\s*[\w$]*\s*\(([^)]*)\)|\(([^()]*)\)\s*=>|([A-Za-z_$][\w$]*)\s*=>")
_NAME: Final = re.compile(r"[A-Za-z_$][\w$]*")
_GIVEN: Final = frozenset({"inputs", "self", "runtime", "exports", "module"})


def undeclared(text: str) -> list[str]:
    """Variables that a script assigns to and never declares, as far as its text tells, in order."""
    code = _CODE.sub(" '' ", text)
    known = {*_GIVEN, *_DECLARED.findall(code)}
    for listed in _LISTED.findall(code):
        known.update(_NAME.findall(listed))
    for groups in _PARAMETERS.findall(code):
        known.update(name for group in groups for name in _NAME.findall(group))
    return list(dict.fromkeys(name for name in _ASSIGNED.findall(code) if name not in known))


def strictness(site: Site) -> Iterator[Finding]:
    """Scripts that only run where nobody insists on declarations."""
    if site.process.cwl_version == DRAFT_2:
        return
    written = list(expressions(site.process))
    shared = {name for part, text in written if "expressionLib" in part for name in _DECLARED.findall(text)}
    for part, text in written:
        found = [name for name in undeclared(text) if name not in shared]
        if found:
            yield Finding(
                code="undeclared-variable",
                level=Level.ERROR,
                runners=frozenset({Runner.CWL}),
                where=site.at(part),
                what=f"the script assigns to {found[0]!r} without declaring it, which strict engines refuse",
                advice=f"write var {found[0]} = ...",
            )


RULES: Final = (strictness,)
