"""Runs of workflows of sbg:draft-2 as the platform's apps are built: groups, nested workflows, several sources, nulls.

Every job is answered with what its step gives; the keys and inputs of all jobs are compared.
"""

from collections.abc import Callable, Mapping
from typing import Any

from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.engine.execution import Execution, ExecutionStatus
from araneus.model.job import Outcome, Reason
from tests.cwl.draft2.documents import array, draft2_tool, draft2_workflow, output, port, step

DONE = Outcome(reason=Reason.SUCCEEDED, exit_code=0)


def file(name: str) -> dict[str, Any]:
    return {"class": "File", "path": f"/{name}", "basename": name}


def shown(value: Any) -> Any:
    """The value with the names of its files in their place."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value["basename"] if isinstance(value, dict) and value.get("class") == "File" else value


def ran(
    document: dict[str, Any], inputs: dict[str, Any], answer: Callable[[str, Mapping[str, Any]], Any], js: JavaScript
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs of every job by its key, and the outputs of the run. ``answer(key, inputs)`` gives outputs."""
    execution = Execution(load_document(document), inputs, lambda each: evaluator_for(each, js))
    jobs: dict[str, Any] = {}
    waiting = execution.start()
    while waiting:
        job = waiting.pop()
        jobs[job.key] = {name: shown(value) for name, value in job.inputs.items() if value is not None}
        waiting += execution.finish(job.key, DONE, answer(job.key, job.inputs))
    assert execution.failure is None
    assert execution.status is ExecutionStatus.SUCCEEDED
    return dict(sorted(jobs.items())), {name: shown(value) for name, value in execution.outputs.items()}


GROUP = draft2_tool(inputs=[port("files", array("File"))], outputs=[output("groups", array("File"))])
ALIGN = draft2_tool(
    inputs=[port("reads", array("File")), port("threads", ["null", "int"], default=2),
            port("extra", ["null", "string"])],
    outputs=[output("bam", ["null", "File"]), output("log", ["null", "File"]), output("lines", "int")],
)  # fmt: skip
INDEX = draft2_tool(inputs=[port("bam", ["File"])], outputs=[output("bai", ["null", "File"])])
REPORT = draft2_tool(
    inputs=[port("logs", array("File")), port("lines", array("int")), port("name", ["null", "string"])],
    outputs=[output("html", ["null", "File"])],
)
INNER = draft2_workflow(
    id="inner",
    inputs=[port("group", array("File")), port("threads", ["null", "int"])],
    steps=[
        step("Align", {key: value for key, value in ALIGN.items() if key != "cwlVersion"},
             {"reads": ["#group"], "threads": "#threads", "extra": {"default": "x"}}),
        step("Index", INDEX, {"bam": ["#Align.bam"]}),
    ],
    outputs=[{"id": "#bam", "type": ["null", "File"], "source": ["#Align.bam"]},
             {"id": "#logs", "type": array("File"), "source": ["#Align.log", "#Index.bai"]},
             {"id": "#lines", "type": "int", "source": "#Align.lines"}],
)  # fmt: skip
OUTER = draft2_workflow(
    inputs=[port("files", array("File")), port("more", ["null", "File"]), port("threads", ["null", "int"])],
    steps=[
        step("Group", GROUP, {"files": ["#files", "#more"]}),
        step("Each", INNER, {"group": ["#Group.groups"], "threads": ["#threads"]}, scatter="#Each.group",
             outputs=[{"id": f"#Each.{name}"} for name in ("bam", "logs", "lines")]),
        step("Report", REPORT, {"logs": ["#Each.logs", "#more"], "lines": ["#Each.lines"], "name": {"default": "all"}}),
    ],
    outputs=[{"id": "#bams", "type": ["null", "File"], "source": ["#Each.bam"]},
             {"id": "#html", "type": ["null", "File"], "source": ["#Report.html"]},
             {"id": "#everything", "type": array("File"), "source": ["#Each.logs", "#Report.html"]}],
)  # fmt: skip


def answered(key: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    name = key.rpartition("/")[2]
    if name == "Group":
        pairs = inputs["files"]
        return {"groups": [pairs[:2], pairs[2:]]}
    if name == "Align":
        first = inputs["reads"][0]["basename"]
        return {"bam": file(f"{first}.bam"), "log": file(f"{first}.log") if first != "a" else None, "lines": len(first)}
    if name == "Index":
        return {"bai": file(f"{inputs['bam']['basename']}.bai")}
    return {"html": file("report")}


def test_groups_nested_workflows_and_several_sources(javascript: JavaScript) -> None:
    inputs = {"files": [file("a"), file("b")], "more": file("c")}
    jobs, outputs = ran(OUTER, inputs, answered, javascript)
    assert jobs == {
        "Each/0/Align": {"reads": ["a", "b"], "threads": 2, "extra": "x"},
        "Each/0/Index": {"bam": "a.bam"},
        "Each/1/Align": {"reads": ["c"], "threads": 2, "extra": "x"},
        "Each/1/Index": {"bam": "c.bam"},
        "Group": {"files": ["a", "b", "c"]},
        "Report": {"logs": ["a.bam.bai", "c.log", "c.bam.bai", "c"], "lines": [1, 1], "name": "all"},
    }
    assert outputs == {
        "bams": ["a.bam", "c.bam"],
        "html": "report",
        "everything": ["a.bam.bai", "c.log", "c.bam.bai", "report"],
    }


def test_no_groups_no_jobs(javascript: JavaScript) -> None:
    def none(key: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"groups": []} if key == "Group" else answered(key, inputs)

    jobs, outputs = ran(OUTER, {"files": [], "more": None}, none, javascript)
    assert jobs == {"Group": {"files": []}, "Report": {"logs": [], "lines": [], "name": "all"}}
    assert outputs == {"bams": [], "html": "report", "everything": ["report"]}
