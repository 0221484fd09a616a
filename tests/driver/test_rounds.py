"""Who is confirmed, by what, and who gets no third seed."""

import pytest

from harness.driver.candidates import Chosen, chosen, raised
from harness.driver.rounds import asked_of, decided, is_race_on, left_of, upgrades, work_of
from harness.errors import UserError
from harness.ledger import Confirms, Run
from harness.study import load_study
from tests.confirms import STRONGER, TEST, begun, round_of, searched, training
from tests.values import JOB, book_of

FRONT = [(0.9, 0.02, 0.5), (0.8, 0.04, 0.3), (0.5, 0.01, 0.6), (0.795, 0.0395, 0.31), (0.6, 0.02, 0.5)]
"""Two on the front; a weak anchor; one near the front; one far from it."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("rounds"), FRONT, anchor=2)


@pytest.mark.parametrize(
    ("which", "trials", "raced"),
    [
        ("front", (0, 1, 2), ()),
        ("near", (0, 1, 2, 3), (3,)),
        ("all", (0, 1, 2, 3, 4), ()),
        ("4, 1", (1, 4), ()),
    ],
)
def test_the_front_the_anchors_and_what_is_near_are_found(ledger, which, trials, raced):
    assert chosen(book_of(ledger), ledger.root, which) == Chosen(trials, raced)


@pytest.mark.parametrize("which", ["9", "every", "", "1;2", "-1"])
def test_other_trials_are_refused_with_those_that_there_are(ledger, which):
    with pytest.raises(UserError, match=r"has trials 0 to 4; say front, near, all, or numbers"):
        chosen(book_of(ledger), ledger.root, which)


def test_attacks_are_the_studys_own_on_the_test_part_raised_where_they_are_lower():
    jobs = (JOB, JOB.model_copy(update={"attack": "linear", "budget": "strong"}))
    probe = JOB.model_copy(update={"attack": "membership", "kind": "probe"})
    assert [(job.budget, job.part) for job in raised((*jobs, probe), None)] == [("quick", "test"), ("strong", "test")]
    assert [job.budget for job in raised(jobs, "standard")] == ["standard", "strong"]
    with pytest.raises(UserError, match=r"--attacks heavy: .*take one of quick, standard and strong"):
        raised(jobs, "heavy")


def test_an_equal_seed_is_one_for_all_candidates_and_no_seed_of_the_search(ledger):
    study = load_study(ledger.study_file)
    found = {
        (number, seed): asked_of(study, ledger.read(number).asked, seed, (TEST,), "float32")
        for number in (0, 1)
        for seed in (0, 1)
    }
    assert found[0, 0].seed == found[1, 0].seed != found[0, 1].seed
    assert {each.seed for each in found.values()}.isdisjoint(ledger.read(number).asked.seed for number in (0, 1))
    assert found[1, 1].settings == ledger.read(1).asked.settings
    assert (found[1, 1].number, found[1, 1].confirm, found[1, 1].attacks) == (1, 1, (TEST,))


def test_the_same_confirm_goes_on_and_another_one_is_a_round_of_its_own(tmp_path):
    ledger = searched(tmp_path, FRONT)
    confirms = begun(ledger)
    same = work_of(confirms, Chosen((0, 1), ()), 3, (TEST,))
    assert (same.round.number, same.is_new) == (1, False)
    assert left_of(confirms, same.round) == [Run(trial, seed) for seed in range(3) for trial in (0, 1)]
    other = work_of(confirms, Chosen((0, 1), ()), 5, (STRONGER,))
    assert (other.round.number, other.is_new, other.suite) == (2, True, (TEST, STRONGER))


def test_who_cannot_be_on_the_front_any_more_gets_no_third_seed(tmp_path):
    ledger = searched(tmp_path, FRONT)
    one = round_of(trials=(0, 1, 3, 4), raced=(3, 4))
    confirms = begun(ledger, trials=one.trials, raced=one.raced)
    assert is_race_on(confirms, one)
    for seed in (0, 1):
        for trial in one.trials:
            accuracy, mse, ssim = FRONT[trial]
            near = 0.006 - 0.002 * seed if trial == 3 else 0.0  # on the test part it may be more accurate than trial 1
            training(ledger, trial, seed, (accuracy + 0.002 * seed + near, mse + 1e-4 * (trial + seed), ssim))
    raced = decided(ledger, one, None)
    assert [left.trial for left in raced.left_out] == [4]
    assert raced.left_out[0].p_on_front < one.error
    confirms.publish_raced(raced)
    assert not is_race_on(confirms, one)
    assert left_of(confirms, one) == [Run(0, 2), Run(1, 2), Run(3, 2)]


def test_a_later_suite_runs_on_the_networks_that_are_there(tmp_path):
    ledger = searched(tmp_path, FRONT)
    begun(ledger, seeds=1)
    training(ledger, 0, 0, FRONT[0])
    training(ledger, 1, 0, FRONT[1], jobs=(TEST, STRONGER))
    later = round_of(2, seeds=1, attacks=(STRONGER,))
    assert dict(upgrades(Confirms(ledger), later)) == {Run(0, 0): [STRONGER]}
