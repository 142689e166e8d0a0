"""The process that JavaScript runs in: requests come on standard input, answers go to standard output.

It is started by `cwl.javascript` as a script of its own (isolated Python, empty environment), so it must import nothing
of Araneus. Every evaluation gets a context of its own, with its own heap and its own globals: nothing that one script
leaves behind can be seen by the next. A context with the libraries of the last request is made ready after the answer
was sent, while nobody waits.

A request is two lengths of four bytes (big endian) and that many bytes of JSON in ASCII each: a list of library texts,
and ``{"code", "variables"}`` where code is the body of a function. An answer is one length and its bytes: JSON with
``value`` (left out for undefined) or ``error``. The first byte of all is ``+``: the worker is ready.
"""

import importlib
import importlib.util
import json
import os
import resource
import select
import sys
import time
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20
PIECE = 2**16
HEADER = 8
STACK = 2 * MEBIBYTE
HEAP = 0.75
"""The share of the memory that scripts may fill; the rest is for the interpreter and for texts on their way."""
WARM_LIMIT = 0.02
"""Seconds: libraries that take longer than this to load are loaded only when they are asked for."""

MAX_SPARES = 8
"""How many contexts are kept ready: as many as there were requests in a row with the same libraries, up to this."""

NULL = "null was thrown, which is also what happens when no memory is left for an error"

EXPLAIN = """
const {name, message} = thrown instanceof Fault ? thrown : {};
if (message !== undefined) { return text(name) + ": " + text(message); }
if (typeof thrown === "string") { return thrown; }
if (thrown === null) { return nothing; }
return "thrown " + (typeof thrown === "object" && thrown !== null ? "object " + text(write(thrown)) : text(thrown));
"""
"""The body of the function that describes what was thrown. It is compiled only when something was."""

HARNESS = (
    """
(function () {
  const {parse, stringify} = JSON, Body = Function, finite = Number.isFinite, root = globalThis, text = String;
  const {defineProperty, keys} = Object, promised = Object.prototype.isPrototypeOf.bind(Promise.prototype);
  const Fault = Error, plain = {writable: true, enumerable: true, configurable: true};
  const define = (name, value) => {
    // A library's own ``var self`` cannot be defined anew, but it can be set.
    try { defineProperty(root, name, {__proto__: null, ...plain, value}); } catch (fixed) { root[name] = value; }
  };
  const strict = (key, value) => {
    if (typeof value === "number" && !finite(value)) { throw new Fault(`the result holds ${value}, which is no JSON`); }
    return value;
  };
  return (request) => {
    try {
      const {code, variables} = parse(request);
      const names = keys(variables);
      for (let n = 0; n < names.length; n++) { define(names[n], variables[names[n]]); }
      const value = new Body(code)();
      if (promised(value)) { throw new Fault("the result is a Promise; an expression must return its value at once"); }
      return stringify({__proto__: null, value}, strict);
    } catch (thrown) {
      let error = "something that cannot be described was thrown";
      try { error = text(new Body("thrown", "Fault", "text", "write", "nothing", """
    + json.dumps(EXPLAIN)
    + """)(thrown, Fault, text, stringify, """
    + json.dumps(NULL)
    + """)); } catch (ignored) {}
      return stringify({__proto__: null, error});
    }
  };
})()
"""
)


class Machine:
    """Evaluates requests one after another, each in a fresh context."""

    def __init__(self, context: Any, *, time_limit: float, memory: int, answer_limit: int) -> None:
        self._context = context
        self._time_limit = time_limit
        self._memory = int(memory * HEAP)
        self._answer_limit = answer_limit
        self._spares: list[Any] = []
        self._used: list[Any] = []
        self._library = b"[]"
        self._row = 1

    def answer(self, library: bytes, request: str) -> bytes:
        """The answer to one request. Never raises for what the script does."""
        self._allow_processor_time()
        try:
            run = self._ready(library)
            text = run(request)
            answer = text.encode() if isinstance(text, str) else _refusal("no result")
        except Exception as error:  # whatever the engine raises is the script's fault and its answer
            answer = _refusal(_engine_message(error))
        if len(answer) > self._answer_limit:
            answer = _refusal(f"the result is larger than {self._answer_limit // MEBIBYTE} MiB of JSON")
        return answer

    def tidy(self) -> None:
        """Drop what the last evaluation used."""
        self._used.clear()

    def warm_up(self) -> bool:
        """Make one context for a later request; False when there are enough, or when the libraries are slow to load."""
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

    def _build(self, library: bytes) -> Any:
        context = self._context()
        context.set_memory_limit(self._memory)
        context.set_max_stack_size(STACK)
        context.set_time_limit(self._time_limit)
        run = context.eval(HARNESS)
        for number, source in enumerate(json.loads(library)):
            try:
                context.eval(source)
            except Exception as error:
                raise RuntimeError(f"expressionLib[{number}]: {_engine_message(error)}") from None
        return run

    def _allow_processor_time(self) -> None:
        """Let the kernel end this process when the engine overlooks its own time limit."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(usage.ru_utime + usage.ru_stime + self._time_limit) + 2
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if hard == resource.RLIM_INFINITY or seconds < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _refusal(message: str) -> bytes:
    return json.dumps({"error": message}).encode("ascii")


def _engine_message(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.lstrip().startswith("at ")]
    place = next((line.strip() for line in lines if "<input>:" in line and not line.startswith("    at <eval>")), "")
    message = " ".join(kept[:3]) or type(error).__name__
    if message == "null":
        return NULL
    return f"{message} ({place})" if place and message.startswith("SyntaxError") else message


def confinement() -> Any:
    """The module beside this file; this process, isolated, has no import path to it."""
    path = Path(__file__).with_name("javascript_confinement.py")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def read_request(descriptor: int) -> tuple[bytes, str] | None:
    """Library and body of the next request, or None when the other side is gone."""
    received = bytearray()
    wanted = HEADER
    while len(received) < wanted:
        piece = os.read(descriptor, PIECE)
        if not piece:
            return None
        received += piece
        if wanted == HEADER and len(received) >= HEADER:
            wanted += int.from_bytes(received[:4], "big") + int.from_bytes(received[4:8], "big")
    end = HEADER + int.from_bytes(received[:4], "big")
    with memoryview(received) as view:
        return bytes(view[HEADER:end]), str(view[end:], "ascii")


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
        del request
        write_all(1, len(answer).to_bytes(4, "big") + answer)


def main(arguments: list[str]) -> None:
    """``engine_directory time_limit memory answer_limit``: seconds, MiB, bytes."""
    directory, time_limit, memory, answer_limit = arguments
    sys.path.append(directory)
    context = importlib.import_module("_quickjs").Context
    machine = Machine(
        context, time_limit=float(time_limit), memory=int(memory) * MEBIBYTE, answer_limit=int(answer_limit)
    )
    machine.warm_up()
    confinement().confine((2 * int(memory) + 64) * MEBIBYTE)
    write_all(1, b"+")
    serve(machine)


if __name__ == "__main__":
    main(sys.argv[1:])
