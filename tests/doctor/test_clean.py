"""``doctor --clean``: what may go goes, and what a record or a later attack needs stays."""

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.doctor import examine_surplus, remove
from harness.ledger import Ledger, find, open_attempt
from harness.ledger.arrays import kept_images, scores_of, scores_of_guesses
from harness.stages.checkpoints import discard
from tests.small_ledger import small_ledger

OLD = Path(__file__).parents[1] / "old_studies" / "0.1" / "strict"


@pytest.fixture
def ledger(tmp_path):
    """Trials in every state, each with one attempt and no checkpoints."""
    ledger = small_ledger(tmp_path)[1]
    for number in ledger.numbers():
        discard(ledger.trial(number))
    return ledger


@pytest.fixture
def strict(tmp_path, capsys):
    """A study in which nothing is wrong."""
    root = shutil.copytree(OLD, tmp_path / "strict")
    assert main(["doctor", str(root), "--fix"]) == 0
    capsys.readouterr()
    return root


def names(found):
    return sorted(str(finding.path) for finding in found)


def test_an_attempt_that_nothing_rests_on_goes_with_its_checkpoints(ledger):
    trial = ledger.trial(3)
    stale = trial / "attempt-1"
    open_attempt(trial)
    (stale / "checkpoint-000000001.pt").write_text("x")
    assert names(examine_surplus(ledger)) == [str(stale)]


def test_what_records_and_later_attacks_need_stays_after_any_number_of_attempts(ledger):
    number = 0
    trial = ledger.trial(number)
    for _ in range(3):
        open_attempt(trial)
    (attack,) = ledger.read(number).attacks
    client = attack.measured.digests["client"]

    def known():
        guesses = scores_of_guesses(trial, client)
        return (
            find(trial, ledger.read(number).asked.attacks),
            [sorted(guesses), scores_of(trial, attack).to_numpy().tolist()],
            kept_images(trial, attack).reconstructions.tolist(),
        )

    before = known()
    for finding in examine_surplus(ledger):
        remove(finding.path)
    assert sorted(path.name for path in trial.glob("attempt-*")) == ["attempt-1", "attempt-4"]
    assert known() == before
    assert names(examine_surplus(ledger)) == []


def test_the_command_removes_and_says_what_it_removed(strict, capsys):
    trial = Ledger(strict).trial(1)
    stale, kept = trial / "attempt-1", open_attempt(trial)
    shutil.copy(stale / "record.json", kept)
    assert main(["doctor", str(strict), "--clean"]) == 0
    assert f"{stale}: no record rests on it (2.98 kB); done: removed\n" in capsys.readouterr().out
    assert (stale.exists(), kept.exists()) == (False, True)
    assert main(["doctor", str(strict), "--clean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == []


def test_an_attack_that_was_cut_off_before_it_was_published_stays(ledger):
    trial = ledger.trial(0)
    finished, _ = open_attempt(trial), open_attempt(trial)
    (finished / "rmle-quick-0.json").write_text("{}")
    assert names(examine_surplus(ledger)) == []


def test_a_trial_that_is_not_finished_loses_only_the_checkpoints_of_a_training_that_is_done(ledger):
    running, done = ledger.trial(4), ledger.trial(0)
    for number in (1, 2):
        (running / f"attempt-{number}").mkdir(parents=True)
        (running / f"attempt-{number}" / "checkpoint-000000001.pt").write_text("x")
    assert names(examine_surplus(ledger)) == []
    shutil.rmtree(running / "attempt-2")
    shutil.copytree(done / "attempt-1", running / "attempt-2")
    assert names(examine_surplus(ledger)) == [str(running / "attempt-1" / "checkpoint-000000001.pt")]


def test_a_trial_whose_weights_are_not_whole_keeps_everything(ledger):
    trial = ledger.trial(0)
    for _ in range(2):
        open_attempt(trial)
    (trial / "attempt-1" / "client.safetensors").write_text("torn")
    assert names(examine_surplus(ledger)) == []


def test_nothing_is_removed_while_something_is_wrong(strict, capsys):
    ledger = Ledger(strict)
    stale, _ = open_attempt(ledger.trial(1)), open_attempt(ledger.trial(1))
    (ledger.trial(3) / "record.json").write_text("{")
    assert main(["doctor", str(strict), "--clean"]) == 2
    assert stale.exists()
    assert "--fix` mends 1" in capsys.readouterr().err


def test_advice_to_fix_is_given_only_where_it_would_do_something(strict, capsys):
    (Ledger(strict).trial(0) / "attempt-1" / "decoder-quick-0.npz").unlink()
    assert main(["doctor", str(strict)]) == 2
    error = capsys.readouterr().err
    assert "--fix" not in error
    assert "mend them by hand, as told there" in error
