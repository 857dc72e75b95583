"""A mail server and a web server that keep what they are given, on this machine."""

from __future__ import annotations

import email
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any

MAILS: list[Message] = []
CALLS: list[tuple[str, dict[str, Any]]] = []
"""Path and body of each call."""

TELEGRAM = {
    "ok": True,
    "result": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "x"},
}
"""What Telegram answers to sendMessage: a client takes anything else as a failure."""


def bodies_at(path: str) -> list[dict[str, Any]]:
    """What was posted to `path`, oldest first."""
    return [body for called, body in CALLS if called == path]


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to hand over a message."""

    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline().decode().strip().upper():
            if line == "DATA":
                self._say("354 go on")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                MAILS.append(email.message_from_bytes(b"".join(lines)))
            elif line == "QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Web(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        CALLS.append((self.path, json.loads(body)))
        self.send_response(200)
        self.end_headers()
        is_telegram = self.path.endswith("/sendMessage")
        self.wfile.write(json.dumps(TELEGRAM).encode() if is_telegram else b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


class _MailServer(socketserver.ThreadingTCPServer):
    # A client that lost its power never hangs up, and closing would wait for its thread.
    daemon_threads = True


@contextmanager
def listening(address: str) -> Iterator[tuple[int, int]]:
    """Both servers at `address`; their ports: mail, web."""
    mail = _MailServer((address, 0), _Mail)
    web = http.server.ThreadingHTTPServer((address, 0), _Web)
    for server in (mail, web):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield mail.server_address[1], web.server_address[1]
    finally:
        for server in (mail, web):
            server.shutdown()
            server.server_close()


def text_of(message: Message) -> str:
    """The plain text of a message."""
    parts = [part for part in message.walk() if part.get_content_type() == "text/plain"]
    return "".join(part.get_payload(decode=True).decode() for part in parts)  # type: ignore[union-attr]
