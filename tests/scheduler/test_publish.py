"""Outputs become files of the project: places, names, trees, metadata, and nothing before the end."""

from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings, strategies

from araneus.model.file import File
from araneus.model.task import Status, Task
from araneus.scheduler.facts import Completed, NewNode
from araneus.scheduler.publish import place
from araneus.store import files
from tests.scheduler.house import PROJECT, House, now, small, tool

JS = {"class": "InlineJavascriptRequirement"}


def out(kind: str = "File", glob: str = "out*", **more: Any) -> dict[str, Any]:
    return {"out": {"type": kind, "outputBinding": {"glob": glob}, **more}}


def run(house: House, document: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> Task:
    app = house.install(document)
    with house.scheduling():
        task = house.wait(house.queue(app, inputs or {}, **more))
    assert task.status is Status.COMPLETED, task.progress
    return task


def tree(house: House, parent: str | None = None) -> dict[str, Any]:
    return {
        name: tree(house, file.id) if file.folder else house.content({"path": file.id})
        for name, file in house.listed(parent).items()
    }


def test_values_that_are_no_files_stay(house: House) -> None:
    outputs = {
        "n": {"type": "int", "outputBinding": {"outputEval": "${return 5;}"}},
        "missing": {"type": "File?", "outputBinding": {"glob": "nothing"}},
        "r": {"type": "Any", "outputBinding": {"outputEval": "${return {a: [1, 'x', null, 0.5]};}"}},
    }
    task = run(house, tool("true", outputs=outputs, requirements=[JS]))
    assert task.outputs == {"n": 5, "missing": None, "r": {"a": [1, "x", None, 0.5]}}


def test_a_clash_gets_a_number_in_front_and_overwrites_nothing(house: House) -> None:
    house.upload("out.txt", b"mine")
    document = tool("echo new > out.txt", outputs=out())
    names = [run(house, document).outputs["out"]["name"] for _ in range(3)]
    assert names == ["_1_out.txt", "_2_out.txt", "_3_out.txt"]
    assert tree(house)["out.txt"] == b"mine"


def test_many_outputs_of_one_name(house: House) -> None:
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"n": "int[]"},
        "outputs": {"out": {"type": "File[]", "outputSource": "s/out"}},
        "steps": {
            "s": {
                "run": tool("echo $(inputs.n) > out", inputs={"n": "int"}, outputs=out(), requirements=[small()]),
                "scatter": "n",
                "in": {"n": "n"},
                "out": ["out"],
            }
        },
    }
    task = run(house, document, {"n": list(range(12))})
    assert [value["name"] for value in task.outputs["out"]] == ["out", *(f"_{n}_out" for n in range(1, 12))]
    assert [house.content(value) for value in task.outputs["out"]] == [f"{n}\n".encode() for n in range(12)]


def test_secondary_files_are_files_of_their_own(house: House) -> None:
    house.upload("out.bam.bai", b"in the way")
    task = run(
        house, tool("echo b > out.bam; echo i > out.bam.bai", outputs=out(glob="*.bam", secondaryFiles=[".bai"]))
    )
    (index,) = task.outputs["out"]["secondaryFiles"]
    assert house.content(index) == b"i\n"
    assert [task.outputs["out"]["name"], index["name"]] == ["_1_out.bam", "_1_out.bam.bai"]
    assert house.file(index["path"]).origin_task == task.id


def test_a_directory_keeps_its_tree(house: House) -> None:
    line = "mkdir -p out/a/b out/empty 'out/s p'; echo 1 > out/one; echo 2 > out/a/b/two; echo 3 > 'out/s p/three x'"
    task = run(house, tool(line, outputs=out("Directory", "out")))
    value = task.outputs["out"]
    assert (value["class"], value["name"]) == ("Directory", "out")
    assert house.file(value["path"]).folder
    assert tree(house, value["path"]) == {
        "one": b"1\n",
        "a": {"b": {"two": b"2\n"}},
        "empty": {},
        "s_p": {"three x": b"3\n"},
    }
    assert run(house, tool(line, outputs=out("Directory", "out"))).outputs["out"]["name"] == "_1_out"


