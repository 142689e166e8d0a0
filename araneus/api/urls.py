"""URLs as the caller sees them: where the server is, quoting of paths, and the hard parts of decoding.

Stands under `call`: the edge decodes with it, handlers build hrefs with it.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from araneus.model.errors import Fault, Refusal

_PLAIN = re.compile(r"[A-Za-z0-9_.\-~/]*")
_HOST = re.compile(r"[A-Za-z0-9_.\-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
MAX_QUERY_FIELDS = 2000


def quote_path(path: str) -> str:
    """The path with whatever needs it percent-encoded; slashes stay."""
    return path if _PLAIN.fullmatch(path) else quote(path, safe="/", errors="surrogatepass")


def decode_path(raw: bytes) -> str:
    """The text of a path as it stood in the request line. Raises `Refusal` for bytes that are not UTF-8 and for NUL."""
    try:
        text = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(Fault.BAD_REQUEST, "The path is not valid UTF-8.") from error
    if "\x00" in text:
        raise Refusal(Fault.BAD_REQUEST, "The path holds a NUL character.")
    return text


def decode_query(raw: bytes) -> dict[str, list[str]]:
    """The query's parameters with all their values, in order; a parameter without a value has the empty text."""
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except UnicodeDecodeError as error:
        raise Refusal(Fault.BAD_REQUEST, "The query is not valid UTF-8 in percent-encoding.") from error
    except ValueError as error:
        raise Refusal(Fault.BAD_REQUEST, f"The query has more than {MAX_QUERY_FIELDS} parameters.") from error
    if b"%00" in raw or b"\x00" in raw:
        raise Refusal(Fault.BAD_REQUEST, "The query holds a NUL character.")
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def base_url(
    *, headers: Mapping[str, str], scheme: str, server: tuple[str, int | None] | None, public: str | None, trust: bool
) -> str:
    """Scheme and host under which the caller reached the server, without a slash at the end.

    A configured public URL wins; the headers of a proxy count only when it is trusted. A host that is not one (the
    header is the caller's own text) gives the address of the socket.
    """
    if public:
        return public.rstrip("/").removesuffix("/v2")
    host = headers.get("host", "")
    if trust:
        forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
        scheme = forwarded if forwarded in {"http", "https"} else scheme
        host = headers.get("x-forwarded-host", host).split(",")[0].strip()
    if not _HOST.fullmatch(host):
        name, port = server or ("localhost", None)
        host = f"{name}:{port}" if port else name
    return f"{scheme}://{host}"
