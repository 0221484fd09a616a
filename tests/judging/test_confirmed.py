"""What is confirmed is compared over the attacks that all have had, and what is left is counted."""

import pytest

from harness.judging import confirmed, confirmed_so_far, read_line
from harness.ledger import Confirms, Run
from harness.records import LeftOut, Raced
from harness.tables import confirmed_table
from tests.confirms import STRONGER, TEST, begun, objectives, round_of, searched, training
from tests.values import attack, scores

FRONT = [(0.9, 0.02, 0.5), (0.8, 0.04, 0.3), (0.5, 0.01, 0.6)]


@pytest.fixture
def ledger(tmp_path):
    return searched(tmp_path, FRONT)


def test_a_study_without_a_confirm_has_none(ledger):
    assert confirmed_so_far(ledger).model_dump() == {"candidates": 0, "seeds": 0, "waiting": 0}
    assert confirmed(ledger) == []
    assert Confirms(ledger).rounds() == []


def test_trainings_lie_beside_the_trials_and_are_counted_until_they_are_there(ledger):
    begun(ledger)
    assert confirmed_so_far(ledger).model_dump() == {"candidates": 2, "seeds": 3, "waiting": 6}
    training(ledger, 0, 0, (0.88, 0.021, 0.5))
    training(ledger, 1, 2, (0.79, 0.039, 0.3))
    assert confirmed_so_far(ledger).waiting == 4
    assert (ledger.root / "confirm" / "00001" / "2" / "record.json").exists()
    assert [files.number for files in ledger.trials()] == [0, 1, 2]
    assert [files.number for files in ledger.of_seed(2).trials()] == [1]
    found = confirmed_table(confirmed(ledger))
    assert found["control_accuracy"].isna().all()
    assert found.drop(columns="control_accuracy").to_dict("records")[1] == {
        "trial": 1,
        "seed": 2,
        "part": "test",
        "accuracy": 0.79,
        "mse": 0.039,
        "ssim": 0.3,
        "mse_attack": TEST.name,
        "ssim_attack": TEST.name,
    }


def test_whoever_was_left_out_is_waited_for_no_more(ledger):
    confirms = begun(ledger, raced=(1,))
    assert Run(1, 2) in confirms.planned_of(round_of(raced=(1,)))
    confirms.publish_raced(Raced(number=1, left_out=(LeftOut(trial=1, p_on_front=0.01),)))
    assert confirms.planned_of(round_of(raced=(1,))) == [Run(0, 0), Run(1, 0), Run(0, 1), Run(1, 1), Run(0, 2)]
    assert confirmed_so_far(ledger).waiting == 5


def test_a_later_round_adds_to_what_an_earlier_one_left_out(ledger):
    confirms = begun(ledger, raced=(1,))
    confirms.publish_raced(Raced(number=1, left_out=(LeftOut(trial=1, p_on_front=0.01),)))
    confirms.publish_round(round_of(2, trials=(1,), seeds=4))
    assert set(confirms.planned()) >= {Run(1, 2), Run(1, 3)}
    assert [each.number for each in confirms.rounds()] == [1, 2]


def test_a_stronger_attack_counts_once_all_trainings_have_had_it(ledger):
    begun(ledger)
    for trial in (0, 1):
        training(ledger, trial, 0, (0.8, 0.03, 0.4))
    before = objectives(ledger)
    strong = attack(0, STRONGER, scores(0.01, 0.7), scores(0.01, 0.7))
    ledger.of_seed(0).publish_attack(strong)
    assert objectives(ledger) == before
    ledger.of_seed(0).publish_attack(strong.model_copy(update={"trial": 1}))
    assert objectives(ledger) == dict.fromkeys(before, 0.01)


def test_an_ended_training_that_lacks_an_attack_of_a_later_round_is_waited_for(ledger):
    confirms = begun(ledger, seeds=1)
    for trial in (0, 1):
        training(ledger, trial, 0, (0.8, 0.03, 0.4))
    assert confirmed_so_far(ledger).waiting == 0
    confirms.publish_round(round_of(2, seeds=1, attacks=(STRONGER,)))
    assert confirmed_so_far(ledger).waiting == 2


def test_the_line_of_a_round_tells_when_for_whom_and_by_what():
    assert (
        read_line(round_of(raced=(1,)))
        == "confirm 1, 2026-01-01T00:00Z: trials 0, 1 with 3 seeds each, by decoder:quick; of these 1 raced"
    )
