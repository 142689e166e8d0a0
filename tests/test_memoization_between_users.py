"""Results of jobs are reused among those who can read what they were made of, and nobody else, on a real server."""

from typing import Any

from tests.visitor import Visitor, file, globbed, shell

SETTINGS = {"ARANEUS__JOBS__CONTAINERS": "none"}
MEMO: Any = {"execution_settings": {"use_memoization": True}}
CONTENT = b"the same words"
TOOL = shell(
    "cat $1 > o; cat /proc/sys/kernel/random/uuid >> o",
    inputs={"f": {"type": "File", "inputBinding": {"position": 1}}},
    outputs={"o": globbed("o")},
)


def ran(visitor: Visitor, app: str, identity: str) -> tuple[dict[str, Any], bytes]:
    """What memoization did for the only job of a task, and what the task made."""
    task = visitor.run(app, {"f": file(identity)}, **MEMO)
    made = visitor.content(visitor.completed(task)["o"])
    (job,) = visitor.get(f"/tasks/{task}/execution_details")["jobs"]
    return job["memoization"], made


def kept(visitor: Visitor, project: str) -> set[str]:
    return {item["id"] for item in visitor.get("/araneus/memos", project=project)["items"]}


def test_a_result_is_there_for_those_who_can_read_what_it_was_made_of(owner: Visitor) -> None:
    shared, private = owner.project("Shared"), owner.project("Private")
    app = owner.app(shared, "cat", TOOL)
    secret = owner.file(owner.root(private), "f.txt", CONTENT)
    guest = Visitor.added(owner.server, "guest")
    permissions = dict.fromkeys(("read", "copy", "write", "execute"), True)
    owner.post(f"/projects/{shared}/members", {"username": "guest", "permissions": permissions})
    own = guest.file(guest.root(guest.project("Own")), "f.txt", CONTENT)

    first, made = ran(owner, app, secret)
    second, again = ran(owner, app, secret)
    assert (first["reused"], second["reused"], again) == (False, True, made)

    # The same content under the same name is no key to what somebody else has made of it, nor to its existence.
    theirs, other = ran(guest, app, own)
    assert (theirs["reused"], theirs["why"]) == (False, ["no earlier result of this job is kept in this project"])
    assert other != made
    assert kept(guest, shared) == {theirs["result"]}
    assert guest.http.get(f"/araneus/memos/{first['result']}").status_code == 404
    assert guest.http.post(f"/araneus/memos/{first['result']}/actions/invalidate").status_code == 404
    body = {"project": shared, "app": app, "inputs": {"f": file(secret)}, **MEMO}
    refused = guest.post("/tasks", body, action="run")
    assert (refused["status"], len(refused["errors"])) == ("DRAFT", 1)
    copied = guest.post(f"/tasks/{owner.get('/tasks', project=shared)['items'][-1]['id']}/actions/clone", action="run")
    assert copied["status"] == "DRAFT"

    # Files of the project itself are for all of its members.
    common = owner.file(owner.root(shared), "f.txt", b"words for all")
    mine, made = ran(owner, app, common)
    theirs, same = ran(guest, app, common)
    assert (theirs["reused"], theirs["task"], same) == (True, task_of(owner, mine), made)

    # Who has left sees nothing any more.
    assert owner.http.delete(f"/projects/{shared}/members/guest").is_success
    assert guest.http.get("/araneus/memos", params={"project": shared}).status_code == 404
    assert guest.http.post(f"/araneus/memos/{mine['result']}/actions/invalidate").status_code == 404
    assert owner.post(f"/araneus/memos/{mine['result']}/actions/invalidate")["valid"] is False
    last, _ = ran(owner, app, common)
    assert (last["reused"], "was made invalid by" in last["why"][0]) == (False, True)
    guest.http.close()


def test_equal_jobs_of_those_who_cannot_read_each_others_files_are_both_remembered(owner: Visitor) -> None:
    shared = owner.project("Both")
    app = owner.app(shared, "cat", TOOL)
    guests = [Visitor.added(owner.server, name) for name in ("neighbour", "stranger")]
    given: dict[str, str] = {}
    for guest in guests:
        permissions = dict.fromkeys(("read", "copy", "write", "execute"), True)
        owner.post(f"/projects/{shared}/members", {"username": guest.username, "permissions": permissions})
        given[guest.username] = guest.file(guest.root(guest.project("Own")), "f.txt", CONTENT)
    made = {guest.username: ran(guest, app, given[guest.username])[1] for guest in guests}
    assert len(set(made.values())) == len(guests)
    for guest in guests:
        memoization, again = ran(guest, app, given[guest.username])
        assert (memoization["reused"], again) == (True, made[guest.username])
        guest.http.close()


def task_of(visitor: Visitor, memoization: dict[str, Any]) -> str:
    """The task that made a result."""
    return str(visitor.get(f"/araneus/memos/{memoization['result']}")["task"])
