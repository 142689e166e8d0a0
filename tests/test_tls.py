"""TLS: certificates of our own and given ones, and the platform's client with the platform's address written in it."""

import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from araneus import config, tls
from tests.live import BYTECODE, Server, araneus

HARD_CODED = """
import sys
import sevenbridges

api = sevenbridges.Api(url="https://cavatica-api.sbgenomics.com/v2", token=sys.argv[1])
project = api.projects.create(name="Hard-coded")
assert project.href == "https://cavatica-api.sbgenomics.com/v2/projects/" + project.id, project.href
with open("bytes.bin", "wb") as stream:
    stream.write(bytes(range(256)) * 30_000)
file = api.files.upload("bytes.bin", project=project).result()
assert file.download_info().url.startswith("https://cavatica-api.sbgenomics.com/v2/"), file.download_info().url
file.download("back.bin")
assert open("back.bin", "rb").read() == open("bytes.bin", "rb").read()
made = [api.files.create_folder(f"f{number}", project=project) for number in range(3)]
assert len(list(api.files.query(project=project, limit=1).all())) == 4
project.reload().delete()
print("through")
"""
INSIDE = """
set -e
ip link set lo up
mount --bind "$1/hosts" /etc/hosts
"$2" -m araneus up --tls --port 443 --data "$1/data" > "$1/said" 2>&1 &
server=$!
trap 'kill $server; wait $server' EXIT
tries=0
until grep -q Ctrl-C "$1/said"; do
  tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1
  sleep 0.1
done
export REQUESTS_CA_BUNDLE="$1/data/tls/ca.pem"
cd "$1"
"$2" script.py "$(sed -n 's/^auth_token = //p' data/credentials)"
"""


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    return config.load(tmp_path / "data", {}, {"server": {"tls": True}})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data", {"ARANEUS__SERVER__TLS": "true"})
    yield made
    if made.process is not None:
        made.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def shaken(context: ssl.SSLContext, trusted: Path, name: str) -> bytes:
    """The certificate that a client is shown which trusts one authority, by name."""
    ours, theirs = socket.socketpair()
    with theirs:

        def serve() -> None:
            try:
                with context.wrap_socket(theirs, server_side=True):
                    pass
            except (ssl.SSLError, OSError):
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            asking = ssl.create_default_context(cafile=str(trusted))
            asking.verify_flags |= ssl.VERIFY_X509_STRICT
            with ours, asking.wrap_socket(ours, server_hostname=name) as stream:
                return stream.getpeercert(binary_form=True) or b""
        finally:
            thread.join(10)


