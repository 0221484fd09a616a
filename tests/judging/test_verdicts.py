"""How a job ends beside the others: in the words of 0.1 what its records say, in today's what the evidence shows."""

import pytest
import torch

from attacks.gains import Range as Share
from attacks.verdict import beside_guess, disagreeing, disagreement
from harness.judging import NO_CONTROLS, Controls, not_halved
from harness.judging.verdicts import knows_no_more, outdone, verdicts
from harness.ledger import Ledger
from harness.records.gains import Gains, Range
from harness.records.scores import Guess
from tests.values import JOB, asked, attack, floors, scores
from tests.values import record as trial_record


def record(name: str, mse: float, knowledge: str, part: str = "validation", **measured):
    job = JOB.model_copy(update={"attack": name, "part": part})
    found = attack(job=job, selection=scores(mse), scored=scores(mse))
    update = {"knowledge": knowledge, "subsets": {"16": scores(mse), "32": scores(mse)}} | measured
    return found.model_copy(update={"measured": found.measured.model_copy(update=update)})


def gains(remainder: Range | None) -> Gains:
    return Gains(steps=None, correction=None, remainder=remainder, worse_than_truth=None, flags=(), reasons={})


def evident(name: str, mse: float, knowledge: str = "queries", remainder: float = 0.02, **measured):
    """A record of today: its remainder ends at twice ``remainder``; its images are of unequal hardness."""
    share = Range(value=remainder, low=remainder / 2, high=2 * remainder)
    errors = tuple(mse * (0.5 + (image % 8) / 7) for image in range(32))
    found = {"verdict": "open", "gains": gains(share), "selection_mse": errors}
    return record(name, mse, knowledge, **found | {"needs_server": False} | measured)


def test_restarts_that_disagree_are_flagged():
    assert disagreeing(0.05) == ()
    assert disagreeing(0.2) == ("restarts disagree",)


def test_disagreement_is_the_restarts_distance_as_a_share_of_the_guess():
    best, second = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.1)
    assert disagreement(best, second, guess=0.05) == pytest.approx(0.2)
    assert disagreement(best, best, guess=0.05) == 0


@pytest.mark.parametrize(
    ("own", "error", "expected"),
    [
        ("converged", 0.020, "limited"),
        ("converged", 0.0193, "converged"),
        ("converged", 0.010, "converged"),
        ("floor", 0.060, "limited"),
        ("diverged", 0.090, "diverged"),
    ],
)
def test_an_attack_that_another_clearly_outdoes_is_limited(own, error, expected):
    assert outdone(own, error, other=0.019) == expected


@pytest.mark.parametrize(
    ("own", "better", "remainder", "expected"),
    [
        ("open", (0.5, 0.4, 0.6), 0.04, "tight"),
        ("open", (0.5, 0.4, 0.6), 0.06, "open"),
        ("open", (0.5, 0.4, 0.6), None, "open"),
        ("floor", (0.5, 0.4, 0.6), 0.04, "tight"),
        ("open", (0.01, 0.005, 0.02), 0.04, "floor"),
        ("open", (0.04, -0.01, 0.09), 0.04, "floor"),
        ("floor", (-0.2, -0.25, -0.15), None, "diverged"),
        ("diverged", (0.5, 0.4, 0.6), 0.04, "diverged"),
    ],
)
def test_an_attack_is_held_against_the_guess_in_pairs_and_then_by_its_remainder(own, better, remainder, expected):
    left = None if remainder is None else Share(remainder / 2, 0, remainder)
    assert beside_guess(own, Share(*better), left) == expected


# with evidence


@pytest.mark.parametrize(("remainder", "expected"), [(0.02, "tight"), (0.03, "open")])
def test_an_attack_is_tight_if_the_upper_end_of_its_remainder_is_under_5_percent(remainder, expected):
    assert verdicts(floors(), [evident("decoder", 0.02, remainder=remainder)])["decoder-quick-0"].verdict == expected


def test_an_attack_that_knows_no_more_and_does_better_raises_the_remainder_by_as_much():
    mine, better = evident("mine", 0.025), evident("decoder", 0.02)
    found = verdicts(floors(), [better, mine])["mine-quick-0"]
    assert found.verdict == "open"
    assert found.remainder.value == pytest.approx(0.2)
    assert found.flags == ("decoder-quick-0 does better",)
    assert found.why == "worse than decoder-quick-0, which knows no more of the client"


