"""Node against a server with a certificate of its own: what a script needs is `fetch` and one variable."""

import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from araneus import tls
from tests.live import Server

pytestmark = pytest.mark.xdist_group("clients")
SESSION = Path(__file__).with_name("session.mjs")


def test_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    server = Server(tmp_path / "data", {"ARANEUS__SERVER__TLS": "true", "ARANEUS__JOBS__CORES": "2"})
    authority = str(tls.own(server.data / "tls", tls.NAMES).authority)
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    server.start()
    try:
        credentials = server.credentials
        environment = {
            **os.environ, "SB_API_ENDPOINT": credentials["api_endpoint"], "SB_AUTH_TOKEN": credentials["auth_token"],
            "NODE_EXTRA_CA_CERTS": authority,
        }  # fmt: skip
        done = subprocess.run(
            ["node", str(SESSION)], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout) == (0, "through\n"), done.stderr + server.logs()
        assert httpx.get(credentials["api_endpoint"]).status_code == 200
        del environment["NODE_EXTRA_CA_CERTS"]
        refused = subprocess.run(
            ["node", str(SESSION)], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert refused.returncode != 0
        assert "fetch failed" in refused.stderr
    finally:
        assert server.stop() == 0
