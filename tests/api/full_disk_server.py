"""A server whose bytes lie on a file system of a few mebibytes: ``python -m tests.api.full_disk_server DIR URL``.

Prints its port and a token. Runs in a mount namespace of its own (see `test_full_disk`).
"""

import socket
import sys
from pathlib import Path

import uvicorn

from araneus.api.app import build
from tests.api.conftest import add_user, make_services


def main() -> None:
    services = make_services(Path(sys.argv[1]), url=sys.argv[2])
    token = add_user(services.database, "rosalind")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], token, flush=True)
    server = uvicorn.Server(uvicorn.Config(build(services), log_level="warning"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
