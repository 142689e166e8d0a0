"""What people write: spellings, habits and packers of all kinds, each of which must be read as it is meant."""

from typing import Any

import pytest

from araneus.cwl.errors import DocumentError, UnsupportedError
from araneus.cwl.load import examine, load_document, parse_text
from araneus.cwl.process import MISSING, SecondaryFile, Workflow
from araneus.cwl.types import describe, matches
from tests.cwl.loading import COPY, load_tool, load_workflow, problems, step, tool, workflow


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("string?", "string?"),
        ("string[]?", "string[]?"),
        ("string?[]", "list of (string?)"),
        ("int?[]?", "list of (int?)?"),
        ("File[][]", "File[][]"),
        ("File??", "File?"),
        (["null", ["string"]], "string?"),
        (["string?", "int"], "null or string or int"),
        ({"type": ["null", "File"]}, "File?"),
        ({"type": "string?"}, "string?"),
        ({"type": "array", "items": "string?"}, "list of (string?)"),
        ({"type": "array", "items": ["null", "string"]}, "list of (string?)"),
        ([{"type": "enum", "symbols": ["a"]}, "null"], "one of a or null"),
        ({"type": "enum", "name": "#x", "symbols": ["#x/a", "https://y.org#x/b"]}, "one of a, b"),
        ("cwl:File", "File"),
        ("https://w3id.org/cwl/cwl#File", "File"),
        ("http://www.w3.org/2001/XMLSchema#string", "string"),
        ("xsd:int", "int"),
    ],
)
def test_types(given: Any, read: str) -> None:
    assert describe(load_tool(inputs={"a": {"type": given}}).inputs[0].type) == read


@pytest.mark.parametrize(
    ("port", "read"),
    [
        ({"type": "array", "items": "string"}, "string[]"),
        ({"type": "enum", "symbols": ["a", "b"]}, "one of a, b"),
        ({"type": "record", "fields": {"a": "int"}}, "record"),
    ],
)
def test_a_type_that_is_spread_over_its_port(port: dict[str, Any], read: str) -> None:
    for document in (
        tool(inputs={"a": port}, outputs={"b": port}),
        tool(inputs=[{"id": "a"} | port], outputs=[{"id": "b"} | port]),
    ):
        found = examine(document)
        assert describe(found.process.inputs[0].type) == describe(found.process.outputs[0].type) == read
        assert {problem.where for problem in found.doubts} == {"inputs/a/type", "outputs/b/type"}
    nested = {"type": "record", "fields": [{"name": "f"} | port]}
    assert [each.where for each in examine(tool(inputs={"a": {"type": nested}})).doubts] == [
        "inputs/a/type/fields/f/type"
    ]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("String", "string"),
        ("str", "string"),
        ("file", "File"),
        ("bool", "boolean"),
        ("integer", "int"),
        ("Fille[]", "File"),
        ("directory?", "Directory"),
        ("sampl", "sample"),
    ],
)
def test_a_wrong_type_names_the_nearest(wrong: str, meant: str) -> None:
    types = {"sample": {"type": "record", "fields": {"a": "int"}}}
    said = problems(tool(inputs={"a": wrong}, requirements={"SchemaDefRequirement": {"types": types}}))
    assert said["inputs/a/type"].endswith(f"did you mean {meant!r}?")


SECONDARY: list[tuple[Any, list[SecondaryFile]]] = [
    (".bai", [SecondaryFile(pattern=".bai")]),
    ("^.bai?", [SecondaryFile(pattern="^.bai", required=False)]),
    ("$(self.basename).x", [SecondaryFile(pattern="$(self.basename).x")]),
    ("${return '?';}", [SecondaryFile(pattern="${return '?';}")]),
    ([".a", None, "^.b?"], [SecondaryFile(pattern=".a"), SecondaryFile(pattern="^.b", required=False)]),
    ({"pattern": ".a", "required": False}, [SecondaryFile(pattern=".a", required=False)]),
    ([{"pattern": ".a?"}], [SecondaryFile(pattern=".a", required=False)]),
    ([{"pattern": ".a", "required": "$(1 > 0)"}], [SecondaryFile(pattern=".a", required="$(1 > 0)")]),
    ([{"pattern": ".a", "required": None}], [SecondaryFile(pattern=".a")]),
]


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
@pytest.mark.parametrize(("given", "read"), SECONDARY)
def test_secondary_files(version: str, given: Any, read: list[SecondaryFile]) -> None:
    port = {"type": "File", "secondaryFiles": given}
    if version == "v1.0" and "pattern" in str(given):
        assert "needs CWL v1.1" in str(problems(tool(cwlVersion=version, inputs={"a": port})))
        return
    assert list(load_tool(cwlVersion=version, inputs={"a": port}).inputs[0].secondary_files) == read
    held = {"type": "array", "items": {"type": "record", "fields": [{"name": "f"} | port]}}
    load_tool(cwlVersion=version, inputs={"a": {"type": held}})


