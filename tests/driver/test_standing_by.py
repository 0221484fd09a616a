"""A driver that hands out no trials of a search stops when it is asked to, and says what it cannot do."""

import pytest

from harness.driver.answering import LOOK_SECONDS, PAST
from harness.driver.standing_by import StandingBy
from harness.errors import Interrupted
from harness.ledger import Ledger
from harness.ledger.requests import Requests
from harness.records import Request

WAY = "the same command goes on"


def test_it_stops_when_it_is_asked_to_and_leaves_to_the_search_what_that_can_do_later(tmp_path):
    ledger, said, now = Ledger(tmp_path), [], [0.0]
    requests = Requests(tmp_path)

    def ask(verb: str, **more) -> None:
        requests.ask(Request(verb=verb, time="2026-01-01T00:00:00+00:00", **more))
        now[0] += LOOK_SECONDS

    def answers() -> list[str | None]:
        return [put.answer and put.answer.text for put in Requests(tmp_path).all()]

    ask("stop")
    standing_by = StandingBy(ledger, WAY, said.append, lambda: now[0])
    standing_by.look()
    ask("pause")
    ask("enqueue", settings={"model/sigma": 0.1})
    standing_by.look()
    refused = "no trials are handed out now; `stop` ends the work"
    assert answers() == [PAST, refused, None]
    ask("stop", now=True)
    with pytest.raises(Interrupted, match=f"stopped by `invfront ctl stop`; {WAY}"):
        standing_by.look()
    assert answers() == [PAST, refused, None, f"what runs is cut off; {WAY}"]
    assert said == [f"ctl stop: {PAST}", f"ctl stop --now: what runs is cut off; {WAY}"]
