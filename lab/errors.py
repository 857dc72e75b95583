"""What goes wrong in the lab, said in three parts."""

from __future__ import annotations


class LabError(Exception):
    """Something an operator can cause or mend: what was seen, why it matters, what to type next."""

    def __init__(self, seen: str, why: str, next: str, code: int = 1) -> None:
        super().__init__(f"{seen}\n{why}\n{next}")
        self.seen = seen
        self.why = why
        self.next = next
        self.code = code
