"""cwl.output.json: the outputs that a tool writes down itself. Read with distrust: a plain file of the working
directory, of limited size and depth, with values that every reader of JSON can take.

Source: CWL v1.2 CommandLineTool, "Output binding".
"""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, Final, NoReturn

from araneus.cwl.errors import OutputError, Problem
from araneus.cwl.nesting import MAX_DEPTH, too_deep
from araneus.model.values import Value

OUTPUT_DOCUMENT: Final = "cwl.output.json"
MAX_DOCUMENT: Final = 64 * 2**20
"""Bytes of cwl.output.json."""


def output_document(host_work: Path) -> dict[str, Value] | None:
    """What is in the working directory's cwl.output.json, when the tool wrote one. Raises `OutputError`."""
    try:
        descriptor = os.open(host_work / OUTPUT_DOCUMENT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        link = (host_work / OUTPUT_DOCUMENT).is_symlink()
        raise _wrong("is a link; the tool must write a file" if link else f"cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _wrong("is not a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            text = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise _wrong(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    value = _parsed(text) if len(text) <= MAX_DOCUMENT else None
    if not isinstance(value, dict) or too_deep(value):
        raise _wrong(f"must be a JSON object of at most {MAX_DOCUMENT >> 20} MiB, not deeper than {MAX_DEPTH}")
    return value


def _parsed(text: bytes) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number)
        if rb"\ud" in text or rb"\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _wrong("holds an unpaired surrogate character (half of one, as in \\ud800)") from None
    except (ValueError, RecursionError) as error:
        raise _wrong(f"is not JSON: {str(error)[:200]}") from None
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number; write null")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _wrong(what: str) -> OutputError:
    return OutputError(Problem(OUTPUT_DOCUMENT, what))
