"""The worst case: attacks on all images by their means, those on fewer by paired differences, and a law over all."""

import numpy
import pytest

from harness.judging.errors import standard_error
from harness.judging.worst import ALIKE, candidates, decisions, worst_case
from harness.records import AttackRecord, Guess, Objectives
from tests.values import JOB, attack, floors, scores

OTHER = JOB.model_copy(update={"attack": "other"})
IMAGES = {"train": 900, "validation": 200}


def judged(attacks: list[AttackRecord], guesses: dict[str, Guess] | None = None, images=IMAGES) -> Objectives:
    return worst_case(0.9, candidates(guesses if guesses is not None else floors(), attacks, images))


def sized(job, means: dict[int, float], ssim: dict[int, float] | None = None, **changes) -> AttackRecord:
    """An attack on so many scored images as the greatest number in ``means``, its mse on the first ones given."""
    similar = ssim or dict.fromkeys(means, 0.4)
    most = max(means)
    found = attack(job=job, scored=scores(means[most], similar[most]))
    subsets = {str(size): scores(mse, similar[size]) for size, mse in means.items()}
    update = {"scored_subsets": subsets, "images": most, "errors": {"mse": 0.0005, "ssim": 0.01}} | changes
    return found.model_copy(update={"measured": found.measured.model_copy(update=update)})


def test_each_metric_has_its_own_worst_attack():
    by_mse = attack(job=JOB, scored=scores(0.01, 0.2))
    by_ssim = attack(job=OTHER, scored=scores(0.02, 0.5))
    found = judged([by_mse, by_ssim])
    assert (found.mse, found.mse_attack, found.ssim, found.ssim_attack) == (0.01, JOB.name, 0.5, OTHER.name)
    assert (found.mse_base, found.ssim_base) == (None, None)


def test_a_guess_without_z_bounds_every_failed_attack():
    found = judged([attack(scored=scores(0.2, 0.0))])
    assert found.mse_attack == "mean_image"  # the first of its equals
    assert found.mse == 0.06


def test_a_yardstick_that_knows_the_image_is_no_attack():
    oracle = floors() | {"mean_colour": floors()["mean_image"].model_copy(update={"scores": scores(0.0, 1.0)})}
    assert judged([attack()], oracle).mse_attack == JOB.name


def test_the_smaller_split_of_the_published_protocol_gives_no_objective():
    infer = attack(job=JOB.model_copy(update={"part": "infer"}), scored=scores(0.0, 1.0))
    train = attack(job=JOB.model_copy(update={"part": "train"}))
    found = judged([infer, train], images={"train": 900, "test": 200})
    assert found.mse_attack == "decoder-quick-0-train"


def test_a_challenger_that_does_worse_on_the_common_images_changes_nothing():
    """Its 32 images are easy: its own mean on them is below the decoder's over all, but so is the decoder's."""
    decoder = sized(JOB, {32: 0.008, 200: 0.011}, {32: 0.5, 200: 0.4})
    easy = sized(OTHER, {32: 0.0105}, {32: 0.45}, errors={"mse": 0.0005, "ssim": 0.03})
    alone, beside = judged([decoder]), judged([decoder, easy])
    assert alone == beside
    assert (beside.mse, beside.mse_attack, beside.mse_base) == (0.011, JOB.name, None)


def test_a_challenger_counts_by_its_paired_difference_on_the_common_images():
    decoder = sized(JOB, {32: 0.012, 200: 0.011}, {32: 0.4, 200: 0.45})
    better = sized(OTHER, {32: 0.0105}, {32: 0.43})
    found = judged([decoder, better])
    assert (found.mse_attack, found.mse_base) == (OTHER.name, JOB.name)
    assert found.mse == pytest.approx(0.011 + (0.0105 - 0.012))
    assert found.ssim == pytest.approx(0.45 + (0.43 - 0.4))


