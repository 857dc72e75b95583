"""What users ask for: every endpoint with a weight, in these shares, and rows that they create and
delete."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from ..settings.endpoint import Endpoint
from .calls import CallMaker, RequestMaker
from .client import Request, Response
from .own_rows import OwnRows, RowId
from .values import find_missing, names_in


class UsersMix:
    """Makes users' requests, and keeps the rows that they create in `ledgers`, by value."""

    def __init__(self, calls: CallMaker, ledgers: dict[str, OwnRows]) -> None:
        self.calls, self.ledgers = calls, ledgers
        self.cached = {endpoint.id for endpoint in calls.program.of_kind("cached")}
        self._creates = {one.of.create.id: value for value, one in ledgers.items()}
        self._deletes = {one.of.delete.id: value for value, one in ledgers.items()}
        self._free: defaultdict[str, list[RowId]] = defaultdict(list)

    def makers(self) -> list[RequestMaker]:
        """A maker for each request of a block: each endpoint as often as its weight says. The live
        page alone if no endpoint has a weight."""
        program = self.calls.program
        makers: list[RequestMaker] = []
        for endpoint in program.endpoints:
            own = find_missing(names_in(endpoint, program.values), program.values)
            lasting = program.find_kind(endpoint) == "create" and endpoint.id not in self._creates
            if not lasting and all(value in self.ledgers for value in own):
                makers += [self._maker_of(endpoint, own)] * endpoint.sample.weight
        return makers or [self.calls.live_call]

    def note(self, request: Request, answer: Response) -> None:
        """Keep the ledgers up to date with the answer to a request of ours."""
        if value := self._creates.get(request.endpoint):
            if request.ordinal:
                number = self.ledgers[value].posted(request, answer)
                self._free[value] += [number] if number is not None else []
        elif value := self._deletes.get(request.endpoint):
            self.ledgers[value].deleted(request, answer)

    def _maker_of(self, endpoint: Endpoint, own: tuple[str, ...]) -> RequestMaker:
        if endpoint.id in self._creates:
            return partial(self._create, self._creates[endpoint.id])
        if endpoint.id in self._deletes:
            return partial(self._delete, self._deletes[endpoint.id])
        if own:
            return partial(self._use_row, endpoint, own[0])
        return self.calls.maker_of(endpoint)

    def _create(self, value: str) -> Request:
        ledger = self.ledgers[value]
        return self._ask_instead() if ledger.refusal else ledger.post()

    def _delete(self, value: str) -> Request:
        free = self._free[value]
        return self.ledgers[value].delete(free.pop()) if free else self._create(value)

    def _use_row(self, endpoint: Endpoint, value: str) -> Request:
        free = self._free[value]
        if not free:
            return self._create(value)
        return self.calls.make(endpoint, {value: str(self.calls.rng.choice(free))})

    def _ask_instead(self) -> Request:
        """What is sent when no row may be created: a request that changes nothing."""
        asks = (one for one in self.calls.load_endpoints() if one.may_repeat)
        endpoint = next(asks, None)
        return self.calls.make(endpoint) if endpoint else self.calls.live_call()
