"""Bindings: how a port meets the command line or the working directory; used by ports and by the types themselves.

Part of the normal form (see `araneus.cwl.process`). Source: CWL v1.2 CommandLineTool.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from araneus.model.values import Value

DRAFT_2: Final = "sbg:draft-2"
"""The version that a process of this dialect has in normal form, beside ``v1.0``, ``v1.1`` and ``v1.2``."""


@dataclass(frozen=True, slots=True)
class Script:
    """An expression of sbg:draft-2, ``{class: Expression, engine, script}``. Texts beside it are taken as they are.

    The value of one that is ``shell_text`` is a part of a shell command: what is escaped in it, the shell reads.
    """

    source: str
    engine: str = "#cwl-js-engine"
    shell_text: bool = False


Text: TypeAlias = str | Script
"""A text of a document, as the evaluator of its process takes it: in CWL v1 a str may hold expressions."""


class Listing(StrEnum):
    """How much of a Directory an expression sees (``loadListing``)."""

    NONE = "no_listing"
    SHALLOW = "shallow_listing"
    DEEP = "deep_listing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryFile:
    """One secondary file pattern. ``required`` None: the version's default (true for inputs, false for outputs)."""

    pattern: Text
    required: bool | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A CommandLineBinding. ``position`` may be an expression.

    Three things hold in sbg:draft-2 alone: ``prefix_each`` puts the prefix before every item of a list that is not
    joined, ``of_null`` has ``value_from`` evaluated where there is no value, too, and ``prefix`` and
    ``item_separator`` may be expressions.
    """

    position: int | Text = 0
    prefix: Text | None = None
    separate: bool = True
    item_separator: Text | None = None
    value_from: Value = None
    shell_quote: bool = True
    prefix_each: bool = False
    of_null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputBinding:
    """Where a tool's output is found. ``glob`` is a tuple of patterns or expressions.

    ``metadata`` (key to literal or expression, or an expression for all) and what all files of the inputs
    ``inherit_metadata_from`` have in common become the metadata of each file that is found.
    """

    glob: tuple[Text, ...] = ()
    load_contents: bool = False
    load_listing: Listing | None = None
    output_eval: Text | None = None
    metadata: Mapping[str, Value] | Script = field(default_factory=dict, hash=False)
    inherit_metadata_from: tuple[str, ...] = ()
