"""The worst case is chosen on attacker-validation and scored elsewhere."""

from harness.worst import worst_case
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


def test_attacks_of_different_size_are_compared_on_the_images_that_all_have():
    """Its mean over 200 images makes the costly attack look worse, but on the same 32 the decoder is."""
    costly = sized(OTHER, {"32": 0.02}, selection=0.02, scored=0.022)
    decoder = sized(JOB, {"32": 0.01, "200": 0.03}, selection=0.03, scored=0.031)
    bounded = {
        name: guess.model_copy(update={"subsets": {"32": scores(0.06, 0.1)}}) for name, guess in floors().items()
    }
    found = worst_case(0.9, bounded, [costly, decoder])
    assert (found.mse_attack, found.mse) == (JOB.name, 0.031)


def sized(job, subsets, selection, scored):
    found = attack(job=job, selection=scores(selection), scored=scores(scored))
    update = {"subsets": {size: scores(mse) for size, mse in subsets.items()}}
    return found.model_copy(update={"measured": found.measured.model_copy(update=update)})
