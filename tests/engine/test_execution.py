"""Executions: links, sub-workflows, scatter, conditions, failure, counters."""

from typing import Any

import pytest

from araneus.cwl.process import InputPort, LinkMerge, OutputPort, PickValue, ScatterMethod
from araneus.cwl.types import FILE, NULL, ArrayType, Primitive, RecordField, RecordType, UnionType
from araneus.engine.execution import Execution, ExecutionStatus
from araneus.model.job import Outcome, Reason
from tests.engine.documents import DONE, OPTIONAL, Functions, answer, execution, link, run, step, tool, workflow

FILE_A = {"class": "File", "location": "blob:a", "basename": "a"}
FILE_B = {"class": "File", "location": "blob:b", "basename": "b"}
FILES = ArrayType(items=FILE)
OPTIONAL_FILE = UnionType((NULL, FILE))


def test_a_single_tool_is_one_job_with_the_empty_key() -> None:
    running = execution(tool("echo"), {"x": 1, "unknown": 2})
    (job,) = running.start()
    assert (job.key, job.name, job.inputs) == ("", "echo", {"x": 1})
    assert (running.steps_total, running.steps_completed) == (1, 0)
    assert running.finish("", DONE, {"y": 5}) == []
    assert (running.status, running.outputs) == (ExecutionStatus.SUCCEEDED, {"y": 5})
    assert (running.steps_total, running.steps_completed) == (1, 1)


def test_a_step_runs_when_all_it_takes_from_have_ended() -> None:
    diamond = workflow(
        "w",
        ["i"],
        [
            step("join", tool("j", ["a", "b"]), link("a", "left/y"), link("b", "right/y")),
            step("left", tool("l"), link("x", "top/y")),
            step("right", tool("r"), link("x", "top/y")),
            step("top", tool("t"), link("x", "i")),
        ],
        {"o": "join/y"},
    )
    running = execution(diamond, {"i": 1})
    assert [job.key for job in running.start()] == ["top"]
    assert sorted(job.key for job in running.finish("top", DONE, {"y": 2})) == ["left", "right"]
    assert running.finish("right", DONE, {"y": 3}) == []
    (join,) = running.finish("left", DONE, {"y": 4})
    assert join.inputs == {"a": 4, "b": 3}
    assert running.waiting_for == {"join"}
    running.finish("join", DONE, {"y": 5})
    assert running.outputs == {"o": 5}
    assert (running.steps_total, running.steps_completed) == (4, 4)


def test_keys_and_names_tell_the_path() -> None:
    inner = workflow("inner", ["x"], [step("sort", tool("t"), link("x", "x"))], {"y": "sort/y"})
    outer = workflow("outer", ["l"], [step("align", inner, link("x", "l"), scatter=["x"])], {"o": "align/y"})
    running = execution(outer, {"l": [10, 11]})
    jobs = running.start()
    assert [(job.key, job.name) for job in jobs] == [
        ("align/0/sort", "align_1_s.sort"),
        ("align/1/sort", "align_2_s.sort"),
    ]
    running.finish("align/1/sort", DONE, {"y": "second"})
    running.finish("align/0/sort", DONE, {"y": "first"})
    assert running.outputs == {"o": ["first", "second"]}


def test_scatter_of_a_scatter_through_a_sub_workflow() -> None:
    inner = workflow("inner", ["x"], [step("s", tool("t"), link("x", "x"), scatter=["x"])], {"y": "s/y"})
    outer = workflow("outer", ["l"], [step("a", inner, link("x", "l"), scatter=["x"])], {"o": "a/y"})
    running = execution(outer, {"l": [[1, 2], [], [3]]})
    jobs = run(running, tell=lambda job: {"y": job.inputs["x"] * 10})
    assert [job.key for job in jobs] == ["a/0/s/0", "a/0/s/1", "a/2/s/0"]
    assert running.outputs == {"o": [[10, 20], [], [30]]}
    assert (running.steps_total, running.steps_completed) == (3, 3)


