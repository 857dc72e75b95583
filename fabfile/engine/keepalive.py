"""Notice a lost host behind a bastion: it answers no keepalive."""

from __future__ import annotations

from typing import Any


def expect_answers(transport: Any, every: float, limit: float) -> None:
    """End the connection when the host has answered no keepalive for `limit` seconds.

    A keepalive goes out after `every` seconds without other packets of ours.
    """
    from paramiko import Message
    from paramiko.common import (
        MSG_REQUEST_FAILURE,
        MSG_REQUEST_SUCCESS,
        cMSG_GLOBAL_REQUEST,
    )

    unanswered = 0

    def note_answer(answer: Any) -> Any:
        def note(message: Any) -> None:
            nonlocal unanswered
            unanswered = 0
            answer(message)

        return note

    def ask() -> None:
        nonlocal unanswered
        if unanswered * every >= limit:
            transport.sock.close()
            return
        unanswered += 1
        # paramiko's own `global_request` would wait for the answer in the thread that reads it.
        request = Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)  # want_reply, RFC 4254 section 4
        transport._send_user_message(request)

    for kind in (MSG_REQUEST_SUCCESS, MSG_REQUEST_FAILURE):
        transport._handler_table[kind] = note_answer(transport._handler_table[kind])
    transport.packetizer.set_keepalive(every, ask)
