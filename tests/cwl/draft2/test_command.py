"""Tools of sbg:draft-2: the order and the words of the command line, streams, files that are put in place."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.command import resources
from araneus.cwl.errors import ExpressionError, InputError
from araneus.cwl.expressions import evaluator_for
from tests.cwl.draft2.documents import array, bound, expression, load_tool, output, port
from tests.cwl.running import Bench, file_value, write


def line(bench: Bench, given: dict[str, Any] | None = None, /, **fields: Any) -> str:
    """The line that the shell gets."""
    shell, option, text = bench.prepare(load_tool(**fields), given).command
    assert (shell, option) == ("/bin/sh", "-c")
    return text


def test_base_command_then_by_position_with_arguments_first(bench: Bench) -> None:
    assert line(
        bench,
        {"b": "B", "a": "A", "first": "F", "last": "L"},
        baseCommand=["tool", "run"],
        arguments=["plain", {"position": 1, "valueFrom": "arg", "prefix": "--x"}, {"valueFrom": "second"}],
        inputs=[bound("b", position=1), bound("a", position=1), bound("first", position=-3), bound("last", position=9)],
    ) == "tool run F plain second --x arg A B L"  # fmt: skip


def test_inputs_without_a_position_stand_at_zero(bench: Bench) -> None:
    assert line(bench, {"b": "B", "a": "A"}, inputs=[bound("b"), bound("a", position=None)]) == "echo A B"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("a b", "a b"),
        ({"valueFrom": "v"}, "v"),
        ({"prefix": "", "valueFrom": "v"}, "v"),
        ({"prefix": "-p", "valueFrom": "v"}, "-p v"),
        ({"prefix": "-p", "separate": False, "valueFrom": "v"}, "-pv"),
        ({"prefix": "-p=", "separate": False, "valueFrom": expression("$job.inputs.n + 1")}, "-p=4"),
        ({"prefix": "-p", "valueFrom": expression("['a', 'b']")}, "-p a -p b"),
        ({"prefix": "-p", "itemSeparator": ",", "valueFrom": expression("['a', 'b']")}, "-p a,b"),
        ({"prefix": "-p", "valueFrom": expression("true")}, "-p"),
        ({"prefix": "-p", "valueFrom": expression("false")}, ""),
        ({"prefix": "-p", "valueFrom": expression("null")}, ""),
        ({"prefix": "-p"}, ""),
        ({"prefix": ";", "valueFrom": "echo $? > code.log"}, "; echo $? > code.log"),
        (expression("$job.inputs.n"), "3"),
        (5, "5"),
        (None, ""),
    ],
)
def test_the_words_of_one_argument(bench: Bench, argument: Any, words: str) -> None:
    assert line(bench, {"n": 3}, inputs=[port("n", "int")], arguments=[argument]) == f"echo {words}".strip()


def test_positions_may_be_expressions_or_text(bench: Bench) -> None:
    later = expression("{ return $job.inputs.n * 2 }")
    assert line(
        bench,
        {"a": "A", "b": "B", "n": 4, "c": "C"},
        inputs=[bound("a", position=later), bound("b", position="7"), bound("n", "int", position=9.0),
                bound("c", position=expression("$self == 'C' ? -1 : 0"))],
        arguments=[{"position": expression("null"), "valueFrom": "x"}, {"position": 8, "valueFrom": "y"}],
    ) == "echo C x B y A 4"  # fmt: skip
    with pytest.raises(ExpressionError, match="inputs/a/position: must give an integer"):
        line(bench, {"a": "A"}, inputs=[bound("a", position=expression("'first'"))])


def test_prefixes_and_separators_may_be_expressions(bench: Bench) -> None:
    chosen = expression("{ if ($job.inputs.n > 3) { return '--many' } return null }")
    assert line(
        bench,
        {"a": "A", "n": 4, "l": ["x", "y"], "m": ["x", "y"], "none": ["x", "y"]},
        inputs=[bound("a", prefix=chosen), port("n", "int"),
                bound("l", array("string"), position=1, prefix=expression("'-' + $self.length"), separate=False),
                bound("m", array("string"), position=2, prefix="-m", itemSeparator=expression("$self[0]")),
                bound("none", array("string"), position=3, prefix="-o", itemSeparator=expression("null"))],
        arguments=[{"prefix": expression("$job.inputs.n"), "valueFrom": "v", "separate": False}],
    ) == "echo 4v --many A -2x -2y -m xxy -o x -o y"  # fmt: skip
    assert line(bench, {"a": "A", "n": 1}, inputs=[bound("a", prefix=chosen), port("n", "int")]) == "echo A"
    with pytest.raises(ExpressionError, match="inputs/a/prefix: must give text, not"):
        line(bench, {"a": "A"}, inputs=[bound("a", prefix=expression("[1]"))])
    with pytest.raises(ExpressionError, match=r"arguments\[\d\]/itemSeparator: expression .* failed"):
        line(bench, arguments=[{"itemSeparator": expression("nothing.at.all"), "valueFrom": "v"}])


def test_what_scripts_escape_on_the_command_line_is_left_to_the_shell(bench: Bench) -> None:
    inner = expression(r"""'"false | true; echo \\${PIPESTATUS[*]} \\$A"'""")
    assert line(bench, baseCommand=["bash -c", inner]) == r'bash -c "false | true; echo \${PIPESTATUS[*]} \$A"'
    contents = expression("$self[0].contents")
    made = load_tool(
        baseCommand=["export A=1; bash -c", inner], stdout="o",
        outputs=[output("o", "string", glob="o", loadContents=True, outputEval=contents)],
    )  # fmt: skip
    assert bench.run(made)["o"] == "1 0 1\n"


def test_nothing_is_quoted_and_base_commands_are_shell_text(bench: Bench) -> None:
    assert line(
        bench,
        {"x": "a  b"},
        baseCommand=[expression("'mkdir d'"), "&&", "cd d;", None, expression("null"), "cat"],
        inputs=[bound("x")],
        arguments=[{"valueFrom": "| wc -l", "position": 99}],
    ) == "mkdir d && cd d; cat a  b | wc -l"  # fmt: skip


def test_a_base_command_of_one_text_and_of_words_with_blanks(bench: Bench) -> None:
    assert line(bench, baseCommand="java -jar x.jar") == "java -jar x.jar"
    assert line(bench, baseCommand=expression("$job.allocatedResources.mem + 'M'")) == "1024M"


@pytest.mark.parametrize(
    ("kind", "value", "binding", "words"),
    [
        ("string", "v", {"prefix": "-x"}, "-x v"),
        ("string", "v", {"prefix": "-x", "separate": True}, "-x v"),
        ("string", "v", {"prefix": "-x=", "separate": False}, "-x=v"),
        ("string", "v", {"prefix": ""}, "v"),
        ("int", 3, {"prefix": "-n"}, "-n 3"),
        ("float", 0.00001, {}, "0.00001"),
        ("boolean", True, {"prefix": "--flag"}, "--flag"),
        ("boolean", False, {"prefix": "--flag"}, ""),
        ("boolean", True, {}, ""),
        ({"type": "enum", "symbols": ["a", "b"], "name": "e"}, "b", {"prefix": "-e"}, "-e b"),
        (array("string"), ["a", "b"], {"prefix": "-x"}, "-x a -x b"),
        (array("string"), ["a", "b"], {"prefix": "-x=", "separate": False}, "-x=a -x=b"),
        (array("string"), ["a", "b"], {"prefix": "-x", "itemSeparator": None}, "-x a -x b"),
        (array("string"), ["a", "b"], {"prefix": "-x", "itemSeparator": ","}, "-x a,b"),
        (array("string"), ["a", "b"], {"prefix": "-x", "itemSeparator": ",", "separate": False}, "-xa,b"),
        (array("string"), ["a", "b"], {"itemSeparator": ","}, "a,b"),
        (array("string"), ["a", "b"], {"itemSeparator": " -y "}, "a -y b"),
        (array("string"), ["a", "b"], {}, "a b"),
        (array("string"), [], {"prefix": "-x"}, ""),
        (array("string"), [], {"prefix": "-x", "itemSeparator": ","}, ""),
        (array(["null", "string"]), ["a", None, "b"], {"prefix": "-x"}, "-x a -x b"),
        (array({"type": "array", "items": "string"}), [["a", "b"], ["c"]], {"prefix": "-x"}, "-x a -x b -x c"),
        (array("string", inputBinding={"prefix": "-i"}), ["a", "b"], {}, "-i a -i b"),
        (array("string", inputBinding={"prefix": "-i"}), ["a", "b"], {"itemSeparator": ","}, "a,b"),
        ("string", "v", {"sbg:cmdInclude": False}, ""),
        ("string", "v", {"valueFrom": "fixed"}, "fixed"),
        ("string", "v", {"valueFrom": expression("$self + $job.inputs.x"), "prefix": "-x"}, "-x vv"),
        (array("string"), ["a"], {"valueFrom": expression("[1, 2]"), "prefix": "-x"}, "-x 1 -x 2"),
        (array("string"), ["a"], {"valueFrom": expression("[1, 2]"), "prefix": "-x", "itemSeparator": ";"}, "-x 1;2"),
        ("string", "v", {"valueFrom": expression("null"), "prefix": "-x"}, ""),
        ("string", "v", {"valueFrom": expression("true"), "prefix": "-x"}, "-x"),
        (["null", "string"], None, {"valueFrom": expression("$self === null ? 'none' : $self"), "prefix": "-x"},
         "-x none"),
        (["null", "string"], None, {"valueFrom": expression("null"), "prefix": "-x"}, ""),
        (["null", "string"], None, {"prefix": "-x"}, ""),
    ],
)  # fmt: skip
def test_the_words_of_one_input(bench: Bench, kind: Any, value: Any, binding: dict[str, Any], words: str) -> None:
    assert line(bench, {"x": value}, inputs=[bound("x", kind, **binding)]) == f"echo {words}".strip()


def test_an_input_without_a_binding_is_not_on_the_line(bench: Bench) -> None:
    inputs = [port("x"), port("l", array("string", inputBinding={"prefix": "-i"}))]
    assert line(bench, {"x": "v", "l": ["a"]}, inputs=inputs) == "echo"


RECORD = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "silent", "type": ["null", "string"]},
        {"name": "a", "type": "string", "inputBinding": {"position": 5, "prefix": "-a"}},
        {"name": "b", "type": ["null", "int"], "inputBinding": {"position": 4, "prefix": "-b"}},
    ],
}


def test_records_stand_where_they_say_or_where_their_first_bound_field_does(bench: Bench) -> None:
    value = {"silent": "s", "a": "A", "b": 1}
    around = [bound("four", position=4), bound("six", position=6)]
    given = {"r": value, "four": "4", "six": "6"}
    assert line(bench, given, inputs=[port("r", RECORD), *around]) == "echo 4 -b 1 -a A 6"
    assert line(bench, given, inputs=[bound("r", RECORD, position=9), *around]) == "echo 4 6 -b 1 -a A"
    assert line(bench, given, inputs=[bound("r", RECORD), *around]) == "echo 4 -b 1 -a A 6"
    rows = [{"a": "A"}, {"a": "B", "b": 2}]
    assert line(bench, {"r": rows}, inputs=[port("r", array(RECORD))]) == "echo -a A -b 2 -a B"


def test_streams_are_redirected_by_the_shell(bench: Bench) -> None:
    tool = load_tool(
        baseCommand=["echo", "one", "&&", "cat"],
        inputs=[port("f", "File")],
        stdin=expression("$job.inputs.f.path"),
        stdout=expression("'out put.txt'"),
        outputs=[output("o", glob="out put.txt")],
    )
    found = bench.run(tool, {"f": file_value(write(bench.directory / "in.txt", "two\n"))})
    assert Path(found["o"]["location"].removeprefix("file://").replace("%20", " ")).read_text() == "two\n"


@pytest.mark.parametrize("nothing", ["", None, expression("null"), expression("''"), expression("")])
def test_empty_streams_are_none(bench: Bench, nothing: Any) -> None:
    assert line(bench, stdin=nothing, stdout=nothing) == "echo"


def test_files_have_names_that_need_no_quoting(bench: Bench) -> None:
    tool = load_tool(
        baseCommand=["cat"],
        inputs=[
            bound("f", "File", position=1),
            bound("g", "File", valueFrom=expression("$self.secondaryFiles[0].path")),
        ],
        stdout="o",
        outputs=[output("o", glob="o")],
    )  # fmt: skip
    inputs = {
        "f": bench.blob("one\n", "a b$(id);'x.txt"),
        "g": bench.blob("", "g h.bam", secondaryFiles=[bench.blob("index\n", "g h.bam.bai")]),
    }
    assert "a_b__id___x.txt" in line(bench, inputs, baseCommand=["cat"], inputs=[bound("f", "File")])
    assert Path(bench.run(tool, inputs)["o"]["location"].removeprefix("file://")).read_text() == "index\none\n"


def test_literal_file_contents_stay_as_they_are(bench: Bench) -> None:
    text = "echo $(whoami) ${HOME} \\$(x) `y`\n$job.inputs.x\n"
    tool = load_tool(
        requirements=[
            {
                "class": "CreateFileRequirement",
                "fileDef": [
                    {"filename": "run.sh", "fileContent": text},
                    {"filename": expression("$job.inputs.x + '.txt'"), "fileContent": expression("'a\\\\$b'")},
                    {"filename": "placed", "fileContent": expression("$job.inputs.f")},
                ],
            }
        ],
        inputs=[port("x"), port("f", "File")],
        baseCommand=["true"],
        outputs=[output("sh", glob="run.sh"), output("txt", glob="*.txt"), output("placed", glob="placed")],
    )
    found = bench.run(tool, {"x": "name", "f": file_value(write(bench.directory / "original", "content"))})
    assert (bench.work / "run.sh").read_text() == text
    assert (bench.work / "name.txt").read_text() == "a$b"
    assert (bench.work / "placed").read_text() == "content"
    assert found["placed"]["basename"] == "placed"


def test_environment_variables(bench: Bench) -> None:
    def environment(value: Any) -> dict[str, Any]:
        definition = {"class": "EnvVarRequirement", "envDef": [{"envName": "V", "envValue": value}]}
        return dict(bench.prepare(load_tool(requirements=[definition])).environment)

    assert environment("$(x)")["V"] == "$(x)"
    assert environment(expression("1 + 1"))["V"] == "2"
    with pytest.raises(InputError, match="null"):
        environment(expression("null"))


def test_staged_inputs_are_in_the_working_directory(bench: Bench) -> None:
    secondary = {"secondaryFiles": [".bai", "idx"]}
    tool = load_tool(
        baseCommand=["ls > listing;", "echo changed >> c.txt; :"],
        inputs=[
            bound("bams", array("File"), at={"sbg:stageInput": "link"}, **secondary, position=3,
                  valueFrom=expression("$self[0].path")),
            port("copied", "File", **{"sbg:stageInput": "copy"}),
            port("unstaged", "File", **{"sbg:stageInput": None}),
        ],
        outputs=[output("listing", glob="listing")],
    )  # fmt: skip
    for name in ("a.bam", "a.bam.bai", "b.bam", "b.bam.idx", "c.txt", "d.txt"):
        write(bench.directory / "in" / name, "kept\n")
    inputs = {
        "bams": [file_value(bench.directory / "in" / name) for name in ("a.bam", "b.bam")],
        "copied": file_value(bench.directory / "in" / "c.txt"),
        "unstaged": file_value(bench.directory / "in" / "d.txt"),
    }
    text = bench.prepare(tool, inputs).command[2]
    assert text.endswith(f": {bench.work}/a.bam")
    bench.run(tool, inputs)
    assert sorted(path.name for path in bench.work.iterdir()) == sorted(
        ["a.bam", "a.bam.bai", "b.bam", "b.bam.idx", "c.txt", "job.json", "listing"]
    )
    assert (bench.directory / "in" / "c.txt").read_text() == "kept\n"


def test_a_name_clash_of_staged_inputs_is_an_error(bench: Bench) -> None:
    tool = load_tool(inputs=[port(name, "File", **{"sbg:stageInput": "copy"}) for name in ("x", "y")])
    files = [file_value(write(bench.directory / folder / "same.txt", folder)) for folder in ("a", "b")]
    with pytest.raises(InputError, match=r"same\.txt"):
        bench.prepare(tool, dict(zip("xy", files, strict=True)))


def test_copies_bring_their_secondary_files_which_must_not_clash_either(bench: Bench) -> None:
    tool = load_tool(
        baseCommand=["echo changed >> x.bam.bai; ls > listing;"],
        inputs=[bound("x", "File", at={"sbg:stageInput": "copy"}, secondaryFiles=["bai"], valueFrom=expression("null")),
                bound("y", ["null", "File"], at={"sbg:stageInput": "copy"}, valueFrom=expression("null"))],
        outputs=[output("o", glob="*.bai")],
    )  # fmt: skip
    for name in ("x.bam", "x.bam.bai"):
        write(bench.directory / "in" / name, "kept\n")
    index = file_value(write(bench.directory / "other" / "x.bam.bai", "other\n"))
    given = {"x": file_value(bench.directory / "in" / "x.bam")}
    with pytest.raises(InputError, match=r"x\.bam\.bai"):
        bench.prepare(tool, given | {"y": index})
    assert Path(bench.run(tool, given)["o"]["location"].removeprefix("file://")).read_text() == "kept\nchanged\n"
    assert (bench.directory / "in" / "x.bam.bai").read_text() == "kept\n"


def test_the_job_object_lies_in_the_working_directory(bench: Bench) -> None:
    tool = load_tool(
        baseCommand=["cat", "job.json"],
        stdout="o",
        inputs=[port("f", "File"), port("n", ["null", "int"]), port("s")],
        hints=[{"class": "sbg:CPURequirement", "value": 2}],
        outputs=[output("o", glob="o")],
    )
    source = file_value(write(bench.directory / "x y.txt"), metadata={"k": "v"})
    found = bench.run(tool, {"f": source, "s": "t"})
    job = json.loads(Path(found["o"]["location"].removeprefix("file://")).read_text())
    assert job["allocatedResources"] == {"cpu": 2, "mem": 1024}
    assert sorted(job["inputs"]) == ["f", "s"]
    assert "location" not in job["inputs"]["f"]
    assert (job["inputs"]["f"]["name"], job["inputs"]["f"]["metadata"]) == ("x_y.txt", {"k": "v"})


def test_an_input_may_be_called_like_the_job_object(bench: Bench) -> None:
    tool = load_tool(
        baseCommand=["cat", "job.json"], stdout="o", inputs=[port("f", "File", **{"sbg:stageInput": "link"})],
        outputs=[output("o", glob="o")],
    )  # fmt: skip
    found = bench.run(tool, {"f": file_value(write(bench.directory / "in" / "job.json", "mine"))})
    assert Path(found["o"]["location"].removeprefix("file://")).read_text() == "mine"


@pytest.mark.parametrize(
    ("hints", "cores", "memory"),
    [
        ([], 1, 1024),
        ([{"class": "sbg:CPURequirement", "value": 4}, {"class": "sbg:MemRequirement", "value": 5000}], 4, 5000),
        ([{"class": "sbg:CpuRequirement", "value": "4"}, {"class": "MemoryRequirement", "value": "64"}], 4, 64),
        ([{"class": "sbg:CPURequirement", "value": 0}, {"class": "sbg:MemoryRequirement", "value": ""}], 1, 1024),
        ([{"class": "sbg:CPURequirement", "value": expression("0")}], 1, 1024),
        (
            [
                {"class": "sbg:CPURequirement", "value": expression("$job.inputs.n")},
                {"class": "sbg:MemRequirement", "value": expression("{ n = $job.inputs.n; if (n) return n * 100 }")},
            ],
            3, 300,
        ),
        ([{"class": "sbg:MemRequirement", "value": expression("$job.inputs.missing * 2")}], 1, 1024),
        ([{"class": "ResourceRequirement", "coresMin": 2, "ramMin": "$(inputs.x)"}], 2, 1024),
    ],
)  # fmt: skip
def test_resources(bench: Bench, hints: list[Any], cores: float, memory: int) -> None:
    tool = load_tool(hints=hints, inputs=[port("n", "int")])
    found = resources(tool, {"n": 3}, evaluator_for(tool, bench.javascript))
    assert (found.cores, found.memory) == (cores, memory)


def test_resources_by_the_names_and_sizes_of_files(bench: Bench) -> None:
    script = "{ f = $job.inputs.f; return f.path.split('/').pop() == 'a_b.bam' ? f.size * 10 : 1 }"
    tool = load_tool(hints=[{"class": "sbg:MemRequirement", "value": expression(script)}], inputs=[port("f", "File")])
    evaluator = evaluator_for(tool, bench.javascript)
    assert resources(tool, {"f": bench.blob("x" * 50, "a b.bam")}, evaluator, locate=bench.locate).memory == 500


def test_a_resource_that_is_no_number_is_an_error(bench: Bench) -> None:
    tool = load_tool(hints=[{"class": "sbg:MemRequirement", "value": expression("'a lot'")}])
    with pytest.raises(ExpressionError, match="a lot"):
        bench.prepare(tool)


def test_load_contents_of_an_input_is_its_beginning(bench: Bench) -> None:
    tool = load_tool(
        inputs=[bound("f", "File", loadContents=True, valueFrom=expression("$self.contents.length"))], baseCommand=["x"]
    )
    large = file_value(write(bench.directory / "large", "a" * 70_000))
    assert bench.prepare(tool, {"f": large}).command[2] == "x 65536"


def test_words_are_split_by_a_shell_as_people_expect(bench: Bench) -> None:
    tool = load_tool(
        baseCommand=["printf", "'%s|'"],
        inputs=[bound("x")],
        stdout="o",
        outputs=[output("o", "string", glob="o", loadContents=True, outputEval=expression("$self[0].contents"))],
    )
    assert bench.run(tool, {"x": "a b"}) == {"o": "a|b|"}
    assert bench.run(tool, {"x": shlex.quote("a b")}) == {"o": "a b|"}