@pytest.mark.parametrize(
    ("method", "a", "b", "expected"),
    [
        (ScatterMethod.DOTPRODUCT, [1, 2], [3, 4], [[1, 3], [2, 4]]),
        (ScatterMethod.FLAT_CROSSPRODUCT, [1, 2], [3, 4], [[1, 3], [1, 4], [2, 3], [2, 4]]),
        (ScatterMethod.NESTED_CROSSPRODUCT, [1, 2], [3, 4], [[[1, 3], [1, 4]], [[2, 3], [2, 4]]]),
        (ScatterMethod.NESTED_CROSSPRODUCT, [1, 2], [], [[], []]),
        (ScatterMethod.NESTED_CROSSPRODUCT, [], [1], []),
        (ScatterMethod.FLAT_CROSSPRODUCT, [1], [], []),
        (ScatterMethod.DOTPRODUCT, [], [], []),
    ],
)
def test_scatter_methods(method: ScatterMethod, a: list[int], b: list[int], expected: list[Any]) -> None:
    scattered = step("s", tool("t", ["a", "b"]), link("a", "a"), link("b", "b"), scatter=["a", "b"], method=method)
    after = step("n", tool("u"), link("x", "s/y"))
    running = execution(workflow("w", ["a", "b"], [scattered, after], {"o": "n/y"}), {"a": a, "b": b})
    run(running, tell=lambda job: {"y": job.inputs.get("x") if job.key == "n" else [job.inputs["a"], job.inputs["b"]]})
    assert running.outputs == {"o": expected}


def test_value_from_sees_the_element_and_the_other_inputs() -> None:
    scattered = step(
        "s",
        tool("t", ["x", "z"]),
        link("x", "l", value_from="$both"),
        link("z", value_from="$element"),
        link("extra", "k"),
        scatter=["x"],
    )
    running = execution(
        workflow("w", ["l", "k"], [scattered], {"o": "s/y"}),
        {"l": [1, 2], "k": 100},
        both=lambda inputs, self: self + inputs["extra"],
        element=lambda inputs, self: (inputs["x"], self),
    )
    assert [job.inputs for job in running.start()] == [{"x": 101, "z": (1, None)}, {"x": 102, "z": (2, None)}]


def test_defaults_stand_in_for_null_before_scatter_and_value_from() -> None:
    scattered = step(
        "s",
        tool("t", ["x", "z"]),
        link("x", "absent", default=[1, 2]),
        link("z", default=3, value_from="$double"),
        scatter=["x"],
    )
    running = execution(workflow("w", ["absent"], [scattered], {"o": "s/y"}), {}, double=lambda _inputs, self: 2 * self)
    assert [job.inputs for job in running.start()] == [{"x": 1, "z": 6}, {"x": 2, "z": 6}]


def test_a_skipped_step_gives_nulls_and_is_not_counted() -> None:
    skipped = step("s", tool("t"), link("x", "i"), when="$small")
    other = step("e", tool("t"), link("x", "i"), when="$big")
    out = OutputPort(id="o", type=OPTIONAL, source=("s/y", "e/y"), pick_value=PickValue.THE_ONLY_NON_NULL)
    running = execution(
        workflow("w", ["i"], [skipped, other], {"o": out, "p": "s/y"}),
        {"i": 5},
        small=lambda inputs, _self: inputs["x"] < 3,
        big=lambda inputs, _self: inputs["x"] >= 3,
    )
    jobs = run(running, tell=lambda _job: {"y": "ran"})
    assert [job.key for job in jobs] == ["e"]
    assert running.outputs == {"o": "ran", "p": None}
    assert (running.steps_total, running.steps_completed) == (1, 1)


def test_a_condition_is_asked_for_each_element_after_value_from() -> None:
    scattered = step("s", tool("t"), link("x", "l", value_from="$double"), scatter=["x"], when="$big")
    running = execution(
        workflow("w", ["l"], [scattered], {"o": "s/y"}),
        {"l": [1, 2, 3]},
        double=lambda _inputs, self: 2 * self,
        big=lambda inputs, _self: inputs["x"] > 3,
    )
    jobs = run(running, tell=lambda job: {"y": job.inputs["x"]})
    assert [job.key for job in jobs] == ["s/1", "s/2"]
    assert running.outputs == {"o": [None, 4, 6]}
    assert (running.steps_total, running.steps_completed) == (2, 2)


