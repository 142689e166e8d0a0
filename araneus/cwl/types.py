"""CWL types as values. Source: CWL v1.2, "Data types" and the schemas of CommandInput*/InputRecord* types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from araneus.cwl.process import Binding, Listing, OutputBinding, SecondaryFile


@dataclass(frozen=True, slots=True)
class Primitive:
    """``null boolean int long float double string File Directory Any``."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayType:
    """A list; ``binding`` binds the list, and that of ``items`` each item."""

    items: Type
    name: str | None = None
    binding: Binding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumType:
    """One of several symbols (short names)."""

    symbols: tuple[str, ...]
    name: str | None = None
    binding: Binding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordField:
    """A field of a record: of an input record (``binding``) or of an output record (``output_binding``)."""

    name: str
    type: Type
    binding: Binding | None = None
    output_binding: OutputBinding | None = None
    secondary_files: tuple[SecondaryFile, ...] = ()
    format: Any = None
    load_contents: bool = False
    load_listing: Listing | None = None
    streamable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType:
    """A dict with known fields."""

    fields: tuple[RecordField, ...]
    name: str | None = None
    binding: Binding | None = None


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of several types, tried in order."""

    options: tuple[Type, ...] = field(default_factory=tuple)


Type: TypeAlias = Primitive | ArrayType | EnumType | RecordType | UnionType

NULL = Primitive("null")
FILE = Primitive("File")
DIRECTORY = Primitive("Directory")
ANY = Primitive("Any")


def options(kind: Type) -> tuple[Type, ...]:
    """The alternatives of a type: those of a union, else the type itself."""
    return kind.options if isinstance(kind, UnionType) else (kind,)


def is_optional(kind: Type) -> bool:
    """Whether null is allowed. ``Any`` does not include null in CWL."""
    return NULL in options(kind)
