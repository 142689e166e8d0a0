"""Strategies for tools that are really run: a shell script that says what it finds and leaves files behind.

What the specification leaves open is not made:

- entries of a working directory that are no text, File or Directory before v1.2 (Dirent, entry: not foreseen there),
  and one input staged twice;
- a File where none may match, written as a union of File and File[] (CommandOutputBinding, glob: no word on it);
- several patterns for one File, links to nothing, numbers that are NaN, the listing of a Directory without one;
- File and Directory literals as outputs, which the other runner refuses;
- files of more than 64 KiB before v1.2, of which loadContents takes the beginning (the other runner fails);
- ``secondaryFiles`` and ``format`` of what is no File ("Only valid when type: File"), or may become none in an
  outputEval: the other runner fails on null;
- a list of an empty list where a File is wanted, which the other runner takes for null;
- a literal Directory of the job that is given back as an output: the other runner loses its place.
"""

import json
import re
import shlex
from typing import Any, Final

from hypothesis import strategies as st

from tests.oracle.case import Case
from tests.oracle.kinds import Pen
from tests.oracle.tools import placed
from tests.oracle.values import FILE_NAMES, FILE_TEXTS, VERSIONS, plain_texts, texts

REPORT: Final = "report.txt"
_SHOW: Final = f"""find -L . -type f ! -name {REPORT} ! -name errors.txt | LC_ALL=C sort | while IFS= read -r f; do
printf '%s=' "$f"; cat "$f"; echo; done; find -L . -type d | LC_ALL=C sort"""
_PRODUCTS: Final = (
    "a.txt", "b.txt", "c.log", "a.txt.idx", "a.idx", "x.bam", "x.bam.bai", "x.bai", "sp ace.txt", ".hidden", "é.txt",
    "d/one.txt", "d/two.txt", "d/e/deep.txt", "e/", "noext", "B.txt", "a10", "a9", "%41", "q[1].txt", "big.dat",
)  # fmt: skip
_GLOBS: Final = (
    "a.txt", "*.txt", "*", "d", "d/*", "d/*.txt", "*/*", "e", "?.txt", "[ab].txt", "missing*", "missing.txt", "x.bam",
    "d/",
    "a*", ".hidden", ".*", "sp ace.txt", "./a.txt", "*.log", "noext", "big.dat", "%41", "[!a]*", "d/e",
    "**", "é.txt", "[a-c]*", "x.b*",
)  # fmt: skip
_EXPRESSION_GLOBS: Final = ("$(inputs.s)", "$(inputs.s)*", "$(inputs.f.basename)", "$(inputs.f.nameroot)*")
_JAVASCRIPT_GLOBS: Final = (
    "$(['a.txt', 'b.txt'])",
    "${return '*.txt';}",
    "$([])",
    "$(null)",
    "${return ['*.log', 'a*'];}",
)
_EVALUATIONS: Final = (
    "$(self)", "$(self[0])", "$(self[0].basename)", "$(self.length)", "$(self[0].size)", "$(self[0].contents)",
    "$(null)",
    "$(inputs.f)", "$(inputs.s)", "$(inputs.n)", "$(self[0].nameroot)$(self[0].nameext)",
    "$(inputs.f.basename)", "$(self[0].class)", "$(runtime.cores)", "$(inputs.d)",
)  # fmt: skip
_JAVASCRIPT_EVALUATIONS: Final = (
    "$(self.slice().reverse())", "$(self.map(function(f) { return f.basename; }))",
    "$(parseInt(self[0].contents) || 0)",
    "$(self.length > 1)",
    "${self[0].basename = 'renamed.txt'; return self[0];}", "$(self.length ? self[0] : null)", "$(1.5)", "$([1, 2])",
    "$(self[0].contents.split('\\n'))",
    "$({f: self[0]})",
    "${return self.filter(function(f) { return f['class'] == 'File'; });}", "$(self.map(function(f) { return [f]; }))",
    "${self[0].format = 'http://example.org/f'; return self[0];}", "$(self.map(function(f) { return f.size; }))",
    "${self[0].secondaryFiles = self.slice(1); return self[0];}",
)  # fmt: skip
_NAMES: Final = [name for name in FILE_NAMES if name not in {"a.txt", "x.bam", "noext", ".hidden"}]
"""Inputs have other names than products: a tool that writes over its input without asking is another matter."""
_TYPES: Final = (
    "File", "File?", "File[]", "Directory", "Directory?", "Directory[]", "string", "string?", "int", "int?", "Any?",
    "boolean",
    "string[]", "float", "long", ["null", {"type": "array", "items": "File"}], ["File", "Directory"],
    ["null", "File", "Directory"], {"type": "array", "items": ["File", "Directory"]}, ["null", "string", "File"],
    {"type": "array", "items": {"type": "array", "items": "File"}}, {"type": "enum", "symbols": ["a.txt", "b.txt",
    "text"]},
    {"type": "record", "name": "rr", "fields": [{"name": "f",
    "type": "File"}]},
)  # fmt: skip
_PAIRS: Final = (
    ("File", "$(self[0])"), ("string", "$(self[0].basename)"), ("int", "$(self.length)"), ("long", "$(self[0].size)"),
    ("string", "$(self[0].contents)"), ("File", "$(inputs.f)"), ("Directory", "$(inputs.d)"), ("int", "$(inputs.n)"),
    ("string", "$(self[0].nameroot)$(self[0].nameext)"), ("File[]", "$(self)"),
    ("Any", "$(self)"), ("File[]", "$(inputs.fs)"), ("string", "$(runtime.cores)x"), ("File?", "$(null)"),
    (["File", "Directory"], "$(self[0])"), ("Any", "$(self[0])"), ("Any", "$(inputs)"),
)  # fmt: skip
_JAVASCRIPT_PAIRS: Final = (
    ("File[]", "$(self.slice().reverse())"), ("string[]", "$(self.map(function(f) { return f.basename; }))"),
    ("int?", "$(parseInt(self[0].contents) || 0)"), ("boolean", "$(self.length > 1)"), ("float", "$(1.5)"), ("double",
    "$(2.0)"),
    ("File", "${self[0].basename = 'renamed.txt'; return self[0];}"), ("File?", "$(self.length ? self[0] : null)"),
    ("string[]", "$([])"),
    ("string[]", "$(self[0].contents.split('\\n'))"), ("File",
    "${self[0].secondaryFiles = self.slice(1); return self[0];}"),
    ({"type": "array", "items": {"type": "array", "items": ["File", "Directory"]}},
    "$(self.map(function(f) { return [f]; }))"),
    ({"type": "record", "name": "rr", "fields": [{"name": "f", "type": "File"}]}, "$({f: self[0]})"), ("int[]",
    "$([1, 2])"),
    ("Any", "${return {a: [self[0], null, {b: inputs.f}]};}"), ("File",
    "${self[0].format = 'http://example.org/f'; return self[0];}"),
    ("string[]?", "$([])"), ("File[]", "$(self.concat(self))"), ("Any", "$(0)"), ("int?", "$(0)"), ("string?", "$('')"),
    ("boolean?", "$(false)"),
)  # fmt: skip
_NATURAL: Final = (
    "File",
    "File?",
    "File[]",
    "Directory?",
    "Directory[]",
    "File[]",
    ["null", {"type": "array", "items": "File"}],
)
_SECONDARY: Final = (
    ".idx",
    "^.idx",
    "^.bai",
    ".bai",
    ".missing",
    "^^.x",
    "$(self.basename).idx",
    "$(self.nameroot).bai",
)


