"""An HTTP/3 client based on aioquic. Imported only when needed, because aioquic loads slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent


class Http3Client(QuicConnectionProtocol):
    """Makes GET requests over HTTP/3, one at a time."""

    def __init__(self, host: str, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.host = host
        self.h3 = H3Connection(quic)
        self.status = 0
        self.answered = asyncio.get_running_loop().create_future()
        self.close_reason = ""

    async def handshake(self) -> None:
        """Wait until the connection is established and the certificate is verified.

        Raises:
            ConnectionError: the connection was closed.
        """
        try:
            await self.wait_connected()
        except ConnectionError:
            raise ConnectionError(self.close_reason or "the connection was closed") from None

    async def get(self, path: str, own: Mapping[str, str]) -> int:
        """Request `path` with headers of our own.

        Returns:
            The status, once the answer is complete.

        Raises:
            ConnectionError: the connection was closed before that.
        """
        self.status = 0
        self.answered = asyncio.get_running_loop().create_future()
        fields = {":method": "GET", ":scheme": "https", ":authority": self.host, ":path": path}
        stream = self._quic.get_next_available_stream_id()
        fields |= {name.lower(): value for name, value in own.items()}  # HTTP/3 wants lower case
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        self.h3.send_headers(stream, [*headers, (b"user-agent", b"runbook-check")], end_stream=True)
        self.transmit()
        await self.answered
        return self.status

    def quic_event_received(self, event: QuicEvent) -> None:
        """Handle an event of the connection. Called by aioquic."""
        if isinstance(event, ConnectionTerminated):
            self.close_reason = event.reason_phrase or f"closed with error {event.error_code:#x}"
            if not self.answered.done():
                self.answered.set_exception(ConnectionError(self.close_reason))
                # Mark the exception as retrieved: if no request is waiting, asyncio would log it.
                self.answered.exception()
            return
        self._read_events(self.h3.handle_event(event))

    def _read_events(self, events: Sequence[H3Event]) -> None:
        """Read the parts of an answer."""
        for event in events:
            if isinstance(event, HeadersReceived):
                self.status = int(dict(event.headers).get(b":status", b"0"))
            if (
                isinstance(event, HeadersReceived | DataReceived)
                and event.stream_ended
                and not self.answered.done()
            ):
                self.answered.set_result(None)
