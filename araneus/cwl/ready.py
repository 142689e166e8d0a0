"""Inputs made ready for a tool: files described, formats checked, contents, listings and secondary files attached.

The step before paths are assigned (`cwl.staging`); also all that an ExpressionTool needs. Reads bytes through the
caller's `Locate`. Source: CWL v1.2 CommandLineTool, "CommandInputParameter" and "LoadListingRequirement".
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.expressions import Evaluator
from araneus.cwl.files import Locate, contents, described, is_literal, listed, literal_contents, split_name, trimmed
from araneus.cwl.process import InputPort, Listing, Process, SecondaryFile
from araneus.cwl.secondary import SecondaryRules, with_secondary
from araneus.cwl.types import ANY, ArrayType, RecordField, RecordType, Type, matches, options
from araneus.model.file import Location
from araneus.model.values import FileValue, Value, is_file_value, map_file_values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What a port, or a field of a record in it, asks of its files."""

    secondary: tuple[SecondaryFile, ...] = ()
    format: Value = None
    load_contents: bool = False
    listing: Listing = Listing.NONE
    discover: bool = True
    where: str = ""


def described_inputs(inputs: Mapping[str, Value], locate: Locate) -> dict[str, Value]:
    """The inputs with every file value described (see `cwl.files.described`)."""
    return {port: _described(value, locate, f"inputs/{port}") for port, value in inputs.items()}


def _described(value: Value, locate: Locate, where: str) -> Value:
    if not isinstance(value, dict | list):
        return value
    return map_file_values(value, lambda file: described(file, locate, where))


def ready_inputs(
    process: Process, inputs: Mapping[str, Value], evaluator: Evaluator, locate: Locate, *, discover: bool = True
) -> dict[str, Value]:
    """The inputs with everything attached that ports ask for. Raises `InputError` or `ExpressionError`.

    With ``discover`` secondary files that were not given are looked for beside their primary file, as is always done
    for defaults; without it they must have been given.
    """
    known = described_inputs(inputs, locate)
    reader = _Reader(process, known, evaluator, locate)
    ready = dict(known)
    for port in process.inputs:
        if isinstance(known.get(port.id), dict | list):
            found = discover or inputs[port.id] == port.default
            rules = replace(_port_rules(process, port), discover=found)
            ready[port.id] = reader.value(port.type, known[port.id], rules)
    return ready


def seen_inputs(process: Process, inputs: Mapping[str, Value]) -> dict[str, Value]:
    """The inputs as expressions see them: without the listings that the document did not ask for."""
    levels = {port.id: listing_level(process, port.load_listing) for port in process.inputs}
    return {
        port: trimmed(value, levels.get(port, Listing.NONE)) if isinstance(value, dict | list) else value
        for port, value in inputs.items()
    }


def listing_level(process: Process, own: Listing | None) -> Listing:
    """How deep listings are loaded: as the port says, else LoadListingRequirement, else the version's default."""
    if own is not None:
        return own
    requirement = process.requirement("LoadListingRequirement")
    if requirement is not None and requirement.get("loadListing"):
        return Listing(requirement["loadListing"])
    return Listing.DEEP if process.cwl_version == "v1.0" else Listing.NONE


def _port_rules(process: Process, port: InputPort | RecordField, outer: str = "inputs") -> _Rules:
    name = port.id if isinstance(port, InputPort) else port.name
    return _Rules(
        secondary=port.secondary_files,
        format=port.format,
        load_contents=port.load_contents,
        listing=listing_level(process, port.load_listing),
        where=f"{outer}/{name}",
    )