@st.composite
def run_cases(draw: Any) -> Case:
    """A tool that is run, and whose outputs are collected."""
    pen = Pen(draw=draw, version=draw(st.sampled_from(VERSIONS)))
    javascript = not pen.chance(4)
    document: dict[str, Any] = {"class": "CommandLineTool", "cwlVersion": pen.version}
    document["inputs"] = {
        "f": {"type": "File", "inputBinding": {}} if pen.chance(4) else "File", "d": "Directory", "fs": "File[]",
        "s": "string",
        "n": "int",
    }  # fmt: skip
    job = {
        "f": pen.file(_NAMES), "d": pen.directory(["a.txt", "b.txt", "sub/c.txt"], most=3),
        "fs": [pen.file(_NAMES) for _ in range(pen.one(0, 1, 2))],
        "s": pen.one("a.txt", "b.txt", "d", draw(texts)), "n": pen.one(0, 7, -1),
    }  # fmt: skip
    if pen.chance(3):
        _inputs_with_company(pen, document, job)
    document["baseCommand"] = ["sh", "-c", _script(pen, document), "sh"]
    document["stdout"] = REPORT
    if pen.chance(3):
        document["stderr"] = "errors.txt"
    required: list[dict[str, Any]] = [{"class": "ResourceRequirement", "coresMin": 1, "ramMin": 64}]
    if javascript:
        required.append({"class": "InlineJavascriptRequirement"})
    if pen.chance(2):
        required.append({"class": "InitialWorkDirRequirement", "listing": _listing(pen, javascript=javascript)})
    if pen.chance(3):
        value = pen.one("$(inputs.s)", "$(inputs.f.basename)", draw(plain_texts), "n=$(inputs.n)")
        required.append({"class": "EnvVarRequirement", "envDef": {"FOO": value}})
    if pen.chance(6) and pen.version != "v1.0":
        required.append(
            {"class": "LoadListingRequirement", "loadListing": pen.one("no_listing", "shallow_listing", "deep_listing")}
        )
    document |= placed(pen, required)
    document["outputs"] = _outputs(pen, document, javascript=javascript)
    if "listing" in job["d"] and re.search(r"inputs(?:\.d)?\)", json.dumps(document)):
        job["d"] = pen.directory(["a.txt", "b.txt", "sub/c.txt"], most=3, literal=False)
    if "edam:" in json.dumps(document["outputs"]) or "edam:" in json.dumps(document["inputs"]):
        document["$namespaces"] = {"edam": "http://edamontology.org/"}
    return Case(document=document, job=job, files=pen.files)


