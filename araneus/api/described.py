"""What each route takes in its query and body, and what it answers: the part of the OpenAPI document that the routes
do not say themselves. Pure.

`DESCRIBED` has an entry for every route, by method and path; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from araneus.api.answers import (
    ANY,
    COUNT,
    DATE,
    FLAG,
    OBJECT,
    TEXT,
    TIME,
    URL,
    Schema,
    listed,
    maybe,
    one_each,
    page_of,
    record,
    shape,
    whole,
    word,
)
from araneus.api.task_filters import BOUNDS, ORDERS
from araneus.model.division import Role
from araneus.model.task import Status


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query. ``repeated`` ones may be given several times."""

    name: str
    means: str
    schema: Schema
    repeated: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """``answer`` None: no body (204, or the redirect 302), or bytes where ``content`` says so.

    ``body`` is the schema of a JSON body that the route has no structure for. ``also`` are further statuses of errors,
    ``note`` is Markdown for the reader.
    """

    answer: Schema | None
    status: int = 200
    query: tuple[Parameter, ...] = ()
    body: Schema | None = None
    content: str = "application/json"
    also: tuple[int, ...] = ()
    note: str = ""

    @property
    def paged(self) -> bool:
        """Whether the answer is a page of a list."""
        return bool(self.answer and "links" in self.answer.get("properties", ()))


_FIELDS = Parameter(
    "fields",
    "Members to show, separated by commas: `id,name`, `metadata.sample_id`, `_all`, or `!inputs` for all but one.",
    TEXT,
)
_WINDOW = (
    Parameter("offset", "Entries of the list before the first one that is shown.", COUNT),
    Parameter("limit", "Entries to show, at most 100 (0 means 100; without it, 25).", COUNT),
)
_PLACE = (
    Parameter("project", "Id of the project whose root folder is meant: `owner/project`.", TEXT),
    Parameter("parent", "Id of the folder; either this or the project.", TEXT),
)
_FILTERS = (
    Parameter("name", "Files of one of these names.", TEXT, repeated=True),
    Parameter("tag", "Files with all of these tags.", TEXT, repeated=True),
    Parameter("origin.task", "Files that this task made.", TEXT),
)
_METADATA_NOTE = (
    "`metadata.KEY=VALUE` restricts the list to files with this value; values of one key are alternatives, all keys"
    " must match."
)
_TOKEN = Parameter("token", "`init`, or the token of the link `next` of the answer before.", TEXT)
_LIMIT = _WINDOW[1]
_DIVISION = Parameter("division", "Id of the division.", TEXT)
_DAY: Final[Schema] = {"type": "string", "pattern": "^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])-20[0-9]{2}$|^$"}
_DAYS = (
    Parameter("date_from", "First day, as `MM-DD-YYYY`.", _DAY),
    Parameter("date_to", "Last day, as `MM-DD-YYYY`.", _DAY),
    Parameter("invoice_id", "An invoice: only what belongs to its month.", TEXT),
)
_SIGNED = (
    Parameter("expires", "Unix time in seconds, from the signed URL.", TEXT),
    Parameter("by", "Who asked for the URL.", TEXT),
    Parameter("signature", "The signature of the URL.", TEXT),
)
_RUN = Parameter("action", "`run` starts the task at once.", word("run"))
_BATCH = Parameter("batch", "`false` runs a batch as one task.", FLAG)
_INTERRUPTIBLE = Parameter("use_interruptible_instances", "Kept with the task.", FLAG)


def _one(name: str, *query: Parameter, status: int = 200, body: Schema | None = None, note: str = "") -> Described:
    """An object that obeys ``fields``."""
    return Described(shape(name), status, (*query, _FIELDS), body, note=note)


def _page(name: str, *query: Parameter, note: str = "") -> Described:
    return Described(page_of(shape(name)), 200, (*query, *_WINDOW, _FIELDS), note=note)


