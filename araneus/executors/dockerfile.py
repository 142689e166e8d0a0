"""Reading a Dockerfile that came with an app: which images it builds upon, and what of it is not done for a stranger.

The text is read into instructions and written anew, so that what was checked is what is built: no parser directives (a
``# syntax`` line names a program to be fetched and run), every base image under the name that the settings give it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from araneus.executors.errors import CannotStartError
from araneus.model.job import Reason

_LONGEST: Final = 1024 * 1024
_WORDS = re.compile(
    r"ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME"
    r"|WORKDIR"
)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction: its word in capitals, the rest of its (joined) line, and the lines of its here-documents."""

    word: str
    rest: str
    line: int
    body: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.word} {self.rest}", *self.body))


def read(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile. Raises IMAGE_UNAVAILABLE with the line that makes no sense."""
    if len(text) > _LONGEST:
        raise _refused(1, "it is longer than 1 MiB")
    lines = text.splitlines()
    found: list[Instruction] = []
    at = 0
    while at < len(lines):
        first, joined, at = _join(lines, at)
        if not joined:
            continue
        word, _, rest = joined.partition(" ")
        if _WORDS.fullmatch(word.upper()) is None:
            raise _refused(first, f"{word[:40]!r} is not an instruction of a Dockerfile")
        body: tuple[str, ...] = ()
        if word.upper() in {"RUN", "COPY", "ADD"}:
            body, at = _bodies(lines, at, rest)
        found.append(Instruction(word=word.upper(), rest=rest.strip(), line=first, body=body))
    return found


def prepared(text: str, base: Callable[[str], str], *, network: bool) -> str:
    """The Dockerfile as it is given to a builder. ``base`` makes an image available and tells the name it has here.

    Without ``network`` nothing is fetched besides images. Raises IMAGE_UNAVAILABLE for what is not done.
    """
    instructions = read(text)
    if not any(instruction.word == "FROM" for instruction in instructions):
        raise _refused(1, "it has no FROM")
    arguments: dict[str, str] = {}
    stages: list[str] = []
    written = []
    for instruction in instructions:
        if instruction.word == "ARG" and not stages:
            name, _, value = instruction.rest.partition("=")
            arguments[name.strip()] = expand(value.strip().strip("'\""), arguments)
            written.append(str(instruction))
        elif instruction.word == "FROM":
            written.append(str(_from(instruction, base, arguments, stages)))
        else:
            _check(instruction, network=network)
            written.append(str(_copy(instruction, base, stages)))
    return "\n".join(written) + "\n"


def expand(text: str, values: dict[str, str]) -> str:
    """The text with ``$NAME``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:+other}`` replaced."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1] or match[2], "")
        if match[3] == "-":
            return found or match[4]
        return (match[4] if found else "") if match[3] == "+" else found

    return _VARIABLE.sub(value, text)


def _from(
    instruction: Instruction, base: Callable[[str], str], arguments: dict[str, str], stages: list[str]
) -> Instruction:
    words = instruction.rest.split()
    options = [word for word in words if word.startswith("--")]
    plain = words[len(options) :]
    if not plain or len(plain) not in {1, 3} or (len(plain) == 3 and plain[1].upper() != "AS"):
        raise _refused(instruction.line, f"FROM {instruction.rest[:80]!r} is not FROM image [AS name]")
    if any(not option.startswith("--platform=") for option in options):
        raise _refused(instruction.line, f"{options[0][:40]!r} is not an option of FROM")
    name = expand(plain[0], arguments)
    if name != "scratch" and name.lower() not in stages:
        name = base(name)
    # Without a name of its own, a stage must still be counted: COPY --from may give its number.
    stages.append(plain[2].lower() if len(plain) == 3 else "")
    return replace(instruction, rest=" ".join([*options, name, *plain[1:]]))


def _check(instruction: Instruction, *, network: bool) -> None:
    word, rest = instruction.word, instruction.rest
    if word == "ONBUILD":
        inner, _, rest = rest.partition(" ")
        word = inner.upper()
    options = _options(rest)
    if word == "RUN" and not all(re.match(r"--mount=type=(?:cache|tmpfs)(?:,|$)", option) for option in options):
        raise _refused(instruction.line, f"RUN {options[0][:60]} is not done here")
    if word == "RUN" and any("from=" in option or "source=" in option or "src=" in option for option in options):
        raise _refused(instruction.line, f"RUN {options[0][:60]} is not done here")
    if word == "ADD" and not network and re.search(r"(?:^|[\s\[\"])(?:[a-z+]+://|git@)", rest, re.IGNORECASE):
        raise _refused(instruction.line, "ADD fetches from the network, which is not allowed on this server")


def _copy(instruction: Instruction, base: Callable[[str], str], stages: Sequence[str]) -> Instruction:
    if instruction.word not in {"COPY", "ADD"}:
        return instruction
    options = _options(instruction.rest)
    plain = instruction.rest.split(None, len(options))[len(options) :]
    written = []
    for option in options:
        name, equals, value = option.partition("=")
        if name == "--from" and not value.isdigit() and value.lower() not in stages:
            value = base(value)
        written.append(f"{name}{equals}{value}")
    return replace(instruction, rest=" ".join([*written, *plain]))


def _options(rest: str) -> list[str]:
    found = []
    for word in rest.split():
        if not word.startswith("--"):
            break
        found.append(word)
    return found


def _join(lines: Sequence[str], at: int) -> tuple[int, str, int]:
    """The line number, the text of one instruction (empty for none), and where the next begins."""
    first = at + 1
    parts: list[str] = []
    while at < len(lines):
        raw = lines[at].rstrip()
        line = raw.strip()
        at += 1
        directive = re.match(r"#\s*escape\s*=\s*(\S)", line)
        if directive is not None and not parts and directive[1] != "\\":
            raise _refused(at, "another escape character than the backslash is not read here")
        if line.startswith("#") or (parts and not line):
            continue
        parts.append(raw.removesuffix("\\"))
        if not raw.endswith("\\"):
            break
    return first, "".join(parts).strip(), at


def _bodies(lines: Sequence[str], at: int, rest: str) -> tuple[tuple[str, ...], int]:
    body: list[str] = []
    for mark in _HEREDOC.finditer(rest):
        while at < len(lines):
            body.append(lines[at])
            at += 1
            if body[-1].strip() == mark[2]:
                break
        else:
            raise _refused(len(lines), f"the here-document {mark[2]!r} has no end")
    return tuple(body), at


def _refused(line: int, why: str) -> CannotStartError:
    return CannotStartError(
        Reason.IMAGE_UNAVAILABLE, f"The app's Dockerfile (DockerRequirement, dockerFile) fails at line {line}: {why}."
    )
