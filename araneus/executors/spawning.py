"""`posix_spawn` without the interpreter's lock.

`os.posix_spawn` holds it until the new process runs its program: 0.1 ms on an idle machine, 3 ms on one whose tools
keep the processors busy, and meanwhile no thread of the server does anything. On Linux the C library's function is
called directly, which lets the other threads go on; elsewhere `os.posix_spawn` does the work.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_SETSIGDEF = 0x04
_SETSIGMASK = 0x08
_SETSID = 0x80
_OPAQUE = 1024
"""Bytes for each of the C library's opaque structures; the largest has 336 (glibc, musl)."""
_FUNCTIONS = (
    "posix_spawn_file_actions_init",
    "posix_spawn_file_actions_adddup2",
    "posix_spawn_file_actions_destroy",
    "posix_spawnattr_init",
    "posix_spawnattr_setflags",
    "posix_spawnattr_setsigdefault",
    "posix_spawnattr_setsigmask",
    "posix_spawnattr_destroy",
    "sigemptyset",
    "sigaddset",
)


def spawn_session(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    descriptors: Mapping[int, int],
    default_signals: Sequence[int],
) -> int:
    """Start a program in a session of its own, with no signal blocked, and return its process id.

    ``descriptors`` gives the child's descriptor numbers and what each is a copy of. Raises OSError, and ValueError for
    a NUL in a text or a variable whose name is empty or has a ``=`` in it.
    """
    if _libc is None:
        actions = [(os.POSIX_SPAWN_DUP2, source, number) for number, source in descriptors.items()]
        return os.posix_spawn(
            program,
            list(arguments),
            dict(environment),
            file_actions=actions,
            setsid=True,
            setsigdef=list(default_signals),
            setsigmask=(),
        )
    if any(not name or "=" in name for name in environment):
        raise ValueError("the name of an environment variable is empty or has a '=' in it")
    argv = _texts(arguments)
    envp = _texts([f"{name}={value}" for name, value in environment.items()])
    with _actions(_libc, descriptors) as actions, _attributes(_libc, default_signals) as attributes:
        pid = ctypes.c_int(0)
        _check(_libc.posix_spawn(ctypes.byref(pid), os.fsencode(program), actions, attributes, argv, envp))
        return pid.value


@contextmanager
def _actions(libc: ctypes.CDLL, descriptors: Mapping[int, int]) -> Iterator[Any]:
    actions = ctypes.create_string_buffer(_OPAQUE)
    _check(libc.posix_spawn_file_actions_init(actions))
    try:
        for number, source in descriptors.items():
            _check(libc.posix_spawn_file_actions_adddup2(actions, source, number))
        yield actions
    finally:
        libc.posix_spawn_file_actions_destroy(actions)


@contextmanager
def _attributes(libc: ctypes.CDLL, default_signals: Sequence[int]) -> Iterator[Any]:
    attributes, signals = ctypes.create_string_buffer(_OPAQUE), ctypes.create_string_buffer(_OPAQUE)
    _check(libc.posix_spawnattr_init(attributes))
    try:
        libc.sigemptyset(signals)
        _check(libc.posix_spawnattr_setsigmask(attributes, signals))
        for number in default_signals:
            libc.sigaddset(signals, number)
        _check(libc.posix_spawnattr_setsigdefault(attributes, signals))
        _check(libc.posix_spawnattr_setflags(attributes, _SETSID | _SETSIGDEF | _SETSIGMASK))
        yield attributes
    finally:
        libc.posix_spawnattr_destroy(attributes)


def _texts(values: Sequence[str]) -> "ctypes.Array[ctypes.c_char_p]":
    encoded = [os.fsencode(value) for value in values]
    if any(b"\0" in value for value in encoded):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def _check(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))


def _load() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    # Loaded so, its short functions keep the lock, which is cheaper; `posix_spawn` alone lets go of it.
    libc: Any = ctypes.PyDLL(None)
    try:
        for name in _FUNCTIONS:
            getattr(libc, name).restype = ctypes.c_int
        libc.posix_spawn = ctypes.CDLL(None).posix_spawn
    except (OSError, AttributeError):
        return None
    libc.posix_spawn.restype = ctypes.c_int
    loaded: ctypes.CDLL = libc
    return loaded


_libc = _load()
