"""How many requests one API process answers: ``python -m bench.api [--seconds 3] [--connections 16]``.

The server of `araneus up` (uvicorn, httptools, uvloop, SQLite) runs in a process of its own; this process sends over
keep-alive connections, one request in flight on each. The figures are requests per second of wall time, which depends
on what else the machine does, and CPU microseconds of the server per request, which hardly does.
"""

import argparse
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psutil
import uvicorn

from araneus import interpreter
from araneus.api.app import build
from araneus.api.connection import BoundedConnection
from araneus.api.services import ApiSettings, Services
from araneus.model.access import ALL_PERMISSIONS
from araneus.model.file import File
from araneus.model.ids import new_file_id, new_uuid
from araneus.model.project import Member, Project
from araneus.model.user import Token, User, token_digest
from araneus.storage.posix import PosixStorage
from araneus.store import files, projects, tokens, users
from araneus.store.database import Database

TOKEN = "00000000aaaabbbbccccddddeeee0001"  # a made-up token of a throwaway server
PROJECT = "bench/project"
FILES = 1000


def utc_now() -> datetime:
    return datetime.now(UTC)


def fill(database: Database) -> str:
    """A user, a project and files in it; the id of one of them."""
    now = utc_now()
    user = User(username="bench", email="bench@example.org", billing_group=new_uuid(), created_on=now)
    root = File(
        id=new_file_id(0), project=PROJECT, parent=None, name="root", folder=True, created_on=now, modified_on=now
    )
    project = Project(
        id=PROJECT,
        name="Project",
        billing_group=user.billing_group,
        root_folder=root.id,
        created_by="bench",
        created_on=now,
        modified_on=now,
    )
    content = [
        File(
            id=new_file_id(number),
            project=PROJECT,
            parent=root.id,
            name=f"sample-{number:05}.bam",
            size=number,
            location="blob:" + "0" * 64,
            metadata={"sample_id": str(number), "paired_end": "1"},
            created_on=now,
            modified_on=now,
        )
        for number in range(FILES)
    ]
    with database.write() as conn:
        users.insert(conn, user)
        tokens.insert(conn, Token(digest=token_digest(TOKEN), username="bench", label="bench", created_on=now))
        projects.insert(conn, project, root, Member(project=PROJECT, username="bench", permissions=ALL_PERMISSIONS))
        files.insert(conn, *content)
    return content[0].id


def serve(directory: Path, port: int) -> None:
    """The server's process. ``ARANEUS_BENCH_URL`` names another database than the one in the directory."""
    database = Database.open(os.environ.get("ARANEUS_BENCH_URL") or f"sqlite:///{directory / 'bench.db'}")
    database.migrate()
    (directory / "jobs").mkdir(exist_ok=True)
    services = Services(
        database=database,
        storage=PosixStorage(directory / "storage", directory / "jobs"),
        clock=utc_now,
        settings=ApiSettings(uploads=directory / "uploads"),
    )
    app = build(services)
    interpreter.settle()
    uvicorn.run(app, port=port, log_level="warning", access_log=False, server_header=False, http=BoundedConnection)


def connect(port: int) -> socket.socket:
    """A connection, once the server listens."""
    for _ in range(1200):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError("the server does not listen")


def read_answer(connection: socket.socket) -> bytes:
    """One whole answer; it must be a success."""
    received = _more(connection)
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received[:500].decode("latin-1"))
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    return body


def _more(connection: socket.socket) -> bytes:
    piece = connection.recv(262144)
    if not piece:
        raise RuntimeError("the server hung up: a connection must not be idle for five seconds")
    return piece


def measure(path: str, connections: list[socket.socket], server: psutil.Process, seconds: float) -> str:
    """A line of figures for one path. Each connection sends its next request as soon as it has its answer; the times
    are those of single requests, from sending to the last byte. ``{:02x}`` in the path is another number for each."""
    rest = f" HTTP/1.1\r\nHost: localhost\r\nX-SBG-Auth-Token: {TOKEN}\r\n\r\n"
    requests = {connection: f"GET {path.format(place)}{rest}".encode() for place, connection in enumerate(connections)}
    for connection in connections * 5:
        connection.sendall(requests[connection])
        read_answer(connection)
    with selectors.DefaultSelector() as waiting:
        sent = {}
        cpu, start = sum(server.cpu_times()[:2]), time.perf_counter()
        for connection in connections:
            waiting.register(connection, selectors.EVENT_READ)
            sent[connection] = time.perf_counter()
            connection.sendall(requests[connection])
        taken, now = [], start
        while now - start < seconds:
            for key, _ in waiting.select():
                connection = cast("socket.socket", key.fileobj)
                read_answer(connection)
                now = time.perf_counter()
                taken.append(now - sent[connection])
                sent[connection] = now
                connection.sendall(requests[connection])
        wall, cpu = now - start, sum(server.cpu_times()[:2]) - cpu
    for connection in connections:
        read_answer(connection)
    cuts = [cut * 1000 for cut in statistics.quantiles(taken, n=100)]
    return (
        f"{len(taken) / wall:8.0f} requests/s  {cpu / len(taken) * 1e6:6.0f} us CPU each"
        f"  median {cuts[49]:6.1f} ms  p99 {cuts[98]:6.1f} ms  {path}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--serve", nargs=2, metavar=("DIRECTORY", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        database = Database.open(f"sqlite:///{Path(name) / 'bench.db'}")
        database.migrate()
        file_id = fill(database)
        database.close()
        command = [sys.executable, "-m", "bench.api", "--serve", name, str(port)]
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
        try:
            connections = [connect(port) for _ in range(options.connections)]
            watched = psutil.Process(server.pid)
            for path in (
                "/v2/",
                "/v2/user",
                f"/v2/projects/{PROJECT}",
                f"/v2/files/{file_id}",
                f"/v2/files/{file_id}?fields=id,name,metadata.sample_id",
                f"/v2/files?project={PROJECT}&limit=100",
                f"/v2/files?project={PROJECT}&limit=100&fields=_all",
            ):
                print(measure(path, connections, watched, options.seconds), flush=True)
            for connection in connections:
                connection.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
