"""Schedulers in processes of their own, for tests that kill them: ``python -m tests.scheduler.crash_server DIR [URL]``.

For each line on stdin a child is forked that runs a scheduler and says ``ready`` with its process id.
Forking saves importing everything twenty times. At the end of stdin this process ends.
"""

import os
import sys
import time
from pathlib import Path

import structlog

from tests.scheduler.house import House


def serve(directory: Path, url: str | None) -> None:
    house = House.build(directory, url)
    with house.scheduling(house.executor(cores=3)):
        print(f"ready {os.getpid()}", flush=True)
        time.sleep(600)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    directory, url = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(directory, url)
            os._exit(1)
        os.waitpid(child, 0)
        print("over", flush=True)


if __name__ == "__main__":
    main()