def test_what_is_better_by_chance_alone_raises_nothing():
    """2 % beside a paired standard error of as much, on 32 images."""
    mine = evident("mine", 0.0204, selection_mse=tuple(0.0204 + 0.003 * (-1) ** image for image in range(32)))
    better = evident("decoder", 0.02, selection_mse=tuple(0.02 - 0.003 * (-1) ** (image // 2) for image in range(32)))
    assert verdicts(floors(), [better, mine])["mine-quick-0"] == (
        "tight",
        None,
        (),
        mine.measured.gains.remainder,
        {},
        None,
    )


@pytest.mark.parametrize("half", ["images", "width"])
def test_what_half_the_images_or_the_width_cost_raises_the_remainder(half):
    whole = evident("decoder", 0.02)
    halved = evident("decoder", 0.022, scores=None)
    halved = halved.model_copy(update={"job": JOB.model_copy(update={"half": half})})
    found = verdicts(floors(), [whole, halved])
    assert found["decoder-quick-0"].halves[half].value == pytest.approx(0.1)
    assert found["decoder-quick-0"].remainder.value == pytest.approx(0.1 / 1.1)
    assert found["decoder-quick-0"].verdict == "open"
    assert found[f"decoder-quick-0-half_{half}"].verdict == "open"


def test_seeds_that_differ_beyond_chance_disagree():
    one = evident("decoder", 0.02)
    other = evident("decoder", 0.022)
    other = other.model_copy(update={"job": JOB.model_copy(update={"seed": 1})})
    found = verdicts(floors(), [one, other])
    assert all("seeds disagree" in found[name].flags for name in ("decoder-quick-0", "decoder-quick-1"))
    assert verdicts(floors(), [one])["decoder-quick-0"].flags == ()


def test_what_was_not_halved_says_why():
    one = evident("decoder", 0.02)
    strong = one.model_copy(update={"job": JOB.model_copy(update={"budget": "strong"})})
    assert not_halved(one, False, ()) == {"images, width": "not halved, since it decides neither mse nor ssim"}
    assert set(not_halved(one, True, ())) == {"images", "width"}
    assert not_halved(one, True, ["images"]) == {"width": "halved at `strong` alone"}
    assert "--halves" in not_halved(strong, True, ["images"])["width"]
    assert not_halved(strong, True, ["images", "width"]) == {}


def of_seeds(name: str, values: list[float], **measured):
    """A record of each seed, with these gains of steps, each known to half a percent over images."""
    for seed, value in enumerate(values):
        one = evident(name, 0.02, **measured)
        found = one.measured.gains.model_copy(update={"steps": Range(value=value, low=value - 5e-3, high=value + 5e-3)})
        job = JOB.model_copy(update={"attack": name, "seed": seed})
        yield one.model_copy(update={"job": job, "measured": one.measured.model_copy(update={"gains": found})})


def test_intervals_are_over_the_seeds_that_an_attack_was_run_with_as_well():
    found = verdicts(floors(), list(of_seeds("decoder", [0.02, 0.06])))
    for seed, value in enumerate([0.02, 0.06]):
        steps = found[f"decoder-quick-{seed}"].steps
        assert steps.value == value
        assert steps.low <= 0.02 < 0.06 <= steps.high
    alike, alone = (verdicts(floors(), list(of_seeds("decoder", each))) for each in ([0.02, 0.02], [0.02]))
    assert alike["decoder-quick-0"].steps == alone["decoder-quick-0"].steps == Range(value=0.02, low=0.015, high=0.025)


def test_an_attack_whose_seeds_differ_in_their_remainder_is_not_tight():
    low, high = evident("decoder", 0.02, remainder=0.01), evident("decoder", 0.02, remainder=0.024)
    high = high.model_copy(update={"job": JOB.model_copy(update={"seed": 1})})
    assert {verdicts(floors(), [each])[each.job.name].verdict for each in (low, high)} == {"tight"}
    found = verdicts(floors(), [low, high])
    assert found["decoder-quick-1"].verdict == "open"
    assert found["decoder-quick-0"].remainder.low == 0


def test_seeds_of_another_budget_or_attack_widen_nothing():
    one = next(of_seeds("decoder", [0.02]))
    others = [
        each.model_copy(update={"job": each.job.model_copy(update={"budget": "strong"})})
        for each in of_seeds("decoder", [0.5, 0.9])
    ]
    found = verdicts(floors(), [one, *others, *of_seeds("linear", [0.5, 0.9])])
    assert found["decoder-quick-0"].steps == one.measured.gains.steps


# the control


def blind(verdict: str = "floor", **changes):
    found = evident("decoder", 0.06, verdict=verdict)
    return found.model_copy(update=changes)


def undefended(ledger: Ledger, number: int, verdict: str, sigma: float, **settings) -> None:
    own = asked(number, settings={"model/sigma": sigma, **settings})
    ledger.publish_asked(own)
    ledger.publish_attack(blind(verdict, trial=number))
    ledger.publish_record(trial_record(number, asked=own))


@pytest.mark.parametrize(("there", "expected"), [("open", "floor"), ("tight", "floor"), ("floor", "inert")])
def test_a_floor_is_one_only_if_the_attack_works_on_the_undefended_network(tmp_path, there, expected):
    ledger = Ledger(tmp_path)
    undefended(ledger, 0, there, 0.05)
    defended = asked(1, settings={"defense/name": "nopeek", "model/sigma": 0.1})
    found = verdicts(floors(), [blind()], Controls(ledger).of(defended))["decoder-quick-0"]
    assert found.verdict == expected
    assert "no control" not in found.flags


def test_the_control_is_the_network_with_the_largest_sigma_that_is_at_most_the_trials(tmp_path):
    ledger = Ledger(tmp_path)
    for number, (verdict, sigma) in enumerate([("open", 0.05), ("floor", 0.1), ("open", 0.4)]):
        undefended(ledger, number, verdict, sigma)
    seen = {
        sigma: verdicts(floors(), [blind()], Controls(ledger).of(asked(9, settings={"model/sigma": sigma})))
        for sigma in (0.02, 0.07, 0.2, 0.5)
    }
    words = {sigma: found["decoder-quick-0"].verdict for sigma, found in seen.items()}
    assert words == {0.02: "floor", 0.07: "floor", 0.2: "inert", 0.5: "floor"}
    assert seen[0.02]["decoder-quick-0"].flags == ("no control",)


def test_what_is_another_network_or_other_settings_or_defended_is_no_control(tmp_path):
    ledger = Ledger(tmp_path)
    undefended(ledger, 0, "open", 0.05, **{"model/cut": 3})
    undefended(ledger, 1, "open", 0.05, **{"defense/name": "nopeek"})
    assert verdicts(floors(), [blind()], Controls(ledger).of(asked(9)))["decoder-quick-0"].flags == ("no control",)
    assert verdicts(floors(), [blind()], NO_CONTROLS.of(asked(9)))["decoder-quick-0"].verdict == "floor"


# of 0.1


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (("gradients", False), "limited"),
        (("queries", True), "limited"),
        (("queries", False), "limited"),
        (("none", True), "converged"),
    ],
)
def test_an_attack_is_held_against_those_that_know_no_more(known, expected):
    better = record("decoder", 0.01, "queries", needs_server=False)
    other = record("mine", 0.02, known[0], needs_server=known[1])
    found = verdicts({}, [better, other])
    assert found["decoder-quick-0"][:2] == ("converged", None)
    assert found["mine-quick-0"].verdict == expected
    reason = "worse than decoder-quick-0, which knows no more of the client" if expected == "limited" else None
    assert found["mine-quick-0"].why == reason


EVERY = [(knowledge, asks) for knowledge in ("none", "queries", "gradients") for asks in (False, True)]
"""All that an attack may know."""


def test_what_attacks_know_is_ordered_only_where_one_includes_the_other():
    records = {each: record("mine", 0.02, each[0], needs_server=each[1]) for each in EVERY}
    below = {(a, b) for a in EVERY for b in EVERY if knows_no_more(records[a], records[b])}
    assert all((each, each) in below for each in EVERY)
    assert all(a == b for a, b in below if (b, a) in below)
    assert all((a, d) in below for a, b in below for c, d in below if b == c)
    beside = {frozenset((a, b)) for a in EVERY for b in EVERY if (a, b) not in below and (b, a) not in below}
    assert beside == {
        frozenset({("none", True), ("queries", False)}),
        frozenset({("none", True), ("gradients", False)}),
        frozenset({("queries", True), ("gradients", False)}),
    }


def test_whoever_holds_the_client_alone_is_not_held_against_whoever_also_asks_the_server():
    asks = record("decoder_xl", 0.01, "queries", needs_server=True)
    holds = record("rmle", 0.02, "gradients", needs_server=False)
    assert verdicts({}, [asks, holds])["rmle-quick-0"].verdict == "converged"
    both = record("gan_prior", 0.02, "gradients", needs_server=True)
    assert verdicts({}, [asks, both])["gan_prior-quick-0"].verdict == "limited"


def test_whoever_does_not_ask_the_server_is_not_held_against_whoever_does():
    asks = record("decoder_xl", 0.01, "queries", needs_server=True)
    plain = record("decoder", 0.02, "queries", needs_server=False)
    assert verdicts({}, [asks, plain])["decoder-quick-0"][:2] == ("converged", None)


def test_of_an_older_record_the_attack_itself_says_whether_it_asks_the_server():
    asks, plain = record("decoder_xl", 0.01, "queries"), record("gan_decoder", 0.02, "queries")
    assert asks.measured.needs_server is None
    assert verdicts({}, [asks, plain])["gan_decoder-quick-0"][:2] == ("converged", None)


def test_an_attack_no_better_than_the_best_guess_without_z_is_at_the_floor():
    guesses = floors() | {"class_mean": guess({"16": 0.05, "32": 0.02})}
    found = verdicts(guesses, [record("decoder", 0.0197, "queries")])
    assert found["decoder-quick-0"][:2] == ("floor", "no better than the guess class_mean")
    assert verdicts(guesses, [record("decoder", 0.0195, "queries")])["decoder-quick-0"][:2] == ("converged", None)


def test_a_guess_is_met_on_the_images_that_the_attack_has():
    """It beats the guess's mean over all images, but not that over its own."""
    guesses = dict.fromkeys(("mean_image", "class_mean"), guess({"16": 0.02, "32": 0.04}))
    few = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts(guesses, [few])["rmle-quick-0"].verdict == "floor"


def test_a_yardstick_that_knows_the_image_lowers_nothing():
    guesses = floors() | {"nearest": guess({"32": 0.001})}
    assert verdicts(guesses, [record("decoder", 0.01, "queries")])["decoder-quick-0"].verdict == "converged"


def test_attacks_are_compared_on_the_images_that_both_have():
    """The decoder is better on all its images, the white-box attack on those that both reconstruct."""
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.03), "1000": scores(0.01)})
    rmle = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts({}, [decoder, rmle])["rmle-quick-0"].verdict == "converged"


