"""One connection for all threads that need it, opened by the first of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .errors import RunbookError


class SharedConnection:
    """A connection that is opened at its first use, and kept."""

    def __init__(self, open_connection: Callable[[], Any]) -> None:
        self._open = open_connection
        self._connection: Any = None
        self._opening = threading.Lock()
        self._tries = 0
        self._failure: RunbookError | None = None

    def get(self) -> Any:
        """The open connection.

        Raises:
            RunbookError: it cannot be opened. Threads that waited for the same try get its error.
        """
        seen_tries = self._tries
        with self._opening:
            if self._connection is not None:
                return self._connection
            # Another thread tried while this thread waited for it. A dead host must not cost its
            # time-out once for each thread.
            if self._tries > seen_tries and self._failure:
                raise self._failure
            try:
                self._connection, self._failure = self._open(), None
            except RunbookError as error:
                self._failure = error
                raise
            finally:
                self._tries += 1
            return self._connection

    def drop(self, connection: Any) -> None:
        """Forget `connection`, because it died; the next use opens another.

        It is not closed here: other threads may still finish their work on it.
        """
        with self._opening:
            if self._connection is connection:
                self._connection = None

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
