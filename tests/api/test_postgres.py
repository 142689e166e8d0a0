"""The same server on PostgreSQL, where everything runs in threads and transactions really overlap."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from araneus.model.task import Progress, Status
from araneus.store import projects, tasks
from araneus.testing.postgres import PostgresAbsent, PrivatePostgres
from tests.api import (
    test_batch_children,
    test_billing,
    test_bulk,
    test_edge,
    test_errands,
    test_files,
    test_people,
    test_projects,
    test_reruns,
    test_turns,
    test_uploads,
)
from tests.api.conftest import Server, running
from tests.api.tasks_fixtures import Lab, stored

pytestmark = pytest.mark.postgres
project = test_files.project
log = test_files.log
grown = test_errands.grown
admin = test_people.admin
division = test_people.division


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    try:
        server = PrivatePostgres()
    except PostgresAbsent as absent:
        pytest.skip(str(absent))
    with server:
        yield server


@pytest.fixture
def server(postgres: PrivatePostgres, tmp_path: Path) -> Iterator[Server]:
    url = postgres.create_database()
    with running(tmp_path, url=url, prices=test_billing.PRICES) as started:
        yield started
    postgres.drop_database(url)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


test_project_fields = test_projects.test_a_project_has_exactly_the_documented_fields
test_project_pages = test_projects.test_lists_are_short_unless_asked_and_pages_lead_to_each_other
test_project_windows = test_projects.test_any_window_shows_that_part_of_the_list
test_simultaneous_projects = test_projects.test_simultaneous_creations_all_get_their_own_id
test_members = test_projects.test_members
test_removing_each_other = test_projects.test_two_administrators_cannot_remove_each_other
test_deleting_a_project = test_projects.test_deleting_a_project
test_filters = test_files.test_lists_are_filtered
test_copies = test_files.test_copies
test_merges = test_files.test_simultaneous_merges_all_arrive
test_moves = test_files.test_moves
test_metadata = test_files.test_metadata_and_tags
test_names = test_files.test_any_name_is_taken_as_it_is_or_refused
test_logs = test_files.test_a_growing_log_is_read_by_id_and_not_listed
test_parts = test_uploads.test_parts_arrive_in_parallel_and_out_of_order
test_overwriting = test_uploads.test_a_taken_name_needs_overwrite
test_coming_and_going = test_uploads.test_bytes_that_come_and_go_at_the_same_time_are_never_lost
test_coming_while_going = test_uploads.test_files_that_come_while_their_project_goes
test_bulk_changes = test_bulk.test_update_replaces_and_edit_merges
test_revocation = test_edge.test_a_revoked_token_and_a_disabled_user_are_refused_at_once
test_errand_copies = test_errands.test_copying_keeps_the_structure
test_errand_joins = test_errands.test_what_is_there_already_is_joined_or_gets_another_name
test_errand_moves = test_errands.test_moving_keeps_the_ids_of_files
test_errand_deletions = test_errands.test_deleting_folders_with_their_content
test_errand_failures = test_errands.test_an_item_that_fails_does_not_stop_the_others
test_errand_lists = test_errands.test_errands_of_others_do_not_exist
test_errand_trouble = test_errands.test_a_step_that_keeps_failing_is_skipped
test_prices = test_billing.test_a_task_costs_its_cores_and_its_disk
test_batch_prices = test_billing.test_a_batch_costs_what_its_children_do
test_breakdowns = test_billing.test_the_breakdowns_add_up
test_breakdown_days = test_billing.test_analyses_by_date
test_storage_costs = test_billing.test_storage
test_accounts = test_people.test_a_user_is_added_gets_a_token_and_is_disabled
test_links = test_people.test_links_end_with_the_account_and_with_the_rights
test_team_rights = test_people.test_rights_by_team_end_at_once
test_divisions = test_people.test_other_divisions_do_not_exist
test_batch_steps = test_batch_children.test_a_batch_is_created_then_queued_with_all_its_children
test_batch_left = test_batch_children.test_a_batch_whose_maker_died_gets_its_children
test_reruns_of_failed = test_reruns.test_failed_tasks_run_again_and_reasons_are_grouped
test_batches_while_projects_go = test_batch_children.test_batches_that_are_made_while_their_project_goes
test_turns_of_all_kinds = test_turns.test_a_turn_of_all_kinds
test_queries_of_a_turn = test_turns.test_more_of_the_same_user_need_no_more_queries


def test_many_who_poll_at_once(lab: Lab) -> None:
    """Requests from 24 connections at a time, some of them of strangers: every answer is the asked one."""
    ids = test_turns.some_tasks(lab)
    who = {"rosalind": 200, "francis": 404}

    def poll(number: int) -> None:
        name, identity = ("rosalind", "francis")[number % 3 == 0], ids[number % len(ids)]
        with lab.server.client(name) as polling:
            for _ in range(10):
                answer = polling.get(f"/v2/tasks/{identity}", params={"fields": "id"} if number % 2 else {})
                assert answer.status_code == who[name]
                assert name == "francis" or answer.json()["id"] == identity

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(poll, range(72)))


@pytest.mark.parametrize("action", ["run", "delete"])
def test_nobody_holds_a_task_while_he_waits_for_its_project(lab: Lab, action: str) -> None:
    """Whoever deletes a project locks it and then its tasks; the other way round two would wait for each other."""
    database = lab.server.services.database
    task = test_batch_children.a_batch(lab)
    path = f"/v2/tasks/{task['id']}"
    with ThreadPoolExecutor(1) as pool:
        with database.write() as conn:
            projects.lock(conn, lab.project)
            if action == "run":
                waiting = pool.submit(lab.client.post, f"{path}/actions/run")
                while stored(lab, task["id"]).status is Status.DRAFT:
                    time.sleep(0.01)
            else:
                waiting = pool.submit(lab.client.delete, path)
            time.sleep(0.5)
            assert not waiting.done()
            tasks.set_progress(conn, task["id"], Progress(message="held"))
        assert waiting.result().is_success


def test_reads_survive_a_restart_of_the_database(lab: Lab, postgres: PrivatePostgres) -> None:
    task = lab.task()["id"]
    paths = [f"/v2/tasks/{task}", "/v2/user", "/v2/tasks", f"/v2/projects/{lab.project}"] * 4

    def statuses(_: int) -> list[int]:
        with lab.server.client() as client:
            return [client.get(path).status_code for path in paths]

    with ThreadPoolExecutor(8) as pool:
        polling = pool.map(statuses, range(16))
        for _ in range(3):
            time.sleep(0.1)
            with postgres.away():
                time.sleep(0.3)
        assert [status for some in polling for status in some] == [200] * 256


def test_nothing_is_lost_that_comes_while_the_database_is_away(lab: Lab, postgres: PrivatePostgres) -> None:
    def create(_: int) -> int:
        with lab.server.client() as client:
            return client.post("/v2/projects", json={"name": "P"}).status_code

    with ThreadPoolExecutor(8) as pool:
        with postgres.away():
            coming = [pool.submit(create, number) for number in range(8)]
            time.sleep(0.5)
        assert [one.result() for one in coming] == [201] * 8
