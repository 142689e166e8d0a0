"""The normal form: what every CWL document, of any version, is turned into before anything else looks at it.

Ids are short (``reads``, not ``#main/align/reads``); map forms are tuples in document order; types are `types.Type`;
``run`` is a process, never a reference; every process carries its *effective* requirements and hints: what it inherits
from the workflows and steps around it is already merged in (inner wins over outer, a requirement over any hint).
Strings that hold ``$(`` or ``${`` are expressions and are kept as text; in sbg:draft-2 only a `Script` is one.
Source: CWL v1.2 CommandLineTool and Workflow; for sbg:draft-2 see `araneus.cwl.draft2`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from araneus.cwl.bindings import DRAFT_2, Binding, Listing, OutputBinding, Script, SecondaryFile, Text
from araneus.cwl.types import Type
from araneus.model.values import Value

__all__ = [
    "DRAFT_2",
    "MISSING",
    "Binding",
    "CommandLineTool",
    "ExpressionTool",
    "InputPort",
    "LinkMerge",
    "Listing",
    "OutputBinding",
    "OutputPort",
    "PickValue",
    "Process",
    "ScatterMethod",
    "Script",
    "SecondaryFile",
    "Step",
    "StepInput",
    "Text",
    "Workflow",
]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""A default that was not given; ``None`` is a default of null."""


class LinkMerge(StrEnum):
    """How several sources become one list."""

    NESTED = "merge_nested"
    FLATTENED = "merge_flattened"


class PickValue(StrEnum):
    """Which of several values, some null, is taken."""

    FIRST_NON_NULL = "first_non_null"
    THE_ONLY_NON_NULL = "the_only_non_null"
    ALL_NON_NULL = "all_non_null"


class ScatterMethod(StrEnum):
    """How several scattered inputs combine."""

    DOTPRODUCT = "dotproduct"
    NESTED_CROSSPRODUCT = "nested_crossproduct"
    FLAT_CROSSPRODUCT = "flat_crossproduct"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPort:
    """An input of a process. ``extensions`` holds the ``sbg:`` keys and other foreign ones.

    A ``loose`` port (sbg:draft-2) also takes nulls in lists, lists of lists as flat ones, the first of many files.
    """

    id: str
    type: Type
    default: Value = MISSING
    secondary_files: tuple[SecondaryFile, ...] = ()
    format: Value = None
    load_contents: bool = False
    load_listing: Listing | None = None
    binding: Binding | None = None
    label: str | None = None
    loose: bool = False
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPort:
    """An output of a process. ``binding`` is for tools; ``source``, ``link_merge``, ``pick_value`` for workflows.

    A ``loose`` port (of a workflow in sbg:draft-2) gives what it gets, whatever its type.
    """

    id: str
    type: Type
    secondary_files: tuple[SecondaryFile, ...] = ()
    format: Value = None
    binding: OutputBinding | None = None
    source: tuple[str, ...] = ()
    source_is_list: bool = False
    link_merge: LinkMerge | None = None
    pick_value: PickValue | None = None
    label: str | None = None
    loose: bool = False
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What tools and workflows share. ``requirements`` and ``hints`` map a class name to its fields.

    ``cwl_version`` is the version that the document declares (``v1.0``, ``v1.1``, ``v1.2``, ``sbg:draft-2``): a few
    defaults depend on it, and what an expression is. ``id`` is a short name, or the app's label where there is none.
    """

    id: str
    cwl_version: str
    label: str | None = None
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    requirements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)

    def requirement(self, name: str) -> Mapping[str, Any] | None:
        """The requirement of this class, else the hint, else None."""
        found = self.requirements.get(name)
        return found if found is not None else self.hints.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLineTool(Process):
    """A tool. An argument is a text or a `Binding`; ``stdin``, ``stdout`` and ``stderr`` may be expressions.

    The shortcuts ``type: stdin|stdout|stderr`` are resolved: the port is a File and the file name stands here.
    """

    base_command: tuple[str, ...] = ()
    arguments: tuple[str | Binding, ...] = ()
    stdin: Text | None = None
    stdout: Text | None = None
    stderr: str | None = None
    success_codes: frozenset[int] = frozenset({0})
    temporary_fail_codes: frozenset[int] = frozenset()
    permanent_fail_codes: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionTool(Process):
    """A tool that is one expression."""

    expression: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInput:
    """An input of a step. A source is ``input`` of the workflow or ``step/output``."""

    id: str
    source: tuple[str, ...] = ()
    source_is_list: bool = False
    link_merge: LinkMerge | None = None
    pick_value: PickValue | None = None
    default: Value = MISSING
    value_from: str | None = None
    load_contents: bool = False
    load_listing: Listing | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a workflow. ``scatter`` names step inputs; ``when`` is an expression."""

    id: str
    run: Process
    inputs: tuple[StepInput, ...]
    outputs: tuple[str, ...]
    scatter: tuple[str, ...] = ()
    scatter_method: ScatterMethod | None = None
    when: str | None = None
    label: str | None = None
    hints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Process):
    """A workflow: its steps in document order."""

    steps: tuple[Step, ...]
