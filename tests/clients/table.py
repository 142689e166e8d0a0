"""Which endpoints each public method of sevenbridges-python calls; the client's code is the source.

A method stands with the class that it is called on, inherited ones (`get`, `delete`, `reload`) where they can work.
``-`` is a method that sends nothing. `introspection` holds the list against the installed client, the tour in
`test_every_method` what is written here against what is really sent.
"""

from collections.abc import Mapping

_TABLE = """
Actions.bulk_copy_files                    POST /action/files/copy
Actions.send_feedback                      POST /action/notifications/feedback
Api.limit                                  GET /rate_limit
Api.remaining                              GET /rate_limit
Api.reset_time                             GET /rate_limit
App.copy                                   POST /apps/{owner}/{project}/{app}/actions/copy
App.create_revision                        POST /apps/{owner}/{project}/{app}/{revision}/raw
                                           GET /apps/{owner}/{project}/{app}/{revision}
App.get                                    GET /apps/{owner}/{project}/{app}
App.get_revision                           GET /apps/{owner}/{project}/{app}/{revision}
App.install_app                            POST /apps/{owner}/{project}/{app}/raw
                                           GET /apps/{owner}/{project}/{app}/{revision}
App.query                                  GET /apps
App.reload                                 GET /apps/{owner}/{project}/{app}/{revision}
App.sync                                   POST /apps/{owner}/{project}/{app}/actions/sync
AsyncFileBulkRecord.parse_records          -
AsyncJob.file_bulk_copy                    POST /async/files/copy
AsyncJob.file_bulk_delete                  POST /async/files/delete
AsyncJob.file_bulk_move                    POST /async/files/move
AsyncJob.get_file_copy_job                 GET /async/files/copy/{job_id}
AsyncJob.get_file_delete_job               GET /async/files/delete/{job_id}
AsyncJob.get_file_move_job                 GET /async/files/move/{job_id}
AsyncJob.get_result                        -
AsyncJob.list_file_jobs                    GET /async/files
AsyncJob.reload                            GET /async/files/copy/{job_id}
Automation.add_member                      POST /automation/automations/{automation_id}/members
Automation.add_package                     POST /automation/upload
Automation.add_team_member                 POST /automation/automations/{automation_id}/members
Automation.archive                         POST /automation/automations/{automation_id}/actions/archive
Automation.create                          POST /automation/automations
Automation.get                             GET /automation/automations/{automation_id}
Automation.get_member                      GET /automation/automations/{automation_id}/members/{member}
Automation.get_members                     GET /automation/automations/{automation_id}/members
Automation.get_package                     GET /automation/packages/{package_id}
Automation.get_packages                    GET /automation/automations/{automation_id}/packages
Automation.get_runs                        GET /automation/runs
Automation.query                           GET /automation/automations
Automation.reload                          GET /automation/automations/{automation_id}
Automation.remove_member                   DELETE /automation/automations/{automation_id}/members/{member}
Automation.remove_team_member              DELETE /automation/automations/{automation_id}/members/{member}
Automation.restore                         POST /automation/automations/{automation_id}/actions/restore
Automation.save                            PATCH /automation/automations/{automation_id}
AutomationMember.add                       POST /automation/automations/{automation_id}/members
AutomationMember.add_team                  POST /automation/automations/{automation_id}/members
AutomationMember.get                       GET /automation/automations/{automation_id}/members/{member}
AutomationMember.query                     GET /automation/automations/{automation_id}/members
AutomationMember.reload                    GET /automation/automations/{automation_id}/members/{member}
AutomationMember.remove                    DELETE /automation/automations/{automation_id}/members/{member}
AutomationMember.remove_team               DELETE /automation/automations/{automation_id}/members/{member}
AutomationMember.save                      PATCH /automation/automations/{automation_id}/members/{member}
AutomationPackage.archive     POST /automation/automations/{automation_id}/packages/{package_id}/actions/archive
AutomationPackage.create                   POST /automation/automations/{automation_id}/packages
AutomationPackage.get                      GET /automation/packages/{package_id}
AutomationPackage.query                    GET /automation/automations/{automation_id}/packages
AutomationPackage.reload                   GET /automation/packages/{package_id}
AutomationPackage.restore     POST /automation/automations/{automation_id}/packages/{package_id}/actions/restore
AutomationPackage.save                     PATCH /automation/packages/{package_id}
AutomationRun.create                       POST /automation/runs
AutomationRun.get                          GET /automation/runs/{run_id}
AutomationRun.get_log_file                 GET /automation/runs/{run_id}
AutomationRun.get_state                    GET /automation/runs/{run_id}/state
AutomationRun.query                        GET /automation/runs
AutomationRun.reload                       GET /automation/runs/{run_id}
AutomationRun.rerun                        POST /automation/runs/{run_id}/actions/rerun
AutomationRun.save                         PATCH /automation/runs/{run_id}
AutomationRun.stop                         POST /automation/runs/{run_id}/actions/stop
BatchBy.update                             -
BillingGroup.analysis_breakdown            GET /billing/groups/{group_id}/breakdown/analysis
BillingGroup.egress_breakdown              GET /billing/groups/{group_id}/breakdown/egress
BillingGroup.get                           GET /billing/groups/{group_id}
BillingGroup.query                         GET /billing/groups
BillingGroup.reload                        GET /billing/groups/{group_id}
BillingGroup.storage_breakdown             GET /billing/groups/{group_id}/breakdown/storage
BillingGroupAnalysisBreakdown.query        GET /billing/groups/{group_id}/breakdown/analysis
BillingGroupEgressBreakdown.query          GET /billing/groups/{group_id}/breakdown/egress
BillingGroupStorageBreakdown.query         GET /billing/groups/{group_id}/breakdown/storage
BulkRecord.parse_records                   -
Collection.all                             GET /projects
Collection.next_page                       GET /projects
Collection.previous_page                   GET /projects
DRSImportBulk.bulk_get                     GET /bulk/drs/imports/{import_id}
DRSImportBulk.bulk_submit                  POST /bulk/drs/imports/create
DRSImportBulk.get                          GET /bulk/drs/imports/{import_id}
DRSImportBulk.reload                       GET /bulk/drs/imports/{import_id}
Dataset.add_member                         POST /datasets/{owner}/{dataset}/members
Dataset.delete                             DELETE /datasets/{owner}/{dataset}
Dataset.get                                GET /datasets/{owner}/{dataset}
Dataset.get_member                         GET /datasets/{owner}/{dataset}/members/{username}
Dataset.get_members                        GET /datasets/{owner}/{dataset}/members
Dataset.get_owned_by                       GET /datasets/{username}
Dataset.query                              GET /datasets
Dataset.reload                             GET /datasets/{owner}/{dataset}
Dataset.remove_member                      DELETE /datasets/{owner}/{dataset}/members/{username}
Dataset.save                               PATCH /datasets/{owner}/{dataset}
Division.get                               GET /divisions/{division_id}
Division.get_members                       GET /users
Division.get_teams                         GET /teams
Division.query                             GET /divisions
Division.reload                            GET /divisions/{division_id}
Download.add_callback                      -
Download.add_progress_callback             -
Download.pause                             -
Download.resume                            -
Download.run                               -
Download.start                             -
Download.stop                              -
Download.wait                              -
Endpoints.get                              GET /
ExecutionDetails.reload                    GET /tasks/{task_id}/execution_details
Export.bulk_get                            POST /bulk/storage/exports/get
Export.bulk_submit                         POST /bulk/storage/exports/create
Export.get                                 GET /storage/exports/{export_id}
Export.query                               GET /storage/exports
Export.reload                              GET /storage/exports/{export_id}
Export.submit_export                       POST /storage/exports
File.bulk_delete                           POST /bulk/files/delete
File.bulk_edit                             POST /bulk/files/edit
File.bulk_get                              POST /bulk/files/get
File.bulk_update                           POST /bulk/files/update
File.content                               GET /files/{file_id}/download_info
File.copy                                  POST /files/{file_id}/actions/copy
File.copy_to_folder                        POST /files/{file_id}/actions/copy
File.create_folder                         POST /files
File.delete                                DELETE /files/{file_id}
File.download                              GET /files/{file_id}/download_info
File.download_info                         GET /files/{file_id}/download_info
File.get                                   GET /files/{file_id}
File.is_folder                             -
File.list_files                            GET /files/{file_id}/list
                                           GET /files/{file_id}/scroll
File.move_to_folder                        POST /files/{file_id}/actions/move
File.query                                 GET /files
                                           GET /files/scroll
File.reload                                GET /files/{file_id}
File.save                                  PATCH /files/{file_id}
                                           PATCH /files/{file_id}/metadata
                                           PUT /files/{file_id}/metadata
                                           PUT /files/{file_id}/tags
                                           GET /files/{file_id}
File.search                                POST /files/search
File.stream                                GET /files/{file_id}/download_info
File.upload                                POST /upload/multipart
                                           GET /upload/multipart/{upload_id}/part/{part_number}
                                           POST /upload/multipart/{upload_id}/part
                                           POST /upload/multipart/{upload_id}/complete
Import.bulk_get                            POST /bulk/storage/imports/get
Import.bulk_submit                         POST /bulk/storage/imports/create
Import.get                                 GET /storage/imports/{import_id}
Import.query                               GET /storage/imports
Import.reload                              GET /storage/imports/{import_id}
Import.submit_import                       POST /storage/imports
Invoice.get                                GET /billing/invoices/{invoice_id}
Invoice.query                              GET /billing/invoices
Invoice.reload                             GET /billing/invoices/{invoice_id}
Marker.create                              POST /genome/markers
Marker.delete                              DELETE /genome/markers/{marker_id}
Marker.get                                 GET /genome/markers/{marker_id}
Marker.query                               GET /genome/markers
Marker.reload                              GET /genome/markers/{marker_id}
Marker.save                                PATCH /genome/markers/{marker_id}
Member.reload                              GET /projects/{owner}/{project}/members/{username}
Member.save                                PATCH /projects/{owner}/{project}/members/{username}/permissions
Project.add_files                          POST /files/{file_id}/actions/copy
Project.add_member                         POST /projects/{owner}/{project}/members
Project.add_member_division                POST /projects/{owner}/{project}/members
Project.add_member_email                   POST /projects/{owner}/{project}/members
Project.add_member_team                    POST /projects/{owner}/{project}/members
Project.create                             POST /projects
Project.create_task                        POST /tasks
Project.delete                             DELETE /projects/{owner}/{project}
Project.get                                GET /projects/{owner}/{project}
Project.get_apps                           GET /apps
Project.get_exports                        GET /storage/exports
Project.get_files                          GET /files
Project.get_imports                        GET /storage/imports
Project.get_member                         GET /projects/{owner}/{project}/members/{username}
Project.get_members                        GET /projects/{owner}/{project}/members
Project.get_tasks                          GET /tasks
Project.query                              GET /projects
                                           GET /projects/{owner}
Project.reload                             GET /projects/{owner}/{project}
Project.remove_member                      DELETE /projects/{owner}/{project}/members/{username}
Project.save                               PATCH /projects/{owner}/{project}
RateLimit.get                              GET /rate_limit
Task.abort                                 POST /tasks/{task_id}/actions/abort
Task.bulk_get                              POST /bulk/tasks/get
Task.clone                                 POST /tasks/{task_id}/actions/clone
Task.create                                POST /tasks
Task.delete                                DELETE /tasks/{task_id}
Task.get                                   GET /tasks/{task_id}
Task.get_batch_children                    GET /tasks
Task.get_execution_details                 GET /tasks/{task_id}/execution_details
Task.query                                 GET /tasks
Task.reload                                GET /tasks/{task_id}
Task.run                                   POST /tasks/{task_id}/actions/run
Task.save                                  PATCH /tasks/{task_id}
Task.wait                                  GET /tasks/{task_id}
Team.add_member                            POST /teams/{team_id}/members
Team.create                                POST /teams
Team.get                                   GET /teams/{team_id}
Team.get_members                           GET /teams/{team_id}/members
Team.query                                 GET /teams
Team.reload                                GET /teams/{team_id}
Team.remove_member                         DELETE /teams/{team_id}/members/{username}
Team.save                                  PATCH /teams/{team_id}
TeamMember.reload                          GET /users/{username}
Upload.add_callback                        -
Upload.add_progress_callback               -
Upload.partition_file                      -
Upload.pause                               -
Upload.result                              -
Upload.resume                              -
Upload.run                                 -
Upload.start                               -
Upload.stop                                DELETE /upload/multipart/{upload_id}
Upload.wait                                -
User.disable                               DELETE /users/{username}
User.get                                   GET /users/{username}
User.me                                    GET /user
User.query                                 GET /users
User.reload                                GET /users/{username}
Volume.add_member                          POST /storage/volumes/{owner}/{volume}/members
Volume.add_member_division                 POST /storage/volumes/{owner}/{volume}/members
Volume.add_member_team                     POST /storage/volumes/{owner}/{volume}/members
Volume.create_google_iam_volume            POST /storage/volumes
Volume.create_google_volume                POST /storage/volumes
Volume.create_oss_volume                   POST /storage/volumes
Volume.create_s3_volume                    POST /storage/volumes
Volume.create_s3_volume_role_auth          POST /storage/volumes
Volume.delete                              DELETE /storage/volumes/{owner}/{volume}
Volume.get                                 GET /storage/volumes/{owner}/{volume}
Volume.get_exports                         GET /storage/exports
Volume.get_imports                         GET /storage/imports
Volume.get_member                          GET /storage/volumes/{owner}/{volume}/members/{username}
Volume.get_members                         GET /storage/volumes/{owner}/{volume}/members
Volume.get_volume_object_info              GET /storage/volumes/{owner}/{volume}/object
Volume.list                                GET /storage/volumes/{owner}/{volume}/list
Volume.query                               GET /storage/volumes
Volume.reload                              GET /storage/volumes/{owner}/{volume}
Volume.remove_member                       DELETE /storage/volumes/{owner}/{volume}/members/{username}
Volume.save                                PATCH /storage/volumes/{owner}/{volume}
"""


def _read() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    name = ""
    for line in _TABLE.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            name = words.pop(0)
            assert name not in found, name
        found.setdefault(name, set()).update({" ".join(words)} - {"-"})
    return {name: frozenset(endpoints) for name, endpoints in found.items()}


TABLE: Mapping[str, frozenset[str]] = _read()
"""Method of the client, as ``Class.method``, to endpoints as the platform documents them, ``GET /tasks/{task_id}``."""

BROKEN: Mapping[str, str] = {
    "Project.get_exports": "broken in the client: it passes a project to `exports.query`, which takes none",
}
"""Methods that cannot work with any server."""
