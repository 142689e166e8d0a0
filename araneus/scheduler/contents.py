"""``loadContents`` and ``loadListing`` on workflow steps: what the engine wants read before it evaluates an expression.

Source: CWL v1.2, "LoadContents" (64 KiB at most) and "LoadListingEnum".
"""

from collections.abc import Callable

from araneus.cwl.files import Locate, contents, described, listed
from araneus.cwl.process import Listing
from araneus.model.values import FileValue, Value, map_file_values

_WHERE = "loadContents"


def loader(locate: Locate, cwl_version: str = "v1.2") -> Callable[[Value, bool, Listing], Value]:
    """The ``load`` function of an `engine.Execution` that reads through ``locate``.

    It raises `InputError` for a file that is not there or is too large.
    """

    def one(value: FileValue, wanted: bool, listing: Listing) -> FileValue:
        value = described(value, locate, _WHERE)
        if value["class"] == "Directory":
            return listed(value, listing, locate, _WHERE)
        if wanted and "contents" not in value:
            return {**value, "contents": contents(locate(value["location"]), cwl_version, _WHERE)}
        return value

    def load(value: Value, wanted: bool, listing: Listing) -> Value:
        return map_file_values(value, lambda item: one(item, wanted, listing))

    return load
