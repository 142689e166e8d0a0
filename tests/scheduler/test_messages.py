"""What is said about failures: which job, where, what, the last words; and nothing that should not be shown."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.engine.execution import Execution, Failure
from araneus.engine.places import Element
from araneus.model.job import Outcome, Reason
from araneus.scheduler.messages import app_invalid, internal_error, job_failed, task_failed, task_logs, with_last_lines
from araneus.scheduler.plain_text import plain, secrets_of, without
from tests.scheduler.house import tool


def failure(reason: Reason = Reason.EXIT_CODE, message: str = "", code: int | None = None, **more: object) -> Failure:
    outcome = Outcome(reason=reason, message=message, exit_code=code)
    return Failure(**{"key": "align", "name": "align", "outcome": outcome, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    assert job_failed(failure(reason, code=1)).startswith("Job align ")
    assert job_failed(failure(reason, code=1)).endswith(".")
    assert task_failed(Outcome(reason=reason, exit_code=1)).startswith("The task ")
    assert "None" not in job_failed(failure(reason))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1, "exit code 1."),
        (2, "exit code 2."),
        (126, "could not be run"),
        (127, "a command was not found"),
        (134, "SIGABRT"),
        (137, "most often because the memory ran out"),
        (139, "crashed (SIGSEGV)"),
        (143, "SIGTERM"),
        (153, "ended by SIGXFSZ"),
        (255, "exit code 255."),
        (128, "exit code 128."),
    ],
)
def test_exit_codes_are_explained_where_they_mean_something(code: int, said: str) -> None:
    message = job_failed(failure(code=code))
    assert message.startswith(f"Job align failed with exit code {code}")
    assert said in message


def test_a_message_has_its_parts_in_order() -> None:
    way = (
        Element(step="sub"),
        Element(step="align", number=3, count=12, label="sample_B.fastq"),
        Element(step="sort", number=1, count=2),
    )
    outcome = with_last_lines("no file matches '*.bam'", "one\ntwo\n")
    said = job_failed(
        failure(Reason.MISSING_OUTPUT, outcome, 0, name="sub.align_3_s.sort_1_s", way=way), more=2, logs="/tmp/x/"
    )
    assert said.splitlines() == [
        "Job sub.align_3_s.sort_1_s did not produce a required output: no file matches '*.bam'",
        "Where: sub → align, element 3 of 12 (sample_B.fastq) → sort, element 1 of 2",
        "The last lines of its standard error:",
        "one",
        "two",
        "2 other jobs failed too.",
        "Logs: /tmp/x/",
    ]
    assert "Where" not in job_failed(failure(way=(Element(step="align"),)))
    assert "1 other job failed too." in job_failed(failure(), more=1)
    assert job_failed(failure(is_job=False)).startswith("Step align ")
    assert "Logs" not in job_failed(failure(Reason.TOO_LARGE), logs="here")
    assert task_logs("a.b") == "in the task's execution_details, job a.b: job.err.log, job.out.log, cmd.log"


def test_faults_of_the_server_are_one_line() -> None:
    assert internal_error(ValueError()) == "Internal error (see the server's log): ValueError"
    assert internal_error(OSError("a\nb")) == "Internal error (see the server's log): OSError: a"


def nested(word: str) -> dict[str, object]:
    """A workflow that scatters a workflow that scatters a tool."""
    say = tool("true", inputs={"word": "string", "file": "File?"}, outputs={})
    inner = {
        "class": "Workflow", "inputs": {"words": "string[]"}, "outputs": {},
        "steps": {"say": {"run": say, "scatter": "word", "in": {"word": "words"}, "out": [], **(
            {"when": f"$(inputs.word == '{word}' ? nothing.here : true)"} if word else {}
        )}},
    }  # fmt: skip
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [
            {"class": "ScatterFeatureRequirement"}, {"class": "SubworkflowFeatureRequirement"},
            {"class": "InlineJavascriptRequirement"}, {"class": "StepInputExpressionRequirement"},
        ],
        "inputs": {"lists": {"type": {"type": "array", "items": {"type": "array", "items": "string"}}}},
        "outputs": {},
        "steps": {"each": {"run": inner, "scatter": "words", "in": {"words": "lists"}, "out": []}},
    }  # fmt: skip


LISTS = [["a", "b"], ["c", "bad", "d"]]


@pytest.fixture(scope="module")
def javascript() -> object:
    with JavaScript() as javascript:
        yield javascript


def test_the_way_leads_through_nested_scatters(javascript: JavaScript) -> None:
    process = load_document(nested(""))
    execution = Execution(process, {"lists": LISTS}, lambda process: evaluator_for(process, javascript))
    execution.start()
    execution.finish("each/1/say/1", Outcome(reason=Reason.EXIT_CODE, exit_code=1), None)
    execution.finish("each/0/say/0", Outcome(reason=Reason.OUT_OF_MEMORY), None)
    execution.finish("each/0/say/1", Outcome(reason=Reason.CANCELLED), None)
    assert execution.failure is not None
    assert execution.more_failed == 1
    said = job_failed(execution.failure, more=execution.more_failed).splitlines()
    assert said == [
        "Job each_2_s.say_2_s failed with exit code 1.",
        "Where: each, element 2 of 2 → say, element 2 of 3 (bad)",
        "1 other job failed too.",
    ]


def test_an_expression_of_a_step_is_blamed_with_its_element(javascript: JavaScript) -> None:
    process = load_document(nested("bad"))
    execution = Execution(process, {"lists": LISTS}, lambda process: evaluator_for(process, javascript))
    execution.start()
    assert execution.failure is not None
    blamed, way = job_failed(execution.failure).splitlines()
    assert blamed.startswith("Step each_2_s.say_2_s failed in an expression: each/1/say/1/when: expression ")
    assert blamed.endswith(
        "$(inputs.word == 'bad' ? nothing.here : true) failed: ReferenceError: nothing is not defined"
    )
    assert way == "Where: each, element 2 of 2 → say, element 2 of 3 (bad)"


def test_elements_are_called_by_their_files() -> None:
    step = tool("true", inputs={"reads": "File", "n": "int"}, outputs={})
    workflow = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"files": "File[]", "ns": "int[]"},
        "outputs": {},
        "steps": {
            "align": {
                "run": step,
                "scatter": ["reads", "n"],
                "scatterMethod": "dotproduct",
                "in": {"reads": "files", "n": "ns"},
                "out": [],
            }
        },
    }
    files = [{"class": "File", "location": f"blob:{name}", "basename": f"sample_{name}.fastq"} for name in "AB"]
    with JavaScript() as javascript:
        process = load_document(workflow)
        execution = Execution(process, {"files": files, "ns": [5, 6]}, lambda one: evaluator_for(one, javascript))
        execution.start()
        execution.finish("align/1", Outcome(reason=Reason.LOST), None)
    assert execution.failure is not None
    assert "Where: align, element 2 of 2 (sample_B.fastq, 6)" in job_failed(execution.failure)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m and \x1b]0;title\x07plain", "red and plain"),
        ("10%\r20%\r30%\nnext\r\n", "30%\nnext\n"),
        ("a\x00b\x07c\x9bd", "abcd"),
        ("name\u202egnp.exe", "namegnp.exe"),
        ("\ud800x", "\ufffdx"),
        ("tab\tstays\nlines stay", "tab\tstays\nlines stay"),
        ("https://me:hunter2@example.org/x", "https://***@example.org/x"),
        ("GET https://b.example/x?X-Amz-Signature=abc123&part=2", "GET https://b.example/x?X-Amz-Signature=***&part=2"),
        ("https://x.example/?a=1&access_token=abc#top", "https://x.example/?a=1&access_token=***#top"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("X-SBG-Auth-Token: 0123456789abcdef", "X-SBG-Auth-Token: ***"),
        ('{"password": "hunter2hunter2"}', '{"password": "***"}'),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "AWS_SECRET_ACCESS_KEY=***"),
        ("--api-key=abcdef --threads=4", "--api-key=*** --threads=4"),
        ("SyntaxError: unexpected token: 'x' in line 3", "SyntaxError: unexpected token: 'x' in line 3"),
        ("bad signature: expected BAM", "bad signature: expected BAM"),
        ("key=value pairs; token 5 of 7", "key=value pairs; token 5 of 7"),
    ],
)
def test_text_is_made_plain(text: str, shown: str) -> None:
    assert plain(text, 1000) == shown
    assert plain(shown, 1000) == shown


@given(text=st.text(st.characters() | st.sampled_from("\x1b[]\r\n=:&?tokenpassword"), max_size=400))
def test_plain_text_is_short_and_steers_nothing(text: str) -> None:
    shown = plain(text, 100)
    assert len(shown) <= 100
    assert not set(shown) & {chr(code) for code in [*range(9), *range(11, 32), *range(127, 160)]}
    shown.encode()


def test_long_hostile_text_is_looked_through_quickly() -> None:
    for text in (
        "token" * 10_000,
        "https://" * 10_000,
        "\x1b[" * 50_000,
        "a" * 10**6,
        "password=" * 9_000,
        ":" * 10**5,
    ):
        plain(text, 4000)


def test_secrets_of_the_environment_are_covered() -> None:
    environment = {
        "GITHUB_TOKEN": "abcdef12",
        "HOME": "/home/me",
        "DB_PASS": "s3cret!",
        "KEY": "a",
        "MONKEYS": "twelve",
    }
    secrets = secrets_of(environment)
    assert sorted(secrets) == ["abcdef12", "s3cret!"]
    assert without("abcdef12 is not s3cret! at /home/me", secrets) == "*** is not *** at /home/me"


@given(detail=st.text(max_size=9000), tail=st.text(string.printable, max_size=9000))
def test_messages_have_an_end(detail: str, tail: str) -> None:
    outcome = with_last_lines(detail, tail)
    way = tuple(Element(step="s" * 300, number=1, count=2, label=detail[:500]) for _ in range(20))
    said = job_failed(failure(Reason.MISSING_OUTPUT, outcome, name="n" * 500, way=way), more=3, logs=task_logs("n"))
    assert len(said) <= 6000
    assert said.endswith("cmd.log")
    assert len(app_invalid(detail * 3)) <= 6000


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("inputs/x: must be a File, not 'x'", "was given inputs that do not fit"),
        ("baseCommand: there is no command to run", "could not be prepared"),
        ("DockerRequirement/dockerOutputDirectory: cannot be the root directory", "could not be prepared"),
        ("stdoutput: must be text", "was given inputs that do not fit"),
    ],
)
def test_what_is_wrong_in_a_tool_is_not_said_of_its_inputs(message: str, said: str) -> None:
    assert job_failed(failure(Reason.BAD_INPUT, message)) == f"Job align {said}: {message}"


def test_what_is_wrong_before_any_step_is_said_of_the_task() -> None:
    known = load_document(tool("true", id="align", inputs={"reads": "File"}))
    with JavaScript() as javascript:
        execution = Execution(known, {}, lambda process: evaluator_for(process, javascript))
        execution.start()
    assert execution.failure is not None
    assert job_failed(execution.failure) == (
        "The task was given inputs that do not fit: reads: must be a File, not null (nothing was given)"
    )
