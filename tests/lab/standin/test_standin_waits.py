"""What takes half a minute: begun by the fixture before all other tests, judged here, last."""

from __future__ import annotations

from standin_app import LAUNCHED, Waits
from standin_world import until


def test_a_list_that_is_not_done_in_20_s_is_an_error(waits: Waits) -> None:
    answer = waits.endless.result(30)
    assert answer.status == 500
    assert 19.5 < answer.seconds < 22


def test_while_packets_to_google_vanish_it_neither_listens_nor_speaks(waits: Waits) -> None:
    assert waits.early.result(10) == ([], True, "")


def test_where_packets_to_google_vanish_it_waits_30_s_and_goes_on(waits: Waits) -> None:
    app = waits.stalled
    until(lambda: LAUNCHED in app.words(), "serving", 40)
    assert 28 < app.said.stat().st_mtime - app.began < 33
    assert "google_dns_is_not_http" not in app.words()
    assert app.ready().ask("/ping").status == 200