EMPTY: dict[str, Any] = {
    "id": None, "label": None, "doc": None, "hints": None, "requirements": None, "stdin": None, "stdout": None,
    "stderr": None, "arguments": None, "successCodes": None, "temporaryFailCodes": [], "$namespaces": None,
}  # fmt: skip
PORT: dict[str, Any] = {
    "type": "File?", "label": None, "doc": None, "secondaryFiles": None, "format": None, "inputBinding": None,
    "streamable": None, "default": None, "loadContents": None, "loadListing": None,
}  # fmt: skip


def test_null_is_nothing_anywhere() -> None:
    plain = load_tool(inputs={"a": "File?"})
    found = load_tool(**EMPTY, inputs={"a": PORT})
    assert found.inputs[0].default is None
    assert plain.inputs[0].default is MISSING
    assert found.inputs[0].secondary_files == ()
    assert (found.requirements, found.hints, found.label) == ({}, {}, None)
    bound = {"prefix": None, "separate": None, "itemSeparator": None, "shellQuote": None, "valueFrom": None}
    assert load_tool(inputs={"a": {"type": "File", "inputBinding": bound}}).inputs[0].binding is not None
    inner: dict[str, Any] = {
        "scatter": None,
        "scatterMethod": None,
        "when": None,
        "label": None,
        "requirements": None,
        "hints": [],
    }
    found_workflow = load_workflow(steps={"s": step(tool(), **inner)}, label=None, doc=None)
    assert found_workflow.steps[0].scatter == ()


def test_foreign_keys_stand_anywhere() -> None:
    foreign = {"sbg:x": 1, "sbg:y": {"deep": [None]}, "acme:z": "z", "http://schema.org/author": "me"}
    inner = tool(
        inputs={"a": {"type": "File", "inputBinding": {"position": 1, **foreign}, **foreign}},
        outputs=[{"id": "o", "type": "File", "outputBinding": {"glob": "*", **foreign}, **foreign}],
        hints=[{"class": "sbg:Whatever", **foreign}, {"class": "Nobody"}, {"class": "http://x.org#Y"}],
        requirements=[
            {"class": "sbg:Whatever", **foreign},
            {"class": "DockerRequirement", "dockerPull": "x", **foreign},
        ],
        arguments=[{"valueFrom": "x", **foreign}],
        **foreign,
    )
    document = workflow(
        inputs=[{"id": "f", "type": {"type": "array", "items": "File", **foreign}, **foreign}],
        outputs={"o": {"type": "File[]", "outputSource": "s/o", **foreign}},
        steps=[{"id": "s", "run": inner, "in": [{"id": "a", "source": "f", **foreign}], "out": [{"id": "o", **foreign}],
                "scatter": "a", **foreign}],
        **foreign,
    )  # fmt: skip
    examined = examine(document)
    assert (examined.broken, examined.doubts) == ((), ())


def test_a_foreign_hint_may_be_its_value_alone() -> None:
    found = load_tool(hints={"sbg:AWSInstanceType": "c4.large", "sbg:useSbgFS": None})
    assert found.hints == {"sbg:AWSInstanceType": {"value": "c4.large"}, "sbg:useSbgFS": {}}