def test_of_several_challengers_the_one_with_the_lowest_sum_decides():
    decoder = sized(JOB, {32: 0.012, 100: 0.011, 200: 0.011})
    few = sized(OTHER, {32: 0.011})
    more = sized(JOB.model_copy(update={"attack": "more"}), {32: 0.012, 100: 0.009})
    for order in ([decoder, few, more], [more, few, decoder]):
        found = judged(order)
        assert (found.mse_attack, found.mse_base) == ("more-quick-0", JOB.name)
        assert found.mse == pytest.approx(0.009)


def test_attacks_are_compared_on_the_most_images_that_both_have():
    decoder = sized(JOB, {32: 0.010, 100: 0.012, 200: 0.011})
    middle = sized(OTHER, {32: 0.011, 100: 0.011})
    assert judged([decoder, middle]).mse == pytest.approx(0.010)


def test_an_attack_on_all_of_attacker_validation_may_still_be_one_on_fewer_scored_images():
    """As `strong` of an inversion on CIFAR-10: 1,000 of each, where 2,000 are scored."""
    decoder = sized(JOB, {32: 0.011, 100: 0.011, 200: 0.011})
    costly = sized(OTHER, {32: 0.010, 100: 0.010}, subsets={"80": scores(0.010)})
    found = judged([decoder, costly])
    assert (found.mse_base, found.mse) == (JOB.name, pytest.approx(0.010))


def test_a_challenger_without_an_attack_on_all_images_counts_by_the_upper_end_of_its_own_mean():
    lone = sized(OTHER, {32: 0.01}, {32: 0.5}, errors={"mse": 0.001, "ssim": 0.02})
    found = judged([lone])
    assert (found.mse, found.ssim) == (pytest.approx(0.012), pytest.approx(0.46))
    assert (found.mse_attack, found.mse_base) == (OTHER.name, None)


def test_an_attack_much_weaker_than_the_challenger_does_not_tell_how_hard_the_images_are():
    """With it the difference would be its own chance: below nought here."""
    weak = sized(JOB, {32: 0.060, 200: 0.055})
    strong = sized(OTHER, {32: 0.002}, errors={"mse": 0.0002, "ssim": 0.01})
    found = judged([weak, strong])
    assert (found.mse, found.mse_base) == (pytest.approx(0.0024), None)


def test_records_of_before_are_paired_on_attacker_validation():
    subsets = {"32": scores(0.012), "80": scores(0.011)}
    old = attack(job=JOB, scored=scores(0.02))
    old = old.model_copy(update={"measured": old.measured.model_copy(update={"subsets": subsets})})
    few = sized(OTHER, {32: 0.0005}, subsets={"32": scores(0.011)}, scored_subsets={}, errors={}, images=32)
    values = {each.base: each.value for each in decisions(candidates({}, [old, few], IMAGES), "mse")}
    assert values[JOB.name] == pytest.approx(0.019)


def test_without_a_number_of_images_the_most_that_were_scored_are_all():
    old, few = attack(job=JOB, scored=scores(0.02)), sized(OTHER, {32: 0.015})
    assert [each.images for each in candidates({}, [old, few], {})] == [None, 32]


SIZES = (16, 32, 64, 100, 200)


def drawn(rng: numpy.random.Generator, number: int) -> AttackRecord:
    """Draw an attack of any size and strength: new or old record, of another part, failed, or a probe's."""
    size = int(rng.choice([*SIZES, int(rng.integers(1, 201)), 200, 200]))
    strength = rng.choice([0.001, 0.01, 0.011, 0.05, 0.5])
    means = {each: float(strength * rng.lognormal(0, 0.5)) for each in {*SIZES, size} if each <= size}
    similar = {each: float(rng.uniform(-1, 1)) for each in means}
    job = JOB.model_copy(update={"seed": number, "part": str(rng.choice(["validation"] * 9 + ["train"]))})
    errors = {"mse": float(strength * rng.exponential(0.2)), "ssim": float(rng.exponential(0.05))}
    found = sized(job, means, similar, errors=errors if rng.random() < 0.8 else {})
    kind = rng.choice(["new", "new", "new", "old", "bare", "failed"])
    of = found.measured.scored_subsets
    changes = {
        "new": {},
        "old": {"scored_subsets": {}, "subsets": of},
        "bare": {"scored_subsets": {}, "errors": {}},
        "failed": {"scores": None, "selection": None, "verdict": "failed", "scored_subsets": {}, "images": 0},
    }[str(kind)]
    return found.model_copy(update={"measured": found.measured.model_copy(update=changes)})