def test_two_attacks_are_compared_on_all_their_images_whatever_a_third_has():
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.03), "1000": scores(0.01)})
    gan = record("gan_decoder", 0.02, "queries", subsets={"16": scores(0.03), "1000": scores(0.02)})
    rmle = record("rmle", 0.02, "gradients", subsets={"16": scores(0.02)})
    assert verdicts({}, [decoder, gan, rmle])["gan_decoder-quick-0"].verdict == "limited"


def test_an_attack_that_can_be_compared_with_none_keeps_its_verdict():
    decoder = record("decoder", 0.01, "queries", subsets={"16": scores(0.01), "1000": scores(0.01)})
    few = record("mine", 0.001, "queries", subsets={"10": scores(0.001)})
    found = verdicts({"mean_image": guess({"16": 0.06, "1000": 0.06})}, [decoder, few])
    assert found["decoder-quick-0"][:2] == ("converged", None)
    assert found["mine-quick-0"][:2] == ("converged", None)


def test_a_probe_keeps_its_own_verdict():
    probe = record("membership", 0.02, "queries", scores=None, selection=None, probe={"auc": 0.5}, verdict="floor")
    assert verdicts({}, [record("decoder", 0.01, "none"), probe])["membership-quick-0"][:2] == ("floor", None)


def guess(subsets: dict[str, float]) -> Guess:
    found = {size: scores(mse) for size, mse in subsets.items()}
    return Guess(scores=scores(0.06), selection=found[max(found, key=int)], subsets=found)


def test_whoever_hears_of_each_trial_that_finishes_reads_the_directory_once(tmp_path, monkeypatch):
    ledger, listings = Ledger(tmp_path), list[Ledger]()
    read = Ledger.trials
    monkeypatch.setattr(Ledger, "trials", lambda own: listings.append(own) or read(own))
    controls, defended = Controls(ledger), asked(9, settings={"model/sigma": 0.1})
    for number, (verdict, sigma, expected) in enumerate([("floor", 0.05, "inert"), ("open", 0.1, "floor")]):
        undefended(ledger, number, verdict, sigma)
        controls.hear(ledger.read(number))
        found = verdicts(floors(), [blind()], controls.of(defended))["decoder-quick-0"]
        assert (found.verdict, "no control" in found.flags) == (expected, False)
    assert len(listings) == 1
