"""The worst case is chosen on attacker-validation and scored elsewhere."""

from harness.judging.worst import candidates, left_out, worst_case
from tests.values import JOB, attack, floors, scores

OTHER = JOB.model_copy(update={"attack": "other"})


def test_the_attack_that_is_worst_on_attacker_validation_decides_even_if_another_scores_worse():
    strong = attack(job=JOB, selection=scores(0.01, 0.6), scored=scores(0.03, 0.3))
    weak = attack(job=OTHER, selection=scores(0.02, 0.5), scored=scores(0.001, 0.9))
    found = worst_case(0.9, floors(), [weak, strong])
    assert (found.mse, found.mse_attack, found.ssim, found.ssim_attack) == (0.03, JOB.name, 0.3, JOB.name)


def test_each_metric_has_its_own_worst_attack():
    by_mse = attack(job=JOB, selection=scores(0.01, 0.2), scored=scores(0.01, 0.2))
    by_ssim = attack(job=OTHER, selection=scores(0.02, 0.5), scored=scores(0.02, 0.5))
    found = worst_case(0.9, floors(), [by_mse, by_ssim])
    assert (found.mse_attack, found.ssim_attack) == (JOB.name, OTHER.name)


def test_a_guess_without_z_bounds_every_failed_attack():
    hopeless = attack(selection=scores(0.2, 0.0), scored=scores(0.2, 0.0))
    found = worst_case(0.9, floors(), [hopeless])
    assert found.mse_attack in ("mean_image", "class_mean")
    assert found.mse == 0.06


def test_a_yardstick_that_knows_the_image_is_no_attack():
    oracle = floors() | {"mean_colour": floors()["mean_image"].model_copy(update={"selection": scores(0.0, 1.0)})}
    assert worst_case(0.9, oracle, [attack()]).mse_attack == JOB.name


def test_the_smaller_split_of_the_published_protocol_gives_no_objective():
    infer = attack(job=JOB.model_copy(update={"part": "infer"}), selection=scores(0.0, 1.0), scored=scores(0.0, 1.0))
    train = attack(job=JOB.model_copy(update={"part": "train"}))
    assert worst_case(0.9, floors(), [infer, train]).mse_attack == "decoder-quick-0-train"


def test_an_attack_on_fewer_images_is_compared_on_the_images_that_both_have():
    """Its mean over 200 images makes the costly attack look worse, but on the same 32 the decoder is."""
    costly = sized(OTHER, {"32": 0.02}, scored=0.022)
    decoder = sized(JOB, {"32": 0.01, "200": 0.03}, scored=0.031)
    found = worst_case(0.9, guesses(), [costly, decoder])
    assert (found.mse_attack, found.mse) == (JOB.name, 0.031)


def test_an_attack_on_fewer_images_decides_if_it_is_worse_on_them():
    costly = sized(OTHER, {"32": 0.02}, scored=0.022)
    decoder = sized(JOB, {"32": 0.03, "200": 0.01}, scored=0.011)
    found = worst_case(0.9, guesses(), [costly, decoder])
    assert (found.mse_attack, found.mse) == (OTHER.name, 0.022)


def test_an_attack_on_few_images_that_does_not_win_changes_nothing():
    """Of two attacks on all images the better one decides, though the other is ahead on the few of a third."""
    better = sized(JOB, {"32": 0.012, "200": 0.01}, scored=0.01)
    other = sized(OTHER, {"32": 0.011, "200": 0.02}, scored=0.02)
    few = sized(JOB.model_copy(update={"attack": "few"}), {"32": 0.05}, scored=0.05)
    alone, beside = (worst_case(0.9, guesses(), found) for found in ([better, other], [better, other, few]))
    assert alone == beside
    assert (beside.mse_attack, beside.mse) == (JOB.name, 0.01)


def test_each_size_challenges_on_as_many_images_as_it_has():
    """On its 100 images the middle attack wins, on the first 32 alone it would not."""
    all_images = sized(JOB, {"32": 0.01, "100": 0.03, "200": 0.03}, scored=0.03)
    middle = sized(OTHER, {"32": 0.02, "100": 0.02}, scored=0.02)
    few = sized(JOB.model_copy(update={"attack": "few"}), {"32": 0.05}, scored=0.05)
    assert worst_case(0.9, guesses(), [few, middle, all_images]).mse_attack == OTHER.name


def test_means_over_different_images_are_never_compared():
    plugin = sized(OTHER, {"10": 0.001}, scored=0.001)
    decoder = sized(JOB, {"32": 0.01, "200": 0.01}, scored=0.01)
    assert worst_case(0.9, guesses(), [plugin, decoder]).mse_attack == JOB.name
    assert left_out(candidates(guesses(), [plugin, decoder])) == {OTHER.name: JOB.name}


def test_a_record_of_before_there_were_subsets_was_measured_on_all_images():
    """So a new attack on all images is compared with it, one on fewer is left out."""
    old = attack(job=JOB, selection=scores(0.02), scored=scores(0.02))
    new = sized(OTHER, {"32": 0.01, "200": 0.01}, scored=0.01)
    few = sized(JOB.model_copy(update={"attack": "few"}), {"32": 0.001}, scored=0.001, images=32)
    for guessed in (floors(), guesses()):
        assert worst_case(0.9, guessed, [old, new]).mse_attack == OTHER.name
    assert worst_case(0.9, floors(), [old, few]).mse_attack == JOB.name
    assert left_out(candidates(floors(), [old, few])) == {few.job.name: JOB.name}


def guesses():
    """Guesses on the first 32 and on all 200 images of attacker-validation."""
    subsets = dict.fromkeys(("32", "200"), scores(0.06, 0.1))
    return {name: guess.model_copy(update={"subsets": subsets}) for name, guess in floors().items()}


def sized(job, subsets, scored, images=200):
    found = attack(job=job, selection=scores(subsets[max(subsets, key=int)]), scored=scores(scored))
    update = {"subsets": {size: scores(mse) for size, mse in subsets.items()}, "images": images}
    return found.model_copy(update={"measured": found.measured.model_copy(update=update)})