@pytest.mark.parametrize(("outer", "inner"), [("v1.0", "v1.2"), ("v1.2", "v1.0"), ("v1.1", "v1.0"), ("v1.2", "v1.1")])
def test_versions_may_differ_inside(outer: str, inner: str) -> None:
    run = tool(cwlVersion=inner, id="t", **{"$namespaces": {"edam": "http://edamontology.org/"}, "$schemas": ["x"]},
               inputs={"a": {"type": "File", "format": "edam:format_1"}})  # fmt: skip
    document = workflow(cwlVersion=outer, inputs={"a": "File"}, steps={"s": step(run, **{"in": {"a": "a"}})})
    found = load_document(document)
    assert isinstance(found, Workflow)
    assert (found.cwl_version, found.steps[0].run.cwl_version) == (outer, inner)
    assert found.steps[0].run.inputs[0].format == "http://edamontology.org/format_1"


@pytest.mark.parametrize(
    "prefix", ["", "#", "#main/", "file:///a/b.cwl#", "file:///a/b.cwl#main/", "https://x.org/v2/apps/o/p/a/3/raw/#"]
)
def test_ids_in_every_length(prefix: str) -> None:
    document = workflow(
        id=prefix.rpartition("/")[0] if prefix.endswith("/") else prefix.rpartition("#")[0] or "main",
        inputs=[{"id": f"{prefix}f", "type": "File"}],
        outputs=[{"id": f"{prefix}o", "type": "File", "outputSource": f"{prefix}s/y"}],
        steps=[{"id": f"{prefix}s", "run": COPY, "in": [{"id": f"{prefix}s/x", "source": f"{prefix}f"}],
                "out": [{"id": f"{prefix}s/y"}]}],
    )  # fmt: skip
    found = load_document(document)
    assert isinstance(found, Workflow)
    assert ([port.id for port in found.inputs], found.outputs[0].source) == (["f"], ("s/y",))
    assert (found.steps[0].id, found.steps[0].inputs[0].source, found.steps[0].outputs) == ("s", ("f",), ("y",))


def test_the_same_id_in_several_scopes() -> None:
    inner = tool(id="x", inputs={"x": "File"}, outputs={"x": "File"})
    document = workflow(
        id="x",
        inputs={"x": "File"},
        outputs={"y": {"type": "File", "outputSource": "x/x"}},
        steps={"x": step(inner, **{"in": {"x": "x"}, "out": ["x"]})},
    )
    found = load_document(document)
    assert isinstance(found, Workflow)
    assert (found.steps[0].inputs[0].source, found.outputs[0].source) == (("x",), ("x/x",))


# ---- packers


def packed(*processes: dict[str, Any]) -> dict[str, Any]:
    return {"cwlVersion": "v1.2", "$graph": [dict(each) for each in processes]}


def test_a_graph_without_main_has_its_outermost_process() -> None:
    wf = workflow(id="#wf", inputs={"f": "File"}, steps={"s": step("#copy", **{"in": {"x": "f"}})})
    copy, spare = COPY | {"id": "#copy"}, tool(id="#spare")
    assert load_document(packed(copy, wf)).id == "wf"
    assert load_document(packed(copy, spare, wf)).id == "wf"  # the only workflow that no other runs
    outer = workflow(id="#outer", inputs={"f": "File"}, steps={"s": step("#wf", **{"in": {"f": "f"}})})
    assert load_document(packed(wf, copy, outer)).id == "outer"
    assert load_document(packed(copy)).id == "copy"
    assert "#copy, #spare" in problems(packed(copy, spare))[""]
    assert "#wf, #wf2, #copy" in problems(packed(wf, wf | {"id": "#wf2"}, copy))[""]
    assert problems({"cwlVersion": "v1.2", "$graph": {"a": copy}}) == {
        "$graph": "must be a list of processes, not a mapping"
    }


