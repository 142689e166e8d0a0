"""The process that JavaScript runs in: requests come on standard input, answers go to standard output.

It is started by `cwl.javascript` as a script of its own (isolated Python, empty environment), so it must import nothing
of Araneus. An evaluation gets a context of its own, with its own heap and its own globals: nothing that one script
leaves behind can be seen by the next. A context with the libraries of the last request is made ready after the answer
was sent, while nobody waits.

Making a context takes ten times as long as running a small script in it. So a request may name a session: its sender
says that the script comes from the same task as all others of that session, has no library, and does none of the things
that `cwl.javascript_plain` looks for. After some of those a context is made in which nothing can be changed
(`javascript_harness.KEPT`), for this session alone. A script that leaves something behind all the same is its last.

A request is three numbers of four bytes (big endian), the session or 0 and two lengths, and that many bytes of JSON in
ASCII each: a list of library texts, and ``{"code", "variables"}`` where code is the body of a function. An answer is
one length and its bytes: JSON with ``value`` (left out for undefined) or ``error``; with the highest bit of the length
set it is the worker's last one. The first byte of all is ``+``: the worker is ready.
"""

import importlib
import importlib.util
import json
import os
import resource
import select
import struct
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20
PIECE = 2**16
NUMBERS = struct.Struct(">III")
INTERRUPTED = "InternalError: interrupted"
HEADER = 12
SPENT = 0x80000000
STACK = 2 * MEBIBYTE
HEAP = 0.75
"""The share of the memory that scripts may fill; the rest is for the interpreter and for texts on their way."""
WARM_LIMIT = 0.02
"""Seconds: libraries that take longer than this to load are loaded only when they are asked for."""

LOOK_AFTER = 0.03
"""Seconds of processor time after which to see how much memory is left."""
MAX_LOST = 32 * MEBIBYTE
"""Bytes that all contexts, the kept ones included, may hold on to between two requests."""

MAX_SPARES = 8
"""How many contexts are kept ready: as many as there were requests in a row with the same libraries, up to this."""

KEEP_AFTER = 12
"""How many evaluations of a session get contexts of their own before one is kept: what making that one costs."""
MAX_SESSIONS = 4
MAX_SERVED = 2000
"""How many evaluations one context serves; what is left behind where nobody can see it takes room, too."""


class Session:
    """Scripts of one task, and the context that is kept for them."""

    def __init__(self) -> None:
        self.asked = 0
        self.run: Any = None
        self.spoilt = False

    @property
    def wants_context(self) -> bool:
        """Whether it is worth while to keep one now."""
        return self.run is None and not self.spoilt and self.asked >= KEEP_AFTER

    def drop(self, *, spoilt: bool) -> None:
        """Forget the context; for good when it was spoilt by a script."""
        self.run, self.asked, self.spoilt = None, 0, spoilt