def test_the_certificate_is_good_for_all_its_names_and_no_others(settings: config.Settings) -> None:
    found = tls.certificate(settings)
    assert found is not None
    assert found.authority is not None
    context = tls.load(found)
    for name in tls.NAMES:
        assert shaken(context, found.authority, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(context, found.authority, "bank.example.org")
    directory = settings.data / "tls"
    assert (mode(directory), mode(directory / "ca.key"), mode(directory / "server.pem")) == (0o700, 0o600, 0o600)
    assert sorted(path.name for path in directory.iterdir()) == ["ca.key", "ca.pem", "server.pem"]


def test_the_authority_vouches_for_nobody_else(tmp_path: Path) -> None:
    """Whoever steals its key can sign for any name; a client that trusts it does not believe that."""
    authority = tls.own(tmp_path, tls.NAMES).authority
    assert authority is not None
    tls._make_certificate(tmp_path, ("bank.example.org",), 30)
    forged = tls.load(tls.Certificate(tmp_path / "server.pem", None, None))
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        shaken(forged, authority, "bank.example.org")


def test_a_certificate_is_kept_until_it_is_nearly_over(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    tls.own(directory, tls.NAMES, days=tls.RENEWED_BEFORE - 1)
    authority, first = (directory / "ca.pem").read_bytes(), (directory / "server.pem").read_bytes()
    tls.own(directory, tls.NAMES)
    second = (directory / "server.pem").read_bytes()
    assert second != first
    tls.own(directory, tls.NAMES)
    assert (directory / "server.pem").read_bytes() == second
    assert (directory / "ca.pem").read_bytes() == authority
    tls.own(directory, (*tls.NAMES, "araneus", "::1"))
    assert (directory / "ca.pem").read_bytes() != authority
    found = tls.own(directory, (*tls.NAMES, "araneus", "::1"))
    for name in ("araneus", "::1", "localhost"):
        assert shaken(tls.load(found), directory / "ca.pem", name)


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "server.pem"])
def test_what_is_lost_or_broken_is_made_again(tmp_path: Path, name: str) -> None:
    for content in (None, "nothing", "-----BEGIN CERTIFICATE-----\n"):
        tls.own(tmp_path, tls.NAMES, days=tls.RENEWED_BEFORE - 1)
        (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
        found = tls.own(tmp_path, tls.NAMES)
        assert shaken(tls.load(found), tmp_path / "ca.pem", "localhost")


def test_a_running_server_takes_in_another_certificate(tmp_path: Path, settings: config.Settings) -> None:
    given = tls.own(tmp_path / "given", ("localhost",))
    assert given.authority is not None
    copied = tmp_path / "certificate.pem"
    shutil.copy(given.chain, copied)
    kept = tls.Kept.of(replace(settings, server=replace(settings.server, tls_certificate=str(copied))))
    assert kept is not None
    before = shaken(kept.context, given.authority, "localhost")
    assert not kept.look()
    copied.write_text("nothing")
    with pytest.raises(tls.TlsError, match=r"server\.tls_certificate"):
        kept.look()
    assert shaken(kept.context, given.authority, "localhost") == before
    tls._make_certificate(tmp_path / "given", ("localhost",), 60)
    shutil.copy(given.chain, copied)
    assert kept.look()
    assert shaken(kept.context, given.authority, "localhost") != before


@pytest.mark.parametrize("name", ["a b", "x\nIP.9 = 1.2.3.4", "ä.org", "-x", "a/b", "*"])
def test_names_are_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(tls.TlsError, match="no host name"):
        tls.own(tmp_path, [name])


def test_links_speak_tls_and_old_versions_are_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.data / "tls" / "ca.pem"))
    tls.own(server.data / "tls", tls.NAMES)
    server.start()
    endpoint = server.credentials["api_endpoint"]
    assert endpoint.startswith("https://127.0.0.1:")
    with server.client() as client:
        root = client.get("/").json()
        assert all(link.startswith(f"{endpoint}/") for link in root.values())
        assert client.get("/user").json()["href"].startswith(f"{endpoint}/users/")
    port = httpx.URL(endpoint).port
    assert port is not None
    old = ssl.create_default_context(cafile=str(server.data / "tls" / "ca.pem"))
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", port)) as stream, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(stream, server_hostname="localhost")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/v2/")


def test_a_script_with_the_platforms_address_runs_unchanged(tmp_path: Path) -> None:
    """In namespaces of its own, where the name of the platform leads to this machine and port 443 is free."""
    if subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces can be made here (unshare)")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost cavatica-api.sbgenomics.com\n")
    (tmp_path / "script.py").write_text(HARD_CODED)
    environment = {**os.environ, **BYTECODE, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        ["unshare", "-rmn", "sh", "-c", INSIDE, "sh", str(tmp_path), sys.executable],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    said = (tmp_path / "said").read_text()
    assert (done.returncode, done.stdout) == (0, "through\n"), done.stderr + said
    for told in ("/etc/hosts", "--add-host", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert told in said
    assert len(said.splitlines()) < 40
    assert "--port 443" not in said


def test_a_given_certificate_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tls.own(tmp_path / "given", ("localhost", "127.0.0.1"))
    key, _, chain = given.chain.read_text().partition("-----BEGIN CERTIFICATE")
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "chain.pem").write_text(f"-----BEGIN CERTIFICATE{chain}")
    monkeypatch.setenv("SSL_CERT_FILE", str(given.authority))
    server = Server(tmp_path / "data", {
        "ARANEUS__SERVER__TLS_CERTIFICATE": str(tmp_path / "chain.pem"),
        "ARANEUS__SERVER__TLS_KEY": str(tmp_path / "key.pem"),
    })  # fmt: skip
    server.start()
    with server.client() as client:
        assert client.get("/user").json()["href"].startswith("https://127.0.0.1:")
    assert server.stop() == 0
    assert not (server.data / "tls").exists()


@pytest.mark.parametrize(("given", "says"), [
    ({"ARANEUS__SERVER__TLS_CERTIFICATE": "/nowhere.pem"}, "/nowhere.pem"),
    ({"ARANEUS__SERVER__TLS": "true", "ARANEUS__SERVER__TLS_NAMES": "a_b"}, "server.tls_names"),
    ({"ARANEUS__SERVER__TLS": "true", "PATH": "/nowhere"}, "apt-get install openssl"),
])  # fmt: skip
def test_a_mistake_is_one_clear_line(tmp_path: Path, given: dict[str, str], says: str) -> None:
    refused = araneus("up", "--port", "0", "--data", str(tmp_path / "data"), environment=given)
    assert refused.returncode == 1
    assert refused.stderr.startswith("araneus: ")
    assert refused.stderr.count("\n") == 1
    assert says in refused.stderr
