"""The differences between the two runners that are understood: what shows them, why they are there, and who is right.

A difference that no entry recognises fails the test. An entry recognises as little as it can.
"""

from dataclasses import dataclass
from typing import Final

from tests.oracle.case import Case, Seen
from tests.oracle.differences import (
    Recognise,
    after,
    all_non_null_of_one,
    defaults_seen_by_steps,
    file_or_list,
    index_first,
    items_without_words,
    list_of_any,
    names_before_clashes,
    nested_items_joined,
    not_itself,
    of_tool,
    once,
    only_ours,
    only_theirs,
    outputs_after,
    plain_booleans,
    plain_directories,
    plain_literals,
    plain_locations,
    plain_numbers,
    prefix_of_nothing,
    rewritten,
    settled,
    sorted_names,
    staged_twice,
    value_of_named_type,
    without_unknown,
)


@dataclass(frozen=True, kw_only=True)
class Explained:
    """``right`` is ``ours``, ``theirs``, ``both`` (the text leaves it open) or ``platform`` (ours follows the platform,
    against the letter). ``source`` is where the specification says so."""

    name: str
    right: str
    reason: str
    source: str
    recognise: Recognise


def explanation(case: Case, ours: Seen, theirs: Seen) -> Explained | None:
    """The first entry that recognises a difference."""
    return next((entry for entry in EXPLAINED if entry.recognise(case, ours, theirs)), None)


