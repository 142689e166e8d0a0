"""One connection of the HTTP half: uvicorn's, with a bound on bytes that lead to nothing.

The parser gathers a request's target and each header until it is complete, copying what it has with every piece, and
sets no limit: a caller without a token could hold up everybody with one endless header.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 128 * 1024
"""How many bytes may pass without a body to show for it: target and headers together, or trailers. Counted by the
pieces that arrive, so a head that comes in one piece may be larger."""


class BoundedConnection(HttpToolsProtocol):
    """Answers 400 and hangs up when a head or a trailer does not end."""

    _idle = 0

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        if self._idle > MAX_HEAD:
            self.send_400_response("The head of the request is too large.")
            return
        self._idle += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._idle = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._idle = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body came in."""
        self._idle = 0
        super().on_body(body)
