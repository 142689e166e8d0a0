"""The filter of system calls for sandboxed tools, as classic BPF (kernel documentation, "Seccomp BPF").

Namespaces close off files, processes and networks. Refused here is what works without any privilege and is in no
namespace: the keys that the kernel keeps for a user, its log, virtual machine sockets, which lead to the host of this
machine; and what tools have no use for and attacks on the kernel do: eBPF, performance events, userfaultfd, io_uring.
Everything else is left alone: a tool does not notice.
"""

import struct
from dataclasses import dataclass
from typing import Final

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST = 0, 4, 16
"""Places in ``struct seccomp_data``: number of the call, architecture, low half of the first argument."""
_ALLOW = 0x7FFF0000
# "Not implemented" and "address family not supported": programs go on without what a kernel may lack.
_LACKING, _NO_FAMILY = 0x00050000 | 38, 0x00050000 | 97
_VSOCK = 40
_X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class _Abi:
    """An architecture by its audit number, the calls that are refused in it, and its ``socket``."""

    audit: int
    refused: tuple[int, ...]
    socket: int


# add_key, request_key, keyctl, syslog, bpf, perf_event_open, userfaultfd, io_uring_setup, _enter, _register;
# for i386 also socketcall, whose arguments a filter cannot see.
_X86_64 = _Abi(0xC000003E, (248, 249, 250, 103, 321, 298, 323, 425, 426, 427), 41)
_I386 = _Abi(0x40000003, (286, 287, 288, 103, 357, 336, 374, 425, 426, 427, 102), 359)
_AARCH64 = _Abi(0xC00000B7, (217, 218, 219, 116, 280, 241, 282, 425, 426, 427), 198)
_MACHINES: Final = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64,)}


def filter_program(machine: str) -> bytes:
    """The filter for a kind of machine (``platform.machine()``); empty for one whose calls are not known here."""
    abis = _MACHINES.get(machine)
    if abis is None:
        return b""
    return b"".join([*(_block(abi) for abi in abis), _step(_RETURN, _LACKING)])


def _block(abi: _Abi) -> bytes:
    """The steps for one architecture; for another one they are passed over."""
    checks = len(abi.refused)
    inner = [
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, yes=checks + 4),
        *(_step(_EQUAL, number, yes=checks + 3 - place) for place, number in enumerate(abi.refused)),
        _step(_EQUAL, abi.socket, no=2),
        _step(_LOAD, _FIRST),
        _step(_EQUAL, _VSOCK, yes=2),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _LACKING),
        _step(_RETURN, _NO_FAMILY),
    ]
    return b"".join([_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, abi.audit, no=len(inner)), *inner])


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)
