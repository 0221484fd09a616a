"""Which later attacks are to run where: what cannot run on a part of `front` or `all` is left out and said."""

import pytest

import attacks
from harness.driver.campaign import Campaign, can_halve, levels_left, next_round
from harness.driver.catching_up import lacking
from harness.driver.orders import AttackOrder, levels_of
from harness.errors import UserError
from harness.study import load_study
from tests.small_ledger import JOB, small_ledger
from tests.values import attack, book_of, scores

ASKS, RIDGE = AttackOrder("membership", "quick"), AttackOrder("tests.later_attacks:Ridge", "quick")


@pytest.fixture
def ledger(tmp_path):
    return small_ledger(tmp_path)[1]


def planned(ledger, *chosen, orders=(RIDGE,), until_stable=False, tried=(), halves=False, levels=()):
    campaign = Campaign(ledger.root, chosen, orders, (), until_stable, halves, levels)
    book = book_of(ledger)
    return next_round(campaign, campaign.ordered(book, ledger), book, ledger, tried)


def numbers(found):
    return [task.files.number for task in found.tasks]


def without_server(ledger, number):
    (ledger.trial(number) / "attempt-1" / "server.safetensors").unlink()


def test_of_all_trials_those_without_a_server_are_left_out_and_named_once(ledger):
    without_server(ledger, 1)
    found = planned(ledger, "all", orders=(ASKS, RIDGE))
    assert [(task.files.number, task.job.attack) for task in found.tasks] == [
        (0, ASKS.attack),
        (0, RIDGE.attack),
        (1, RIDGE.attack),
    ]
    (line,) = found.left_out
    assert line.startswith("left out: trial 1: membership asks the server")
    assert "keep: {servers: all}" in line


def test_an_attack_that_a_study_was_given_is_tried_once_on_each_trial_that_lacks_it(ledger):
    job = JOB.model_copy(update={"attack": RIDGE.attack})
    first = lacking(ledger, [job])
    assert [task.files.number for task in first] == [0, 1]
    assert lacking(ledger, [job], but=first[:1]) == first[1:]
    assert lacking(ledger, [job], but=first) == []


def test_a_trial_that_is_named_is_refused(ledger):
    without_server(ledger, 1)
    with pytest.raises(UserError, match="TRIAL 1: membership asks the server"):
        planned(ledger, "0", "1", orders=(ASKS,))


def test_the_networks_of_all_trials_are_not_read_before_any_is_attacked_and_that_of_one_that_is_named_is(ledger):
    (ledger.trial(1) / "attempt-1" / "client.safetensors").write_bytes(b"torn")
    assert numbers(planned(ledger, "all")) == [0, 1]
    with pytest.raises(UserError, match=r"TRIAL 1: .*client.safetensors not as written"):
        planned(ledger, "1")


def test_what_was_tried_is_not_tried_again_until_the_front_is_stable(ledger):
    first = planned(ledger, "front", until_stable=True)
    tried = {(task.files.number, task.job.name) for task in first.tasks}
    assert numbers(first) == list(book_of(ledger).contenders)
    assert planned(ledger, "front", until_stable=True, tried=tried).tasks == []


def test_what_the_front_may_become_is_attacked_in_its_turn(ledger):
    """An attack found out whoever was on the front: the others move up to it, and have not been attacked."""
    front = book_of(ledger).contenders
    job = JOB.model_copy(update={"attack": RIDGE.attack, "budget": "quick"})
    for number in front:
        ledger.publish_attack(attack(number, job, scores(1e-6, 0.999), scores(1e-6, 0.999)))
    left = {0, 1} - set(front)
    assert numbers(planned(ledger, "front", until_stable=True)) == sorted(left)


def test_without_a_name_it_is_the_attacks_that_leave_the_front_unsettled(ledger):
    with pytest.raises(UserError, match="--until-stable: the front is settled; name an --attack"):
        planned(ledger, "front", orders=(), until_stable=True)
    job = JOB.model_copy(update={"seed": 3})
    ledger.publish_attack(attack(0, job, scores(1e-6, 0.999), scores(1e-6, 0.999)))
    assert book_of(ledger).standing().unsettled == (job.name,)
    found = planned(ledger, "front", orders=(), until_stable=True)
    assert [(task.files.number, task.job) for task in found.tasks] == [(1, job)]


def test_halves_are_those_of_what_decides_and_run_once(ledger):
    found = planned(ledger, "0", orders=(), halves=True)
    assert [(task.job.name, task.job.half) for task in found.tasks] == [(f"{JOB.name}-half_images", "images")]
    job = found.tasks[0].job
    ledger.publish_attack(attack(0, job, scores(0.03), None))
    assert planned(ledger, "0", orders=(), halves=True).tasks == []