def _inputs_with_company(pen: Pen, document: dict[str, Any], job: dict[str, Any]) -> None:
    """An input with secondary files, present or missing, and perhaps a format."""
    pen.files["with/x.bam"] = "bam"
    for name in pen.draw(
        st.lists(st.sampled_from(["x.bam.bai", "x.bai", "x.txt", "x.bam.d/in.txt"]), max_size=3, unique=True)
    ):
        pen.files[f"with/{name}"] = name
    patterns: list[Any] = pen.draw(
        st.lists(st.sampled_from([".bai", "^.bai", "^.txt", ".d", "$(self.nameroot).txt"]), min_size=1, max_size=2)
    )
    for pattern in patterns:
        if not pen.chance(4):
            name = {".bai": "x.bam.bai", "^.bai": "x.bai", ".d": "x.bam.d/in.txt"}.get(pattern, "x.txt")
            pen.files[f"with/{name}"] = name
    if pen.version != "v1.0":
        patterns = [
            {"pattern": pattern, "required": pen.one(True, False)} if pen.chance(2) else pattern + pen.one("", "?")
            if "$" not in pattern else pattern
            for pattern in patterns
        ]  # fmt: skip
    document["inputs"]["bam"] = {"type": "File", "secondaryFiles": patterns if pen.chance(2) else patterns[0]}
    job["bam"] = {"class": "File", "path": "with/x.bam"}
    if pen.chance(4) and "with/x.bam.bai" in pen.files:
        job["bam"]["secondaryFiles"] = [{"class": "File", "path": "with/x.bam.bai"}]
    if pen.chance(3):
        document["inputs"]["bam"]["format"] = "edam:format_2572"
        job["bam"]["format"] = pen.one(
            *["edam:format_2572", "http://edamontology.org/format_2572"] * 3, "edam:format_1"
        )


def _script(pen: Pen, document: dict[str, Any]) -> str:
    lines = (
        [_SHOW, 'for x in "$@"; do printf "%s|" "${x##*/}"; done; printf %s "$FOO"', "echo said >&2"]
        if not pen.chance(5)
        else []
    )
    if "bam" in document["inputs"] and pen.chance(2):
        document["inputs"]["bam"]["inputBinding"] = {}
        lines.append('for x in "$@"; do d=$(dirname "$x"); [ -d "$d" ] && ls "$d" | LC_ALL=C sort; done; :')
    pen.made += pen.draw(st.lists(st.sampled_from(_PRODUCTS), min_size=1, max_size=6, unique=True))
    for name in pen.made:
        parent = name.rpartition("/")[0]
        if parent:
            lines.append(f"mkdir -p {parent}")
        if name == "big.dat":
            size = pen.one(65535, 65536, 65537 if pen.version == "v1.2" else 4096)
            lines.append(f"head -c {size} /dev/zero | tr '\\0' x > big.dat")
        elif not name.endswith("/"):
            lines.append(f"printf %s {shlex.quote(pen.one(*FILE_TEXTS))} > {shlex.quote(name)}")
    if pen.chance(8):
        links = ["ln -s a.txt link.txt", "ln a.txt hard.txt"] * ("a.txt" in pen.made)
        links += ["ln -s d linked"] * any(name.startswith("d/") for name in pen.made)
        lines.append(pen.one(":", *links))
    if pen.chance(12):
        lines.append(f"printf %s {shlex.quote(json.dumps(_declared(pen)))} > cwl.output.json")
    if pen.chance(8):
        code = pen.one(1, 3, 42)
        lines.append(f"exit {code}")
        if pen.chance(2):
            document[pen.one("successCodes", "successCodes", "permanentFailCodes", "temporaryFailCodes")] = [code]
    return "\n".join(lines) or ":"


