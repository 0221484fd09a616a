"""A study whose trainings are held to an accuracy: strengths start, and are not drawn."""

import pytest

from harness.errors import UserError
from harness.study import Range
from harness.study.check import load_checked
from harness.study.faults import inspect

SPACE = """
name: mine
train: {target_accuracy: 0.8}
defense:
  none: {}
  laplace: default
  topk: {ratio: {low: 0.2, high: 0.6}}
  cem_paper: {lam: 0.2, clusters: {low: 1, high: 4}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    return path


def test_a_range_of_a_strength_gives_its_middle_to_start_from_and_all_else_is_drawn(file):
    study = load_checked(file)
    assert study.defense["laplace"]["scale"] == pytest.approx((0.01 * 0.5) ** 0.5)
    assert study.defense["topk"]["ratio"] == pytest.approx(0.4)
    assert study.defense["cem_paper"] == {"lam": 0.2, "clusters": Range(low=1, high=4)}
    assert study.space().shared["train/target_accuracy"] == 0.8
    assert inspect(file).study == study
    without = load_checked(file, ["train/target_accuracy=null"])
    assert isinstance(without.defense["laplace"]["scale"], Range)


def test_targets_may_be_searched_over(file):
    study = load_checked(file, ["train/target_accuracy={low: 0.5, high: 0.9}"])
    assert study.space().shared["train/target_accuracy"] == Range(low=0.5, high=0.9)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train/target_accuracy={choices: [null, 0.5]}", "train/target_accuracy: null among others"),
        ("protocol=cem", "train/target_accuracy: the published protocol fixes the images"),
        ("defense/laplace/scale=0", "defense/laplace/scale: 0: under train/target_accuracy it is moved in proportion"),
        ("defense/laplace/scale={choices: [0.1, 0.2]}", "found, not drawn; give one value to start from"),
    ],
)
def test_what_cannot_be_held_is_refused_with_the_way_out(override, said, file):
    with pytest.raises(UserError) as refused:
        load_checked(file, [override])
    assert said in str(refused.value)
