"""The worker processes of JavaScript, looked at from outside."""

import os

import psutil


def workers_of(pid: int) -> list[psutil.Process]:
    """The workers that a process has started."""
    return [child for child in psutil.Process(pid).children() if "javascript_worker.py" in " ".join(child.cmdline())]


def crowd() -> float:
    """How much longer things take because others use the processors, too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
