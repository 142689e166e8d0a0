"""The command line: ``araneus up``, ``user``, ``token``, ``cwl``.

Each command loads what it needs only when it runs, so that ``--help`` and ``cwl`` start fast.
"""

from pathlib import Path
from typing import Annotated

import typer

from araneus import __version__

_DATA = typer.Option("--data", help="Directory that holds everything the server knows.", show_default="araneus-data")
Data = Annotated[Path, _DATA]
DEFAULT_DATA = Path("araneus-data")

app = typer.Typer(
    name="araneus",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Araneus speaks the CAVATICA / Seven Bridges API v2 and runs CWL apps on your own machine.

    Start a server with `araneus up`, then point your scripts, `sevenbridges-python`, `sbpack` or the R packages at it
    with the two variables that it prints. `araneus cwl` runs a CWL document without a server.""",
)
user_app = typer.Typer(no_args_is_help=True, help="Add and list the people who may use a server.")
token_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the tokens that clients send.")
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"araneus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Options of every command."""


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. [default: 8080]")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what goes wrong.")] = False,
) -> None:
    """Start a server: the API and the scheduler, on this machine.

    The first start makes a user with your login name and a token, and writes both to `DATA/credentials` in the form of
    `~/.sevenbridges/credentials` (profile `default`). Ctrl-C stops the server; running jobs go on, and the next
    `araneus up` finds them. Settings: `DATA/araneus.toml` or the environment, see docs/settings.md.
    """
    from araneus.up import up as run  # noqa: PLC0415 (start fast)

    raise typer.Exit(run(data.absolute(), host=host, port=port, quiet=quiet))


@app.command()
def cwl(
    document: Annotated[
        str, typer.Argument(help="CWL document, with `#id` for one process of several.", metavar="DOC")
    ],
    job: Annotated[str | None, typer.Argument(help="Inputs in JSON or YAML.", metavar="JOB")] = None,
    outdir: Annotated[Path, typer.Option(help="Where the output files go.")] = Path(),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, errors only.")] = False,
    containers: Annotated[
        str, typer.Option(help="What encloses tools: auto, docker, podman, bubblewrap or none.")
    ] = "auto",
) -> None:
    """Run a CWL document without a server and print its outputs as JSON.

    Exit code 0: it ran; 33: it needs something that Araneus does not support; 1: anything else, said on standard error.
    """
    from araneus.direct import run_cwl_command  # noqa: PLC0415 (start fast)

    raise typer.Exit(run_cwl_command(document, job, outdir=outdir, quiet=quiet, containers=containers))


@user_app.command("add")
def user_add(
    username: Annotated[str, typer.Argument(help="Letters, digits, '-', '_', '.'; the owner part of project ids.")],
    data: Data = DEFAULT_DATA,
    email: Annotated[str, typer.Option(help="Shown to the other members of a project.")] = "",
) -> None:
    """Add a user and print a token for them."""
    from araneus import commands  # noqa: PLC0415 (start fast)

    raise typer.Exit(commands.add_user(data.absolute(), username, email))


@user_app.command("list")
def user_list(data: Data = DEFAULT_DATA) -> None:
    """List the users."""
    from araneus import commands  # noqa: PLC0415 (start fast)

    raise typer.Exit(commands.list_users(data.absolute()))


@token_app.command("create")
def token_create(
    username: Annotated[str, typer.Argument(help="Whose token it is.")],
    data: Data = DEFAULT_DATA,
    label: Annotated[str, typer.Option(help="What it is for, to tell tokens apart.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=36500, help="Days until it expires. [default: never]")] = None,
) -> None:
    """Make a token and print it, this one time: only its hash is kept."""
    from araneus import commands  # noqa: PLC0415 (start fast)

    raise typer.Exit(commands.create_token(data.absolute(), username, label, days))


@token_app.command("list")
def token_list(
    username: Annotated[str | None, typer.Argument(help="Only the tokens of this user.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """List tokens by the start of their hash."""
    from araneus import commands  # noqa: PLC0415 (start fast)

    raise typer.Exit(commands.list_tokens(data.absolute(), username))


@token_app.command("revoke")
def token_revoke(
    token: Annotated[str, typer.Argument(help="The token itself, or the start of its hash (8 characters or more).")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Revoke a token; it stops working at once."""
    from araneus import commands  # noqa: PLC0415 (start fast)

    raise typer.Exit(commands.revoke_token(data.absolute(), token))


def main() -> None:
    """The entry point ``araneus``."""
    app()


if __name__ == "__main__":
    main()