@pytest.mark.parametrize(
    ("name", "budget", "expected"),
    [
        ("decoder", "strong", {"images", "width"}),
        ("decoder", "quick", {"images"}),
        ("unrolled", "strong", {"images", "width"}),
        ("linear", "strong", {"images"}),
        ("diffusion", "strong", set()),
        ("membership", "quick", set()),
    ],
)
def test_the_width_is_halved_at_strong_and_what_a_prior_was_trained_on_never(name, budget, expected):
    kind = attacks.resolve(name)
    assert {half for half in ("images", "width") if can_halve(kind, budget, half)} == expected


@pytest.mark.parametrize("kind", [kind for kind in attacks.ATTACKS.values() if getattr(kind, "width_setting", None)])
def test_half_as_wide_is_a_network_of_half_the_width(kind):
    whole = attacks.budget(kind, "strong")
    half = attacks.half_as_wide(kind, whole)
    assert {name for name in whole if half[name] != whole[name]} == {kind.width_setting}
    assert 2 * getattr(kind(**half), kind.width_setting) == whole[kind.width_setting]


def test_it_takes_an_attack_and_the_front(ledger):
    with pytest.raises(UserError, match="--attack: is missing; name an attack"):
        planned(ledger, "all", orders=())
    with pytest.raises(UserError, match="TRIAL all: --until-stable is for the front; name `front` alone"):
        planned(ledger, "all", until_stable=True)


def at_level(number):
    return JOB.model_copy(update={"attacker_images": number})


def left(ledger, *settings):
    study = load_study(ledger.root / "study.yaml", settings)
    return [(task.files.number, task.job.name) for task in levels_left(study, book_of(ledger), ledger).tasks]


def test_levels_are_left_to_run_on_the_front_or_on_all_and_what_was_run_is_not(ledger):
    front = list(book_of(ledger).contenders)
    names = [f"{JOB.name}-{level}" for level in ("n40", "n160", "members")]
    images = "attacker/images=[40, 160, all, members]"
    assert left(ledger) == []
    assert left(ledger, "attacker/levels=all") == []
    assert left(ledger, images) == [(number, name) for number in front for name in names]
    assert left(ledger, images, "attacker/levels=all") == [(number, name) for number in (0, 1) for name in names]
    ledger.publish_attack(attack(front[0], at_level(40)))
    assert left(ledger, images) == [(n, name) for n in front for name in names if (n, name) != (front[0], names[0])]


def test_a_level_moves_no_front_and_keeps_no_server(ledger):
    before = {number: book_of(ledger).outlines[number].objectives for number in (0, 1)}
    ledger.publish_attack(attack(0, at_level(40), scores(1e-6, 0.999), scores(1e-6, 0.999)))
    book = book_of(ledger)
    assert {number: book.outlines[number].objectives for number in (0, 1)} == before
    assert book.standing().unsettled == ()
    assert not book.outlines[0].later


def test_other_attackers_are_those_of_the_attacks_that_a_trial_has_or_that_are_named(ledger):
    own = planned(ledger, "0", orders=(), levels=(40, "members"))
    assert [task.job.name for task in own.tasks] == [f"{JOB.name}-n40", f"{JOB.name}-members"]
    ledger.publish_attack(attack(0, at_level(40)))
    assert [task.job.name for task in planned(ledger, "0", orders=(), levels=(40, 41)).tasks] == [f"{JOB.name}-n41"]
    named = planned(ledger, "0", orders=(RIDGE, ASKS), levels=(40,))
    assert [task.job.name for task in named.tasks] == ["tests.later_attacks.Ridge-quick-0-n40"]


def test_the_images_of_other_attackers_are_checked_as_the_studys_are(ledger):
    campaign = Campaign(ledger.root, ["0"], [], levels=(40, "members"))
    assert campaign.moved().attacker.images == (40, "members", "all")
    with pytest.raises(UserError, match="--until-stable: no other attacker moves the front"):
        planned(ledger, "front", until_stable=True, levels=(40,))


def test_what_is_no_level_of_an_attack_is_refused_in_one_line(ledger):
    assert levels_of(ledger.root, ["40", "members", "40"], own=False) == (40, "members")
    for text in ("0", "-1", "a", "1.5", "", "\u0661"):
        with pytest.raises(UserError, match=r"--images .*: takes a number of images >= 1, or members"):
            levels_of(ledger.root, [text], own=False)
    with pytest.raises(UserError, match="--levels: the study has no other levels of attacker/images; name them by"):
        levels_of(ledger.root, [], own=True)
