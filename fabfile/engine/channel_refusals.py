"""Why a peer refused a channel: the words that it sent, which paramiko drops."""

from __future__ import annotations

import threading
from typing import Any

PROHIBITED = 1
"""The reason "administratively prohibited" of RFC 4254, section 5.1."""


class ChannelRefusals:
    """Keeps the refusals of the channels of one transport.

    paramiko has one place for the error of all threads: with two refusals at once, a thread gets
    the error of another host.
    """

    def __init__(self, transport: Any) -> None:
        from paramiko.common import MSG_CHANNEL_OPEN_FAILURE

        self._mine = threading.local()
        self._refusals: dict[int, tuple[int, str]] = {}
        self._number_next = transport._next_channel
        self._refuse = transport._handler_table[MSG_CHANNEL_OPEN_FAILURE]
        transport._next_channel = self._note_number
        transport._handler_table[MSG_CHANNEL_OPEN_FAILURE] = self._note_refusal

    def take(self) -> tuple[int, str]:
        """The reason and the words for this thread's last channel; (0, "") without an answer."""
        return self._refusals.pop(self._mine.channel, (0, ""))

    def _note_number(self) -> int:
        """The number of a new channel. paramiko asks for it in the thread that opens it."""
        self._mine.channel = number = self._number_next()
        return int(number)

    def _note_refusal(self, message: Any) -> None:
        number, reason = message.get_int(), message.get_int()
        self._refusals[number] = reason, message.get_text()
        message.rewind()
        self._refuse(message)