_NOTHING: Final = Described(None, 204)
_REDIRECT: Final = Described(OBJECT, 302)
_PERMISSIONS: Final = record(read=ANY, copy=ANY, write=ANY, execute=ANY, admin=ANY)
_FLAGS: Final[Schema] = {"type": "object", "properties": dict.fromkeys(_PERMISSIONS["properties"], FLAG)}
_CHANGES: Final[Schema] = {
    "type": "object",
    "additionalProperties": {"anyOf": [TEXT, listed(TEXT), {"type": "number"}, FLAG, {"type": "null"}]},
}
_TASK_BODY: Final[dict[str, Schema]] = {
    "name": TEXT, "description": maybe(TEXT), "project": TEXT, "app": TEXT, "inputs": OBJECT, "batch": maybe(FLAG),
    "batch_input": maybe(TEXT), "batch_by": maybe(shape("BatchBy")),
    "use_interruptible_instances": maybe(FLAG), "execution_settings": maybe(OBJECT), "output_location": maybe(OBJECT),
}  # fmt: skip
BODIES: Final[Mapping[str, Schema]] = {
    "BatchBy": {
        "type": "object",
        "properties": {"type": word("ITEM", "CRITERIA"), "criteria": {"anyOf": [TEXT, listed(TEXT)]}},
        "required": ["type"],
    },
    "NewTaskBody": {"type": "object", "properties": _TASK_BODY, "required": ["project", "app"]},
    "TaskBody": {
        "type": "object", "properties": {name: schema for name, schema in _TASK_BODY.items() if name != "project"},
    },
    "CopyAppBody": {
        "type": "object",
        "properties": {
            "project": TEXT, "name": TEXT, "strategy": word("clone", "direct", "clone_direct", "transient"),
        },
        "required": ["project"],
    },
    "TaskIdsBody": {
        "type": "object", "properties": {"task_ids": {**listed(TEXT), "maxItems": 100}}, "required": ["task_ids"],
    },
}  # fmt: skip
_TASKS_QUERY: Final = (
    Parameter("project", "Tasks of one project.", TEXT),
    Parameter("status", "Tasks that stand there.", word(*Status)),
    Parameter("parent", "Children of a batch, by its id.", TEXT),
    Parameter("batch", "Only batches, or none.", FLAG),
    *(
        Parameter(name, "A time in UTC, inclusive; a bare date means the whole day.", {"anyOf": [TIME, DATE]})
        for name in BOUNDS
    ),
    Parameter("order_by", "What the list is sorted by.", word(*ORDERS)),
    Parameter("order", "Upwards or downwards.", word("asc", "desc")),
    Parameter("origin.id", "Tasks of an automation run; there are none.", TEXT),
)
_APP: Final = "/apps/{owner}/{project}/{app}"
_MEMBERS: Final = "/projects/{owner}/{project}/members"
_APP_NOTE = "The document as JSON or YAML. The answer is the document as it is kept, with the server's `sbg:` keys."