def test_odd_names_are_made_safe_and_no_content_is_lost(house: House) -> None:
    line = r"mkdir out; cd out; for n in 'a b' 'a#b?c%41' 'q\"uote' \$dollar '-dash' 'ünï'; do echo x > ./$n$n; done"
    line = line.replace("./$n$n", '"./$n"').replace("\\$dollar", "'\\$dollar'")
    task = run(house, tool(line, outputs=out("Directory", "out")))
    found = tree(house, task.outputs["out"]["path"])
    assert len(found) == 6
    assert set(found.values()) == {b"x\n"}


def test_names_that_are_not_text(house: House) -> None:
    line = "mkdir out; touch \"out/$(printf 'bad\\\\377name')\" \"out/$(printf 'line\\\\nbreak')\""
    document = tool(line.replace("$(", "\\$("), outputs=out("Directory", "out"))
    app = house.install(document)
    with house.scheduling():
        task = house.wait(house.queue(app))
        assert house.wait(house.queue(house.install(tool("true"), "next"))).status is Status.COMPLETED
    if task.status is Status.COMPLETED:
        assert len(tree(house, task.outputs["out"]["path"])) == 2
    else:
        assert task.progress is not None
        assert "Internal" not in task.progress.message


def test_an_input_passed_through_stays_the_same_file(house: House) -> None:
    value = house.upload("a.txt", b"input", metadata={"sample_id": "S"})
    document = tool(
        "true",
        inputs={"x": "File"},
        outputs={"out": {"type": "File", "outputBinding": {"outputEval": "$(inputs.x)"}}},
    )
    task = run(house, document, {"x": value})
    assert task.outputs["out"]["path"] == value["path"]
    assert set(house.listed()) == {"a.txt"}
    assert house.file(value["path"]).metadata == {"sample_id": "S"}


def test_metadata_of_the_value_is_kept(house: House) -> None:
    evaluate = (
        "${self[0].metadata = {sample_id: 'S1', n: 5, list: ['a'], bad: {}, long: 'x'.repeat(400)}; return self[0];}"
    )
    document = tool(
        "echo x > out",
        outputs={"out": {"type": "File", "outputBinding": {"glob": "out", "outputEval": evaluate}}},
        requirements=[JS],
    )
    task = run(house, document)
    file = house.file(task.outputs["out"]["path"])
    assert file.metadata == {"sample_id": "S1", "n": "5", "list": ["a"]}
    assert task.outputs["out"]["metadata"] == file.metadata


def test_literals_become_files(house: House) -> None:
    document = {
        "class": "ExpressionTool",
        "cwlVersion": "v1.2",
        "requirements": [JS],
        "inputs": {},
        "outputs": {"out": "File", "dir": "Directory"},
        "expression": "${var f = {class: 'File', basename: 'lit.txt', contents: 'text'};"
        " return {out: f, dir: {class: 'Directory', basename: 'd', listing: [f]}};}",
    }
    task = run(house, document)
    assert tree(house) == {"lit.txt": b"text", "d": {"lit.txt": b"text"}}
    assert task.outputs["dir"]["class"] == "Directory"


def test_outputs_go_where_the_task_says(house: House) -> None:
    existing = house.folder("Analysis")
    location = {
        "main_location": "/Analysis/<task_name>/",
        "nodes_override": True,
        "nodes_location": {"log": {"output_location": "logs"}, "top": {"output_location": "/top"}},
    }
    outputs = {name: {"type": "File", "outputBinding": {"glob": name}} for name in ("report", "log", "top")}
    run(house, tool("echo > report; echo > log; echo > top", outputs=outputs), output_location=location)
    assert tree(house) == {"Analysis": {"a_task": {"report": b"\n", "logs": {"log": b"\n"}}}, "top": {"top": b"\n"}}
    assert house.listed()["Analysis"].id == existing


def test_one_file_on_two_ports_is_one_file(house: House) -> None:
    outputs = {name: {"type": "File", "outputBinding": {"glob": "out"}} for name in ("a", "b")}
    task = run(house, tool("echo > out", outputs=outputs))
    assert task.outputs["a"]["path"] == task.outputs["b"]["path"]
    assert set(house.listed()) == {"out"}


