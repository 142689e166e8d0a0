"""PosixStorage: the contract, and what a hostile tool or a crash can do to a directory."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.model.errors import Fault, Refusal
from araneus.storage.posix import PosixStorage
from araneus.testing.storage_contract import StorageContract, blob_location, content, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    jobs = tmp_path / "jobs"
    (jobs / "a1").mkdir(parents=True)
    return jobs


@pytest.fixture
def storage(root: Path, jobs: Path) -> PosixStorage:
    return PosixStorage(root, jobs, grace=0.0)


class TestContract(StorageContract):
    """PosixStorage is a Storage."""


def incoming(root: Path) -> list[Path]:
    return list((root / "incoming").iterdir())


def test_blobs_lie_under_their_hash_and_are_read_only(storage: PosixStorage, root: Path) -> None:
    digest = put(storage, b"x").location.removeprefix("blob:")
    blob = root / "blobs" / digest[:2] / digest
    assert blob.read_bytes() == b"x"
    assert blob.stat().st_mode & 0o777 == 0o444
    assert incoming(root) == []


def test_adopting_copies_nothing_on_the_same_file_system(storage: PosixStorage, tmp_path: Path, root: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(b"b" * 100_000)
    (blob,) = storage.adopt(file)
    assert storage.path(blob.location).stat().st_ino == file.stat().st_ino
    assert incoming(root) == []


def test_adopting_from_another_file_system_copies(storage: PosixStorage) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == storage.path(put(storage, b"").location).stat().st_dev:
        pytest.skip("needs /dev/shm on a file system of its own")
    file = shared / f"araneus-test-{os.getpid()}"
    file.write_bytes(b"far away")
    try:
        (blob,) = storage.adopt(file)
        assert file.read_bytes() == b"far away"
    finally:
        file.unlink()
    assert content(storage, blob.location) == b"far away"


def test_a_file_with_further_names_is_copied(storage: PosixStorage, tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"before")
    os.link(file, other)
    (blob,) = storage.adopt(file)
    other.write_bytes(b"after!")
    assert content(storage, blob.location) == b"before"


def test_a_pipe_is_not_adopted_and_does_not_block(storage: PosixStorage, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        storage.adopt(tmp_path / "pipe")


def test_a_dropped_writer_leaves_nothing(storage: PosixStorage, root: Path) -> None:
    writer = storage.writer()
    writer.write(b"some")
    assert len(incoming(root)) == 1
    del writer
    assert incoming(root) == []


def test_left_over_files_are_swept_but_not_those_of_the_living(storage: PosixStorage, root: Path, jobs: Path) -> None:
    writer = storage.writer()
    writer.write(b"living")
    program = (
        "import sys, time; from pathlib import Path; from araneus.storage.posix import PosixStorage\n"
        "writer = PosixStorage(Path(sys.argv[1]), Path(sys.argv[2])).writer(); writer.write(b'dead')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, root, jobs], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(incoming(root)) == 2
        process.send_signal(signal.SIGKILL)
    assert len(incoming(root)) == 2
    PosixStorage(root, jobs)
    assert len(incoming(root)) == 1
    assert content(storage, writer.commit().location) == b"living"


def test_a_full_file_system_is_a_refusal(storage: PosixStorage, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        full = PosixStorage(small, tmp_path)
        with pytest.raises(Refusal) as refusal:
            put(full, b"x" * 1_000_000)
        assert refusal.value.fault is Fault.STORAGE_FULL
        file = tmp_path / "big"
        file.write_bytes(b"y" * 1_000_000)
        with pytest.raises(Refusal):
            full.adopt(file)
        assert incoming(small) == []
        assert content(full, put(full, b"small").location) == b"small"
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_logs_are_read_live(storage: PosixStorage, jobs: Path) -> None:
    log = jobs / "a1" / "job.err.log"
    log.write_bytes(b"one\n")
    assert storage.size("job:a1/job.err.log") == 4
    with log.open("ab") as more:
        more.write(b"two\n")
    assert storage.size("job:a1/job.err.log") == 8
    assert content(storage, "job:a1/job.err.log", 4) == b"two\n"
    assert storage.path("job:a1/job.err.log") == log
    (jobs / "a1" / "work").mkdir()
    (jobs / "a1" / "work" / "x").write_bytes(b"x")
    assert content(storage, "job:a1/work/x") == b"x"
    storage.delete("job:a1/job.err.log")
    assert log.exists()


@pytest.mark.parametrize("kind", ["link", "folder link", "attempt link", "pipe", "directory", "absolute", "dots"])
def test_a_log_never_leads_out_of_the_jobs_directory(
    storage: PosixStorage, jobs: Path, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secrets"
    secret.mkdir()
    (secret / "log").write_bytes(b"token")
    location = "job:a1/log"
    if kind == "link":
        (jobs / "a1" / "log").symlink_to(secret / "log")
    elif kind == "folder link":
        (jobs / "a1" / "work").symlink_to(secret)
        location = "job:a1/work/log"
    elif kind == "attempt link":
        (jobs / "b1").symlink_to(secret)
        location = "job:b1/log"
    elif kind == "pipe":
        os.mkfifo(jobs / "a1" / "log")
    elif kind == "directory":
        (jobs / "a1" / "log").mkdir()
    elif kind == "absolute":
        location = f"job:{secret}/log"
    else:
        location = "job:a1/../../secrets/log"
    for reach in (storage.read, storage.size, storage.path):
        with pytest.raises(FileNotFoundError):
            reach(location)


@settings(max_examples=200, deadline=None)
@given(rest=st.text(st.sampled_from("a1/.\0~é\ud800 log"), max_size=12))
def test_no_job_location_escapes(tmp_path_factory: pytest.TempPathFactory, rest: str) -> None:
    base = tmp_path_factory.getbasetemp() / "escape"
    (base / "jobs" / "a1").mkdir(parents=True, exist_ok=True)
    (base / "log").write_bytes(b"outside")
    (base / "jobs" / "log").write_bytes(b"outside")
    (base / "jobs" / "a1" / "log").write_bytes(b"inside")
    storage = PosixStorage(base, base / "jobs")
    try:
        found = content(storage, f"job:{rest}")
    except FileNotFoundError:
        return
    assert found == b"inside"


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.binary(max_size=3000), max_size=6), start=st.integers(0, 20000))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], start: int) -> None:
    base = tmp_path_factory.getbasetemp() / "any"
    storage = PosixStorage(base, base / "jobs")
    whole = b"".join(pieces)
    blob = put(storage, *pieces)
    assert blob.location == blob_location(whole)
    assert content(storage, blob.location, start) == whole[start:]


def test_adopting_and_deleting_at_the_same_time(storage: PosixStorage, tmp_path: Path) -> None:
    """Whatever the order, nobody sees half a blob and no temporary file stays."""
    for number in range(8):
        (tmp_path / f"f{number}").write_bytes(b"same" * 1000)
    threads = [threading.Thread(target=storage.adopt, args=(tmp_path / f"f{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content(storage, blob_location(b"same" * 1000)) == b"same" * 1000


def test_a_blob_that_is_there_is_not_replaced_under_those_who_bind_it(storage: PosixStorage, jobs: Path) -> None:
    location = put(storage, b"same").location
    before = storage.path(location).stat()
    time.sleep(0.01)
    (jobs / "a1" / "out").write_bytes(b"same")
    assert put(storage, b"same").location == location
    (adopted,) = storage.adopt(jobs / "a1" / "out")
    after = storage.path(location).stat()
    assert (adopted.location, after.st_ino) == (location, before.st_ino)
    assert after.st_ctime_ns > before.st_ctime_ns, "it is young again"