_PEOPLE: Final[dict[str, Described]] = {
    "GET /": Described({"type": "object", "additionalProperties": URL}),
    "GET /rate_limit": Described(shape("RateLimit")),
    "GET /user": _one("User"),
    "GET /users": _page("User", _DIVISION, Parameter("role", "Users in this role.", word(*Role))),
    "GET /users/{username}": _one("User"),
    "DELETE /users/{username}": _NOTHING,
    "POST /users": _one("Account", status=201),
    "PATCH /users/{username}": _one("Account"),
    "GET /users/{username}/tokens": _page("Token"),
    "POST /users/{username}/tokens": _one("NewToken", status=201),
    "DELETE /users/{username}/tokens/{token}": _NOTHING,
    "GET /divisions": _page("Division"),
    "GET /divisions/{division}": _one("Division"),
    "GET /divisions/{division}/teams": _page("Team"),
    "GET /teams": _page("Team", _DIVISION, Parameter("_all", "Also teams that the caller is not in.", FLAG)),
    "POST /teams": _one("Team", status=201),
    "GET /teams/{team}": _one("Team"),
    "PATCH /teams/{team}": _one("Team"),
    "DELETE /teams/{team}": _NOTHING,
    "GET /teams/{team}/members": _page("TeamMember"),
    "POST /teams/{team}/members": _one("TeamMember", status=201),
    "DELETE /teams/{team}/members/{username}": _NOTHING,
    "GET /billing": Described(whole(groups_url=URL, invoices_url=URL)),
    "GET /billing/groups": _page("BillingGroup"),
    "GET /billing/groups/{group}": _one("BillingGroup"),
    "GET /billing/groups/{group}/breakdown": Described(shape("Breakdown"), query=_DAYS),
    "GET /billing/groups/{group}/breakdown/analysis": _page("AnalysisCost", *_DAYS),
    "GET /billing/groups/{group}/breakdown/storage": _page("StorageCost", *_DAYS),
    "GET /billing/groups/{group}/breakdown/egress": Described(page_of(OBJECT), query=(*_DAYS, *_WINDOW, _FIELDS)),
    "GET /billing/invoices": _page("Invoice", Parameter("billing_group", "The caller's billing group.", TEXT)),
    "GET /billing/invoices/{invoice}": _one("Invoice"),
}
_PROJECTS_QUERY: Final = (
    Parameter("name", "Projects whose name holds this text.", TEXT),
    Parameter("category", "Projects of this category.", TEXT),
    Parameter("tags", "Projects with all of these tags.", TEXT, repeated=True),
)
_PROJECTS: Final[dict[str, Described]] = {
    "GET /projects": _page("Project", *_PROJECTS_QUERY),
    "GET /projects/{owner}": _page("Project", *_PROJECTS_QUERY),
    "POST /projects": _one("Project", status=201),
    "GET /projects/{owner}/{project}": _one("Project"),
    "PATCH /projects/{owner}/{project}": _one("Project"),
    "DELETE /projects/{owner}/{project}": _NOTHING,
    "GET /projects/{owner}/{project}/files": _REDIRECT,
    "GET /projects/{owner}/{project}/apps": _REDIRECT,
    "GET /projects/{owner}/{project}/tasks": _REDIRECT,
    f"GET {_MEMBERS}": _page("Member"),
    f"POST {_MEMBERS}": _one("Member", status=201),
    f"GET {_MEMBERS}/{{username}}": _one("Member"),
    f"DELETE {_MEMBERS}/{{username}}": _NOTHING,
    f"GET {_MEMBERS}/{{username}}/permissions": _one("Permissions"),
    f"PATCH {_MEMBERS}/{{username}}/permissions": _one("Permissions", body=_FLAGS),
    f"PUT {_MEMBERS}/{{username}}/permissions": _one(
        "Permissions", body={**_FLAGS, "required": list(_FLAGS["properties"])}
    ),
}
_FILES: Final[dict[str, Described]] = {
    "GET /files": _page(
        "File", *_PLACE, *_FILTERS, Parameter("dataset", "There are no datasets.", TEXT), note=_METADATA_NOTE
    ),
    "GET /files/{file}": _one("File"),
    "PATCH /files/{file}": _one("File"),
    "DELETE /files/{file}": _NOTHING,
    "POST /files/{file}/actions/copy": _one("File", status=201),
    "POST /files/{file}/actions/move": _one("File"),
    "GET /files/{file}/download_info": Described(whole(url=URL)),
    "POST /files": _one("File", status=201),
    "GET /files/{file}/list": _page("File", *_FILTERS, note=_METADATA_NOTE),
    "GET /files/scroll": Described(
        page_of(shape("File")),
        query=(*_PLACE, *_FILTERS, _TOKEN, _LIMIT, _FIELDS),
        note=_METADATA_NOTE,
    ),
    "GET /files/{file}/scroll": Described(
        page_of(shape("File")), query=(*_FILTERS, _TOKEN, _LIMIT, _FIELDS), note=_METADATA_NOTE
    ),
    "POST /files/search": Described(
        shape("Found"), query=(_LIMIT, Parameter("cont_token", "The token of the answer before.", TEXT))
    ),
    "GET /files/{file}/metadata": Described(shape("Metadata")),
    "PATCH /files/{file}/metadata": Described(shape("Metadata"), body=_CHANGES),
    "PUT /files/{file}/metadata": Described(shape("Metadata"), body=_CHANGES),
    "GET /files/{file}/tags": Described(listed(TEXT)),
    "PUT /files/{file}/tags": Described(listed(TEXT), body=maybe(listed(TEXT))),
    "GET /upload/multipart": _page("Upload"),
    "POST /upload/multipart": _one(
        "Upload", Parameter("overwrite", "Whether a file of this name may be replaced.", FLAG), status=201
    ),
    "GET /upload/multipart/{upload}": _one("Upload", Parameter("list_parts", "Also show the parts.", FLAG)),
    "DELETE /upload/multipart/{upload}": _NOTHING,
    "GET /upload/multipart/{upload}/part/{number}": Described(shape("Part")),
    "POST /upload/multipart/{upload}/part": Described(whole()),
    "POST /upload/multipart/{upload}/complete": _one("File", status=201),
    "PUT /upload/parts/{upload}/{number}": Described(whole(), query=_SIGNED, also=(403,)),
    "GET /downloads/{file}/{name}": Described(
        None, query=_SIGNED, content="application/octet-stream", also=(403, 416), note="Ranges are served with 206."
    ),
    "POST /bulk/files/get": Described(one_each(shape("File")), query=(_FIELDS,)),
    "POST /bulk/files/delete": Described(one_each(shape("File")), query=(_FIELDS,)),
    "POST /bulk/files/update": Described(one_each(shape("File")), query=(_FIELDS,)),
    "POST /bulk/files/edit": Described(one_each(shape("File")), query=(_FIELDS,)),
    "POST /action/files/copy": Described(shape("Copied")),
    "POST /action/files/get_ids": Described(listed(maybe(TEXT)), body={**listed(TEXT), "maxItems": 100}),
    "GET /async/files": _page("AsynchronousJob"),
    **{
        entry: described
        for kind in ("copy", "move", "delete")
        for entry, described in {
            f"POST /async/files/{kind}": _one("AsynchronousJob", status=201),
            f"GET /async/files/{kind}/{{job_id}}": _one("AsynchronousJob"),
        }.items()
    },
}
_TASKS: Final[dict[str, Described]] = {
    "GET /apps": _page(
        "App",
        Parameter("visibility", "There are no public apps.", word("PRIVATE", "PUBLIC", "private", "public")),
        Parameter("project", "Apps of one project.", TEXT),
        Parameter("project_owner", "Apps in projects of this user.", TEXT),
        Parameter("id", "Apps with these ids.", TEXT, repeated=True),
        Parameter("q", "Words of the app's name.", TEXT, repeated=True),
    ),
    f"GET {_APP}": _one("App"),
    f"GET {_APP}/{{revision}}": _one("App"),
    f"GET {_APP}/raw": Described(OBJECT),
    f"GET {_APP}/{{revision}}/raw": Described(OBJECT),
    f"POST {_APP}/raw": Described(OBJECT, 201, body=OBJECT, note=_APP_NOTE),
    f"POST {_APP}/{{revision}}/raw": Described(OBJECT, 201, body=OBJECT, note=_APP_NOTE),
    f"DELETE {_APP}": _NOTHING,
    f"DELETE {_APP}/{{revision}}": _NOTHING,
    f"POST {_APP}/actions/copy": _one("App", status=201, body=shape("CopyAppBody")),
    f"POST {_APP}/{{revision}}/actions/copy": _one("App", status=201, body=shape("CopyAppBody")),
    f"POST {_APP}/actions/sync": _one("App", body=maybe(OBJECT)),
    "GET /tasks": _page("Task", *_TASKS_QUERY),
    "POST /tasks": _one("Task", _RUN, _BATCH, status=201, body=shape("NewTaskBody")),
    "GET /tasks/{task}": _one("Task"),
    "PATCH /tasks/{task}": _one("Task", body=shape("TaskBody")),
    "DELETE /tasks/{task}": _NOTHING,
    "POST /tasks/{task}/actions/run": _one("Task", _BATCH, _INTERRUPTIBLE, body=maybe(OBJECT)),
    "POST /tasks/{task}/actions/clone": _one("Task", _RUN, status=201, body=maybe(OBJECT)),
    "POST /tasks/{task}/actions/abort": _one("Task", body=maybe(OBJECT)),
    "GET /tasks/{task}/execution_details": _one("ExecutionDetails"),
    "GET /tasks/{task}/inputs": Described(OBJECT),
    "PATCH /tasks/{task}/inputs": Described(OBJECT, body=OBJECT),
    "POST /bulk/tasks/get": Described(one_each(shape("Task")), query=(_FIELDS,), body=shape("TaskIdsBody")),
    "GET /araneus/tasks/{task}/rerun-failed": _one("FailedTasks"),
    "POST /araneus/tasks/{task}/rerun-failed": _one("Rerun", status=201, body=maybe(OBJECT)),
    "GET /araneus/memos": _page("Memo", Parameter("project", "The project whose results you want.", TEXT)),
    "GET /araneus/memos/{memo}": _one("Memo"),
    "POST /araneus/memos/{memo}/actions/invalidate": _one("Memo", body=maybe(OBJECT)),
    "GET /openapi.json": Described(OBJECT),
    "GET /docs": Described(None, content="text/html"),
    "GET /docs/api-status-codes": Described(listed(shape("Code"))),
}
DESCRIBED: Final[Mapping[str, Described]] = {**_PEOPLE, **_PROJECTS, **_FILES, **_TASKS}


def described(method: str, path: str) -> Described:
    """The description of a route; one that is not in the table answers anything."""
    return DESCRIBED.get(f"{method} {path}", Described(ANY))
