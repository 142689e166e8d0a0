"""A process in which files come and go as in a server, until it is killed: ``contender URL DIRECTORY ROOT SEED``.

What the scheduler and the HTTP half do to bytes and rows, with the real functions, in the same order, and with pauses
where another process may come between.
"""

import random
import sys
import time
from datetime import timedelta
from pathlib import Path

from araneus.api.places import drop_orphans
from araneus.api.services import ApiSettings, Services
from araneus.model.file import File
from araneus.model.ids import new_file_id
from araneus.storage.posix import PosixStorage
from araneus.store import files
from araneus.store.database import Database
from tests.scheduler.house import PROJECT, now

GRACE = 1.5
PAUSE = 0.05
CONTENTS = [b"contended", b"also contended", b""]


class Contender:
    """One of several that work on the same rows and blobs."""

    def __init__(self, url: str, directory: Path, root: str, seed: int) -> None:
        self._chance = random.Random(seed)
        self._directory = directory
        self._root = root
        self._database = Database.open(url)
        self._storage = PosixStorage(directory / "blobs", directory / "jobs", grace=GRACE)
        settings = ApiSettings(uploads=directory / "uploads")
        self._services = Services(database=self._database, storage=self._storage, clock=now, settings=settings)

    def step(self) -> None:
        """Something comes, or something goes."""
        if self._chance.random() < 0.5:
            self._come()
        else:
            self._go()

    def _come(self) -> None:
        """As a task's outputs: bytes first, the row some time later; with a second look when that was long ago."""
        planned_on = now()
        content = self._chance.choice(CONTENTS)
        if self._chance.random() < 0.5:
            path = self._directory / f"output-{self._chance.getrandbits(64):x}"
            path.write_bytes(content)
            (blob,) = self._storage.adopt(path)
            path.unlink()
        else:
            writer = self._storage.writer()
            writer.write(content)
            blob = writer.commit()
        self._rest()
        identity = new_file_id(time.time())
        at = now()
        with self._database.write() as connection:
            if now() - planned_on > timedelta(seconds=GRACE / 3):
                try:
                    self._storage.size(blob.location)
                except FileNotFoundError:
                    return
            file = File(
                id=identity, project=PROJECT, parent=self._root, name=identity, size=blob.size,
                location=blob.location, created_on=at, modified_on=at,
            )  # fmt: skip
            files.insert(connection, file)

    def _go(self) -> None:
        """As a user's deletion: the row first, then the bytes if nobody else names them."""
        with self._database.read() as connection:
            page = files.page(connection, parent=self._root, offset=0, limit=20)
        some = self._chance.sample(page.items, min(len(page.items), 4))
        for file in some:
            with self._database.write() as connection:
                orphan = files.delete(connection, file.id)
            self._rest()
            drop_orphans(self._services, [orphan])

    def _rest(self) -> None:
        time.sleep(self._chance.random() * PAUSE)


if __name__ == "__main__":
    contender = Contender(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    print("ready", flush=True)
    while True:
        contender.step()
