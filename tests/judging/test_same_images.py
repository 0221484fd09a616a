"""Trials that were scored on other images than the rest are told, by the digests in their records."""

from pathlib import Path

from harness.judging.same_images import other_images
from harness.judging.trials import JudgedTrial
from harness.records import Record
from tests.values import asked, record


def trial(number: int, made: Record | None) -> JudgedTrial:
    return JudgedTrial(number=number, path=Path(str(number)), asked=asked(number), record=made, attacks=())


def scored(number: int, digest: str, part: str = "validation") -> JudgedTrial:
    made = record(number)
    named = {"infer": "test"}.get(part, part)
    measured = made.measured.model_copy(update={"part": part, "digests": {"train": f"t{number}", named: digest}})
    return trial(number, made.model_copy(update={"measured": measured}))


def test_trials_on_one_set_of_images_are_not_told_nor_is_what_they_trained_on():
    assert other_images([scored(0, "a"), scored(1, "a"), scored(2, "a")]) == []


def test_each_set_of_images_is_named_by_the_trial_that_met_it_first():
    (told,) = other_images([scored(0, "a"), scored(1, "b"), scored(2, "a"), scored(3, "b"), scored(4, "c")])
    assert "images of validation: there are 3 sets, first met by trials 0, 1, 4" in told


def test_the_published_protocols_images_are_those_of_its_test_part():
    (told,) = other_images([scored(0, "a", "infer"), scored(1, "b", "infer")])
    assert "images of test" in told


def test_a_trial_without_a_record_says_nothing():
    assert other_images([trial(0, None), scored(1, "a")]) == []
