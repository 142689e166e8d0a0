"""The shapes of answers, as the JSON schemas of the OpenAPI document. Pure.

`SHAPES` names them; `described` says which route answers which. No member is required in an object that obeys
``fields``, since the caller chooses; none is there that is not described, which every test of the API checks.
Source: API reference, the object of each group.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from araneus.model.division import Role
from araneus.model.errand import ErrandKind, ErrandState
from araneus.model.job import JobStatus
from araneus.model.task import Status

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
URL: Final[Schema] = {"type": "string", "format": "uri"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
DATE: Final[Schema] = {"type": "string", "format": "date"}
ANY: Final[Schema] = {}
OBJECT: Final[Schema] = {"type": "object"}


def shape(name: str) -> Schema:
    """A reference to one of `SHAPES`, or to a structure of a request body."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": items}


def word(*words: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(words)}


def maybe(schema: Schema) -> Schema:
    """This, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(required: tuple[str, ...] = (), /, **members: Schema) -> Schema:
    """An object with these members and no others."""
    made: Schema = {"type": "object", "properties": members, "additionalProperties": False}
    return made | ({"required": list(required)} if required else {})


def whole(**members: Schema) -> Schema:
    """An object with all of these members and no others."""
    return record(tuple(members), **members)


def page_of(items: Schema) -> Schema:
    """A page of a list."""
    return whole(href=URL, items=listed(items), links=listed(shape("Link")))


def one_each(resource: Schema) -> Schema:
    """What a bulk call answers: an object or an error for each that was asked for, in their order."""
    return whole(items=listed({"oneOf": [whole(resource=resource), whole(error=shape("Error"))]}))


_METADATA: Final[Schema] = {"type": "object", "additionalProperties": {"anyOf": [TEXT, listed(TEXT)]}}
_MONEY: Final = whole(amount={"anyOf": [TEXT, NUMBER]}, currency=TEXT)
_PROBLEM: Final = record(("message",), code=COUNT, status=COUNT, message=TEXT, input=maybe(TEXT), more_info=maybe(TEXT))
_EXECUTION_STATUS: Final = record(
    message=TEXT, message_code=TEXT, steps_completed=maybe(COUNT), steps_total=maybe(COUNT),
    queued_duration=maybe(COUNT), running_duration=maybe(COUNT), execution_duration=maybe(COUNT), duration=COUNT,
    queued=COUNT, running=COUNT, completed=COUNT, failed=COUNT, aborted=COUNT, system_limit=FLAG,
)  # fmt: skip
_STORED: Final = whole(size=NUMBER, unit=TEXT, cost=_MONEY)

_USER: Final[dict[str, Schema]] = {
    "href": URL, "username": TEXT, "email": TEXT, "first_name": TEXT, "last_name": TEXT, "affiliation": TEXT,
    "phone": TEXT, "address": TEXT, "city": TEXT, "state": TEXT, "country": TEXT, "zip_code": TEXT,
    "role": word(*Role), "tags": listed(TEXT),
}  # fmt: skip
_TOKEN: Final[dict[str, Schema]] = {
    "href": URL, "id": TEXT, "label": TEXT, "created_on": TIME, "expires_on": maybe(TIME),
}  # fmt: skip
_UPLOAD: Final[dict[str, Schema]] = {
    "href": URL, "upload_id": TEXT, "project": TEXT, "parent": TEXT, "name": TEXT, "size": maybe(COUNT),
    "part_size": COUNT, "parallel_uploads": FLAG, "initiated": TIME,
}  # fmt: skip

_PEOPLE: Final[dict[str, Schema]] = {
    "User": record(**_USER),
    "Account": record(**_USER, disabled=FLAG),
    "Token": record(**_TOKEN, expired=FLAG),
    "NewToken": record(**_TOKEN, token=TEXT),
    "Division": record(href=URL, id=TEXT, name=TEXT),
    "Team": record(href=URL, id=TEXT, name=TEXT),
    "TeamMember": record(href=URL, id=TEXT, username=TEXT, role=word(*Role)),
    "BillingGroup": record(
        href=URL, id=TEXT, owner=TEXT, name=TEXT, type=TEXT, pending=FLAG, disabled=FLAG, balance=_MONEY
    ),
    "AnalysisCost": record(
        project_name=TEXT, analysis_app_name=TEXT, analysis_name=TEXT, analysis_type=TEXT, analysis_id=TEXT,
        ran_by=TEXT, analysis_status=word(*Status),
        analysis_cost=whole(
            currency=TEXT, amount=TEXT, breakdown=whole(storage=NUMBER, computation=NUMBER, data_transfer_in=NUMBER)
        ),
        refunded_amount=NUMBER, time_started=maybe(TIME), time_finished=maybe(TIME), project_locked=FLAG,
    ),
    "StorageCost": record(
        project_name=TEXT, project_created_by=TEXT, location=TEXT, active=_STORED, archived=_STORED,
        project_locked=FLAG,
    ),
    "Invoice": record(
        href=URL, id=TEXT, pending=FLAG, approval_date=TIME, invoice_period=whole(**{"from": TIME, "to": TIME}),
        analysis_costs=_MONEY, storage_costs=_MONEY, total=_MONEY,
    ),
    "Breakdown": whole(
        total_spending=_MONEY,
        project_breakdown=listed(
            whole(
                href=URL, analysis_spending=_MONEY,
                task_breakdown=listed(
                    whole(
                        href=URL, runner_username=TEXT, time_started=maybe(TIME), time_finished=maybe(TIME),
                        task_cost=_MONEY,
                    )
                ),
            )
        ),
    ),
}  # fmt: skip
_PROJECTS: Final[dict[str, Schema]] = {
    "Permissions": record(read=FLAG, copy=FLAG, write=FLAG, execute=FLAG, admin=FLAG),
    "Settings": record(
        locked=FLAG, controlled=FLAG, location=TEXT, use_interruptible_instances=FLAG, use_memoization=FLAG,
        use_elastic_disk=FLAG, allow_network_access=FLAG,
        intermediate_files=record(retention=word("LIMITED", "UNLIMITED"), duration=COUNT),
    ),
    "Project": record(
        href=URL, id=TEXT, name=TEXT, description=TEXT, type=word("v2"), billing_group=TEXT, tags=listed(TEXT),
        settings=shape("Settings"), root_folder=TEXT, created_by=TEXT, created_on=TIME, modified_on=TIME,
        category=TEXT, permissions=shape("Permissions"),
    ),
    "Member": record(
        href=URL, id=TEXT, username=TEXT, email=TEXT, type=word("USER", "TEAM", "DIVISION"),
        permissions=shape("Permissions"),
    ),
}  # fmt: skip
_FILES: Final[dict[str, Schema]] = {
    "Metadata": _METADATA,
    "File": record(
        href=URL, id=TEXT, name=TEXT, size=maybe(COUNT), project=TEXT, parent=TEXT, type=word("file", "folder"),
        created_on=TIME, modified_on=TIME, storage=record(type=TEXT, hosted_on_locations=listed(TEXT)),
        origin=record(task=TEXT), tags=listed(TEXT), metadata=shape("Metadata"),
    ),
    "Found": whole(count=COUNT, cont_token=TEXT, result_set=listed(shape("File"))),
    "Upload": record(
        **_UPLOAD, uploaded_parts_count=COUNT,
        parts=listed(whole(part_number=COUNT, response=whole(headers=whole(ETag=TEXT)))),
    ),
    "Part": whole(
        method=word("PUT"), url=URL, expires=TIME, headers=OBJECT, success_codes=listed(COUNT),
        report=whole(headers=listed(TEXT)),
    ),
    "Copied": {
        "type": "object",
        "additionalProperties": {
            "oneOf": [
                whole(status=word("OK"), new_file_id=TEXT, new_file_name=TEXT),
                whole(status=word("ERROR"), message=TEXT, error=shape("Error")),
            ]
        },
    },
    "AsynchronousJob": record(
        href=URL, id=TEXT, type=word(*ErrandKind), state=word(*ErrandState), total_files=COUNT, completed_files=COUNT,
        failed_files=COUNT, started_on=TIME, finished_on=maybe(TIME),
        result=listed(record(resource=shape("File"), error=shape("Error"))),
    ),
}  # fmt: skip
_TASKS: Final[dict[str, Schema]] = {
    "App": record(
        href=URL, id=TEXT, project=TEXT, name=TEXT, revision=COUNT, latest_revision=COUNT, copy_of=TEXT, raw=OBJECT
    ),
    "FailureReason": whole(
        count=COUNT, reason=maybe(TEXT), step=maybe(TEXT), exit_code=maybe({"type": "integer"}), message=TEXT,
        tasks=listed(whole(href=URL, id=TEXT, name=TEXT)),
    ),
    "FailedTasks": record(failed=COUNT, reasons=listed(shape("FailureReason"))),
    "Rerun": record(task=shape("Task"), failed=COUNT, reasons=listed(shape("FailureReason"))),
    "Task": record(
        href=URL, id=TEXT, name=TEXT, description=maybe(TEXT), status=word(*Status), project=TEXT, app=TEXT,
        type=word("v2"), created_by=TEXT, executed_by=TEXT, created_time=TIME, start_time=TIME, end_time=TIME,
        batch=FLAG, batch_by=OBJECT, batch_input=TEXT, parent=TEXT, batch_group=OBJECT,
        use_interruptible_instances=FLAG, execution_settings=OBJECT, output_location=OBJECT,
        execution_status=_EXECUTION_STATUS,
        price=record(
            amount=NUMBER, currency=TEXT, breakdown=record(storage=TEXT, computation=TEXT, data_transfer=TEXT)
        ),
        errors=listed(_PROBLEM), warnings=listed(_PROBLEM), inputs=OBJECT, outputs=OBJECT,
    ),
    "Memo": record(
        href=URL, id=TEXT, name=TEXT, project=TEXT, app=TEXT, task=TEXT, created_by=TEXT, created_on=TIME, used_on=TIME,
        expires_on=TIME, valid=FLAG, invalidated_by=maybe(TEXT), invalidated_on=maybe(TIME),
    ),
    "ExecutionDetails": record(
        href=URL, start_time=TIME, end_time=TIME, status=word(*Status), message=TEXT,
        jobs=listed(
            record(
                name=TEXT, start_time=TIME, end_time=TIME, status=word(*JobStatus), command_line=TEXT, retried=FLAG,
                instance=record(
                    id=TEXT, type=TEXT, provider=TEXT, disk=record(size=NUMBER, unit=TEXT, type=TEXT)
                ),
                logs={"type": "object", "additionalProperties": URL},
                memoization=record(("reused", "why"), reused=FLAG, why=listed(TEXT), result=TEXT, task=TEXT),
            )
        ),
    ),
}  # fmt: skip
SHAPES: Final[Mapping[str, Schema]] = {
    "Error": whole(status=COUNT, code=COUNT, message=TEXT, more_info=maybe(URL)),
    "Link": whole(href=URL, rel=word("next", "prev"), method=word("GET")),
    "RateLimit": whole(
        rate=whole(limit={"type": "integer"}, remaining=COUNT, reset=COUNT),
        instance_limit=whole(limit={"type": "integer"}, remaining=COUNT),
    ),
    "Code": whole(code=COUNT, status=COUNT, meaning=TEXT),
    **_PEOPLE,
    **_PROJECTS,
    **_FILES,
    **_TASKS,
}