class Machine:
    """Evaluates requests one after another; ``harness`` is the module `javascript_harness`."""

    def __init__(self, context: Any, harness: Any, *, time_limit: float, memory: int, answer_limit: int) -> None:
        self._context = context
        self._harness = harness
        self._sessions: OrderedDict[int, Session] = OrderedDict()
        self._time_limit = time_limit
        self._memory = int(memory * HEAP)
        self._answer_limit = answer_limit
        self._spares: list[Any] = []
        self._used: list[Any] = []
        self._library = b"[]"
        self._row = 1
        self._renew_at = 0.0
        self._heap = neighbour("javascript_heap").Heap()
        self._looked_at = time.process_time()

    def answer(self, session: int, library: bytes, request: str) -> bytes:
        """The answer to one request. Never raises for what the script does."""
        self._allow_processor_time()
        text = self._in_session(session, request) if session else None
        if text is None:
            text = self._alone(library, request)
        answer = text.encode()
        if len(answer) > self._answer_limit:
            answer = _refusal(f"the result is larger than {self._answer_limit // MEBIBYTE} MiB of JSON").encode()
        return answer

    def _alone(self, library: bytes, request: str) -> str:
        try:
            text = self._ready(library)(request)
        except Exception as error:  # whatever the engine raises is the script's fault and its answer
            return _refusal(_engine_message(error))
        return text if isinstance(text, str) else _refusal("no result")

    def _in_session(self, number: int, request: str) -> str | None:
        """The answer in the context that is kept for a session; None when there is none, or not a good one."""
        session = self._sessions.setdefault(number, Session())
        self._sessions.move_to_end(number)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        session.asked += 1
        if session.run is None:
            return None
        try:
            text = session.run(request)
        except Exception as error:
            session.drop(spoilt=True)
            message = _engine_message(error)
            return _refusal(message) if INTERRUPTED in message else None
        if not isinstance(text, str) or text[:1] != "+" or session.asked > MAX_SERVED:
            session.drop(spoilt=not isinstance(text, str) or text[:1] != "+")
        # What went wrong is told as a context of its own tells it.
        return None if not isinstance(text, str) or text.startswith('{"error"', 1) else text[1:]

    def tidy(self) -> None:
        """Drop what the last evaluation used."""
        self._used.clear()

    def is_spent(self, held: int) -> bool:
        """Whether the engine has lost so much memory that the next script would have too little.

        Looked at from time to time, when the answer is known; ``held`` bytes are in use for it.
        """
        now = time.process_time()
        if now - self._looked_at < LOOK_AFTER:
            return False
        self.tidy()
        self._looked_at = now
        return bool(self._heap.grown() > MAX_LOST + held)

    def warm_up(self) -> bool:
        """Make one context for a later request; False when there are enough, or when the libraries are slow to load."""
        for session in self._sessions.values():
            if session.wants_context:
                self._allow_processor_time()
                session.run = self._build(b"[]", self._harness.KEPT)
                return True
        if len(self._spares) >= min(self._row, MAX_SPARES):
            return False
        self._allow_processor_time()
        try:
            self._spares.append(self._build(self._library))
        except Exception:  # the next request builds its own context and reports what is wrong
            self._row = 0
            return False
        return True

    def _ready(self, library: bytes) -> Any:
        if library != self._library:
            self._spares.clear()
            self._library, self._row = library, 0
        if self._spares:
            run = self._spares.pop()
            self._row += 1
        else:
            started = time.process_time()
            run = self._build(library)
            self._row = self._row + 1 if time.process_time() - started < WARM_LIMIT else 0
        self._used.append(run)
        return run

    def _build(self, library: bytes, harness: str = "") -> Any:
        context = self._context()
        context.set_memory_limit(self._memory)
        context.set_max_stack_size(STACK)
        context.set_time_limit(self._time_limit)
        run = context.eval(harness or self._harness.HARNESS)
        for number, source in enumerate(json.loads(library)):
            try:
                context.eval(source)
            except Exception as error:
                raise RuntimeError(f"expressionLib[{number}]: {_engine_message(error)}") from None
        return run

    def _allow_processor_time(self) -> None:
        """Let the kernel end this process when the engine overlooks its own time limit."""
        used = time.process_time()
        if used < self._renew_at:
            return
        self._renew_at = used + 1
        seconds = int(used + self._time_limit) + 3
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if hard == resource.RLIM_INFINITY or seconds < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _refusal(message: str) -> str:
    return json.dumps({"error": message})


def _engine_message(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.lstrip().startswith("at ")]
    place = next((line.strip() for line in lines if "<input>:" in line and not line.startswith("    at <eval>")), "")
    message = " ".join(kept[:3]) or type(error).__name__
    if message == "null":
        return "null was thrown, or no memory was left"
    return f"{message} ({place})" if place and message.startswith("SyntaxError") else message


def neighbour(name: str) -> Any:
    """The module beside this file; this process, isolated, has no import path to it."""
    path = Path(__file__).with_name(f"{name}.py")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def read_request(descriptor: int) -> tuple[int, bytes, str] | None:
    """Session, library and body of the next request, or None when the other side is gone."""
    received = bytearray()
    wanted = HEADER
    while len(received) < wanted:
        piece = os.read(descriptor, PIECE)
        if not piece:
            return None
        received += piece
        if wanted == HEADER and len(received) >= HEADER:
            wanted += sum(NUMBERS.unpack_from(received)[1:])
    session, library, _ = NUMBERS.unpack_from(received)
    end = HEADER + library
    with memoryview(received) as view:
        return session, bytes(view[HEADER:end]), str(view[end:], "ascii")


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def serve(machine: Machine) -> None:
    """Answer requests until standard input closes, which happens when the parent ends."""
    while True:
        machine.tidy()
        while not select.select([0], [], [], 0)[0] and machine.warm_up():
            pass
        request = read_request(0)
        if request is None:
            return
        answer = machine.answer(*request)
        spent = machine.is_spent(len(request[1]) + len(request[2]) + 4 * len(answer))
        del request
        write_all(1, (len(answer) | SPENT * spent).to_bytes(4, "big") + answer)
        if spent:
            return


def main(arguments: list[str]) -> None:
    """``engine_directory time_limit memory answer_limit``: seconds, MiB, bytes."""
    directory, time_limit, memory, answer_limit = arguments
    sys.path.append(directory)
    context = importlib.import_module("_quickjs").Context
    machine = Machine(
        context,
        neighbour("javascript_harness"),
        time_limit=float(time_limit),
        memory=int(memory) * MEBIBYTE,
        answer_limit=int(answer_limit),
    )
    machine.warm_up()
    neighbour("javascript_confinement").confine((2 * int(memory) + 64) * MEBIBYTE)
    write_all(1, b"+")
    serve(machine)


if __name__ == "__main__":
    main(sys.argv[1:])