def _declared(pen: Pen) -> dict[str, Any]:
    """What a tool may say itself of its outputs."""
    values = [
        {"class": "File", "path": "a.txt"}, {"class": "File", "location": "b.txt"}, [{"class": "File",
        "path": "a.txt"}], "text",
        {"class": "Directory", "path": "d"}, 3, None, True, {"class": "File", "path": "a.txt", "basename": "other.txt"},
        {"class": "File", "path": "a.txt", "secondaryFiles": [{"class": "File", "path": "a.idx"}]},
        {"class": "File", "path": "d/one.txt"},
    ]  # fmt: skip
    return {
        name: pen.one(*values)
        for name in pen.draw(st.lists(st.sampled_from(["o1", "o2", "o3"]), max_size=3, unique=True))
    }


def _listing(pen: Pen, *, javascript: bool) -> Any:
    """The listing of InitialWorkDirRequirement."""
    if pen.chance(5):
        choices = ["$(inputs.fs)", "$([inputs.f, inputs.d])", "$(inputs.d.listing || [])"]
        return pen.one(*(choices if javascript else choices[:1]))
    entries = [_entry(pen, javascript=javascript) for _ in range(pen.one(1, 1, 2, 3))]
    names = [entry.get("entryname") if isinstance(entry, dict) else entry for entry in entries]
    staged = [set(re.findall(r"inputs\.(f|d|fs)\b(?!\.)", json.dumps(entry))) for entry in entries]
    return [
        entry
        for place, entry in enumerate(entries)
        if (names[place] not in names[:place] or pen.chance(10)) and not staged[place] & set().union(*staged[:place])
    ]


def _entry(pen: Pen, *, javascript: bool) -> Any:
    if pen.chance(3):
        bare = ["$(inputs.f)", "$(inputs.d)", "$(inputs.fs)"]
        bare += ["$([inputs.f])", "${return {class: 'File', basename: 'lit.txt', contents: 'lit'};}",
                 "${return {class: 'Directory', basename: 'litd', listing: [inputs.f]};}"] * javascript  # fmt: skip
        bare += ["$(null)"] if pen.version == "v1.2" and javascript else []
        return pen.one(*bare)
    entries = ["plain text", "s=$(inputs.s)\n", "$(inputs.f)", "$(inputs.d)", "$(inputs.s)", "", " $(inputs.s) "]
    entries += ["\\$(x)\\n \\\\ \\", "n: $(inputs.n)", "two\n$(inputs.n)$(inputs.s)\n"]
    if javascript:
        entries.append("$(JSON.stringify([inputs.n]))")
    if pen.version == "v1.2":
        entries += ["$(inputs.n)", "$(inputs.fs)"]
    if pen.version == "v1.2" and javascript:
        entries += ["${return {a: 1, b: [inputs.n, 'é']};}", "${return [1, 2];}", "$(1.5)", "${return null;}"]
    found: dict[str, Any] = {"entry": pen.one(*entries)}
    files = found["entry"] in ("$(inputs.f)", "$(inputs.d)", "$(inputs.fs)")
    if not pen.chance(2 if files else 40) and not (found["entry"] == "$(inputs.fs)" and not pen.chance(10)):
        names = ["staged.txt", "sub/dir/staged.txt", "$(inputs.f.basename)", "sp ace", "x-$(inputs.n).txt", "dd"]
        found["entryname"] = pen.one(*names)
    if pen.chance(3):
        found["writable"] = pen.one(True, False)
    return found


