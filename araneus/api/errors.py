"""From a fault to an HTTP status and the platform's numeric code: the only place that knows both.

Source: API reference, "Errors" and "Numeric codes". Nothing answers 503: clients of the platform take it for
maintenance and wait, some of them for ever.
"""

from typing import Any

from araneus.model.errors import Fault

STATUS: dict[Fault, tuple[int, int]] = {
    Fault.BAD_REQUEST: (400, 90000),
    Fault.BODY_UNDECODABLE: (400, 90009),
    Fault.UNSUPPORTED_MEDIA: (415, 90008),
    Fault.UNAUTHENTICATED: (401, 90001),
    Fault.FORBIDDEN: (403, 90002),
    Fault.NOT_FOUND: (404, 90003),
    Fault.METHOD_NOT_ALLOWED: (405, 90006),
    Fault.CONFLICT: (409, 90007),
    Fault.NOT_IMPLEMENTED_YET: (400, 90000),
    Fault.RATE_LIMITED: (429, 1000),
    Fault.TOO_LARGE: (400, 90000),
    Fault.STORAGE_FULL: (400, 8007),
    Fault.USER_FORBIDDEN: (403, 2001),
    Fault.USER_NOT_FOUND: (404, 2002),
    Fault.USER_EXISTS: (409, 2003),
    Fault.DIVISION_REQUIRED: (400, 2105),
    Fault.DIVISION_NOT_FOUND: (404, 90003),
    Fault.PROJECT_FORBIDDEN: (403, 3001),
    Fault.PROJECT_NOT_FOUND: (404, 3002),
    Fault.PROJECT_EXISTS: (409, 3003),
    Fault.MEMBER_EMPTY: (400, 3005),
    Fault.PROJECT_ID_EMPTY: (400, 3006),
    Fault.PROJECT_NAME_EMPTY: (400, 3007),
    Fault.PROJECT_TYPE_INVALID: (400, 3010),
    Fault.PERMISSIONS_EMPTY: (400, 3011),
    Fault.PROJECT_ID_MALFORMED: (400, 3012),
    Fault.PERMISSIONS_INCOMPLETE: (400, 3013),
    Fault.BILLING_FORBIDDEN: (403, 4001),
    Fault.BILLING_NOT_FOUND: (404, 4002),
    Fault.BILLING_ID_MALFORMED: (400, 4005),
    Fault.FILE_FORBIDDEN: (403, 5001),
    Fault.FILE_NOT_FOUND: (404, 5002),
    Fault.FILE_EXISTS: (409, 5003),
    Fault.FILE_PROJECT_MALFORMED: (400, 5005),
    Fault.METADATA_INVALID: (400, 5006),
    Fault.FOLDER_TYPE_INVALID: (400, 5012),
    Fault.FILE_COPY_FORBIDDEN: (403, 5014),
    Fault.FILE_MOVE_ACROSS_PROJECTS: (400, 5015),
    Fault.FOLDER_NOT_DOWNLOADABLE: (400, 5017),
    Fault.FOLDER_NOT_COPYABLE: (400, 5018),
    Fault.FOLDER_NOT_EMPTY: (400, 5021),
    Fault.PARENT_NOT_FOLDER: (400, 5022),
    Fault.FOLDER_NOT_EDITABLE: (400, 5023),
    Fault.FILE_NAME_INVALID: (400, 5024),
    Fault.FOLDER_NO_METADATA: (400, 5025),
    Fault.FOLDER_NOT_FOUND: (404, 5026),
    Fault.FOLDER_NO_TAGS: (400, 5027),
    Fault.PARENT_MISSING: (400, 5029),
    Fault.FOLDER_EXISTS: (409, 5030),
    Fault.PARENT_AMBIGUOUS: (400, 5031),
    Fault.FILE_MOVE_FORBIDDEN: (403, 5032),
    Fault.FILE_REQUEST_INVALID: (400, 5033),
    Fault.METADATA_KEY_EMPTY: (400, 5035),
    Fault.APP_FORBIDDEN: (403, 6001),
    Fault.APP_NOT_FOUND: (404, 6002),
    Fault.APP_EXISTS: (409, 6003),
    Fault.APP_NAME_EMPTY: (400, 6004),
    Fault.APP_DESTINATION_EMPTY: (400, 6009),
    Fault.APP_ID_MALFORMED: (400, 6011),
    Fault.APP_VISIBILITY_INVALID: (400, 6012),
    Fault.APP_INVALID: (400, 90000),
    Fault.TASK_FORBIDDEN: (403, 7001),
    Fault.TASK_NOT_FOUND: (404, 7002),
    Fault.TASK_ID_MALFORMED: (400, 7005),
    Fault.TASK_STATUS_INVALID: (400, 7006),
    Fault.TASK_NOT_DRAFT: (400, 7007),
    Fault.TASK_NOT_DELETABLE: (400, 7010),
    Fault.TASK_NOT_ABORTABLE: (400, 7011),
    Fault.TASK_INPUTS_INVALID: (400, 7012),
    Fault.TASK_ACTION_INVALID: (400, 7013),
    Fault.TASK_APP_EMPTY: (400, 7015),
    Fault.BATCH_INPUT_INVALID: (400, 7018),
    Fault.BATCH_CRITERIA_MISSING: (400, 7019),
    Fault.BATCH_TYPE_INVALID: (400, 7020),
    Fault.BATCH_OFF_ONLY_ON_RUN: (400, 7021),
    Fault.BATCH_OFF_NOT_BATCH: (400, 7022),
    Fault.BATCH_INCOMPLETE: (400, 7023),
    Fault.TASK_HAS_ERRORS: (400, 7024),
    Fault.TASK_NOT_EDITABLE: (400, 7026),
    Fault.UPLOAD_FORBIDDEN: (403, 8001),
    Fault.UPLOAD_NOT_FOUND: (404, 8003),
    Fault.UPLOAD_FILE_EXISTS: (409, 8005),
    Fault.UPLOAD_INCOMPLETE: (400, 8007),
    Fault.UPLOAD_PROJECT_MALFORMED: (400, 8010),
    Fault.UPLOAD_PART_NUMBER_INVALID: (400, 8012),
    Fault.UPLOAD_INIT_INVALID: (400, 8013),
    Fault.UPLOAD_PART_INVALID: (400, 8014),
    Fault.UPLOAD_PARTS_INVALID: (400, 8015),
    Fault.ERRAND_DESTINATION_FORBIDDEN: (403, 10210),
    Fault.ERRAND_NOT_FOUND: (404, 10211),
    Fault.ERRAND_PROJECT_NOT_FOUND: (404, 10213),
    Fault.ERRAND_INTERRUPTED: (400, 10220),
    Fault.ERRAND_FOLDER_NOT_FOUND: (404, 10222),
    Fault.ERRAND_SOURCE_NOT_FOUND: (404, 10225),
    Fault.ERRAND_SOURCE_FORBIDDEN: (403, 10226),
    Fault.ERRAND_DESTINATION_NOT_FOLDER: (400, 10227),
    Fault.ERRAND_DESTINATION_MISSING: (400, 10228),
    Fault.ERRAND_INTO_ITSELF: (400, 10229),
    Fault.ERRAND_SOURCES_EMPTY: (400, 10230),
    Fault.ERRAND_SOURCES_DUPLICATE: (400, 10231),
    Fault.ERRAND_REQUEST_INVALID: (400, 10232),
    Fault.PATH_EXPECTED: (400, 10233),
    Fault.PATHS_EMPTY: (400, 10234),
}
UNEXPECTED = (500, 90004)
DOCUMENTATION = "/v2/docs/api-status-codes"


def error_body(status: int, code: int, message: str, base: str) -> dict[str, Any]:
    """The body of every answer that is not a success; ``base`` is the server as the caller sees it."""
    return {"status": status, "code": code, "message": message, "more_info": base + DOCUMENTATION}


def fault_body(fault: Fault, message: str, base: str) -> dict[str, Any]:
    """`error_body` of a fault: also what stands under ``error`` in bulk answers."""
    status, code = STATUS[fault]
    return error_body(status, code, message, base)
