"""`docs/clients.md`, made from the table of methods and the routes: ``python -m tests.clients.page docs``."""

import sys
from pathlib import Path

from tests.clients.introspection import SERVED, VERSION
from tests.clients.table import BROKEN, TABLE

_HEAD = f"""# Clients

Made by `make docs` from the methods of the client and the routes of the server. What it says is tested: each
client runs unmodified against a live server.

| client | what runs |
|---|---|
| sevenbridges-python {VERSION} | every method below, and the sessions of `tests/test_client_session.py` |
| sbpack, sbpull, sbcopy, sbmanifest | pushing, revising, pulling and copying apps, between two servers too |
| curl | [a line for each endpoint](curl.md) that is served |
| Node | a session with `fetch`, over TLS: `tests/clients/session.mjs` |

What could not be run: `sbpack_nf` does not start in a current environment, for it imports `pkg_resources`, which
setuptools has no more (apps as it makes them are kept, and copied with their code by sbcopy); of a client for Node the
npm index has nothing by the name `sevenbridges`: it answers 404.

sevenbridges-python and its commands take an address with `http:` from `SB_API_ENDPOINT` or a profile of
`~/.sevenbridges/credentials`. Written into a script, `Api(url="http://...")` is refused by the client ("requires
https"): leave `url` out, add `debug=True`, or start the server with [`--tls`](tls.md).

Scripts with the platform's address in them: [TLS](tls.md). Tests of pipelines: [the pytest plugin](testing.md).

## sevenbridges-python, method by method

A method that is **exercised** is called by a test, which sees what it sends; it sends what stands here. One that is
**not yet served** is called, too, and told that Araneus does not have the endpoint yet.
"""


def status(method: str) -> str:
    """What can be said of a method."""
    if method in BROKEN:
        return BROKEN[method]
    return "exercised" if TABLE[method] <= SERVED else "not yet served"


def text() -> str:
    """The page, in Markdown."""
    served = sum(status(method) == "exercised" for method in TABLE)
    lines = [_HEAD, f"{served} of {len(TABLE)} methods are exercised.", "", "| method | sends | |", "|---|---|---|"]
    for method in sorted(TABLE):
        sent = "<br>".join(f"`{endpoint}`" for endpoint in sorted(TABLE[method])) or "nothing of its own"
        lines.append(f"| `{method}` | {sent} | {status(method)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Write the page into a directory."""
    if len(arguments) != 2:
        raise SystemExit("usage: python -m tests.clients.page DIRECTORY")
    file = Path(arguments[1]) / "clients.md"
    file.write_text(text(), "utf-8")
    print(f"{file}: {len(text())} characters")


if __name__ == "__main__":
    main(sys.argv)
