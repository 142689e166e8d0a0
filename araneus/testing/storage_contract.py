"""What every `Storage` must do: a base class of tests that a storage's own tests inherit.

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self, tmp_path): ...

pytest is needed only by whoever runs these.
"""

import hashlib
import threading
from pathlib import Path

import pytest

from araneus.storage.base import Blob, Storage

_LARGE = bytes(range(256)) * 4096 * 3 + b"end"


def blob_location(content: bytes) -> str:
    """The location that this content has in every storage."""
    return f"blob:{hashlib.sha256(content).hexdigest()}"


def put(storage: Storage, *pieces: bytes) -> Blob:
    """Store bytes through a writer."""
    writer = storage.writer()
    for piece in pieces:
        writer.write(piece)
    return writer.commit()


def content(storage: Storage, location: str, start: int = 0, length: int | None = None) -> bytes:
    """All bytes that `read` gives."""
    return b"".join(storage.read(location, start, length))


class StorageContract:
    """Tests of the obligations in `storage.base.Storage`."""

    def test_bytes_come_back_under_their_hash(self, storage: Storage) -> None:
        blob = put(storage, b"one ", b"", b"two")
        assert blob == Blob(blob_location(b"one two"), 7)
        assert content(storage, blob.location) == b"one two"
        assert storage.size(blob.location) == 7
        assert storage.path(blob.location).read_bytes() == b"one two"

    def test_empty_content(self, storage: Storage) -> None:
        blob = put(storage)
        assert blob == Blob(blob_location(b""), 0)
        assert content(storage, blob.location) == b""

    @pytest.mark.parametrize(("start", "length"), [(0, 5), (7, 0), (1048570, 20), (3145728, None), (9999999, 4)])
    def test_ranges(self, storage: Storage, start: int, length: int | None) -> None:
        blob = put(storage, _LARGE)
        expected = _LARGE[start:] if length is None else _LARGE[start : start + length]
        assert content(storage, blob.location, start, length) == expected

    def test_pieces_are_bounded(self, storage: Storage) -> None:
        blob = put(storage, _LARGE)
        assert max(map(len, storage.read(blob.location))) <= 1024 * 1024

    def test_negative_ranges_are_refused(self, storage: Storage) -> None:
        blob = put(storage, b"x")
        with pytest.raises(ValueError, match="negative"):
            storage.read(blob.location, -1)

    def test_nothing_is_visible_before_commit(self, storage: Storage) -> None:
        writer = storage.writer()
        writer.write(b"not yet")
        location = blob_location(b"not yet")
        with pytest.raises(FileNotFoundError):
            storage.path(location)
        assert writer.commit().location == location
        assert storage.path(location).exists()

    def test_abandoned_bytes_never_appear(self, storage: Storage) -> None:
        writer = storage.writer()
        writer.write(b"never")
        writer.abandon()
        writer.abandon()
        with pytest.raises(FileNotFoundError):
            storage.size(blob_location(b"never"))
        with pytest.raises(ValueError, match="abandoned"):
            writer.write(b"more")

    def test_writing_after_commit_is_refused(self, storage: Storage) -> None:
        writer = storage.writer()
        writer.commit()
        with pytest.raises(ValueError, match="committed"):
            writer.commit()

    def test_two_writers_of_the_same_bytes_end_with_one_blob(self, storage: Storage) -> None:
        locations: list[str] = []

        def write() -> None:
            locations.append(put(storage, *[_LARGE[n : n + 65536] for n in range(0, len(_LARGE), 65536)]).location)

        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(locations) == {blob_location(_LARGE)}
        assert len(locations) == 8
        assert content(storage, locations[0]) == _LARGE

    def test_adopting_keeps_the_file_readable(self, storage: Storage, tmp_path: Path) -> None:
        file = tmp_path / "out put.txt"
        file.write_bytes(_LARGE)
        (blob,) = storage.adopt(file)
        assert blob == Blob(blob_location(_LARGE), len(_LARGE))
        assert file.read_bytes() == _LARGE
        assert content(storage, blob.location) == _LARGE

    def test_adopting_twice(self, storage: Storage, tmp_path: Path) -> None:
        file = tmp_path / "out.txt"
        file.write_bytes(b"again")
        assert storage.adopt(file) == storage.adopt(file)
        file.unlink()
        assert content(storage, blob_location(b"again")) == b"again"

    def test_adopting_many_at_once(self, storage: Storage, tmp_path: Path) -> None:
        contents = [f"{number % 200}".encode() for number in range(300)]
        for number, content_ in enumerate(contents):
            (tmp_path / f"f{number}").write_bytes(content_)
        blobs = storage.adopt(*(tmp_path / f"f{number}" for number in range(300)))
        assert blobs == [Blob(blob_location(content_), len(content_)) for content_ in contents]
        assert [content(storage, blob.location) for blob in blobs] == contents
        assert storage.adopt() == []

    def test_one_that_cannot_be_adopted_among_many(self, storage: Storage, tmp_path: Path) -> None:
        for number in range(20):
            (tmp_path / f"f{number}").write_bytes(b"%d" % number)
        with pytest.raises(FileNotFoundError):
            storage.adopt(*(tmp_path / f"f{number}" for number in range(21)))
        assert all((tmp_path / f"f{number}").read_bytes() == b"%d" % number for number in range(20))
        assert len(storage.adopt(*(tmp_path / f"f{number}" for number in range(20)))) == 20

    def test_a_link_is_not_adopted(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        link = tmp_path / "link"
        link.symlink_to("secret")
        with pytest.raises(ValueError, match="symbolic link"):
            storage.adopt(link)
        with pytest.raises(FileNotFoundError):
            storage.path(blob_location(b"secret"))

    def test_a_directory_is_not_adopted(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises((ValueError, IsADirectoryError)):
            storage.adopt(tmp_path)

    def test_a_missing_file_is_not_adopted(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            storage.adopt(tmp_path / "nowhere")

    @pytest.mark.parametrize(
        "location",
        [
            blob_location(b"never stored"),
            "blob:",
            "blob:../../etc/passwd",
            "blob:" + "g" * 64,
            "blob:" + "A" * 64,
            "file:///etc/passwd",
            "/etc/passwd",
            "job:a",
            "job:../b",
            "nonsense",
            "",
            "blob:" + "0" * 63 + "\0",
        ],
    )
    def test_unknown_locations_are_not_found(self, storage: Storage, location: str) -> None:
        with pytest.raises(FileNotFoundError):
            storage.path(location)
        with pytest.raises(FileNotFoundError):
            storage.size(location)
        with pytest.raises(FileNotFoundError):
            storage.read(location)

    def test_deleting(self, storage: Storage) -> None:
        blob = put(storage, b"gone")
        storage.delete(blob.location)
        with pytest.raises(FileNotFoundError):
            storage.path(blob.location)
        storage.delete(blob.location)
        assert put(storage, b"gone") == blob
        assert content(storage, blob.location) == b"gone"
