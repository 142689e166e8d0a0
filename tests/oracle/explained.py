"""The classes of differences between the two runners that are understood: why they are there, and who is right.

A class takes away the one thing that it explains, and nothing else: a settlement from what was seen, a repair from the
case. What is left must be equal, word for word. So no class can hide a command line that is wrong elsewhere; that each
is needed, and that none hides more, is tested in `tests.oracle.test_explained`. A difference that no class takes away
fails the test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.oracle import differences, repairs, spellings
from tests.oracle.case import Case, Seen
from tests.oracle.differences import Settle, same
from tests.oracle.repairs import Repair

Again: TypeAlias = Callable[[Case], tuple[Seen, Seen]]
"""Runs a case through both runners: ours, theirs."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """``right`` is ``ours``, ``both`` (the text leaves it open) or ``platform`` (ours follows the platform). ``source``
    is where the specification says so. Either ``settle`` or ``repair`` is given."""

    name: str
    right: str
    reason: str
    source: str
    settle: Settle | None = None
    repair: Repair | None = None


def explanation(case: Case, ours: Seen, theirs: Seen, again: Again) -> tuple[str, ...] | None:
    """The names of the classes that explain a difference all together, none where there is none; None when it is not
    explained.

    A repaired case says the same by the letter: on it both runners must agree, and we must answer as before. Where both
    refuse, the peer may do so for a reason that a repair takes away; then it must still refuse.
    """
    if ours.refusal is not None and theirs.refusal is not None:
        *_, (_, repaired) = [((), case), *_repaired(case)]
        return () if repaired is case or all(each.refusal is not None for each in again(repaired)) else None
    settled = _settlement(case, ours, theirs)
    if settled is not None:
        return settled
    for names, repaired in _repaired(case):
        mine, other = again(repaired)
        agreed, kept = _settlement(repaired, mine, other), _settlement(repaired, ours, mine)
        if agreed is not None and kept is not None:
            return (*names, *agreed)
    return None


def _settlement(case: Case, ours: Seen, theirs: Seen) -> tuple[str, ...] | None:
    """The classes whose settlements make the two equal; None when they are not."""
    names: list[str] = []
    for entry in EXPLAINED:
        if same(ours, theirs):
            break
        if entry.settle is not None:
            before = (ours, theirs)
            ours, theirs = entry.settle(case, ours, theirs)
            names += [entry.name] if (ours, theirs) != before else []
    return tuple(names) if same(ours, theirs) else None


def _repaired(case: Case) -> Iterator[tuple[tuple[str, ...], Case]]:
    """The case after each repair alone, then after all of them (one may find what another left), where it changes."""
    found: list[str] = []
    seen = {str(case)}  # as text, for Python takes 2.0 for 2
    together = case
    for entry in EXPLAINED:
        if entry.repair is None:
            continue
        before, together = together, entry.repair(together)
        if str(together) != str(before):
            found.append(entry.name)
        changed = entry.repair(case)
        if str(changed) != str(case):
            seen.add(str(changed))
            yield (entry.name,), changed
    if str(together) not in seen:
        yield tuple(found), together


EXPLAINED: Final = (
    Explained(
        name="spelling of numbers",
        right="both",
        reason="A number is written without exponent and without a fraction of zero here; the peer keeps the spelling"
        " of the YAML (10.0) and exponents inside of text, lists and results of JavaScript.",
        source="v1.2 CommandLineTool, CommandLineBinding: 'decimal representation'; String interpolation: 'textual JSON"
        " representation'",
        settle=differences.plain_numbers,
    ),
    Explained(
        name="directories with the fields of files",
        right="ours",
        reason="nameroot, nameext and format belong to a File; the peer gives them to directories that a glob found.",
        source="v1.2 CommandLineTool, Directory; CommandOutputParameter, format: 'Only valid when type: File'",
        settle=differences.plain_directories,
    ),
    Explained(
        name="globs that overlap",
        right="ours",
        reason="A file that several patterns of one glob match is one file; the peer lists it once for each.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob: 'find files that match any pattern in the array'",
        settle=differences.files_once,
    ),
    Explained(
        name="a file as its own secondary file",
        right="ours",
        reason="A pattern that gives the name of the primary file adds nothing; the peer lists the file beside itself.",
        source="v1.2 CommandLineTool, SecondaryFileSchema: 'additional files or directories'",
        settle=differences.not_beside_itself,
    ),
    Explained(
        name="names that clash",
        right="platform",
        reason="Of two outputs of one name the second gets the platform's prefix (_1_) when it is published; the peer"
        " is asked before it moves files, because it cannot move one file to two places.",
        source="v1.2 CommandLineTool, File, basename (no word on it)",
        settle=differences.names_before_clashes,
    ),
    Explained(
        name="order of unusual names",
        right="ours",
        reason="Matches are sorted by name; the peer sorts the percent-encoded forms of the names.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob: POSIX glob(3), which sorts path names",
        settle=differences.sorted_names,
    ),
    Explained(
        name="bindings of named types",
        right="ours",
        reason="A type of SchemaDefRequirement means what it means in place; the peer loses its binding, and adds the"
        " fields of a named record also where valueFrom stands for the whole.",
        source="v1.2 CommandLineTool, SchemaDefRequirement; CommandLineBinding, valueFrom",
        repair=repairs.with_named_types_in_place,
    ),
    Explained(
        name="null position",
        right="ours",
        reason="An expression for a position may give null; the peer refuses.",
        source="v1.2 CommandLineTool, CommandLineBinding, position: 'a single value of type int or a null'",
        repair=repairs.without_null_positions,
    ),
    Explained(
        name="separate without prefix",
        right="ours",
        reason="The peer refuses 'separate: false' without a prefix; the text does not ask for one.",
        source="v1.2 CommandLineTool, CommandLineBinding, separate",
        repair=repairs.without_idle_separate,
    ),
    Explained(
        name="prefix of an empty list",
        right="ours",
        reason="A valueFrom that gives an empty list adds nothing; the peer adds the prefix.",
        source="v1.2 CommandLineTool, CommandLineBinding: 'If the array is empty, it does not add anything'",
        repair=repairs.without_prefixes_of_nothing,
    ),
    Explained(
        name="index before position",
        right="ours",
        reason="The items of a list whose type has a binding and whose port has none: the peer sorts by index, then by"
        " position.",
        source="v1.2 CommandLineTool, Input binding, step 3: 'the sorting key must include the array index or map key"
        " following the position'",
        repair=repairs.with_positions_around_lists,
    ),
    Explained(
        name="lists in Any",
        right="ours",
        reason="A list in a port of type Any is bound like any list; the peer repeats the prefix, or sorts by index.",
        source="v1.2 CommandLineTool, CommandLineBinding: 'an implementation must use the data type of the effective"
        " value'; 'first add prefix, then recursively process individual elements'",
        repair=repairs.with_types_for_any,
    ),
    Explained(
        name="names of types met twice",
        right="ours",
        reason="A port that may be null, or has a default, and holds an enum or a record: the peer reads the type once"
        " more for its items and then finds its name in use.",
        source="v1.2 CommandLineTool, CommandInputEnumSchema, name: 'The identifier for this type'",
        repair=repairs.with_types_settled,
    ),
    Explained(
        name="secondary files as directories, or missing",
        right="ours",
        reason="A pattern beside an input may find a directory, which the peer takes for a File; in v1.0 a runner may"
        " fail where nothing is found, which the peer does.",
        source="v1.2 CommandLineTool, SecondaryFileSchema: 'files or directories'; v1.0, secondaryFiles: 'An"
        " implementation may fail workflow execution if an expected secondary file does not exist'",
        repair=repairs.with_secondary_files_said,
    ),
    Explained(
        name="files taken for records",
        right="ours",
        reason="A File or Directory in a union with a record whose fields may all be left out: the peer takes it for"
        " the record if that comes first, and then does not find its place.",
        source="v1.2 CommandLineTool, File, class: 'Must be File to indicate this object describes a file'",
        repair=repairs.with_files_before_records,
    ),
    Explained(
        name="contents of literals",
        right="ours",
        reason="loadContents of a File literal gives its contents; the peer looks for a file on disk.",
        source="v1.2 CommandLineTool, File, contents: 'File contents literal'",
        repair=repairs.with_files_for_literals,
    ),
    Explained(
        name="booleans are integers in Python",
        right="ours",
        reason="The peer takes true for an int, a long, a float or a double.",
        source="v1.2, Data types: CWLType",
        repair=spellings.without_booleans,
    ),
    Explained(
        name="booleans are integers in Python, of outputs",
        right="ours",
        reason="The peer takes true for an output that is an int, a long, a float or a double.",
        source="v1.2, Data types: CWLType; Generic execution process: 'Validate the output object'",
        repair=spellings.without_boolean_outputs,
    ),
    Explained(
        name="defaults in another spelling",
        right="platform",
        reason="A default that can only be meant one way (2.0 for an int, 1 for a string) is taken so, with a warning,"
        " as the platform does; the peer refuses it. Values of a job must fit as they are.",
        source="v1.2 CommandLineTool, CommandInputParameter, default (no word on it)",
        repair=spellings.with_defaults_spelled,
    ),
)
