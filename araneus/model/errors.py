"""The one error tree.

    AraneusError
    ├── Refusal          the caller asked for something that cannot be done; carries a `Fault`
    └── ConcurrentChange a guarded save met a row that somebody else has changed; read again and retry

A failed job is not an error: it is an `Outcome` (see `model.job`). Only `api.errors` knows HTTP statuses and the
platform's numeric codes; its table has a row for every `Fault`.
"""

from enum import StrEnum, auto


class Fault(StrEnum):
    """What a caller can do wrong. One name per numeric code of the platform (`api.errors`) that Araneus answers."""

    BAD_REQUEST = auto()
    BODY_UNDECODABLE = auto()
    UNSUPPORTED_MEDIA = auto()
    UNAUTHENTICATED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    CONFLICT = auto()
    NOT_IMPLEMENTED_YET = auto()
    RATE_LIMITED = auto()
    TOO_LARGE = auto()
    STORAGE_FULL = auto()

    USER_FORBIDDEN = auto()
    USER_NOT_FOUND = auto()
    USER_EXISTS = auto()
    DIVISION_REQUIRED = auto()
    DIVISION_NOT_FOUND = auto()

    PROJECT_FORBIDDEN = auto()
    PROJECT_NOT_FOUND = auto()
    PROJECT_EXISTS = auto()
    PROJECT_ID_EMPTY = auto()
    PROJECT_NAME_EMPTY = auto()
    PROJECT_TYPE_INVALID = auto()
    PROJECT_ID_MALFORMED = auto()
    MEMBER_EMPTY = auto()
    PERMISSIONS_EMPTY = auto()
    PERMISSIONS_INCOMPLETE = auto()

    BILLING_FORBIDDEN = auto()
    BILLING_NOT_FOUND = auto()
    BILLING_ID_MALFORMED = auto()

    FILE_FORBIDDEN = auto()
    FILE_NOT_FOUND = auto()
    FILE_EXISTS = auto()
    FILE_PROJECT_MALFORMED = auto()
    FILE_COPY_FORBIDDEN = auto()
    FILE_MOVE_FORBIDDEN = auto()
    FILE_MOVE_ACROSS_PROJECTS = auto()
    FILE_NAME_INVALID = auto()
    FILE_REQUEST_INVALID = auto()
    METADATA_INVALID = auto()
    METADATA_KEY_EMPTY = auto()
    FOLDER_TYPE_INVALID = auto()
    FOLDER_NOT_DOWNLOADABLE = auto()
    FOLDER_NOT_COPYABLE = auto()
    FOLDER_NOT_EMPTY = auto()
    FOLDER_NOT_EDITABLE = auto()
    FOLDER_NO_METADATA = auto()
    FOLDER_NO_TAGS = auto()
    FOLDER_EXISTS = auto()
    FOLDER_NOT_FOUND = auto()
    PARENT_NOT_FOLDER = auto()
    PARENT_MISSING = auto()
    PARENT_AMBIGUOUS = auto()

    APP_FORBIDDEN = auto()
    APP_NOT_FOUND = auto()
    APP_EXISTS = auto()
    APP_NAME_EMPTY = auto()
    APP_ID_MALFORMED = auto()
    APP_VISIBILITY_INVALID = auto()
    APP_DESTINATION_EMPTY = auto()
    APP_INVALID = auto()

    TASK_FORBIDDEN = auto()
    TASK_NOT_FOUND = auto()
    TASK_ID_MALFORMED = auto()
    TASK_STATUS_INVALID = auto()
    TASK_NOT_DRAFT = auto()
    TASK_NOT_DELETABLE = auto()
    TASK_NOT_ABORTABLE = auto()
    TASK_INPUTS_INVALID = auto()
    TASK_ACTION_INVALID = auto()
    TASK_APP_EMPTY = auto()
    BATCH_INPUT_INVALID = auto()
    BATCH_CRITERIA_MISSING = auto()
    BATCH_TYPE_INVALID = auto()
    BATCH_OFF_ONLY_ON_RUN = auto()
    BATCH_OFF_NOT_BATCH = auto()
    BATCH_INCOMPLETE = auto()
    TASK_HAS_ERRORS = auto()
    TASK_NOT_EDITABLE = auto()

    UPLOAD_FORBIDDEN = auto()
    UPLOAD_NOT_FOUND = auto()
    UPLOAD_FILE_EXISTS = auto()
    UPLOAD_INCOMPLETE = auto()
    UPLOAD_PROJECT_MALFORMED = auto()
    UPLOAD_PART_NUMBER_INVALID = auto()
    UPLOAD_INIT_INVALID = auto()
    UPLOAD_PART_INVALID = auto()
    UPLOAD_PARTS_INVALID = auto()

    ERRAND_DESTINATION_FORBIDDEN = auto()
    ERRAND_NOT_FOUND = auto()
    ERRAND_PROJECT_NOT_FOUND = auto()
    ERRAND_FOLDER_NOT_FOUND = auto()
    ERRAND_SOURCE_NOT_FOUND = auto()
    ERRAND_SOURCE_FORBIDDEN = auto()
    ERRAND_DESTINATION_NOT_FOLDER = auto()
    ERRAND_DESTINATION_MISSING = auto()
    ERRAND_INTO_ITSELF = auto()
    ERRAND_SOURCES_EMPTY = auto()
    ERRAND_SOURCES_DUPLICATE = auto()
    ERRAND_REQUEST_INVALID = auto()
    ERRAND_INTERRUPTED = auto()

    PATHS_EMPTY = auto()
    PATH_EXPECTED = auto()


class AraneusError(Exception):
    """Root of every error that Araneus raises on purpose."""


class Refusal(AraneusError):
    """A request that cannot be granted: ``fault`` says which rule, the message says what to do about it."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


class ConcurrentChange(AraneusError):
    """Somebody else changed this row since it was read; read it again and decide anew."""
