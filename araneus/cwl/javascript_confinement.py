"""What the process of `javascript_worker` gives up before it sees the first script. Imports nothing of Araneus.

Scripts have no way out of the engine. This is for the day when one finds a mistake in its C code: the process then has
no files, descriptors, network, processes, privileges or neighbours to reach, and can only compute and answer.
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
from pathlib import Path

NOBODY = 65534
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # _REFUSE answers EPERM
_LOAD, _IS, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _THIRD = 0, 4, 16, 32
"""Places in ``struct seccomp_data``: call number, architecture, low halves of the first and third argument."""
_EXECUTABLE = 4
_OTHER_ABI = 0x40000000

_CALLS = {
    # read write close lseek brk munmap mremap madvise futex sched_yield poll select ppoll pselect6 rt_sigaction
    # rt_sigprocmask rt_sigreturn sigaltstack restart_syscall clock_gettime clock_getres gettimeofday time getrusage
    # getrandom getpid gettid exit exit_group; mmap mprotect (never executable); prlimit64 (of this process alone)
    "x86_64": (
        0xC000003E,
        (0, 1, 3, 8, 12, 11, 25, 28, 202, 24, 7, 23, 271, 270, 13, 14, 15, 131, 219, 228, 229, 96, 201, 98, 318, 39,
         186, 60, 231),
        (9, 10),
        302,
    ),
    "aarch64": (
        0xC00000B7,
        (63, 64, 57, 62, 214, 215, 216, 233, 98, 124, 73, 72, 134, 135, 139, 132, 128, 113, 114, 169, 165, 278, 172,
         178, 93, 94),
        (222, 226),
        261,
    ),
}  # fmt: skip
"""By machine: the audit architecture, calls that are allowed, and those that are allowed with one argument checked."""


def confine(memory: int) -> None:
    """Give up everything but computing and the pipes; ``memory`` is in bytes, on top of what is in use now."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with contextlib.suppress(FileNotFoundError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        ceiling = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    library = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    _leave_root()
    with contextlib.suppress(AttributeError):  # a system without prctl has none of the following either
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        _filter_calls(library)


def _leave_root() -> None:
    """A server that runs as root does not run scripts as root."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # in a user namespace there may be nobody else to be
            os.setgroups([])
        with contextlib.suppress(OSError):
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)


def _filter_calls(library: ctypes.CDLL) -> None:
    """Let the kernel refuse every system call but a few. Where it cannot, the limits above are what there is."""
    program = filter_program(platform.machine())
    if program:
        code = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
        library.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0)


def filter_program(machine: str) -> bytes:
    """The seccomp filter for a machine as classic BPF; empty when its system calls are not known here."""
    if machine not in _CALLS:
        return b""
    architecture, allowed, memory_calls, limit_call = _CALLS[machine]
    checks = [*((number, "allow") for number in allowed), *((number, "memory") for number in memory_calls)]
    checks.append((limit_call, "limit"))
    start, ends = 6 + len(checks), {"memory": 0, "limit": 2, "refuse": 4, "allow": 5}

    def step(code: int, value: int, at: int = 0, then: str = "", otherwise: str = "") -> bytes:
        """One instruction; jumps lead forward from ``at``, to one of the ends or to the next instruction."""
        yes, no = (start + ends[end] - at - 1 if end else 0 for end in (then, otherwise))
        return struct.pack("HBBI", code, yes, no, value)

    return b"".join([
        step(_LOAD, _ARCHITECTURE),
        struct.pack("HBBI", _IS, 1, 0, architecture),
        step(_RETURN, _KILL),
        step(_LOAD, _NUMBER),
        step(_AT_LEAST, _OTHER_ABI, 4, "refuse"),
        *(step(_IS, number, 5 + index, end) for index, (number, end) in enumerate(checks)),
        step(_RETURN, _REFUSE),
        step(_LOAD, _THIRD),
        step(_HAS_BITS, _EXECUTABLE, start + 1, "refuse", "allow"),
        step(_LOAD, _FIRST),
        step(_IS, 0, start + 3, "allow", "refuse"),
        step(_RETURN, _REFUSE),
        step(_RETURN, _ALLOW),
    ])  # fmt: skip