def test_a_type_is_imported_from_elsewhere_in_the_same_document() -> None:
    """As packers write a type that several tools share."""
    definition = {
        "name": "#types.yml/sample",
        "type": "record",
        "fields": [{"name": "#types.yml/sample/a", "type": "int"}],
    }
    first = tool(
        id="#one",
        inputs={"s": "#types.yml/sample"},
        requirements=[{"class": "SchemaDefRequirement", "types": [definition]}],
    )
    imported = {"class": "SchemaDefRequirement", "types": [{"$import": "#types.yml/sample"}]}
    second = first | {"id": "#two", "requirements": [imported]}
    main = workflow(
        id="#main", requirements=[imported], inputs={"s": "#types.yml/sample"},
        steps={name: step(f"#{name}", **{"in": {"s": "s"}}) for name in ("one", "two")},
    )  # fmt: skip
    found = load_document(packed(first, second, main))
    assert isinstance(found, Workflow)
    one, two = (each.run.inputs[0].type for each in found.steps)
    assert one == two == found.inputs[0].type
    named = definition | {"id": "#types.yml"}
    whole = first | {"requirements": [{"class": "SchemaDefRequirement", "types": [named]}]}
    by_file = {"class": "SchemaDefRequirement", "types": [{"$import": "#types.yml"}]}
    load_document(packed(whole, second | {"requirements": [by_file]}, main))


@pytest.mark.parametrize("target", ["#nobody", "#self"])
def test_an_import_of_nothing_or_of_itself_is_told(target: str) -> None:
    types = [{"name": "self", "type": "record", "fields": [{"name": "a", "type": {"$import": target}}]}]
    found = problems(tool(requirements=[{"class": "SchemaDefRequirement", "types": types}]))
    [(place, what)] = found.items()
    assert place.startswith("requirements/0/types/0/fields/0/type")
    assert target in what


def test_imports_that_double_are_stopped() -> None:
    types: list[Any] = [{"name": "t0", "type": "enum", "symbols": ["a"]}]
    types += [{"name": f"t{n}", "x": [{"$import": f"#t{n - 1}"}, {"$import": f"#t{n - 1}"}]} for n in range(1, 60)]
    chain: list[Any] = [{"name": f"t{n}", "x": {"$import": f"#t{n + 1}"}} for n in range(5000)]
    for definitions in (types, chain):
        with pytest.raises(DocumentError):
            load_document(tool(**{"sbg:x": definitions}))


# ---- YAML


def test_merge_keys_and_anchors() -> None:
    text = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: cat
x-common: &file
  type: File
  inputBinding: &bound {position: 1, prefix: -a}
inputs:
  one: *file
  two:
    <<: *file
    inputBinding: {<<: *bound, position: 2}
  three: {<<: [{type: File?}, *file], label: third}
outputs: []
"""
    one, two, three = examine(parse_text(text)).process.inputs
    assert one.binding is not None
    assert two.binding is not None
    assert (one.binding.position, two.binding.position, two.binding.prefix) == (1, 2, "-a")
    assert (describe(three.type), three.label, three.binding) == ("File?", "third", one.binding)


def test_words_and_numbers_of_older_yaml() -> None:
    text = """
cwlVersion: v1.0
class: CommandLineTool
label: 2.0
doc: 7
baseCommand: [echo, "1:30"]
inputs:
  a: {type: 'string?', default: yes, inputBinding: {position: '2', separate: no, shellQuote: on}}
  b: {type: string, default: 1:30}
  c: {type: string, default: 2001-01-01}
  d: {type: {type: enum, symbols: [yes, no, on]}, default: no}
requirements:
  ResourceRequirement: {ramMin: "4000", coresMin: '2'}
