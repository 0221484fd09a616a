"""Numbers of two versions of one thing are never pooled in silence."""

from pathlib import Path

from harness.judging import Pooled, judged, status
from harness.ledger import TrialFiles
from tests.values import JOB, asked, attack, record


def trial(number: int, versions: dict[str, int], decoder: int = 4, **settings):
    """A complete trial that was made with versions."""
    asked_ = asked(number, settings=settings)
    measured = attack(number).measured.model_copy(update={"version": decoder})
    own = attack(number).model_copy(update={"measured": measured})
    return judged(TrialFiles(number, Path(), asked_, record(number, versions=versions, asked=asked_), (own,)))


def test_one_version_of_each_is_nothing_to_tell():
    assert Pooled([trial(0, {"recipe": 2, "defense": 1}), trial(1, {"recipe": 2})]).lines() == ()


def test_two_versions_of_a_recipe_a_defense_or_an_attack_are_told_with_the_first_trials():
    trials = [
        trial(0, {}),
        trial(1, {"recipe": 2, "defense": 3}),
        trial(2, {"recipe": 2, "defense": 3}, decoder=5),
        trial(3, {"recipe": 2, "defense": 9}, **{"defense/name": "laplace"}),
    ]
    assert [line.partition("):")[0] for line in Pooled(trials).lines()] == [
        "recipe fast is pooled over versions 1 and 2 (first met by trials 0 and 1",
        "defense none is pooled over versions 1 and 3 (first met by trials 0 and 1",
        f"attack {JOB.attack} is pooled over versions 4 and 5 (first met by trials 0 and 2",
    ]


def test_status_tells_what_is_mixed():
    trials = [trial(0, {"recipe": 1}), trial(1, {"recipe": 2})]
    (line,) = status({"name": "small", "digest": "d"}, 2, trials).mixed
    assert line.startswith("recipe fast is pooled over versions 1 and 2")
