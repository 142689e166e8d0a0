"""Running an ExpressionTool: one expression over ready inputs. Nothing is started but JavaScript.

Source: CWL v1.2 Workflow, "ExpressionTool".
"""

from collections.abc import Mapping

from araneus.cwl.errors import ExpressionError, OutputError, Problem
from araneus.cwl.expressions import Evaluator
from araneus.cwl.files import Locate, local_path, well_formed
from araneus.cwl.process import DRAFT_2, ExpressionTool
from araneus.cwl.ready import output_problems, ready_inputs, seen_inputs
from araneus.cwl.staging import Stage
from araneus.cwl.types import holds_files
from araneus.model.values import FileValue, Value, map_file_values

_INPUTS = "/inputs"
"""There is no job directory: the paths that the expression sees only carry names."""


def run_expression(
    tool: ExpressionTool,
    inputs: Mapping[str, Value],
    evaluator: Evaluator,
    *,
    locate: Locate = local_path,
    discover: bool = True,
) -> dict[str, Value]:
    """The outputs of an expression tool. File values in them are inputs or literals.

    Raises `InputError`, `ExpressionError`, and `OutputError` when the result does not fit the outputs.
    """
    ready = ready_inputs(tool, inputs, evaluator, locate, discover=discover)
    stage = Stage(_INPUTS)
    placed = {port: stage.place_inputs(value, f"inputs/{port}") for port, value in ready.items()}
    result = evaluator.evaluate(tool.expression, inputs=seen_inputs(tool, placed), runtime={}, where="expression")
    if not isinstance(result, dict):
        raise ExpressionError(Problem("expression", "must give an object with a value for each output"))
    outputs = {port.id: _output(result.get(port.id), stage, f"outputs/{port.id}") for port in tool.outputs}
    problems = [
        Problem(f"outputs/{port.id}{problem.where}", problem.what)
        for port in tool.outputs
        for problem in output_problems(port.type, outputs[port.id])
        if tool.cwl_version != DRAFT_2 or holds_files(port.type) or outputs[port.id] is None
    ]
    if problems:
        raise OutputError(*problems)
    return outputs


def _output(value: Value, stage: Stage, where: str) -> Value:
    return map_file_values(value, lambda file: _settled(well_formed(file, where, ExpressionError), stage))


def _settled(value: FileValue, stage: Stage) -> FileValue:
    """A file value without its path; a literal that the expression saw in part gets the rest back."""
    known = stage.origins.get(value.get("path", ""))
    result = {key: item for key, item in value.items() if key not in {"path", "dirname"}}
    if known is not None:
        for key in ("location", "listing"):
            if key in known:
                result.setdefault(key, known[key])
    if "location" in result:
        result.pop("contents", None)
    for key in ("secondaryFiles", "listing"):
        if result.get(key):
            result[key] = [_settled(item, stage) for item in result[key]]
    return result