@pytest.mark.parametrize("value", [None, 1, "true", []])
def test_a_condition_that_is_no_boolean_fails(value: object) -> None:
    conditional = step("s", tool("t"), link("x", "i"), when="$odd")
    running = execution(workflow("w", ["i"], [conditional], {}), {}, odd=lambda _inputs, _self: value)
    assert running.start() == []
    assert running.failure is not None
    assert running.failure.outcome.reason is Reason.BAD_EXPRESSION
    assert "s/when: the condition must be true or false" in running.failure.outcome.message


def test_a_long_chain_of_skipped_steps_does_not_recurse() -> None:
    length = 5_000
    steps = [step("s0", tool("t"), link("x", "i"), when="$no")]
    steps += [step(f"s{n}", tool("t"), link("x", f"s{n - 1}/y"), when="$no") for n in range(1, length)]
    running = execution(workflow("w", ["i"], steps, {"o": f"s{length - 1}/y"}), {}, no=lambda _inputs, _self: False)
    assert running.start() == []
    assert (running.status, running.outputs) == (ExecutionStatus.SUCCEEDED, {"o": None})
    assert running.steps_total == 0


def test_outputs_may_come_from_inputs_and_a_workflow_may_have_no_steps() -> None:
    passing = workflow("inner", ["x"], [], {"y": "x"})
    outer = workflow("w", ["i"], [step("s", passing, link("x", "i"))], {"o": "s/y", "p": "i"})
    running = execution(outer, {"i": 7})
    assert running.start() == []
    assert (running.status, running.outputs, running.steps_total) == (ExecutionStatus.SUCCEEDED, {"o": 7, "p": 7}, 0)


def test_workflow_outputs_merge_and_pick() -> None:
    out = OutputPort(
        id="o", type=OPTIONAL, source=("a/y", "i"), link_merge=LinkMerge.FLATTENED, pick_value=PickValue.ALL_NON_NULL
    )
    running = execution(workflow("w", ["i"], [step("a", tool("t"), link("x", "i"))], {"o": out}), {"i": 1})
    run(running, tell=lambda _job: {"y": [None, 2]})
    assert running.outputs == {"o": [2, 1]}


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (FILES, FILE_A, [FILE_A]),
        (FILE, [FILE_A], FILE_A),
        (FILES, [[FILE_A], [FILE_B]], [FILE_A, FILE_B]),
        (FILES, [[FILE_A, FILE_B], FILE_A], [FILE_A, FILE_B, FILE_A]),
        (FILES, [FILE_A], [FILE_A]),
        (FILES, [], []),
        (FILES, [[], []], []),
        (ArrayType(items=FILES), [[FILE_A]], [[FILE_A]]),
        (OPTIONAL, [FILE_A], [FILE_A]),
        (FILE, [FILE_A, FILE_B], FILE_A),
        (FILE, [[FILE_A], [FILE_B]], FILE_A),
        (FILE, [None, FILE_B], FILE_B),
        (OPTIONAL_FILE, [], None),
        (OPTIONAL_FILE, [None, None], None),
    ],
)
def test_the_platform_settles_files_and_lists_of_files(kind: Any, given: Any, expected: Any) -> None:
    linked = workflow("w", ["i"], [step("s", tool("t", x=kind), link("x", "i"))], {})
    (job,) = execution(linked, {"i": given}).start()
    assert job.inputs == {"x": expected}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (FILE, [FILE_A, "x"]),
        (FILE, []),
        (FILE, [None]),
        (ArrayType(items=Primitive("string")), "one"),
        (ArrayType(items=Primitive("int")), [[], []]),
        (Primitive("string"), ["one"]),
        (FILES, [FILE_A, "x"]),
        (FILE, None),
        (Primitive("int"), "3"),
    ],
)
def test_other_mismatches_fail_and_name_the_port(kind: Any, given: Any) -> None:
    linked = workflow("w", ["i"], [step("s", tool("t", x=kind), link("x", "i"))], {})
    running = execution(linked, {"i": given})
    assert running.start() == []
    assert running.failure is not None
    assert (running.failure.key, running.failure.outcome.reason) == ("s", Reason.BAD_INPUT)
    assert running.failure.outcome.message.startswith("s/x")


