"""Results that are reused, over HTTP: seen in execution details, listed, made invalid by those who may write."""

from typing import Any

from tests.api.tasks_fixtures import Lab
from tests.api.test_tasks_running import ended, lab, run

__all__ = ["lab"]


def ran(lab: Lab, text: str) -> dict[str, Any]:
    """The only job of a task that ran, as execution details show it."""
    inputs = {"text": {"class": "File", "path": text}, "lines": 1}
    done = ended(lab, run(lab, "head", inputs, execution_settings={"use_memoization": True}))
    assert done["status"] == "COMPLETED"
    (job,) = lab.client.get(f"{done['href']}/execution_details").json()["jobs"]
    return {"of": done["id"], **job}


def test_a_result_is_reused_shown_and_made_invalid(lab: Lab) -> None:
    text = lab.file("a.txt", content=b"one\ntwo\n")
    first, second = ran(lab, text), ran(lab, text)
    kept = first["memoization"]["result"]
    assert first["memoization"] == {
        "reused": False, "result": kept, "why": ["no earlier result of this job is kept in this project"]
    }  # fmt: skip
    why = ["the tool and its inputs are the same"]
    assert second["memoization"] == {"reused": True, "result": kept, "task": first["of"], "why": why}
    assert second["logs"].keys() == first["logs"].keys()
    listed = lab.client.get("/v2/araneus/memos", params={"project": lab.project}).json()["items"]
    assert [(item["id"], item["task"], item["valid"]) for item in listed] == [(kept, first["of"], True)]
    answer = lab.client.post(f"/v2/araneus/memos/{kept}/actions/invalidate")
    assert (answer.status_code, answer.json()["valid"]) == (200, False)
    assert answer.json()["invalidated_by"] == answer.json()["created_by"]
    third = ran(lab, text)
    assert third["memoization"]["why"][0].startswith(f"the result of task {first['of']} was made invalid by")
    assert ran(lab, text)["memoization"]["task"] == third["of"]


def test_only_who_may_write_makes_invalid_and_strangers_see_nothing(lab: Lab) -> None:
    kept = ran(lab, lab.file("a.txt", content=b"one\n"))["memoization"]["result"]
    with lab.server.client("francis") as guest:
        assert guest.get(f"/v2/araneus/memos/{kept}").status_code == 404
        assert guest.post(f"/v2/araneus/memos/{kept}/actions/invalidate").status_code == 404
        assert guest.get("/v2/araneus/memos", params={"project": lab.project}).status_code == 404
    with lab.admit("francis", execute=True) as member:
        assert member.get(f"/v2/araneus/memos/{kept}").json()["valid"] is True
        assert member.post(f"/v2/araneus/memos/{kept}/actions/invalidate").status_code == 403
        mine = member.get("/v2/araneus/memos", params={"project": lab.project})
        assert len(mine.json()["items"]) == int(mine.headers["X-Total-Matching-Query"]) == 1
    assert lab.client.get("/v2/araneus/memos").status_code == 400
    assert lab.client.get("/v2/araneus/memos/nonsense").status_code == 404
