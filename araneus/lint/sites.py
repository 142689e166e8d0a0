"""Walking an app: every process of it with its place, and every expression of a process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from araneus.cwl.errors import ExpressionError
from araneus.cwl.process import DRAFT_2, Process, Script, Step, Workflow
from araneus.cwl.templates import Expression, has_expression, template


@dataclass(frozen=True, slots=True)
class Site:
    """A process where it stands. ``step`` is the step that runs it, ``outer`` the workflow of that step."""

    process: Process
    where: str = ""
    step: Step | None = None
    outer: Workflow | None = None

    def at(self, *parts: str) -> str:
        """The place of a part of the process."""
        return "/".join(part for part in (self.where, *parts) if part)


def sites(process: Process, where: str = "") -> Iterator[Site]:
    """The process and all that it runs, outer ones first."""
    yield from _below(Site(process, where))


def _below(site: Site) -> Iterator[Site]:
    yield site
    if isinstance(site.process, Workflow):
        for step in site.process.steps:
            yield from _below(Site(step.run, site.at("steps", step.id, "run"), step, site.process))


def expressions(process: Process) -> Iterator[tuple[str, str]]:
    """The code of every expression of a process itself, with the part of the process that it stands in.

    Not those of what a workflow runs. Requirements that hold for all of a workflow are told for the workflow too.
    """
    for field in fields(process):
        if field.name in {"id", "label", "extensions"}:
            continue
        value = getattr(process, field.name)
        if field.name == "steps":
            for step in value:
                for part in ("inputs", "when"):
                    yield from _texts(getattr(step, part), f"steps/{step.id}", process.cwl_version == DRAFT_2)
        else:
            yield from _texts(value, field.name, process.cwl_version == DRAFT_2)


def codes(text: str) -> list[str]:
    """What stands in the expressions of a text; nothing for one that cannot be taken apart."""
    try:
        return [each.source for each in template(text, True) if isinstance(each, Expression)]
    except ExpressionError:
        return []


def plain(text: str) -> str:
    """What stands around the expressions of a text."""
    if not has_expression(text):
        return text
    try:
        return "".join(each for each in template(text, True) if isinstance(each, str))
    except ExpressionError:
        return ""


def _texts(value: Any, part: str, scripts_only: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, Script):
        yield part, value.source
    elif isinstance(value, str):
        if not scripts_only:
            yield from ((part, code) for code in codes(value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            # A library of functions is code, though nothing marks it as an expression.
            if key == "expressionLib" and isinstance(item, list | tuple):
                yield from ((f"{part}/{key}", text) for text in item if isinstance(text, str))
            else:
                yield from _texts(item, f"{part}/{key}" if part in {"requirements", "hints"} else part, scripts_only)
    elif isinstance(value, list | tuple):
        for item in value:
            named = getattr(item, "id", None)
            yield from _texts(item, f"{part}/{named}" if isinstance(named, str) else part, scripts_only)
    elif is_dataclass(value) and not isinstance(value, type | Process):
        for field in fields(value):
            if field.name not in {"id", "label", "extensions", "run", "hints"}:
                yield from _texts(getattr(value, field.name), part, scripts_only)