def test_several_files_are_not_made_one_for_the_task_itself_nor_for_its_outputs() -> None:
    running = execution(tool("t", x=FILE), {"x": [FILE_A, FILE_B]})
    assert running.start() == []
    assert running.failure is not None
    out = OutputPort(id="o", type=FILE, source=("i",))
    running = execution(workflow("w", ["i"], [], {"o": out}), {"i": [FILE_A, FILE_B]})
    running.start()
    assert running.failure is not None


def test_every_bad_input_of_the_task_is_named_at_once() -> None:
    record = RecordType(fields=(RecordField(name="k", type=FILE),))
    running = execution(tool("t", ["a", "b", "c"], a=Primitive("int"), b=record), {"a": "no", "b": {"k": 1}})
    assert running.start() == []
    assert running.failure is not None
    assert running.failure.name == "t"
    assert "a: " in running.failure.outcome.message
    assert "b.k: " in running.failure.outcome.message


def test_a_failed_job_fails_the_execution_with_its_own_outcome() -> None:
    parallel = workflow(
        "w",
        ["i"],
        [step(name, tool("t"), link("x", "i")) for name in "ab"] + [step("c", tool("t"), link("x", "a/y"))],
        {"o": "c/y"},
    )
    running = execution(parallel, {"i": 1})
    running.start()
    outcome = Outcome(reason=Reason.EXIT_CODE, exit_code=3, message="no")
    assert running.finish("b", outcome, None) == []
    assert running.failure is not None
    assert (running.failure.key, running.failure.name, running.failure.outcome) == ("b", "b", outcome)
    assert running.waiting_for == {"a"}
    assert running.finish("a", DONE, {"y": 1}) == []
    assert (running.status, running.outputs, running.waiting_for) == (ExecutionStatus.FAILED, {}, frozenset())
    assert running.failure.key == "b"


def test_a_bad_expression_fails_with_the_place_and_hands_out_nothing_more() -> None:
    two = workflow(
        "w",
        ["i"],
        [step("good", tool("t"), link("x", "i")), step("bad", tool("t"), link("x", "i", value_from="$missing"))],
        {},
    )
    running = execution(two, {"i": 1})
    assert running.start() == []
    assert running.failure is not None
    assert (running.failure.key, running.failure.outcome.reason) == ("bad", Reason.BAD_EXPRESSION)
    assert "bad/x: $missing is not defined" in running.failure.outcome.message
    assert running.waiting_for == frozenset()


def test_a_pick_value_that_fails_in_an_output_fails_the_workflow() -> None:
    out = OutputPort(id="o", type=OPTIONAL, source=("i", "j"), pick_value=PickValue.FIRST_NON_NULL)
    inner = workflow("inner", ["i", "j"], [], {"o": out})
    outer = workflow("outer", [], [step("sub", inner)], {"o": "sub/o"})
    running = execution(outer)
    running.start()
    assert running.failure is not None
    assert (running.failure.key, running.failure.name) == ("sub", "sub")


def test_an_output_that_does_not_fit_its_type_fails_but_nulls_pass() -> None:
    def ended(value: Any) -> Execution:
        out = OutputPort(id="o", type=FILES, source=("i",))
        running = execution(workflow("w", ["i"], [], {"o": out}), {"i": value})
        running.start()
        return running

    assert ended([FILE_A, None]).outputs == {"o": [FILE_A, None]}
    assert ended(None).outputs == {"o": None}
    assert ended(FILE_A).outputs == {"o": [FILE_A]}
    failure = ended(["text"]).failure
    assert failure is not None
    assert failure.outcome.reason is Reason.BAD_OUTPUT


