"""One connection of the HTTP half: uvicorn's, with a bound on bytes that lead to nothing, and answers in one piece.

The parser gathers a request's target and each header until it is complete, copying what it has with every piece, and
sets no limit: a caller without a token could hold up everybody with one endless header.
"""

import asyncio
from typing import Any, Final, cast
from urllib.parse import quote_from_bytes

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from araneus.api import wire
from araneus.api.errors import error_body

MAX_HEAD = 128 * 1024
"""How many bytes may pass without a body to show for it: target and headers together, or trailers. Counted by the
pieces that arrive, so a head that comes in one piece may be larger."""
MAX_GATHERED = 64 * 1024
"""Bytes that wait for others at most before they are sent."""
_ASCII: Final = bytes(range(128))


class Gathering:
    """A transport that sends together what is written in one go: the head of an answer and its body come one after the
    other, and each call to send costs as much as finding a task. Everything but writing is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Send this when the loop comes round, or with what has come until then."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > MAX_GATHERED:
            self.flush()

    def flush(self) -> None:
        """Send what was written, if there is still somebody who hears it."""
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            if not self._transport.is_closing():
                self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Send what was written, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedConnection(HttpToolsProtocol):
    """Answers 400 and hangs up when a head or a trailer does not end, and to what is not HTTP."""

    _idle = 0
    _between = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected."""
        super().connection_made(cast("asyncio.Transport", Gathering(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        if self._idle > MAX_HEAD:
            self.send_400_response("The head of the request is too large.")
            return
        self._idle += len(data)
        super().data_received(_with_ascii_target(data) if self._between and not data.isascii() else data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._idle = 0
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._idle = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body came in."""
        self._idle = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is complete."""
        super().on_message_complete()
        self._between = True

    def send_400_response(self, msg: str) -> None:
        """Answer in the shape of all errors, which is the only one that clients read, and hang up."""
        body = wire.encode(error_body(400, 90000, msg, "") | {"more_info": None})
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n"
        )
        self.transport.write((head % len(body)).encode() + b"\r\n" + body)
        self.transport.close()


def _with_ascii_target(data: bytes) -> bytes:
    """The begin of a request with what is not ASCII in its first line percent-encoded: curl sends a name in UTF-8 as it
    was typed, and the parser refuses that."""
    line, end, rest = data.partition(b"\n")
    return quote_from_bytes(line, safe=_ASCII).encode() + end + rest