EXPLAINED: Final = (
    Explained(
        name="the peer crashes",
        right="ours",
        reason="An accident inside the peer (an exception that is not one of its own), which says nothing of the"
        " document.",
        source="",
        recognise=only_theirs("^crash: |object does not support item assignment|object has no attribute"),
    ),
    Explained(
        name="spelling of numbers",
        right="both",
        reason="A number stands in decimal notation here, without a fraction that is zero (1.23e5 and 123000.0 are one"
        " value and give 123000, as a conformance test wants); the peer keeps the spelling of the YAML (10.0), and the"
        " exponents inside text, lists and results of JavaScript.",
        source="v1.2 CommandLineTool, CommandLineBinding: 'decimal representation'; test very_big_and_very_floats",
        recognise=after(rewritten(plain_numbers)),
    ),
    Explained(
        name="spelling of booleans",
        right="ours",
        reason="Items joined by itemSeparator: true, false, null as in JSON; the peer writes True, False, None.",
        source="v1.2 CommandLineTool, CommandLineBinding (no word on it); String interpolation",
        recognise=after(rewritten(plain_booleans)),
    ),
    Explained(
        name="spelling of locations",
        right="both",
        reason="A location that becomes text is percent-encoded here; in the peer it is as the job has the path.",
        source="v1.2 CommandLineTool, File, location: 'An IRI'",
        recognise=after(rewritten(plain_locations)),
    ),
    Explained(
        name="several spellings",
        right="ours",
        reason="More than one of the differences of spelling in one case.",
        source="the entries on numbers, booleans and literals",
        recognise=after(settled),
    ),
    Explained(
        name="index before position",
        right="ours",
        reason="The items of a list whose type has a binding of its own (and whose port has none): the peer sorts by"
        " index,"
        " then by position.",
        source="v1.2 CommandLineTool, Input binding, step 3: 'the sorting key must include the array index or map key"
        " following the position'",
        recognise=index_first,
    ),
    Explained(
        name="separate without prefix",
        right="ours",
        reason="The peer refuses 'separate: false' without a prefix; the text does not ask for one.",
        source="v1.2 CommandLineTool, CommandLineBinding, separate",
        recognise=only_theirs("'separate' option can not be specified without prefix"),
    ),
    Explained(
        name="undefined",
        right="platform",
        reason="JavaScript that gives undefined: by the letter a failure, but apps of the platform leave functions"
        " without a return for 'nothing', so here it is null.",
        source="v1.2, Expressions: 'Other return values must result in a permanentFailure'",
        recognise=only_theirs("stdout was: 'undefined'|Expecting value: line 1 column 1|list index out of range"),
    ),
    Explained(
        name="null position",
        right="ours",
        reason="An expression for a position may give null.",
        source="v1.2 CommandLineTool, CommandLineBinding, position: 'a single value of type int or a null'",
        recognise=only_theirs("'position' expressions must evaluate to an int, not a <class 'NoneType'>"),
    ),
    Explained(
        name="booleans are integers in Python",
        right="ours",
        reason="The peer takes true for an int, a long, a float or a double, and true or false as a position.",
        source="v1.2, Data types: CWLType",
        recognise=only_ours(r"must (be|give) .*(integer|number|int|long|float|double)\b.*, not (true|false)"),
    ),
    Explained(
        name="prefix of an empty list",
        right="ours",
        reason="A valueFrom that gives an empty list adds nothing; the peer adds the prefix.",
        source="v1.2 CommandLineTool, CommandLineBinding: 'If the array is empty, it does not add anything'",
        recognise=prefix_of_nothing,
    ),
    Explained(
        name="valueFrom beside a named type",
        right="ours",
        reason="valueFrom stands for the whole value; the peer adds the fields of a named record too, but not of the"
        " same"
        " record written in place.",
        source="v1.2 CommandLineTool, CommandLineBinding, valueFrom",
        recognise=value_of_named_type,
    ),
    Explained(
        name="lists in Any",
        right="ours",
        reason="A list in a port of type Any: the prefix stands once before it and valueFrom is evaluated also when"
        " it is"
        " empty; the peer repeats the prefix for each item and passes over the empty list.",
        source="v1.2 CommandLineTool, CommandLineBinding: 'first add prefix, then recursively process individual"
        " elements'",
        recognise=list_of_any,
    ),
    Explained(
        name="environment from numbers",
        right="both",
        reason="A variable whose expression gives a number, a list or an object: the peer refuses, here it becomes"
        " text as"
        " it would inside other text.",
        source="v1.2 CommandLineTool, EnvironmentDef, envValue",
        recognise=only_theirs("'envValue expression must evaluate to a str"),
    ),
    Explained(
        name="null as a default",
        right="ours",
        reason="The default of a required input is null, and nothing is given: null does not have the type. The peer"
        " takes"
        " every input with a default for an optional one.",
        source="v1.2 CommandLineTool, CommandInputParameter, default",
        recognise=only_ours("is required .*, but its default is null"),
    ),
    Explained(
        name="locations of literals",
        right="both",
        reason="A literal that becomes text shows a made-up location in the peer and none here.",
        source="v1.2 CommandLineTool, File: 'contents'",
        recognise=after(rewritten(plain_literals)),
    ),
    Explained(
        name="globs that overlap",
        right="ours",
        reason="A file that several patterns of one glob match is one file; the peer lists it once for each.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob: 'find files that match any pattern in the array'",
        recognise=of_tool(outputs_after(once)),
    ),
    Explained(
        name="missing secondary files of v1.0",
        right="both",
        reason="A pattern of a v1.0 document has no mark for 'required'; the peer fails without the file, here, as on"
        " the"
        " platform, the tool gets what is there.",
        source="v1.0 CommandLineTool, secondaryFiles: 'An implementation may fail workflow execution if an expected"
        " secondary file does not exist'",
        recognise=lambda case, ours, theirs: (
            case.version == "v1.0" and only_theirs("Missing required secondary file")(case, ours, theirs)
        ),
    ),
    Explained(
        name="directories as secondary files",
        right="ours",
        reason="A directory found by a pattern beside an input is a Directory; the peer takes it for a File and fails.",
        source="v1.2 CommandLineTool, SecondaryFileSchema: 'files or directories'",
        recognise=only_theirs(r"x\.bam\.d .*not found or is not a regular file"),
    ),
    Explained(
        name="a file as its own secondary file",
        right="ours",
        reason="A pattern that gives the name of the primary file itself adds nothing; the peer lists the file beside"
        " itself.",
        source="v1.2 CommandLineTool, SecondaryFileSchema (no word on it)",
        recognise=outputs_after(not_itself),
    ),
    Explained(
        name="directories with the fields of files",
        right="ours",
        reason="nameroot, nameext and format belong to a File; the peer gives them to directories that a glob found.",
        source="v1.2 CommandLineTool, Directory; CommandOutputParameter, format: 'Only valid when type: File'",
        recognise=outputs_after(plain_directories),
    ),
    Explained(
        name="order of unusual names",
        right="ours",
        reason="Matches are sorted by name; the peer sorts the percent-encoded forms of the names.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob: POSIX glob(3), which sorts path names",
        recognise=outputs_after(sorted_names),
    ),
    Explained(
        name="entries before v1.2",
        right="both",
        reason="An entry that gives a number, a list or an object: text in v1.2, not foreseen before; the peer"
        " refuses it in"
        " documents of older versions.",
        source="v1.2 CommandLineTool, Dirent, entry; v1.1 has no word on it",
        recognise=lambda case, ours, theirs: (
            case.version != "v1.2" and only_theirs("'entry' expression|allowed to evaluate")(case, ours, theirs)
        ),
    ),
    Explained(
        name="literals as outputs",
        right="ours",
        reason="A File or Directory literal as an output; the peer loses track of some of them.",
        source="v1.2 CommandLineTool, File, contents: 'File contents literal'; Directory, listing",
        recognise=only_theirs(
            "missing both 'location' and 'path'|Does not exist or is not a (Directory|File): '_:"
            r"|No such file or directory: '\S*/stg[0-9a-f-]{36}/"
        ),
    ),
    Explained(
        name="outputs of workflows",
        right="ours",
        reason="The output of a workflow must have the type that it declares; the peer does not look.",
        source="v1.2, Generic execution process: 'Validate the output object against the outputs schema for the"
        " process'",
        recognise=lambda case, ours, theirs: (
            case.document["class"] == "Workflow"
            and only_ours("left outputs that cannot be used: .*: must be")(case, ours, theirs)
        ),
    ),
    Explained(
        name="names that clash",
        right="platform",
        reason="Two outputs of one name: here the second gets the platform's prefix (_1_) in its basename too, so"
        " that the"
        " name is that of the file; the peer renames only the file.",
        source="v1.2 CommandLineTool, File, basename",
        recognise=outputs_after(names_before_clashes),
    ),
    Explained(
        name="one file for a list of files",
        right="platform",
        reason="A File where a step wants File[], or a list of one where it wants a File, is settled at run time as the"
        " platform does; the peer refuses.",
        source="none: an extension of the platform",
        recognise=lambda case, ours, theirs: (
            case.document["class"] == "Workflow"
            and only_theirs(
                r"Invalid job input record.*([Ee]xpected a File object|expected (list of )?File)"
                r"|\"File\"\}? is incompatible"
            )(case, ours, theirs)
        ),
    ),
    Explained(
        name="no file for a file or a list",
        right="ours",
        reason="No match for a port that takes a File or a list of them is the empty list; the peer fails.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob",
        recognise=lambda case, ours, theirs: (
            file_or_list(case.document) and only_theirs("Did not find output file with glob")(case, ours, theirs)
        ),
    ),
    Explained(
        name="items that add no word",
        right="ours",
        reason="Items of a list that valueFrom gave are processed one by one: null, booleans, objects (which have no"
        " prefix there) add nothing, lists their own items; the peer writes Python's None, True, {...} and [...].",
        source="v1.2 CommandLineTool, CommandLineBinding, array: 'recursively process individual elements'",
        recognise=items_without_words,
    ),
    Explained(
        name="fractions of resources before v1.2",
        right="platform",
        reason="An expression of ResourceRequirement that gives a fraction in a document of v1.0 or v1.1: by the letter"
        " it must be an integer, but apps compute their memory; it is rounded up.",
        source="v1.1 CommandLineTool, ResourceRequirement: long; v1.2: long or float",
        recognise=only_theirs("Floats are not valid in resource requirement expressions"),
    ),
    Explained(
        name="positions of arguments",
        right="ours",
        reason="A position must be an integer; the peer looks at those of inputs, not at those of arguments.",
        source="v1.2 CommandLineTool, CommandLineBinding, position: 'a single value of type int or a null'",
        recognise=only_ours(r"arguments\[\d+\]/position: must give an integer"),
    ),
    Explained(
        name="literals that are matched again",
        right="ours",
        reason="A literal that was staged into the working directory and is matched by a glob there: the peer takes the"
        " directory for the file.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob",
        recognise=only_theirs(r"Is a directory: '\S*/out/\w+/'"),
    ),
    Explained(
        name="impossible resources",
        right="ours",
        reason="An expression of ResourceRequirement that gives text, a negative or a huge number is no amount.",
        source="v1.2 CommandLineTool, ResourceRequirement: 'Minimum reserved number of CPU cores'",
        recognise=only_ours(r"ResourceRequirement/\w+: must be (between 0 and 2\^53|a number), not"),
    ),
    Explained(
        name="one file matched twice",
        right="ours",
        reason="One file that several patterns of a glob match is a single file also for a port that takes one.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob: 'find files that match any pattern in the array'",
        recognise=only_theirs("Multiple matches for output item that is a single file"),
    ),
    Explained(
        name="contents of literals",
        right="ours",
        reason="loadContents of a File literal gives its contents; the peer looks for a file on disk.",
        source="v1.2 CommandLineTool, File, contents: 'File contents literal'",
        recognise=only_theirs("Reading _:[0-9a-f-]+"),
    ),
    Explained(
        name="spaces in listings",
        right="ours",
        reason="A file in a Directory whose name has a space: the peer decodes its location once too seldom.",
        source="v1.2 CommandLineTool, File, location (an IRI)",
        recognise=only_theirs(r"No such file or directory: '\S*b%20b\.txt'"),
    ),
    Explained(
        name="one input staged twice",
        right="ours",
        reason="An input that the listing names twice is put in both places; the peer knows one place for each.",
        source="v1.2 CommandLineTool, InitialWorkDirRequirement, listing",
        recognise=staged_twice,
    ),
    Explained(
        name="links between optional values",
        right="both",
        reason="An optional source of one type and an optional sink of another have null in common: here the value"
        " decides at run time, the peer refuses the document.",
        source="v1.2 Workflow, merging: 'The source and sink parameters must be compatible types'",
        recognise=only_theirs(r'type \["null", "\w+"\] is incompatible .*of type \["null", "\w+"\]'),
    ),
    Explained(
        name="not a number",
        right="ours",
        reason="NaN and infinities are no JSON; in the peer they become null.",
        source="v1.2, Expressions: 'Other return values must result in a permanentFailure'",
        recognise=only_ours("which is no JSON"),
    ),
    Explained(
        name="several differences of outputs",
        right="ours",
        reason="More than one of the differences of lists, directories and names in one case.",
        source="the entries on globs, directories and names",
        recognise=of_tool(
            outputs_after(lambda value: names_before_clashes(once(sorted_names(plain_directories(not_itself(value))))))
        ),
    ),
    Explained(
        name="null for Any",
        right="theirs",
        reason="An output of type Any that is null passes here, because tests of the suites have such steps.",
        source="v1.2 CommandLineTool, Any: 'must be non-null'",
        recognise=only_theirs("'Any' type must be non-null"),
    ),
    Explained(
        name="all_non_null of one list",
        right="platform",
        reason="One source in brackets whose value is a list: by the letter a list of that list, from which nothing is"
        " picked; editors write one source in brackets, so here it is picked from the list itself.",
        source="v1.2 Workflow, pickValue: 'evaluated after linkMerge'",
        recognise=all_non_null_of_one,
    ),
    Explained(
        name="defaults of another type",
        right="platform",
        reason="A default that is a boolean or a number where the port takes text is read as that text.",
        source="none: an extension of the platform",
        recognise=only_theirs("field is not valid because tried string but the value is not string"),
    ),
    Explained(
        name="constant outputEval",
        right="theirs",
        reason="An outputEval without an expression in it: by the letter not valid, here its own text.",
        source="v1.2 CommandLineTool, CommandOutputBinding, outputEval: Expression",
        recognise=only_theirs("'outputEval' field is not valid because"),
    ),
    Explained(
        name="links that are picked from",
        right="both",
        reason="The type of a link with pickValue is settled at run time here; the peer refuses what cannot fit.",
        source="v1.2 Workflow, pickValue: 'Static type checkers should check for type consistency'",
        recognise=only_theirs("is incompatible .*pickValue is:"),
    ),
    Explained(
        name="joined lists of lists",
        right="both",
        reason="itemSeparator between items that are lists or objects: each is JSON here, Python's form in the peer.",
        source="v1.2 CommandLineTool, CommandLineBinding, itemSeparator (no word on it)",
        recognise=nested_items_joined,
    ),
    Explained(
        name="links to nothing",
        right="both",
        reason="A glob that matches a symbolic link whose target is not there: no file here, a failure in the peer.",
        source="v1.2 CommandLineTool, CommandOutputBinding, glob (no word on it)",
        recognise=only_theirs(r"No such file or directory: '\S*/(linked|dangling|link\.txt)'"),
    ),
    Explained(
        name="inputs that the tool does not have",
        right="both",
        reason="A value of the job for which there is no port: expressions see it in the peer and not here.",
        source="v1.2, Parameter references: 'The input object to the current Process'",
        recognise=lambda case, ours, theirs: (
            "unknown" in case.job and after(lambda seen: rewritten(without_unknown)(settled(seen)))(case, ours, theirs)
        ),
    ),
    Explained(
        name="defaults of a tool in its step",
        right="both",
        reason="when and valueFrom of a step see inputs of the step; the peer has filled in the defaults of the tool"
        " by then.",
        source="v1.2 Workflow, WorkflowStep, when and WorkflowStepInput, valueFrom (no word on it)",
        recognise=defaults_seen_by_steps,
    ),
    Explained(
        name="resources as text",
        right="platform",
        reason="An expression of ResourceRequirement that gives a number as text is that number.",
        source="none: an extension of the platform",
        recognise=only_theirs("must be real number, not"),
    ),
)