outputs: []
"""
    found = examine(parse_text(text))
    a, b, c, d = found.process.inputs
    assert (a.default, b.default, c.default, d.default) == ("yes", "1:30", "2001-01-01", "no")
    assert a.binding is not None
    assert (a.binding.position, a.binding.separate, a.binding.shell_quote) == (2, False, True)
    assert found.process.requirements["ResourceRequirement"] == {"ramMin": 4000, "coresMin": 2}
    assert found.process.label == "2.0"
    assert {problem.where for problem in found.doubts} == {
        "inputs/a/inputBinding/position",
        "inputs/a/inputBinding/separate",
        "inputs/a/inputBinding/shellQuote",
        "requirements/ResourceRequirement/coresMin",
        "requirements/ResourceRequirement/ramMin",
    }


# ---- typing errors


@pytest.mark.parametrize(
    ("document", "where", "meant"),
    [
        (tool(outputs={"o": {"type": "File", "outputBindings": {"glob": "x"}}}), "outputs/o", "outputBinding"),
        (workflow(inputs={"x": "File"}, outputs={"o": {"type": "File", "source": "x"}}), "outputs/o", "outputSource"),
        (tool(inputs={"o": {"type": "File", "description": "x"}}), "inputs/o", "doc"),
        (tool(comand="x", baseComand="x"), "", "baseCommand"),
        ({**tool(), "class": "CommandlineTool"}, "class", "CommandLineTool"),
        (workflow(inputs={"x": "string[]"}, steps={"a": step(COPY, scatterMethod="dotProduct")}),
         "steps/a/scatterMethod", "dotproduct"),
        (packed(workflow(id="main", steps={"a": step("#copi")}), COPY), "steps/a/run", "copy"),
    ],
)  # fmt: skip
def test_a_typing_error_names_the_nearest(document: dict[str, Any], where: str, meant: str) -> None:
    assert problems(document)[where].endswith(f"did you mean {meant!r}?")


def test_a_misspelt_requirement_names_the_nearest() -> None:
    with pytest.raises(UnsupportedError, match="did you mean 'InlineJavascriptRequirement'"):
        load_document(tool(requirements={"InlineJavaScriptRequirement": {}}))


def test_a_class_of_another_runner_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="ProcessGenerator"):
        load_document({**tool(), "class": "cwltool:ProcessGenerator"})


# ---- names of CWL in full


CWL = "https://w3id.org/cwl/cwl#"


@pytest.mark.parametrize("prefix", ["cwl:", CWL, "c:"])
def test_fields_and_classes_in_full_are_those_of_cwl(prefix: str) -> None:
    document = {
        "$namespaces": {"c": CWL, "sbg": "https://sb/"},
        "cwlVersion": "v1.0",
        f"{prefix}id": "t",
        "class": f"{prefix}CommandLineTool",
        f"{prefix}requirements": [{"class": f"{prefix}DockerRequirement", f"{prefix}dockerPull": "debian"}],
        f"{prefix}baseCommand": ["cat", "x"],
        f"{prefix}inputs": {"f": {f"{prefix}type": "File", f"{prefix}inputBinding": {f"{prefix}position": 3}}},
        f"{prefix}outputs": [],
        "sbg:label": "not ours",
        f"{prefix}unheardOf": 1,
    }
    before = str(document)
    plain = {key.removeprefix(prefix): value for key, value in document.items()}
    plain |= {
        "class": "CommandLineTool",
        "requirements": {"DockerRequirement": {"dockerPull": "debian"}},
        "inputs": {"f": {"type": "File", "inputBinding": {"position": 3}}},
        "unheardOf": 1,
    }
    for given, wanted in ((document, plain), (packed(document | {"id": "#t"}), packed(plain | {"id": "#t"}))):
        found, expected = examine(given).process, examine(wanted).process
        assert (found.requirements, found.inputs) == (expected.requirements, expected.inputs)
        assert found.requirements["DockerRequirement"] == {"dockerPull": "debian"}
    assert str(document) == before


def test_names_in_full_in_data_and_beside_the_short_ones_stay() -> None:
    data = {"cwl:label": 1, "class": "cwl:Workflow"}
    document = {"cwl:label": "full", "label": "short", "inputs": {"a": {"type": "Any", "default": data}}}
    found = examine(tool(**document)).process
    assert (found.label, found.inputs[0].default) == ("short", data)
    assert found.extensions == {"cwl:label": "full"}


# ---- what may be ignored


def test_a_hint_that_says_nothing_is_ignored() -> None:
    hints: list[Any] = [None, "InlineJavascriptRequirement", {"SoftwareRequirement": {}}, {"x": 1}]
    found = examine(tool(hints=[*hints, {"class": "NetworkAccess", "networkAccess": True}]))
    assert found.process.hints == {"NetworkAccess": {"networkAccess": True}}
    assert [problem.where for problem in found.doubts] == ["hints"]
    assert problems(tool(requirements=hints)) == {
        "requirements/0": "must be a mapping, not null",
        "requirements/1": "must be a mapping, not text",
        "requirements/2": "needs 'class': a text that is not empty; write - class: SoftwareRequirement",
        "requirements/3": "needs 'class': a text that is not empty",
    }


@pytest.mark.parametrize("version", ["v1.0", "v1.2"])
def test_streams_without_a_name_are_none(version: str) -> None:
    """As converters of the platform's older apps write them."""
    found = load_tool(cwlVersion=version, stdin="", stdout="", stderr="", outputs={"o": "stdout"})
    assert (found.stdin, found.stderr) == (None, None)
    assert found.stdout == load_tool(cwlVersion=version, outputs={"o": "stdout"}).stdout
    assert load_tool(stdout="").stdout is None


