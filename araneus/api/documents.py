"""The pages under ``docs/`` that are made from the code: ``python -m araneus.api.documents docs``.

`compatibility.md` holds the routes against the documented endpoints; `openapi.json` describes the routes.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from araneus.api.call import Route
from araneus.api.documented import Endpoint, endpoints, key
from araneus.api.openapi import document
from araneus.api.routes import ROUTES

_SERVER = "http://127.0.0.1:8080"
_GROUPS: Mapping[str, str] = {
    "users-billing": "Users, billing, teams",
    "projects": "Projects and members",
    "files": "Files and folders",
    "uploads": "Uploads",
    "apps": "Apps",
    "tasks": "Tasks",
    "bulk-async": "Bulk calls and asynchronous jobs",
    "volumes": "Volumes, imports and exports",
    "other": "Others",
}
_DIFFERENCES = """\
- Tasks have the prices of the settings (`prices.cpu_hour` and what stands beside it), but nobody is charged: each
  user has one billing group of type `free`, and downloads cost nothing. The storage breakdown says what is stored now,
  and costs a month. The old breakdown names the latest 1,000 tasks; its sums are of all.
- There is an invoice, with the id `YYYYMM`, for each month (UTC) that is over and in which tasks have ended: the sum of
  its analyses. Without `invoice_id` a breakdown is of all months. What files took in earlier months is not known.
- Instance types decide what a task costs and bound what its jobs take together; all run on this machine
  (`resources.md`). Jobs are memoized within a project (`memoization.md`). Elastic disk is kept and changes nothing.
- The rate limit is off unless `limits.requests` is set; the headers are there, on every answer, and announce 1000
  requests. It counts by user, whatever token he sends, in each API process by itself, in windows that end for everybody
  at the same moment. Signed links, `GET /rate_limit` and paths that do not exist are not counted.
- Batches have all their children when `run` answers: CREATING lasts a moment, and nobody sees half of the children.
  Items of a list of lists are grouped by their first file, missing metadata by the empty value. 5,000 children at most.
- `POST /araneus/tasks/{id}/rerun-failed` makes a new batch of the failed children of a batch and groups the reasons;
  `GET` of the same path only tells them.
- CWL v1.0, v1.1, v1.2 and sbg:draft-2 run, also mixed. Apps in Nextflow or WDL are kept, and say why they cannot run.
- An app whose links are broken is kept, with `sbg:validationErrors`, if it has an `sbg:` key, class or namespace. Any
  other with a mistake is refused, with all its problems. Harmless mistakes are `warnings` of its tasks.
- A member is added by the name or address of a user that exists; there are no invitations. A team or division becomes a
  member by its id when whoever adds it can see it; its users may do what it may, beside what each was given himself,
  until they leave it. They are not listed one by one. The last administrator that stays is a user, not a team.
- Users, tokens and divisions are made with `araneus user`, `araneus token` and `araneus division`, or by an
  administrator with the calls of our own below; there is no login page.
- `GET /users/{username}` answers 403 (2001) for a name that nobody has, too: only administrators learn which there are.
- `DELETE /users/{username}` is for administrators of the server and of the user's division. What a disabled user owns
  stays.
- Links for download and upload work for `storage.link_lifetime` seconds (48 hours), only on this server, and only as
  long as the user who asked for them has an account and the permission.
- Content is checked on the way in: a part against its `Content-MD5` if it has one, a report against the part, the whole
  file against the size and `md5` of its announcement (8007; the parts stay, so that they can be sent again).
- Entries of bulk calls that are no ids or no objects fail alone; only a missing list, or one of more than 100, fails
  the call.
- Names of files have at most 255 bytes in UTF-8, so that tools find them under their names, and hold no control
  characters.
- An upload to which no part has come for `storage.upload_lifetime` seconds (7 days) is given up.
- Asynchronous jobs of files: what is not allowed or not there fails as an item of the result, not as the call. The
  result has an entry for each item that was asked for, then one for each file inside a folder that failed. Folders
  are not counted as files. Moving to another project also needs the permission to copy. 10,000 items at most.
- Lists by token (`/files/scroll`) go by name, take metadata filters too, and need no header for advance access.
- `POST /action/files/get_ids` takes a list of paths and answers a list of ids, null where there is nothing.
- `POST /files/search` reads the query syntax without `AS`, `ORDER BY`, `OFFSET`; it looks into folders only with
  `RECURSIVE`, at 20,000 files in one call at most, and answers a `cont_token` until it has seen everything. What is
  no property of a file is a key of its metadata. Locations are `owner/project[/folder]`.
- A task may use files of other projects out of which its user may copy; of its own project it may use all.
- Null in a change of a task leaves name and description as they are (the R client sends it for what is not given);
  the empty text clears a description.
- Pages in browsers may call the API from any origin (CORS), with a token in a header as everybody.
- A packed body (`Content-Encoding`) is refused with 415 (90008). Signed links answer `If-None-Match` with 304.
- `more_info` of an error leads to `/v2/docs/api-status-codes` of this server."""
_HEAD = """# Compatibility

Made from the code by `make docs`. The importance is 1 for what the main job needs (projects, files, apps, tasks), 2 for
what scripts commonly use, 3 for the rest. What is not available answers 404 with code 90003 and says so.
"""


def compatibility(routes: tuple[Route, ...], documented: tuple[Endpoint, ...]) -> str:
    """The page about which documented endpoints are served, in Markdown."""
    served = {key(route.method, route.path) for route in routes}
    lines = [_HEAD, "| importance | documented | available |", "|---|---|---|"]
    for importance in sorted({endpoint.importance for endpoint in documented}):
        those = [endpoint for endpoint in documented if endpoint.importance == importance]
        lines.append(f"| {importance} | {len(those)} | {sum(endpoint.key in served for endpoint in those)} |")
    lines += ["", "## Known differences", "", _DIFFERENCES]
    for group, title in _GROUPS.items():
        lines += ["", f"## {title}", "", "| | endpoint | what it does | importance |", "|---|---|---|---|"]
        lines += [_row(endpoint, served) for endpoint in documented if endpoint.group == group]
    own = [route for route in routes if key(route.method, route.path) not in {entry.key for entry in documented}]
    lines += ["", "## Of our own", "", "| endpoint | what it does |", "|---|---|"]
    lines += [f"| `{route.method} {route.path}` | {route.summary} |" for route in own]
    return "\n".join(lines) + "\n"


def _row(endpoint: Endpoint, served: set[tuple[str, str]]) -> str:
    mark = "available" if endpoint.key in served else "not yet"
    summary = endpoint.summary.replace("|", "\\|")
    return f"| {mark} | `{endpoint.method} {endpoint.path}` | {summary} | {endpoint.importance} |"


def pages() -> dict[str, str]:
    """The generated files by name."""
    described = json.dumps(document(ROUTES, _SERVER), indent=1, sort_keys=True, ensure_ascii=False)
    return {"compatibility.md": compatibility(ROUTES, endpoints()), "openapi.json": described + "\n"}


def main(arguments: list[str]) -> None:
    """Write the pages into a directory."""
    if len(arguments) != 2:
        raise SystemExit("usage: python -m araneus.api.documents DIRECTORY")
    directory = Path(arguments[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text, "utf-8")
        print(f"{directory / name}: {len(text)} characters")


if __name__ == "__main__":
    main(sys.argv)
