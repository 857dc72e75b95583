"""Rows that our own requests create and delete. Users' rows are never touched.

A ledger belongs to a value with `created_by`: its ids come only from answers to our own creations.
Each creation has a text that no other one has, if the service file has one. So a row whose creation
got no answer can be recognised among users' rows afterwards (`clean_up.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..settings.endpoint import Endpoint
from ..settings.service import Service
from .calls import CallMaker
from .client import Request, Response
from .ranges import reader_of
from .row_content import id_in
from .values import is_unique, names_in

RowId = int | str


@dataclass(frozen=True)
class LedgerCalls:
    """The calls of one ledger.

    Attributes:
        value: the value whose ids it keeps.
        create: creates a row.
        delete: deletes a row.
        read: reads a row by its number; None if only a list shows it.
        listing: lists such rows; None if there is no such call.
        users: the value of the rows that existed before; empty if the file names none.
    """

    value: str
    create: Endpoint
    delete: Endpoint
    read: Endpoint | None
    listing: Endpoint | None
    users: str = ""

    def reads(self, number: RowId, calls: CallMaker) -> Request | None:
        """The request that reads one row."""
        if self.read is None:
            return None
        name = self.users if self.read.value == self.users else self.value
        return calls.make(self.read, {name: str(number)})


def ledger_calls(program: Service) -> dict[str, LedgerCalls]:
    """The calls of each value with `created_by`, by value. A value whose rows no call creates, or
    none deletes, has none: what a check creates it must be able to delete."""
    by_name = {endpoint.name: endpoint for endpoint in program.endpoints}
    found = {}
    for value, rule in program.values.items():
        create = by_name.get(rule.created_by)
        delete = next(
            (
                endpoint
                for endpoint in program.endpoints
                if endpoint.value == value and endpoint.request_method == "DELETE"
            ),
            None,
        )
        if create and create.sample.body and delete:
            users = rule.greater_than_max_of
            read = (reader_of(program, users) if users else None) or reader_of(program, value)
            listing = _find_listing(program, create)
            found[value] = LedgerCalls(value, create, delete, read, listing, users)
    return found


def _find_listing(program: Service, create: Endpoint) -> Endpoint | None:
    """The call that lists what `create` creates: GET on the same path."""
    return next(
        (
            endpoint
            for endpoint in program.endpoints
            if endpoint.path == create.path
            and endpoint.request_method == "GET"
            and not endpoint.cache
            and not names_in(endpoint, program.values)
        ),
        None,
    )


@dataclass
class OwnRows:
    """The rows that this run has created and not yet deleted.

    `open`: their ids, where known. `unanswered`: by the creation's ordinal, the values of rows that
    may exist, because the answer to their creation never came, was an error, or had no id that is
    surely ours. `lowest`: our lowest id. `refusal`: why no more rows are created; empty if they
    are.
    """

    calls: CallMaker
    of: LedgerCalls
    open: set[RowId] = field(default_factory=set)
    unanswered: dict[int, Mapping[str, str]] = field(default_factory=dict)
    lowest: int | None = None
    refusal: str = ""
    _count: int = 0

    def __post_init__(self) -> None:
        known = self.calls.ranges.get(self.of.users)
        if known and not known.known:
            self.refusal = "which rows existed before is unknown, so the check creates none"

    @property
    def lost(self) -> int:
        """How many rows may exist whose id is unknown."""
        return len(self.unanswered)

    @property
    def marks(self) -> tuple[str, ...]:
        """The values of a creation whose text is unique; a row without one cannot be found
        again."""
        rules = self.calls.program.values
        return tuple(name for name in names_in(self.of.create, rules) if is_unique(rules[name]))

    @property
    def highest_of_users(self) -> int | None:
        """No id of ours is at or below it; None if the service file names no such value."""
        known = self.calls.ranges.get(self.of.users)
        return known.top if known else None

    def post(self, fixed: Mapping[str, str] | None = None) -> Request:
        """A request for a new row, with the values `fixed` and all others drawn. From now on the
        row may exist."""
        self._count += 1
        request = self.calls.make(self.of.create, fixed)._replace(ordinal=self._count)
        self.unanswered[self._count] = request.values
        return request

    def posted(self, request: Request, answer: Response) -> RowId | None:
        """Record the row that a request created and return its id; None if no id came back that is
        surely ours."""
        if answer.error:
            # Only a 4xx means "not created"; after any other error the row may exist.
            if 400 <= answer.status < 500 and answer.status not in request.expect.repeated:
                self.unanswered.pop(request.ordinal, None)
            return None
        title, users = self.of.create.title, self.highest_of_users
        rule = self.calls.program.values[self.of.value]
        number = id_in(answer, rule.field, self.of.create.path)
        if number is None:
            self.refusal = (
                f"the answer to {title} has no id, so the check cannot recognise its own rows"
            )
        elif users is not None and (isinstance(number, str) or number <= users):
            self.refusal = f"{title} answered id {number}, which existed before; it may be a user's"
        elif number in self.open:
            self.refusal = f"{title} answered id {number} twice"
        else:
            self.found(request.ordinal, number)
            return number
        return None

    def found(self, ordinal: int, number: RowId) -> None:
        """Record that our creation with this ordinal has this id."""
        self.unanswered.pop(ordinal, None)
        self.open.add(number)
        if isinstance(number, int):
            self.lowest = min(number, self.lowest or number)

    def delete(self, number: RowId) -> Request:
        """Delete a row of our own only.

        Raises:
            ValueError: it is not ours.
        """
        if number not in self.open:
            raise ValueError(f"row {number} was not created by this check")
        return self.calls.make(self.of.delete, {self.of.value: str(number)})

    def deleted(self, request: Request, answer: Response) -> None:
        """Record that a row was deleted, or that it no longer exists (404)."""
        if not answer.error or answer.status == 404:
            gone = request.values[self.of.value]
            self.open = {number for number in self.open if str(number) != gone}


def open_ledgers(calls: CallMaker) -> dict[str, OwnRows]:
    """An empty ledger for each value whose rows a run can create and delete, by value."""
    return {value: OwnRows(calls, of) for value, of in ledger_calls(calls.program).items()}


def sort_ids(numbers: set[RowId]) -> list[RowId]:
    """Ids in order: numbers, then texts."""
    return sorted(numbers, key=lambda number: (isinstance(number, str), number))