def test_words_and_numbers_in_quotes_in_requirements() -> None:
    asked = {"NetworkAccess": {"networkAccess": "Yes"}, "ToolTimeLimit": {"timelimit": "60"}}
    found = examine(tool(requirements=asked, doc=["Version", 1.5]))
    assert found.process.requirements == {"NetworkAccess": {"networkAccess": True}, "ToolTimeLimit": {"timelimit": 60}}
    assert {problem.where for problem in found.doubts} == {
        "requirements/NetworkAccess/networkAccess",
        "requirements/ToolTimeLimit/timelimit",
    }
    wrong = {"NetworkAccess": {"networkAccess": "maybe"}, "ToolTimeLimit": {"timelimit": "an hour"}}
    assert len(problems(tool(requirements=wrong))) == 2


def test_an_output_listed_twice_is_one() -> None:
    run = tool(outputs={"o": {"type": "File", "outputBinding": {"glob": "*"}}})
    found = examine(workflow(steps={"s": step(run, out=["o", {"id": "o"}])}))
    assert isinstance(found.process, Workflow)
    assert found.process.steps[0].outputs == ("o",)
    assert [problem.where for problem in found.doubts] == ["steps/s/out"]


def test_an_enum_without_symbols_takes_only_null() -> None:
    kind = {"type": "enum", "name": "mode", "symbols": []}
    found = examine(tool(inputs={"a": {"type": ["null", kind]}}))
    assert [problem.where for problem in found.doubts] == ["inputs/a/type/1/symbols"]
    assert matches(found.process.inputs[0].type, None) == []
    assert matches(found.process.inputs[0].type, "x") != []
    assert "inputs/a/type/symbols" in problems(tool(inputs={"a": {"type": {"type": "enum"}}}))


@pytest.mark.parametrize(("word", "meant"), [("yes", True), ("Off", False), ("TRUE", True), ("no", False)])
def test_a_boolean_of_older_yaml_as_a_default(word: str, meant: bool) -> None:
    assert load_tool(inputs={"a": {"type": "boolean?", "default": word}}).inputs[0].default is meant


def test_a_line_of_dashes_ends_a_text() -> None:
    for end in ("---", "---\n", "---\n# bye\n", "...\n---\n..."):
        assert parse_text(f"a: 1\n{end}") == {"a": 1}
    for more in ("--- a", "---\nb: 1", "---\n---\n- 1", "---\n---\n''\n--- &x y"):
        with pytest.raises(DocumentError, match="second document"):
            parse_text(f"a: 1\n{more}")


@pytest.mark.parametrize(
    ("document", "where", "words"),
    [
        (tool(requirements={"-class": "DockerRequirement"}), "requirements/-class", "space after the dash"),
        (tool(outputs={"o": "stdout?"}), "outputs/o/type", "stands alone"),
        (tool(outputs={"o": {"type": ["null", "stderr"]}}), "outputs/o/type/1", "stands alone"),
        (workflow(cwlVersion="v1.1", steps={"s": step(tool(), when="$(true)")}), "steps/s", "needs cwlVersion v1.2"),
        (workflow(cwlVersion="v1.0", outputs={"o": {"type": "Any?", "pickValue": "first_non_null"}}),
         "outputs/o", "needs cwlVersion v1.2"),
        (tool(cwlVersion=1.0), "cwlVersion", "write v1.0"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_what_to_write(document: dict[str, Any], where: str, words: str) -> None:
    assert words in problems(document)[where]
