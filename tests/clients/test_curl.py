"""`docs/curl.md` in a real shell with the real curl: every line is answered, every endpoint that is served is there."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.introspection import SERVED, documented
from tests.conftest import CHECKOUT
from tests.live import Server
from tests.visitor import Visitor, araneus

pytestmark = pytest.mark.xdist_group("clients")
TOLD = "ASKED %{method} %{url} %{http_code}\\n"
ABSENT = {"GET /billing/invoices/{invoice_id}"}
"""There are no invoices."""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Visitor]:
    server = Server(tmp_path / "data", {"ARANEUS__JOBS__CORES": "2"})
    server.start()
    owner = Visitor.owner(server)
    araneus("division", "add", "lab", "--data", str(server.data))
    araneus("division", "join", "lab", owner.username, "--role", "admin", "--data", str(server.data))
    for username in ("rosalind", "leaving"):
        Visitor.added(server, username).http.close()
        araneus("division", "join", "lab", username, "--data", str(server.data))
    yield owner
    owner.http.close()
    assert server.stop() == 0


def test_the_lines_of_the_page_work_and_leave_nothing_out(owner: Visitor, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    page = (CHECKOUT / "docs" / "curl.md").read_text()
    script = "set -e\n" + "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)) + "\nprintf '\\nthrough\\n'\n"
    # curl itself tells what it asked and what came back.
    (tmp_path / ".curlrc").write_text(f'write-out = "%{{stderr}}{TOLD}"\n')
    environment = {
        **os.environ, "CURL_HOME": str(tmp_path), "SB_AUTH_TOKEN": owner.token,
        "SB_API_ENDPOINT": owner.server.credentials["api_endpoint"],
    }  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["through"]), done.stdout[-2000:] + done.stderr
    asked = re.findall(r"^ASKED (\S+) (\S+) (\d+)$", done.stderr, re.MULTILINE)
    codes: dict[str, set[int]] = {}
    for method, url, code in asked:
        endpoint = documented(method, urlsplit(url).path.removeprefix("/v2"))
        if endpoint is not None:
            codes.setdefault(endpoint, set()).add(int(code))
    assert sorted(SERVED - set(codes)) == []
    bad = {endpoint: found for endpoint, found in codes.items() if any(code >= 300 for code in found)}
    assert bad == {endpoint: {404} for endpoint in ABSENT}
