"""``araneus lint``: what in an app behaves differently on the platform, here, or in other CWL runners."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

from araneus.cwl.errors import CWLError, Problem
from araneus.cwl.load import examine, load_path, parse_text
from araneus.cwl.pack import pack
from araneus.cwl.positions import located
from araneus.direct import print_json, split_document
from araneus.lint.findings import Finding, Level, Runner
from araneus.lint.rules import at_least, for_runners, lint

EXIT_CLEAN: Final = 0
EXIT_FOUND: Final = 1
EXIT_UNREADABLE: Final = 2


def run_lint_command(
    document: str,
    *,
    runners: Sequence[str] = (),
    fail_on: str = "warning",
    as_json: bool = False,
    stdout: TextIO | None = None,
) -> int:
    """Print the findings about ``document`` (``path`` or ``path#id``); the exit code.

    0: none at ``fail_on`` or graver (``never``: always 0); 1: some; 2: the document cannot be read, or is not valid.
    """
    out = stdout or sys.stdout
    try:
        path, fragment = split_document(document)
        findings = for_runners(_findings(path, fragment), [Runner(name) for name in runners] or list(Runner))
    except CWLError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return EXIT_UNREADABLE
    if as_json:
        print_json([_plain(finding) for finding in findings], out, indent=2)
    else:
        for finding in findings:
            print(_shown(path, finding), file=out)
        print(_summary(path, findings), file=sys.stderr)
    failing = () if fail_on == "never" else at_least(findings, Level[fail_on.upper()])
    return EXIT_FOUND if failing else EXIT_CLEAN


def _findings(path: Path, fragment: str | None) -> tuple[Finding, ...]:
    process = load_path(path, fragment)
    doubts: tuple[Problem, ...] = ()
    text = path.read_text(encoding="utf-8", errors="replace")
    # What cannot stand in one document can be looked at all the same; `araneus pack` says why.
    with suppress(CWLError):
        doubts = examine(pack(path, fragment)).doubts
    findings = (*lint(process, doubts), *_references(text))
    places = located([Problem(finding.where, "") for finding in findings], text)
    placed = (replace(finding, at=place.at) for finding, place in zip(findings, places, strict=True))
    return tuple(sorted(placed, key=lambda finding: -finding.level))


def _references(text: str) -> tuple[Finding, ...]:
    """Files that a document refers to."""
    try:
        names = sorted(_runs(parse_text(text.encode())))
    except CWLError:
        return ()
    if not names:
        return ()
    return (
        Finding(
            code="several-files",
            level=Level.NOTE,
            runners=frozenset({Runner.PLATFORM, Runner.ARANEUS}),
            what=f"the document runs {names[0]!r}" + (f" and {len(names) - 1} other files" if names[1:] else ""),
            advice="a server takes one document: make it with `araneus pack` or sbpack",
        ),
    )


def _runs(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _runs(item)}
    if not isinstance(value, dict):
        return set()
    own = value.get("run")
    here = {own} if isinstance(own, str) and not own.startswith("#") else set()
    return here | {name for item in value.values() for name in _runs(item)}


def _shown(path: Path, finding: Finding) -> str:
    place = ", ".join(part for part in (finding.where, finding.at) if part)
    more = f" (and {finding.also} more)" if finding.also else ""
    concerns = ", ".join(runner.value for runner in Runner if runner in finding.runners)
    level = finding.level.name.lower()
    return (
        f"{path}: {place + ': ' if place else ''}{level} {finding.code} [{concerns}]{more}\n"
        f"    {finding.what}\n    -> {finding.advice}"
    )


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "level": finding.level.name.lower(),
        "runners": [runner.value for runner in Runner if runner in finding.runners],
        "where": finding.where,
        "at": finding.at,
        "what": finding.what,
        "advice": finding.advice,
        "also": finding.also,
    }


def _summary(path: Path, findings: Sequence[Finding]) -> str:
    counts = [(sum(finding.level is level for finding in findings), level.name.lower()) for level in reversed(Level)]
    said = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for count, name in counts if count)
    return f"{path.name}: {said or 'nothing that behaves differently elsewhere'}"
