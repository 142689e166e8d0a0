"""TLS of the server: a certificate that is given, or one of a small authority of its own (``araneus up --tls``).

    DATA/tls/ca.pem        what clients are told to trust
    DATA/tls/ca.key        signs the certificates to come; may vouch for the names of this server and no others
    DATA/tls/server.pem    key, certificate and authority, in one file so that they are replaced together

The authority is limited to its names (RFC 5280, 4.2.1.10): who trusts it trusts it for nothing else, also when its key
is stolen. The certificates are made by the program ``openssl`` (docs/adr/0014-certificates.md).
"""

import contextlib
import ipaddress
import re
import secrets
import ssl
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from araneus.config import Settings

NAMES = ("cavatica-api.sbgenomics.com", "api.sbgenomics.com", "localhost", "127.0.0.1")
RENEWED_BEFORE = 30
"""Days before the end of a certificate at which it is replaced."""
_DAYS = 397
_AUTHORITY_DAYS = 3650
_DAY = 86_400
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9\-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9\-]{0,62}))*")


class TlsError(Exception):
    """There can be no TLS; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the certificate, its key and the authority are. ``authority`` is None for a certificate that was given."""

    chain: Path
    key: Path | None
    authority: Path | None


def certificate(settings: Settings) -> Certificate | None:
    """The certificate of a server, made or renewed when that is due; None for plain HTTP. Raises `TlsError`."""
    server = settings.server
    if server.tls_certificate:
        key = Path(server.tls_key) if server.tls_key else None
        return Certificate(Path(server.tls_certificate), key, None)
    if not server.tls:
        return None
    return own(settings.data / "tls", (*NAMES, *server.tls_names.split()))


