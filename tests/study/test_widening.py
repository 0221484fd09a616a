"""A study is widened or refused: whatever its trials were drawn from stays, and more comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.study import Choices, Range, Setting, load_study, widened
from harness.study.problem import Problem
from harness.study.widening import covers

SPACE = """
name: mine
model: {width: 0.25, sigma: {choices: [0.05, 0.1]}}
train: {epochs: 3}
defense:
  none: {}
  laplace: {scale: {low: 0.01, high: 1.0, log: true}}
  dropout: {rate: {low: 0.1, high: 0.5, step: 0.1}}
attacks: {decoder: quick}
"""

WIDER = [
    ("defense/laplace/scale={low: .001, high: 2}", ["defense/laplace/scale"]),
    ("defense/laplace/scale={low: .001, high: 2, log: true}", ["defense/laplace/scale"]),
    ("defense/dropout/rate={low: 0.1, high: 0.9, step: 0.1}", ["defense/dropout/rate"]),
    ("defense/dropout/rate={low: 0.05, high: 0.5, step: 0.05}", ["defense/dropout/rate"]),
    ("defense/dropout/rate={choices: [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]}", ["defense/dropout/rate"]),
    ("model/sigma={choices: [0.05, 0.1, 0.2]}", ["model/sigma"]),
    ("model/sigma={low: 0.0, high: 0.2}", ["model/sigma"]),
    ("train/epochs={low: 2, high: 9}", ["train/epochs"]),
    ("defense/nopeek={lam: 0.1}", ["defense/nopeek"]),
    ("attacks/rmle=quick", ["attacks/rmle"]),
    ("attacks/decoder/seeds=2", ["attacks/decoder/seeds"]),
]
NARROWER = [
    ("defense/laplace/scale={low: .02, high: 2, log: true}", "defense/laplace/scale", "does not hold all of"),
    ("defense/laplace/scale=0.1", "defense/laplace/scale", "0.1 does not hold all of"),
    ("defense/laplace/scale={choices: [0.01, 1.0]}", "defense/laplace/scale", "does not hold all of"),
    ("defense/dropout/rate={low: 0.1, high: 0.5, step: 0.2}", "defense/dropout/rate", "does not hold all of"),
    ("model/sigma={choices: [0.05, 0.2]}", "model/sigma", "does not hold all of"),
    ("train/epochs=4", "train/epochs", "4 does not hold all of 3"),
    (
        "defense/laplace={scale: {low: 0.01, high: 1.0, log: true}, extra: 1}",
        "defense/laplace/extra",
        "no such setting",
    ),
    ("defense={none: {}, laplace: default}", "defense", "branches none, laplace in place of none, laplace, dropout"),
    ("term={cem_paper: default}", "term", "the study has no terms"),
    ("attacks={rmle: quick}", "attacks/decoder", "absent in place of"),
    ("attacks/decoder=standard", "attacks/decoder", '"standard"'),
    ("search/seed=5", "search/seed", "5 in place of 0"),
    ("name=other", "name", '"other" in place of "mine"'),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("widening") / "mine.yaml"
    path.write_text(SPACE)
    return path


@pytest.mark.parametrize(("setting", "paths"), WIDER)
def test_what_is_wider_is_told_by_path_with_what_it_was(setting, paths, file):
    there, wider = load_study(file), load_study(file, [setting])
    changes = widened(there, wider)
    assert [change.path for change in changes] == paths
    assert all(change.was != change.now for change in changes)


@pytest.mark.parametrize(("setting", "path", "told"), NARROWER)
def test_what_is_narrower_or_other_is_refused_by_its_path_with_both_values_and_a_way_out(setting, path, told, file):
    with pytest.raises(Problem) as refused:
        widened(load_study(file), load_study(file, [setting]))
    assert refused.value.path == path
    assert told in str(refused.value)
    assert str(refused.value).endswith("a study is widened, never narrowed; for another one choose another name")


def test_nothing_is_wider_than_itself(file):
    assert widened(load_study(file), load_study(file, ["resources/concurrent=4", "search/trials=99"])) == ()


WHOLE = st.integers(-20, 20)


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    low, more, step = draw(WHOLE), draw(st.integers(0, 8)), draw(st.sampled_from([1, 2, 3]))
    kind = draw(st.sampled_from(["constant", "choices", "whole", "real", "stepped"]))
    match kind:
        case "constant":
            return low
        case "choices":
            return Choices(tuple(range(low, low + more + 1, step)))
        case "whole":
            return Range(low=low, high=low + more * step, step=step)
        case "stepped":
            return Range(low=float(low), high=float(low + more * step), step=float(step))
    return Range(low=float(low), high=float(low + more))


def drawn(setting: Setting) -> list[int | float]:
    """Whole and half numbers that a setting can have: enough to tell any two of those above apart."""
    halves = [half / 2 for half in range(-60, 120)]
    return [
        half for half in halves if (setting.contains(half) if isinstance(setting, Range | Choices) else setting == half)
    ]


@given(settings(), settings())
def test_a_setting_covers_another_exactly_when_it_holds_all_its_values(wider, entry):
    assert covers(wider, entry) == (set(drawn(entry)) <= set(drawn(wider)))