class _Reader:
    """Walks values along their types. Lives for one call of `ready_inputs`."""

    def __init__(self, process: Process, inputs: Mapping[str, Value], evaluator: Evaluator, locate: Locate) -> None:
        self._process = process
        self._inputs = inputs
        self._evaluator = evaluator
        self._locate = locate

    def value(self, kind: Type, value: Value, rules: _Rules) -> Value:
        """The value with what the rules ask for."""
        if is_file_value(value):
            return self._file(value, rules) if value["class"] == "File" else self._directory(value, rules)
        if isinstance(value, list):
            items = next((option.items for option in options(kind) if isinstance(option, ArrayType)), kind)
            return [self.value(items, item, rules) for item in value]
        if isinstance(value, dict):
            record = _record(kind, value)
            if record is not None:
                return {**value, **self._fields(record, value, rules)}
        return value

    def _fields(self, record: RecordType, value: dict[str, Any], rules: _Rules) -> dict[str, Value]:
        """The fields that are not as they were given: what is read, and null for what was left out."""
        absent: dict[str, Value] = {entry.name: None for entry in record.fields if entry.name not in value}
        return absent | {
            entry.name: self.value(
                entry.type, value[entry.name], _field_rules(_port_rules(self._process, entry, rules.where), rules)
            )
            for entry in record.fields
            if isinstance(value.get(entry.name), dict | list)
        }

    def _file(self, value: FileValue, rules: _Rules) -> FileValue:
        if rules.format is not None:
            self._check_format(value, rules)
        if rules.secondary:
            value = with_secondary(value, self._secondary_rules(rules), self._beside if rules.discover else _nothing)
        if rules.load_contents:
            value = {**value, "contents": self._contents(value, rules)}
        return value

    def _directory(self, value: FileValue, rules: _Rules) -> FileValue:
        if rules.secondary:
            value = with_secondary(value, self._secondary_rules(rules), self._beside if rules.discover else _nothing)
        return listed(value, rules.listing, self._locate, rules.where)

    def _contents(self, value: FileValue, rules: _Rules) -> str:
        if is_literal(value):
            return literal_contents(value, self._process.cwl_version, rules.where)
        return contents(self._locate(value["location"]), self._process.cwl_version, rules.where)

    def _secondary_rules(self, rules: _Rules) -> SecondaryRules:
        return SecondaryRules(
            patterns=rules.secondary,
            default_required=self._process.cwl_version != "v1.0",
            evaluator=self._evaluator,
            inputs=self._inputs,
            runtime=None,
            where=rules.where,
            error=InputError,
        )

    def _beside(self, primary: FileValue, name: str) -> FileValue | None:
        location = primary.get("location")
        if not isinstance(location, str) or not location.startswith("file://"):
            return None
        return beside(location, name, self._locate)

    def _check_format(self, value: FileValue, rules: _Rules) -> None:
        allowed: list[str] = []
        for item in rules.format if isinstance(rules.format, list | tuple) else [rules.format]:
            result = self._evaluator.evaluate(item, inputs=self._inputs, self_=value, where=f"{rules.where}/format")
            allowed += [str(entry) for entry in (result if isinstance(result, list) else [result]) if entry is not None]
        given = value.get("format")
        if given is None or not allowed or given in allowed or self._process.extensions.get("$schemas"):
            return
        raise InputError(
            Problem(rules.where, f"{value['basename']!r} has format {given!r}, but {' or '.join(allowed)} is needed")
        )


def _field_rules(own: _Rules, outer: _Rules) -> _Rules:
    """A field's own rules; what the port around it says of listings holds where the field is silent."""
    listing = own.listing if own.listing is not Listing.NONE else outer.listing
    return replace(own, listing=listing, discover=outer.discover)


def _nothing(_primary: FileValue, _name: str) -> None:
    return None


def _record(kind: Type, value: dict[str, Any]) -> RecordType | None:
    records = [option for option in options(kind) if isinstance(option, RecordType)]
    if len(records) > 1:
        return next((record for record in records if not matches(record, value)), None)
    return records[0] if records else None


def output_problems(kind: Type, value: Value) -> list[Problem]:
    """What keeps a value from being an output of this type. ``Any`` may be null here: the suites rely on it."""
    return [] if value is None and ANY in options(kind) else matches(kind, value)


def beside(location: Location, name: str, locate: Locate) -> FileValue | None:
    """The file or directory of this name in the directory of a ``file://`` location, or None."""
    parent, _, _ = location.rpartition("/")
    path = locate(location).parent / name
    if not os.path.lexists(path):
        return None
    found = f"{parent}/{quote(os.fsencode(name))}"
    if Path(path).is_dir():
        return {"class": "Directory", "location": found, "basename": name}
    if not Path(path).is_file():
        return None
    root, extension = split_name(name)
    size = Path(path).stat().st_size
    return {
        "class": "File", "location": found, "basename": name, "nameroot": root, "nameext": extension, "size": size
    }  # fmt: skip
