"""All rules together: from an app in normal form to its findings, the gravest first."""

from collections.abc import Iterable
from dataclasses import replace

from araneus.cwl.errors import Problem
from araneus.cwl.process import Process
from araneus.lint import scripts, tools, workflows
from araneus.lint.findings import Finding, Level, Runner
from araneus.lint.sites import sites

_RULES = (*workflows.RULES, *tools.RULES, *scripts.RULES)


def lint(process: Process, doubts: Iterable[Problem] = ()) -> tuple[Finding, ...]:
    """Everything that behaves differently somewhere. ``doubts`` are what the loader let through.

    A tool that runs at many places is told once, at the first; ``also`` counts the others.
    """
    found = [finding for site in sites(process) for rule in _RULES for finding in rule(site)]
    found += [_lenient(doubt) for doubt in doubts]
    kept: dict[tuple[str, str], Finding] = {}
    for finding in found:
        key = (finding.code, finding.what)
        kept[key] = replace(kept[key], also=kept[key].also + 1) if key in kept else finding
    return tuple(sorted(kept.values(), key=lambda finding: -finding.level))


def _lenient(doubt: Problem) -> Finding:
    if doubt.where.rpartition("/")[2] == "cwlVersion":
        return Finding(
            code="wrong-version",
            level=Level.ERROR,
            runners=frozenset({Runner.PLATFORM, Runner.CWL}),
            where=doubt.where,
            what=doubt.what,
            advice="write the version that it is written in, sbg:draft-2; others go by what stands there",
        )
    return Finding(
        code="lenient",
        level=Level.WARNING,
        runners=frozenset({Runner.CWL}),
        where=doubt.where,
        what=f"{doubt.what}; the platform and Araneus let it through, other runners may not",
        advice="write it as the specification has it",
    )


def for_runners(findings: Iterable[Finding], runners: Iterable[Runner]) -> tuple[Finding, ...]:
    """Those that concern any of the runners."""
    wanted = frozenset(runners)
    return tuple(finding for finding in findings if finding.runners & wanted)


def at_least(findings: Iterable[Finding], level: Level) -> tuple[Finding, ...]:
    """Those of a level or graver."""
    return tuple(finding for finding in findings if finding.level >= level)