def _outputs(pen: Pen, document: dict[str, Any], *, javascript: bool) -> Any:
    found: dict[str, Any] = {}
    for name in pen.draw(st.lists(st.sampled_from(["o1", "o2", "o3"]), max_size=3, unique=True)):
        found[name] = _output(pen, javascript=javascript)
    found["report"] = pen.one("stdout", {"type": "stdout"}, {"type": "File", "outputBinding": {"glob": REPORT}})
    if "stderr" in document:
        found["errors"] = "stderr"
    if pen.chance(2):
        return [
            {"id": name, **(entry if isinstance(entry, dict) else {"type": entry})} for name, entry in found.items()
        ]
    return found


def _output(pen: Pen, *, javascript: bool) -> dict[str, Any]:
    if pen.chance(8):
        return {"type": _record(pen, javascript=javascript)}
    evaluated = pen.chance(3)
    kind = pen.one(*_TYPES) if evaluated or pen.chance(10) else pen.one(*_NATURAL)
    entry: dict[str, Any] = {"type": kind}
    if evaluated and not pen.chance(4):
        entry["type"], text = pen.one(*_PAIRS, *(_JAVASCRIPT_PAIRS if javascript else ()))
        binding = {"glob": _certain(pen), "outputEval": text, "loadContents": True}
        return entry | {"outputBinding": binding}
    if not pen.chance(20):
        entry["outputBinding"] = _binding(pen, kind, javascript=javascript, evaluated=evaluated)
        if kind in ("File", "Directory") and not pen.chance(4):
            entry["outputBinding"]["glob"] = pen.one(*map(_glob_of, pen.made))
    asks = "outputEval" not in entry.get("outputBinding", {})
    if asks and "File" in json.dumps(kind) and "Directory" not in json.dumps(kind):
        _ask_of_files(pen, entry)
    return entry


def _record(pen: Pen, *, javascript: bool) -> dict[str, Any]:
    kinds: list[Any] = ["File?", "File[]", "string?"]
    if pen.version == "v1.0":
        kinds = [["null", "File"], {"type": "array", "items": "File"}, ["null", "string"]]
    fields = []
    for name in ("p", "q"):
        kind = pen.one(*kinds)
        fields.append({"name": name, "type": kind, "outputBinding": _binding(pen, kind, javascript=javascript)})
    return {"type": "record", "name": f"out{next(pen.numbers)}", "fields": fields}


def _ask_of_files(pen: Pen, entry: dict[str, Any]) -> None:
    """Secondary files and a format."""
    if pen.chance(5):
        patterns: list[Any] = pen.draw(st.lists(st.sampled_from(_SECONDARY), min_size=1, max_size=2, unique=True))
        if pen.version != "v1.0":
            patterns = [
                {"pattern": each, "required": pen.one(True, False)} if pen.chance(3) else each for each in patterns
            ]
        entry["secondaryFiles"] = patterns
    if pen.chance(8):
        entry["format"] = pen.one("edam:format_2330", "http://edamontology.org/format_2330")


def _glob_of(name: str) -> str:
    return name.rstrip("/").replace("[1]", "[[]1]")


def _certain(pen: Pen) -> str:
    """A glob that finds a file."""
    return str(pen.one(*[_glob_of(name) for name in pen.made if not name.endswith("/")] or [REPORT]))


def _binding(pen: Pen, kind: Any, *, javascript: bool, evaluated: bool = False) -> dict[str, Any]:
    globs = [*_GLOBS, *_EXPRESSION_GLOBS, *(_JAVASCRIPT_GLOBS if javascript else ())]
    globs += [_glob_of(name) for name in pen.made] * 4
    several = ("[]" in json.dumps(kind) or "array" in json.dumps(kind)) and pen.chance(5)
    found: dict[str, Any] = {"glob": [pen.one(*globs), pen.one(*globs)] if several else pen.one(*globs)}
    if evaluated:
        evaluations = [*_EVALUATIONS, *(_JAVASCRIPT_EVALUATIONS if javascript else ())]
        found["outputEval"] = pen.one(*evaluations)
        if "[0]" in found["outputEval"]:
            found["glob"] = _certain(pen)
        if pen.chance(2) or "contents" in found["outputEval"]:
            found["loadContents"] = True
        if pen.chance(10) and "[0]" not in found["outputEval"]:
            del found["glob"]
    if pen.chance(10) and pen.version != "v1.0":
        found["loadListing"] = pen.one("no_listing", "shallow_listing", "deep_listing")
    return found