def test_each_port_has_its_own_secondary_files_of_one_file(house: House) -> None:
    plain = {"type": "File", "outputBinding": {"glob": "a.bam"}}
    outputs = {"plain": plain, "full": plain | {"secondaryFiles": [".bai"]}, "again": plain}
    task = run(house, tool("echo b > a.bam; echo i > a.bam.bai", outputs=outputs))
    assert len({task.outputs[name]["path"] for name in outputs}) == 1
    assert [len(task.outputs[name].get("secondaryFiles", ())) for name in outputs] == [0, 1, 0]
    assert {task.outputs[name]["size"] for name in outputs} == {2}
    assert set(house.listed()) == {"a.bam", "a.bam.bai"}


def test_nothing_is_visible_before_the_task_completes(house: House) -> None:
    app = house.install(tool("echo x > out", outputs=out()))
    with house.scheduling():
        tasks = house.queue_many(app, [{}] * 5)
        while not all(house.task(task).status is Status.COMPLETED for task in tasks):
            with house.database.read() as connection:
                page = files.page(connection, parent=house.root, offset=0, limit=100)
            made: list[File] = page.items
            for file in made:
                assert file.origin_task is not None
                assert house.task(file.origin_task).status is Status.COMPLETED


@given(strategies.sets(strategies.integers(0, 300), max_size=40), strategies.integers(1, 300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_free_number_is_found_among_any_taken_ones(house: House, taken: set[int], count: int) -> None:
    names = [f"_{number}_x" if number else "x" for number in sorted(taken | set(range(count)))]
    parent = house.folder(f"f{uuid4().hex}")
    rows = [
        File(id=uuid4().hex[:24], project=PROJECT, parent=parent, name=name, created_on=now(), modified_on=now())
        for name in names
    ]
    owner = Task(id="t", project=PROJECT, app="a/b/c/0", name="t", created_by="x", created_time=now())
    with house.database.write() as connection:
        files.insert(connection, *rows)
        nodes = tuple(NewNode(id=uuid4().hex[:24], name="x") for _ in range(5))
        place(connection, owner, parent, Completed(outputs={}, nodes=nodes), now())
    found = set(house.listed(parent))
    assert len(found) == len(names) + 5
    for name in found - set(names):
        number = int(name.split("_")[1])
        assert number - 1 == 0 or f"_{number - 1}_x" in found


def test_a_file_and_its_secondary_files_keep_standing_beside_each_other(house: House) -> None:
    house.upload("a.bam", b"")
    house.upload("_1_a.bam.bai", b"")
    house.upload("_2_a.bai", b"")
    port = {"type": "File", "outputBinding": {"glob": "a.bam"}, "secondaryFiles": [".bai", "^.bai"]}
    outputs = {"index": {"type": "File", "outputBinding": {"glob": "a.bam.bai"}}, "out": port, "again": port}
    document = tool("echo b > a.bam; echo i > a.bam.bai; echo j > a.bai", outputs=outputs)
    for prefix in ("_3_", "_4_"):
        task = run(house, document)
        names = [task.outputs["out"]["name"], *(item["name"] for item in task.outputs["out"]["secondaryFiles"])]
        assert names == [f"{prefix}a.bam", f"{prefix}a.bam.bai", f"{prefix}a.bai"]
        assert task.outputs["index"]["name"] == f"{prefix}a.bam.bai"
        assert task.outputs["again"] == task.outputs["out"]


def test_files_that_are_secondary_files_of_each_other(house: House) -> None:
    house.upload("b", b"")
    outputs = {
        "a": {"type": "File", "outputBinding": {"glob": "a"}, "secondaryFiles": ["$('b')"]},
        "b": {"type": "File", "outputBinding": {"glob": "b"}, "secondaryFiles": ["$('a')"]},
    }
    task = run(house, tool("echo > a; echo > b", outputs=outputs, requirements=[JS]))
    assert [task.outputs[name]["name"] for name in ("a", "b")] == ["_1_a", "_1_b"]
