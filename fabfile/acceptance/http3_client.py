"""An HTTP/3 client on aioquic; loaded only when it is needed, for aioquic takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent


class Http3Client(QuicConnectionProtocol):
    """GETs over HTTP/3, one at a time."""

    def __init__(self, host: str, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.host, self.h3 = host, H3Connection(quic)
        self.status, self.ended = 0, asyncio.get_running_loop().create_future()
        self.why = ""

    async def handshake(self) -> None:
        """Wait until the server is who it must be."""
        try:
            await self.wait_connected()
        except ConnectionError:
            raise ConnectionError(self.why or "the connection was closed") from None

    async def get(self, path: str) -> int:
        """The status of the answer, once it is here as a whole."""
        self.status, self.ended = 0, asyncio.get_running_loop().create_future()
        fields = {":method": "GET", ":scheme": "https", ":authority": self.host, ":path": path}
        stream = self._quic.get_next_available_stream_id()
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        self.h3.send_headers(stream, [*headers, (b"user-agent", b"runbook-check")], end_stream=True)
        self.transmit()
        await self.ended
        return self.status

    def quic_event_received(self, event: QuicEvent) -> None:
        """Called by aioquic."""
        if isinstance(event, ConnectionTerminated):
            self.why = event.reason_phrase or f"closed with error {event.error_code:#x}"
            if not self.ended.done():
                self.ended.set_exception(ConnectionError(self.why))
                self.ended.exception()
            return
        self.heard(self.h3.handle_event(event))

    def heard(self, events: Sequence[H3Event]) -> None:
        """The parts of answers that have come in."""
        for event in events:
            if isinstance(event, HeadersReceived):
                self.status = int(dict(event.headers).get(b":status", b"0"))
            if (
                isinstance(event, HeadersReceived | DataReceived)
                and event.stream_ended
                and not self.ended.done()
            ):
                self.ended.set_result(None)
