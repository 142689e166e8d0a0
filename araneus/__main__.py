"""The command line: ``araneus up``, ``user``, ``token``, ``cwl``, ``pack``, ``lint``.

Each command loads what it needs only when it runs, and the line is read with the standard library alone: ``araneus
cwl`` is often started for a tool that takes no time, and ``--help`` should be there at once
(docs/adr/0009-the-command-line.md).
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from araneus import __version__

_DESCRIPTION: Final = """\
Araneus speaks the CAVATICA / Seven Bridges API v2 and runs CWL apps on your own machine.

Start a server with `araneus up`, then point your scripts, `sevenbridges-python`, `sbpack` or the
R packages at it with the two variables that it prints. `araneus cwl` runs a CWL document without
a server."""
_GROUPS: Final = {"user": "Add and list the people who may use a server.",
                  "division": "Add institutions, and say who belongs to them.",
                  "token": "Make, list and revoke the tokens that clients send."}  # fmt: skip
_MISTAKE: Final = 2


@dataclass(frozen=True, slots=True)
class Command:
    """What stands after ``araneus``: how its arguments are read, and what runs with them and gives the exit code.

    ``summary`` is one sentence, ``details`` are lines of at most 100 characters.
    """

    summary: str
    define: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    details: str = ""


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low} to {high}")
        return int(text)

    return number


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("araneus-data"),
        metavar="DIR",
        help="directory that holds everything the server knows [default: araneus-data]",
    )


def _quiet(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help=what)


# --- the commands -----------------------------------------------------------------------------------------------------


def _define_up(parser: argparse.ArgumentParser) -> None:
    _data(parser)
    parser.add_argument("--host", help="address to listen on [default: 127.0.0.1]")
    parser.add_argument("--port", type=_number(0, 65535), help="port; 0 takes a free one [default: 8080]")
    parser.add_argument(
        "--tls", action="store_true", default=None, help="speak TLS, with a certificate of the server's own making"
    )
    parser.add_argument(
        "--until-eof", action="store_true", help="stop when standard input ends: with the program that holds it"
    )
    _quiet(parser, "print only what goes wrong")


def _up(given: argparse.Namespace) -> int:
    from araneus.up import up  # noqa: PLC0415 (start fast)

    return up(
        given.data.absolute(), host=given.host, port=given.port, secure=given.tls, quiet=given.quiet,
        until_eof=given.until_eof,
    )  # fmt: skip


def _define_cwl(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="CWL document, with #id for one process of several")
    parser.add_argument("job", metavar="JOB", nargs="?", help="inputs in JSON or YAML")
    parser.add_argument(
        "--outdir", type=Path, default=Path(), metavar="DIR", help="where the output files go [default: .]"
    )
    _quiet(parser, "no progress, errors only")
    parser.add_argument(
        "--containers",
        default="auto",
        metavar="KIND",
        help="what encloses tools: auto, docker, podman, apptainer, singularity, unpacked, bubblewrap, none [auto]",
    )


def _cwl(given: argparse.Namespace) -> int:
    from araneus.direct import run_cwl_command  # noqa: PLC0415 (start fast)

    return run_cwl_command(
        given.document, given.job, outdir=given.outdir, quiet=given.quiet, containers=given.containers
    )


def _define_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="CWL document, with #id for one process of several")


def _pack(given: argparse.Namespace) -> int:
    from araneus.packing import run_pack_command  # noqa: PLC0415 (start fast)

    return run_pack_command(given.document)


def _define_lint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="CWL document, with #id for one process of several")
    parser.add_argument(
        "--for",
        dest="runners",
        action="append",
        default=[],
        choices=("platform", "cwl", "araneus"),
        help="only what behaves differently there; may be given again [default: all three]",
    )
    parser.add_argument(
        "--fail-on",
        default="warning",
        choices=("note", "warning", "error", "never"),
        help="the least grave finding that gives exit code 1 [default: warning]",
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the findings as a JSON list")


def _lint(given: argparse.Namespace) -> int:
    from araneus.linting import run_lint_command  # noqa: PLC0415 (start fast)

    return run_lint_command(
        given.document, runners=given.runners, fail_on=given.fail_on, as_json=given.as_json
    )  # fmt: skip


def _define_user_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "username", metavar="USERNAME", help="letters, digits, '-', '_', '.'; the owner part of project ids"
    )
    _data(parser)
    parser.add_argument("--email", default="", help="shown to the other members of a project")
    parser.add_argument("--admin", action="store_true", help="may administer the server with the API")


def _user_add(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.add_user(given.data.absolute(), given.username, given.email, admin=given.admin)


def _user_list(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.list_users(given.data.absolute())


def _define_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", help="who it is")
    _data(parser)


def _user_disable(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.disable_user(given.data.absolute(), given.username, disabled=True)


def _user_enable(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.disable_user(given.data.absolute(), given.username, disabled=False)


def _define_division_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("division", metavar="DIVISION", help="short name: letters, digits, '-', '_', '.'")
    _data(parser)
    parser.add_argument("--name", default="", help="full name")


def _division_add(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.add_division(given.data.absolute(), given.division, given.name)


def _define_division_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("division", metavar="DIVISION", help="its short name")
    parser.add_argument("username", metavar="USERNAME", help="who shall belong to it")
    _data(parser)
    parser.add_argument("--role", default="member", choices=("member", "admin", "external_collaborator"))


def _division_join(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.join_division(given.data.absolute(), given.division, given.username, given.role)


def _define_division_leave(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", help="who shall belong to none")
    _data(parser)


def _division_leave(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.leave_division(given.data.absolute(), given.username)


def _define_token_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", help="whose token it is")
    _data(parser)
    parser.add_argument("--label", default="", help="what it is for, to tell tokens apart")
    parser.add_argument("--days", type=_number(1, 36500), help="days until it expires [default: never]")


def _token_create(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.create_token(given.data.absolute(), given.username, given.label, given.days)


def _define_token_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", nargs="?", help="only the tokens of this user")
    _data(parser)


def _token_list(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.list_tokens(given.data.absolute(), given.username)


def _define_token_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "token", metavar="TOKEN", help="the token itself, or the start of its hash (8 characters or more)"
    )
    _data(parser)


def _token_revoke(given: argparse.Namespace) -> int:
    from araneus import commands  # noqa: PLC0415 (start fast)

    return commands.revoke_token(given.data.absolute(), given.token)


COMMANDS: Final = {
    "up": Command(
        "Start a server: the API and the scheduler, on this machine.",
        _define_up,
        _up,
        """\
