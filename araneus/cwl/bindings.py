"""Bindings: how a port meets the command line or the working directory; used by ports and by the types themselves.

Part of the normal form (see `araneus.cwl.process`). Source: CWL v1.2 CommandLineTool.
"""

from dataclasses import dataclass
from enum import StrEnum

from araneus.model.values import Value


class Listing(StrEnum):
    """How much of a Directory an expression sees (``loadListing``)."""

    NONE = "no_listing"
    SHALLOW = "shallow_listing"
    DEEP = "deep_listing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryFile:
    """One secondary file pattern. ``required`` None: the version's default (true for inputs, false for outputs)."""

    pattern: str
    required: bool | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A CommandLineBinding. ``position`` may be an expression."""

    position: int | str = 0
    prefix: str | None = None
    separate: bool = True
    item_separator: str | None = None
    value_from: Value = None
    shell_quote: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputBinding:
    """Where a tool's output is found. ``glob`` is a tuple of patterns or expressions."""

    glob: tuple[str, ...] = ()
    load_contents: bool = False
    load_listing: Listing | None = None
    output_eval: str | None = None