def load(found: Certificate, context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """A context with the certificate, TLS 1.2 or newer; one that is given gets it for what comes. Raises `TlsError`."""
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password, rather than a question on a terminal that is not there.
        context.load_cert_chain(found.chain, found.key, password=lambda: "")
    except (OSError, ValueError) as error:
        files = " and ".join(str(path) for path in (found.chain, found.key) if path)
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise TlsError(
            f"no certificate with its key in {files}: {reason}. See server.tls_certificate and server.tls_key."
        ) from error
    return context


@dataclass(slots=True)
class Kept:
    """The context of a running server, and what it was made of."""

    settings: Settings
    context: ssl.SSLContext
    stamp: tuple[int, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Kept | None":
        """None for plain HTTP. Raises `TlsError`."""
        found = certificate(settings)
        return None if found is None else cls(settings, load(found), _stamp(found))

    def look(self) -> bool:
        """Renew the certificate when it is time, and load it when it is another one; whether it was. Connections that
        are open go on with the old one. Raises `TlsError`, and leaves the old one in use."""
        found = certificate(self.settings)
        if found is None or (stamp := _stamp(found)) == self.stamp:
            return False
        load(found)  # A certificate without its key would be half taken in.
        load(found, self.context)
        self.stamp = stamp
        return True


def _stamp(found: Certificate) -> tuple[int, ...]:
    try:
        return tuple(path.stat().st_mtime_ns for path in (found.chain, found.key) if path)
    except OSError as error:
        raise TlsError(f"{error.filename}: {error.strerror}. See server.tls_certificate and server.tls_key.") from error


def own(directory: Path, names: Sequence[str], *, days: int = _DAYS) -> Certificate:
    """The certificate of the authority in this directory for these names; both are made where they are absent, soon
    over, or for other names. Raises `TlsError`."""
    names = tuple(dict.fromkeys(names))
    for name in names:
        if not _is_address(name) and not _NAME.fullmatch(name):
            raise TlsError(f"{name[:80]!r} is no host name or address: see server.tls_names.")
    found = Certificate(directory / "server.pem", None, directory / "ca.pem")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_authority(directory, names):
            _make_authority(directory, names)
        if not _lasts(found.chain, RENEWED_BEFORE) or not _is_signed(directory):
            _make_certificate(directory, names, days)
    except OSError as error:
        raise TlsError(f"{error.filename or directory}: {error.strerror}.") from error
    return found


def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return False


def _make_authority(directory: Path, names: Sequence[str]) -> None:
    """A new key and its certificate, which comes last: without it the key counts for nothing."""
    kinds = [f"IP.{{}} = {name}/{_whole_mask(name)}" if _is_address(name) else f"DNS.{{}} = {name}" for name in names]
    allowed = "\n".join(f"permitted;{kind.format(number)}" for number, kind in enumerate(kinds))
    configuration = (
        "[req]\nprompt = no\ndistinguished_name = subject\n"
        f"[subject]\nCN = Araneus local authority {secrets.token_hex(4)}\n"
        "[extensions]\nbasicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign, cRLSign\n"
        f"subjectKeyIdentifier = hash\nnameConstraints = critical, @names\n[names]\n{allowed}\n"
    )
    with tempfile.TemporaryDirectory(dir=directory) as name:
        work = Path(name)
        (work / "configuration").write_text(configuration)
        _new_key(work / "key")
        _openssl(
            "req", "-x509", "-new", "-sha256", "-key", work / "key", "-out", work / "certificate",
            "-days", str(_AUTHORITY_DAYS), "-config", work / "configuration", "-extensions", "extensions",
        )  # fmt: skip
        (directory / "ca.pem").unlink(missing_ok=True)
        _place(directory / "ca.key", work, (work / "key").read_text())
        _place(directory / "ca.pem", work, f"{_said(names)}{(work / 'certificate').read_text()}", mode=0o644)


def _make_certificate(directory: Path, names: Sequence[str], days: int) -> None:
    alternatives = "\n".join(
        f"{'IP' if _is_address(name) else 'DNS'}.{number} = {name}" for number, name in enumerate(names)
    )
    configuration = (
        "[req]\nprompt = no\ndistinguished_name = subject\n[subject]\nCN = Araneus\n"
        "[extensions]\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n"
        "extendedKeyUsage = serverAuth\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
        f"subjectAltName = @names\n[names]\n{alternatives}\n"
    )
    with tempfile.TemporaryDirectory(dir=directory) as name:
        work = Path(name)
        (work / "configuration").write_text(configuration)
        _new_key(work / "key")
        _openssl("req", "-new", "-key", work / "key", "-out", work / "request", "-config", work / "configuration")
        _openssl(
            "x509", "-req", "-sha256", "-in", work / "request", "-out", work / "certificate", "-days", str(days),
            "-CA", directory / "ca.pem", "-CAkey", directory / "ca.key", "-set_serial", f"0x4{secrets.token_hex(15)}",
            "-extfile", work / "configuration", "-extensions", "extensions",
        )  # fmt: skip
        parts = (work / "key", work / "certificate", directory / "ca.pem")
        _place(directory / "server.pem", work, "".join(part.read_text() for part in parts))


def _whole_mask(address: str) -> str:
    return "255.255.255.255" if ipaddress.ip_address(address).version == 4 else ":".join(["ffff"] * 8)


def _said(names: Sequence[str]) -> str:
    """Text outside of the blocks of a PEM file is ours to use."""
    return f"Araneus, for {' '.join(names)}\n"


def _is_authority(directory: Path, names: Sequence[str]) -> bool:
    """Whether there is one for these names that outlives what it signs next, with its key."""
    certificate, key = directory / "ca.pem", directory / "ca.key"
    if not (key.exists() and _lasts(certificate, _DAYS) and _names_in(certificate) == names):
        return False
    public = _run("pkey", "-in", key, "-pubout").stdout
    return public != "" and public == _run("x509", "-noout", "-in", certificate, "-pubkey").stdout


def _names_in(file: Path) -> tuple[str, ...]:
    return tuple(file.read_text().partition("\n")[0].removeprefix("Araneus, for ").split())


def _new_key(file: Path) -> None:
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file)


def _place(target: Path, work: Path, text: str, mode: int = 0o600) -> None:
    """In one step, with its mode from the beginning."""
    fresh = work / target.name
    fresh.touch(mode=0o600)
    fresh.chmod(mode)
    fresh.write_text(text)
    fresh.replace(target)


def _lasts(file: Path, days: int) -> bool:
    """Whether the first certificate of a file is one, and holds for so many days more."""
    return file.exists() and _answers("x509", "-noout", "-in", file, "-checkend", str(days * _DAY))


def _is_signed(directory: Path) -> bool:
    chain = directory / "server.pem"
    return _answers("verify", "-CAfile", directory / "ca.pem", chain)


def _answers(*words: str | Path) -> bool:
    return _run(*words).returncode == 0


def _openssl(*words: str | Path) -> None:
    done = _run(*words)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise TlsError(f"openssl {words[0]} failed: {last}")


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["openssl", *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise TlsError(
            "there is no program openssl, which makes certificates: install it (apt-get install openssl), or give a"
            " certificate of your own with server.tls_certificate and server.tls_key."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise TlsError("openssl does not end") from error
