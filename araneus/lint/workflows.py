"""Rules for whole apps, workflows and their links."""

from collections.abc import Callable, Iterator
from typing import Final

from araneus.cwl.process import DRAFT_2, CommandLineTool, Step, Workflow
from araneus.cwl.templates import has_expression
from araneus.cwl.types import DIRECTORY, FILE, ArrayType, Type, describe, options
from araneus.lint.findings import Finding, Level, Runner
from araneus.lint.sites import Site

_CWL: Final = frozenset({Runner.CWL})
_ALL: Final = frozenset(Runner)


def dialect(site: Site) -> Iterator[Finding]:
    """The platform's former language."""
    if site.process.cwl_version == DRAFT_2 and not site.where:
        yield Finding(
            code="draft-2",
            level=Level.ERROR,
            runners=_CWL,
            what="sbg:draft-2 runs on the platform and here, nowhere else",
            advice="rewrite it in CWL v1.2; sevenbridges-cwl-draft2-upgrader makes a start",
        )


def versions(site: Site) -> Iterator[Finding]:
    """Several versions in one app."""
    outer = site.outer
    if outer is not None and outer.cwl_version != site.process.cwl_version:
        yield Finding(
            code="mixed-versions",
            level=Level.WARNING,
            runners=_CWL,
            where=site.where,
            what=f"a {site.process.cwl_version} process in a {outer.cwl_version} workflow: the platform and Araneus run"
            " each by its own version, other runners refuse it or take the outer one",
            advice=f"declare {outer.cwl_version} in both, and check what changed between the versions",
        )


def instances(site: Site) -> Iterator[Finding]:
    """What an app says of machines in the cloud."""
    names = [name for name in ("sbg:AWSInstanceType", "sbg:GoogleInstanceType", "sbg:AzureInstanceType")
             if site.process.requirement(name) is not None]  # fmt: skip
    inherited = site.outer is not None and any(site.outer.requirement(name) is not None for name in names)
    if names and not inherited:
        yield Finding(
            code="instance-type",
            level=Level.NOTE,
            runners=frozenset({Runner.CWL, Runner.ARANEUS}),
            where=site.at("hints", names[0]),
            what="an instance type is a machine in the cloud on the platform, a size from a table of the settings here,"
            " and nothing to other runners",
            advice="state coresMin and ramMin as well: they count everywhere",
        )


def batch(site: Site) -> Iterator[Finding]:
    """Apps that are split into many tasks."""
    if not site.where and site.process.extensions.get("sbg:batchInput"):
        yield Finding(
            code="batch-input",
            level=Level.NOTE,
            runners=_CWL,
            where="sbg:batchInput",
            what="the platform and Araneus make one task for each group of this input, other runners one run of all",
            advice="create the task with batch=False to run all in one",
        )


def single_or_list(site: Site) -> Iterator[Finding]:
    """Links between one file and a list of files."""
    if not isinstance(site.process, Workflow) or site.process.cwl_version == DRAFT_2:
        return
    given = _given(site.process)
    for step in site.process.steps:
        ports = {port.id: port.type for port in step.run.inputs}
        for each in step.inputs:
            wanted = ports.get(each.id)
            if wanted is None or len(each.source) != 1 or each.value_from is not None or each.pick_value is not None:
                continue
            source = each.source[0]
            if source not in given or each.link_merge is not None:
                continue
            # What is scattered is a list outside and one of its elements inside.
            kind = _element(given[source]) if each.id in step.scatter else given[source]
            yield from _compare(kind, wanted, site.at("steps", step.id, "in", each.id))


def _compare(kind: Type | None, wanted: Type, where: str) -> Iterator[Finding]:
    if kind is None or not _files(kind) or not _files(wanted) or _depths(kind) & _depths(wanted):
        return
    widens = min(_depths(kind)) < min(_depths(wanted))
    rest = (
        "which the platform and Araneus make a list of one; other runners refuse the app"
        if widens
        else "of which the platform and Araneus take the first; other runners refuse the app"
    )
    yield Finding(
        code="file-for-list" if widens else "list-for-file",
        level=Level.ERROR,
        runners=_CWL,
        where=where,
        what=f"{describe(kind)} is linked to {describe(wanted)}, {rest}",
        advice="use linkMerge: merge_nested" if widens else "choose with valueFrom: $(self[0])",
    )


def _given(workflow: Workflow) -> dict[str, Type]:
    given: dict[str, Type] = {port.id: port.type for port in workflow.inputs}
    for step in workflow.steps:
        for port in step.run.outputs:
            kind: Type = ArrayType(items=port.type) if step.scatter else port.type
            if len(step.scatter) < 2:
                given[f"{step.id}/{port.id}"] = kind
    return given


def _element(kind: Type) -> Type | None:
    return next((option.items for option in options(kind) if isinstance(option, ArrayType)), None)


def _files(kind: Type) -> bool:
    return bool(_depths(kind))


def _depths(kind: Type) -> set[int]:
    """How deep in lists files lie in values of a type."""
    found: set[int] = set()
    for option in options(kind):
        if option in (FILE, DIRECTORY):
            found.add(0)
        elif isinstance(option, ArrayType):
            found |= {depth + 1 for depth in _depths(option.items)}
    return found


def same_names(site: Site) -> Iterator[Finding]:
    """Files of one name, many times."""
    if not isinstance(site.process, Workflow) or site.where:
        return
    steps = {step.id: step for step in site.process.steps}
    for port in site.process.outputs:
        for source in port.source:
            step = steps.get(source.partition("/")[0])
            name = _fixed_name(step, source.partition("/")[2]) if step is not None and step.scatter else None
            if name is not None:
                yield Finding(
                    code="same-name",
                    level=Level.WARNING,
                    runners=_ALL,
                    where=site.at("outputs", port.id),
                    what=f"each job of the scattered step {source.partition('/')[0]!r} makes a file {name[:60]!r}: in"
                    f" the project the second becomes _1_{name[:60]}, other runners rename or overwrite it their way",
                    advice="put something of the input into the name, such as $(inputs.reads.nameroot)",
                )


def _fixed_name(step: Step, output: str) -> str | None:
    if not isinstance(step.run, CommandLineTool):
        return None
    for port in step.run.outputs:
        globs = port.binding.glob if port.id == output and port.binding is not None else ()
        if len(globs) == 1 and isinstance(globs[0], str):
            plain = not has_expression(globs[0]) and not set(globs[0]) & set("*?[{")
            return globs[0] if plain and port.binding is not None and port.binding.output_eval is None else None
    return None


RULES: Final[tuple[Callable[[Site], Iterator[Finding]], ...]] = (
    dialect,
    versions,
    instances,
    batch,
    single_or_list,
    same_names,
)
