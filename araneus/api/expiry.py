"""Forgetting what is out of date: uploads that nobody goes on with, and errands that were finished long ago."""

from datetime import UTC, datetime

from araneus.api import part_files
from araneus.api.services import Services
from araneus.api.uploads import directory_of
from araneus.model.errand import KEPT
from araneus.store import errands, uploads


def forget(services: Services) -> int:
    """Drop them; how many there were."""
    now, dropped = services.clock(), 0
    while True:
        with services.database.write() as conn:
            some = errands.drop_old(conn, now - KEPT)
        dropped += some
        if not some:
            return dropped + _forget_uploads(services, now)


def _forget_uploads(services: Services, now: datetime) -> int:
    oldest, dropped = now - services.settings.upload_lifetime, 0
    with services.database.read() as conn:
        begun = uploads.begun_before(conn, oldest)
    for upload in begun:
        directory = directory_of(services, upload.id)
        try:
            # Each part that arrives gets its name in the directory.
            touched = datetime.fromtimestamp(directory.stat().st_mtime, UTC)
        except FileNotFoundError:
            touched = upload.initiated
        if touched >= oldest:
            continue
        with services.database.write() as conn:
            gone = uploads.delete(conn, upload.id)
        part_files.discard(directory)
        dropped += gone
    return dropped