@pytest.mark.parametrize("seed", range(20))
def test_no_further_attack_ever_makes_a_trial_look_more_private(seed):
    """The law, over random suites: of any size, failed or not, in any order, beside what is there."""
    rng = numpy.random.default_rng(seed)
    guesses = floors() if rng.random() < 0.5 else {}
    for _ in range(20):
        suite: list[AttackRecord] = []
        last = judged([], floors()) if guesses else None
        for number in range(int(rng.integers(1, 9))):
            suite.insert(int(rng.integers(0, len(suite) + 1)), drawn(rng, number))
            found = candidates(guesses, suite, {"validation": 200, "test": 200})
            if not found:
                continue
            now = worst_case(0.9, found)
            if last is not None:
                assert now.mse <= last.mse
                assert now.ssim >= last.ssim
            assert now.mse >= 0
            assert -1 <= now.ssim <= 1
            last = now


def test_the_law_bites_what_takes_only_the_strongest_as_the_base():
    """A new strongest attack that is ahead on the common images would raise the sum: no minimum over pairs, no law."""
    first = sized(JOB, {32: 0.015, 200: 0.011})
    stronger = sized(JOB.model_copy(update={"seed": 1}), {32: 0.010, 200: 0.0105})
    few = sized(OTHER, {32: 0.0095})
    before, after = judged([first, few]), judged([first, stronger, few])
    assert after.mse <= before.mse == pytest.approx(0.011 + (0.0095 - 0.015))
    assert before.mse < 0.0105 + (0.0095 - 0.010)


def test_the_standard_error_is_that_of_the_difference_estimate():
    """Against the spread of the estimate itself over many draws of images."""
    rng = numpy.random.default_rng(0)
    base = rng.lognormal(-4, 0.5, (4000, 200))
    own = base[:, :32] * rng.uniform(0.7, 1.0, (4000, 32))
    estimates = base.mean(1) + (own - base[:, :32]).mean(1)
    told = numpy.mean([standard_error(one, other) ** 2 for one, other in zip(own, base, strict=True)]) ** 0.5
    assert told == pytest.approx(estimates.std(), rel=0.05)
    assert standard_error(own[0]) == pytest.approx(own[0].std(ddof=1) / 32**0.5)


def test_the_standard_error_of_a_pair_on_one_release_counts_what_the_bases_other_releases_average():
    """The base's mean is over five releases, the difference on the first, which both see: images are the clusters."""
    rng = numpy.random.default_rng(2)
    image, shared = rng.lognormal(-4, 0.5, (3000, 100)), rng.normal(0, 0.01, (3000, 5, 100))
    by_release = image[:, None] + shared
    base, means = by_release[:, 0], by_release.mean(1)
    own = 0.8 * base[:, :32] + rng.normal(0, 0.001, (3000, 32))
    estimates = means.mean(1) + (own - base[:, :32]).mean(1)
    told = [standard_error(*each) ** 2 for each in zip(own, base, means, strict=True)]
    assert numpy.mean(told) ** 0.5 == pytest.approx(estimates.std(), rel=0.05)
    naive = [standard_error(*each) ** 2 for each in zip(own, means, strict=True)]
    assert abs(numpy.mean(naive) ** 0.5 / estimates.std() - 1) > 0.1


def test_a_difference_estimate_is_nearer_to_the_truth_than_the_challengers_own_mean():
    """What the images have in common cancels: the reason for pairing."""
    rng = numpy.random.default_rng(1)
    base = rng.lognormal(-4, 0.5, (2000, 200))
    own = base * rng.normal(0.9, 0.05, base.shape)
    truth = own.mean(1)
    paired = base.mean(1) + (own - base)[:, :32].mean(1)
    assert ((paired - truth) ** 2).mean() < 0.1 * ((own[:, :32].mean(1) - truth) ** 2).mean()
    assert (base.mean(1) <= ALIKE * truth).all()