def test_a_job_ends_once_and_an_execution_starts_once() -> None:
    running = execution(workflow("w", ["i"], [step(n, tool("t"), link("x", "i")) for n in "ab"], {}), {})
    with pytest.raises(ValueError, match="'a'"):
        running.finish("a", DONE, {})
    running.start()
    running.finish("a", DONE, {})
    with pytest.raises(ValueError, match="'a'"):
        running.finish("a", DONE, {})
    with pytest.raises(RuntimeError):
        running.start()


def test_contents_and_listings_are_read_through_the_given_function() -> None:
    asked: list[tuple[Any, bool, str]] = []

    def load(value: Any, contents: bool, listing: str) -> Any:
        asked.append((value, contents, str(listing)))
        return {**value, "contents": "text"}

    port = InputPort(id="f", type=FILE, load_contents=True)
    reading = step("s", tool("t"), link("x", "f", contents=True, value_from="$text"))
    evaluator = Functions({"text": lambda _inputs, self: self["contents"]})
    running = Execution(workflow("w", [port], [reading], {}), {"f": FILE_A}, lambda _process: evaluator, load=load)
    (job,) = running.start()
    assert job.inputs == {"x": "text"}
    assert asked == [(FILE_A, True, "no_listing"), ({**FILE_A, "contents": "text"}, True, "no_listing")]
    assert "contents" not in FILE_A


def test_contents_without_a_reader_are_unsupported() -> None:
    port = InputPort(id="f", type=FILE, load_contents=True)
    running = execution(workflow("w", [port], [], {}), {"f": FILE_A})
    running.start()
    assert running.failure is not None
    assert running.failure.outcome.reason is Reason.UNSUPPORTED


def test_sources_that_nothing_provides_and_cycles_fail_without_a_job() -> None:
    lost = execution(workflow("w", [], [step("s", tool("t"), link("x", "nobody/y"))], {}))
    assert lost.start() == []
    assert lost.failure is not None
    assert "steps/s/in/x: nothing provides the source 'nobody/y'" in lost.failure.outcome.message
    circle = execution(
        workflow("w", [], [step("a", tool("t"), link("x", "b/y")), step("b", tool("t"), link("x", "a/y"))], {})
    )
    circle.start()
    assert circle.failure is not None
    assert "wait for each other: a, b" in circle.failure.outcome.message


def test_scatters_that_would_fill_the_memory_are_refused_at_once() -> None:
    lists = [list(range(1000))] * 4
    ports = ["a", "b", "c", "d"]
    wide = step("s", tool("t", ports), *(link(port, port) for port in ports), scatter=ports,
                method=ScatterMethod.FLAT_CROSSPRODUCT)  # fmt: skip
    running = execution(workflow("w", ports, [wide], {}), dict(zip(ports, lists, strict=True)))
    assert running.start() == []
    assert running.failure is not None
    assert running.failure.outcome.reason is Reason.TOO_LARGE


def test_workflows_that_double_at_every_level_are_refused_at_once() -> None:
    level = workflow("w0", ["x"], [step("s", tool("t"), link("x", "x"))], {"y": "s/y"})
    for depth in range(1, 60):
        level = workflow(f"w{depth}", ["x"], [step(name, level, link("x", "x")) for name in "ab"], {"y": "a/y"})
    running = execution(level, {"x": 1})
    assert running.start() == []
    assert running.failure is not None
    assert running.failure.outcome.reason is Reason.TOO_LARGE


def test_the_answer_follows_the_links() -> None:
    chain = workflow(
        "w", ["i"], [step("a", tool("t"), link("x", "i")), step("b", tool("u"), link("x", "a/y"))], {"o": "b/y"}
    )
    running = execution(chain, {"i": 1})
    run(running, tell=answer)
    assert running.outputs == {"o": ["u", "y", ["t", "y", 1]]}
