"""Shelves: the age of blobs, locks between processes, listing."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from araneus.storage.posix import PosixStorage
from araneus.storage.shelves import Shelves
from araneus.testing.storage_contract import blob_location, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


def test_young_blobs_cannot_be_deleted(root: Path) -> None:
    storage = PosixStorage(root, root / "jobs", grace=0.4)
    blob = put(storage, b"young")
    storage.delete(blob.location)
    assert storage.size(blob.location) == 5
    time.sleep(0.45)
    storage.delete(blob.location)
    with pytest.raises(FileNotFoundError):
        storage.size(blob.location)
    assert list((root / "incoming").iterdir()) == []


def test_publishing_waits_for_a_removal_and_then_the_blob_is_there(root: Path) -> None:
    """Whoever takes off holds the lock alone from his look at the age to the removal."""
    storage = PosixStorage(root, root / "jobs", grace=0.0)
    put(storage, b"same")
    descriptor = os.open(root / "blobs", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    taking_in = threading.Thread(target=put, args=(storage, b"same"))
    taking_in.start()
    taking_in.join(0.2)
    assert taking_in.is_alive()
    storage.path(blob_location(b"same")).unlink()
    os.close(descriptor)
    taking_in.join(10)
    assert storage.size(blob_location(b"same")) == 4


def test_listing_finds_every_blob_once_and_nothing_else(root: Path) -> None:
    storage, shelves = PosixStorage(root, root / "jobs"), Shelves(root)
    made = {put(storage, b"%d" % number).location for number in range(300)}
    (root / "blobs" / "README").write_text("not a shelf")
    (root / "blobs" / "ab").mkdir(exist_ok=True)
    (root / "blobs" / "ab" / "cd").mkdir(exist_ok=True)
    (root / "blobs" / "ab" / "cd" / "stray").write_text("not a blob")
    batches = list(shelves.batches(size=7))
    found = [location for batch in batches for location in batch]
    assert len(found) == len(set(found)) == 300
    assert set(found) == made
    assert len(batches) > 30


@pytest.mark.parametrize("location", ["blob:", "blob:../../x", "job:a/b", "", "0" * 64, "blob:" + "A" * 64])
def test_other_locations_are_nothing_to_take_off(root: Path, location: str) -> None:
    assert Shelves(root, 0.0).take_off(location) is None


def test_a_clock_that_goes_back_makes_blobs_young(root: Path) -> None:
    location = put(PosixStorage(root, root / "jobs"), b"x").location
    assert Shelves(root, clock=lambda: 0.0).take_off(location) is None
    assert Shelves(root, clock=lambda: time.time() + 3601).is_old(location)
    assert not Shelves(root, clock=lambda: time.time() + 3590).is_old(location)


def test_blobs_of_the_deeper_layout_are_found_again(root: Path) -> None:
    """As it was before 22 November 2026: ``blobs/ab/cd/<sha256>``."""
    contents = [b"%d" % number for number in range(40)]
    for content in contents:
        digest = blob_location(content).removeprefix("blob:")
        place = root / "blobs" / digest[:2] / digest[2:4] / digest
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    starting = [threading.Thread(target=Shelves, args=(root,)) for _ in range(4)]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    storage = PosixStorage(root, root / "jobs")
    assert [b"".join(storage.read(blob_location(content))) for content in contents] == contents
    assert sorted(location for batch in Shelves(root).batches() for location in batch) == sorted(
        map(blob_location, contents)
    )
    assert [path for path in (root / "blobs").rglob("*") if path.is_dir() and path.parent.name != "blobs"] == []
