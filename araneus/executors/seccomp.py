"""The filter of system calls for sandboxed tools, as classic BPF (kernel documentation, "Seccomp BPF").

Namespaces close off files, processes and networks. Refused here is what works without any privilege and is in no
namespace: the keys that the kernel keeps for a user, its log, virtual machine sockets, which lead to the host of this
machine; and what tools have no use for and attacks on the kernel do: eBPF, performance events, userfaultfd, io_uring,
namespaces of one's own, in which one has privileges (bubblewrap refuses user namespaces too, but only since 0.8).
Everything else is left alone: a tool does not notice.
"""

import struct
from dataclasses import dataclass
from typing import Final

_LOAD, _EQUAL, _AT_LEAST, _HAS_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST = 0, 4, 16
"""Places in ``struct seccomp_data``: number of the call, architecture, low half of the first argument."""
_ALLOW = 0x7FFF0000
# "Not implemented" and "address family not supported": programs go on without what a kernel may lack. "Not permitted"
# is what they hear where users may make no namespaces.
_LACKING, _NO_FAMILY, _FORBIDDEN = 0x00050000 | 38, 0x00050000 | 97, 0x00050000 | 1
_VSOCK = 40
_X32 = 0x40000000
_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_NEWTIME = 0x80
"""To ``unshare``; to ``clone`` it is a part of the number of a signal."""


@dataclass(frozen=True, slots=True)
class _Abi:
    """An architecture by its audit number, the calls that are refused in it, and those of which the first argument
    says whether they are."""

    audit: int
    refused: tuple[int, ...]
    socket: int
    clone: int
    unshare: int


@dataclass(frozen=True, slots=True)
class _Step:
    """An instruction; ``yes`` and ``no`` are the labels to go on at, empty for the next one."""

    code: int
    value: int
    yes: str = ""
    no: str = ""
    label: str = ""


# add_key, request_key, keyctl, syslog, bpf, perf_event_open, userfaultfd, io_uring_setup, _enter, _register, setns;
# clone3, whose arguments a filter cannot see, so that libraries use clone; for i386 also socketcall, as it hides its.
_X86_64 = _Abi(0xC000003E, (248, 249, 250, 103, 321, 298, 323, 425, 426, 427, 308, 435), 41, 56, 272)
_I386 = _Abi(0x40000003, (286, 287, 288, 103, 357, 336, 374, 425, 426, 427, 346, 435, 102), 359, 120, 310)
_AARCH64 = _Abi(0xC00000B7, (217, 218, 219, 116, 280, 241, 282, 425, 426, 427, 268, 435), 198, 220, 97)
_MACHINES: Final = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64,)}


def filter_program(machine: str) -> bytes:
    """The filter for a kind of machine (``platform.machine()``); empty for one whose calls are not known here."""
    abis = _MACHINES.get(machine)
    if abis is None:
        return b""
    return b"".join([*(_assembled(_block(abi)) for abi in abis), struct.pack("HBBI", _RETURN, 0, 0, _LACKING)])


def _block(abi: _Abi) -> list[_Step]:
    """The steps for one architecture; for another one they are passed over."""
    return [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_EQUAL, abi.audit, no="end"),
        _Step(_LOAD, _NUMBER),
        _Step(_AT_LEAST, _X32, yes="lacking"),
        *(_Step(_EQUAL, number, yes="lacking") for number in abi.refused),
        _Step(_EQUAL, abi.clone, yes="clone"),
        _Step(_EQUAL, abi.unshare, yes="unshare"),
        _Step(_EQUAL, abi.socket, no="allowed"),
        _Step(_LOAD, _FIRST),
        _Step(_EQUAL, _VSOCK, yes="no family", no="allowed"),
        _Step(_LOAD, _FIRST, label="clone"),
        _Step(_HAS_ANY, _NAMESPACES, yes="forbidden", no="allowed"),
        _Step(_LOAD, _FIRST, label="unshare"),
        _Step(_HAS_ANY, _NAMESPACES | _NEWTIME, yes="forbidden", no="allowed"),
        _Step(_RETURN, _ALLOW, label="allowed"),
        _Step(_RETURN, _LACKING, label="lacking"),
        _Step(_RETURN, _NO_FAMILY, label="no family"),
        _Step(_RETURN, _FORBIDDEN, label="forbidden"),
    ]


def _assembled(steps: list[_Step]) -> bytes:
    places = {"end": len(steps), **{step.label: place for place, step in enumerate(steps) if step.label}}
    packed = []
    for place, step in enumerate(steps):
        yes, no = (places[label] - place - 1 if label else 0 for label in (step.yes, step.no))
        packed.append(struct.pack("HBBI", step.code, yes, no, step.value))
    return b"".join(packed)