The first start makes a user with your login name and a token, and writes both to
DIR/credentials in the form of ~/.sevenbridges/credentials (profile `default`). Ctrl-C stops the
server; running jobs go on, and the next `araneus up` finds them.
Settings: DIR/araneus.toml or the environment, see docs/settings.md.""",
    ),
    "cwl": Command(
        "Run a CWL document without a server and print its outputs as JSON.",
        _define_cwl,
        _cwl,
        """\
Exit code 0: it ran; 33: it needs something that Araneus does not support; 1: anything else, said
on standard error.""",
    ),
    "pack": Command(
        "Print a CWL document with everything that it names in it, ready to be installed as an app.",
        _define_pack,
        _pack,
        """\
Tools that steps run, imports, and small text files that the document brings along become part of
it. Install it with `POST /apps/{owner}/{project}/{app}/raw`.""",
    ),
    "lint": Command(
        "Tell what in a CWL app behaves differently on the platform, here, or in other CWL runners.",
        _define_lint,
        _lint,
        """\
Each finding has a level, a name and whom it concerns, then what differs, then what to do:
  error    the app fails there      warning  its result may differ      note  good to know
Exit code: 0 nothing at --fail-on or graver, 1 something, 2 the document is not valid CWL.
docs/portability.md says more about each.""",
    ),
    "user add": Command("Add a user and print a token for them.", _define_user_add, _user_add),
    "user disable": Command("Disable a user: tokens and links stop working at once.", _define_user, _user_disable),
    "user enable": Command("Enable a user again.", _define_user, _user_enable),
    "division add": Command("Add a division.", _define_division_add, _division_add),
    "division join": Command("Let a user belong to a division.", _define_division_join, _division_join),
    "division leave": Command("Take a user out of a division and its teams.", _define_division_leave, _division_leave),
    "user list": Command("List the users.", _data, _user_list),
    "token create": Command(
        "Make a token and print it, this one time: only its hash is kept.", _define_token_create, _token_create
    ),
    "token list": Command("List tokens by the start of their hash.", _define_token_list, _token_list),
    "token revoke": Command("Revoke a token; it stops working at once.", _define_token_revoke, _token_revoke),
}


def run(arguments: Sequence[str]) -> int:
    """Run a command line, without the program's name; the exit code. SystemExit for help and for mistakes in it."""
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            return COMMANDS[name].run(_parse(name, arguments[words:]))
    group = arguments[0] if arguments and arguments[0] in _GROUPS else ""
    rest = list(arguments[1:] if group else arguments)
    if rest and rest[0] in {"-h", "--help"}:
        print(_overview(group))
        return 0
    if rest == ["--version"] and not group:
        print(f"araneus {__version__}")
        return 0
    if rest:
        print(
            f"araneus: there is no command {' '.join([group, rest[0]]).strip()!r}. See `araneus --help`.",
            file=sys.stderr,
        )
    else:
        print(_overview(group), file=sys.stderr)
    return _MISTAKE


def _parse(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"araneus {name}",
        description="\n\n".join(filter(None, [command.summary, command.details])),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.define(parser)
    # Options may stand between the arguments, too.
    return parser.parse_intermixed_args(arguments)


def _overview(group: str) -> str:
    """What there is: all commands, or those of a group."""
    shown = {name: command.summary for name, command in COMMANDS.items() if name.startswith(group)}
    lines = [f"  {name:14} {summary}" for name, summary in shown.items()]
    start = _GROUPS[group] if group else _DESCRIPTION
    usage = f"usage: araneus {group or '[-h] [--version]'} COMMAND ..."
    return "\n".join([usage, "", start, "", "commands:", *lines, "", "`araneus COMMAND --help` says more about each."])


def main() -> None:
    """The entry point ``araneus``."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names in documents are no reason to fail, whatever can be shown
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            code = run(sys.argv[1:])
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough (``| head``): the rest goes nowhere, and Python is not to complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    sys.exit(code)


if __name__ == "__main__":
    main()
