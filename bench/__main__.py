"""All benchmarks, one after the other: ``python -m bench [NAME ...]``; without names, all of them.

Each runs in a process of its own with its defaults; run one alone, with ``--help``, to change them:
``python -m bench.tasks --help``. Figures mean something only beside their neighbours of the same run.
"""

import subprocess
import sys
import time
from pathlib import Path

NAMES = (
    *(
        "start",
        "expressions",
        "load",
        "engine",
        "executor",
        "tasks",
        "replay",
        "store",
        "api",
        "api_tasks",
        "large",
        "servers",
        "batch",
    ),
    *("conformance", "peers"),
)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; 1 when one of them failed."""
    unknown = set(names) - set(NAMES)
    if unknown or {"-h", "--help"} & set(names):
        print(f"{__doc__}\nKnown: {', '.join(NAMES)}")
        return 2
    failed = []
    for name in names or NAMES:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        checkout = Path(__file__).resolve().parent.parent
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=checkout, check=False).returncode:
            failed.append(name)
        print(f"-- {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
