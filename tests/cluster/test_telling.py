"""What a driver hears of a trial whose process was lost: one line."""

from pathlib import Path
from types import SimpleNamespace

from harness.cluster.exchange import Exchange
from harness.cluster.scheduling import _Listener, _Searcher
from harness.cluster.waiting import Waiting
from harness.ledger import Ledger
from harness.records import Place
from harness.study import Resources
from tests.values import asked


def test_a_trial_whose_process_was_lost_is_told_of_by_its_number(tmp_path: Path) -> None:
    said, trials = list[str](), [asked(7)]
    exchange = Exchange(lambda: trials.pop(), lambda result: None, lambda number, progress: None, noted=said.append)
    waiting = Waiting(Resources(), False, lambda: [{"CPU": 1.0}], lambda bundle: False, said.append)
    searcher = _Searcher(Ledger(tmp_path), Place(), exchange, waiting)
    searcher.suggest("key")
    listener = _Listener(exchange.watch, lost=searcher.lost)
    listener.on_trial_recover(0, [], SimpleNamespace(trial_id="key"))
    assert said == ["trial 7: its process or its node was lost; it is started again"]
