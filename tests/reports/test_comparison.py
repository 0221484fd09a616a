"""Studies are pooled if they measured the same thing, refused with the first difference or marked if they did not."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness.cli import main
from reports.comparison import front_table, page, pooled, reference, render, words
from reports.drawings import plane_picture, ranks_picture
from reports.front import front, hypervolume, on_front
from reports.ranking import ranking, ranks_words
from reports.statistics import ranks
from reports.svg import Dot, diagram, plane
from reports.tables import read
from reports.unlike import Named, differences
from tests.confirms import searched
from tests.synthetic_study import write_study

OLD = Path(__file__).parents[1] / "old_studies" / "0.1" / "strict"


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return [Named(name, read(write_study(folder / name, 24, seed=seed))) for seed, name in enumerate("abc")]


def other(study, **changes):
    """The same study with something else in its description."""
    return study._replace(data=dataclasses.replace(study.data, study=study.data.study | changes))


CHANGES = {
    "images": {"parts": {"validation": {"images": 200, "digest": "f" * 64}}},
    "metrics": {"metrics": {"ssim": "zero-padded"}},
    "precision": {"hardware": {"precision": "bfloat16"}},
    "protocol": {"protocol": "cem"},
}


@pytest.mark.parametrize(("aspect", "change"), CHANGES.items())
def test_each_difference_is_named_with_both_values(studies, aspect, change):
    (found,) = differences([studies[0], other(studies[1], **change)])
    assert (found.aspect, found.one, found.other) == (aspect, "a", "b")
    assert found.one_value != found.other_value
    assert not differences(studies)


def test_confirms_in_two_precisions_differ_and_a_study_without_any_is_like_both(studies):
    one, two = (other(studies[i], confirm_precision=name) for i, name in enumerate(("float32", "bfloat16")))
    assert [str(each) for each in differences([one, two])] == [
        "precision of the confirms: a has float32, b has bfloat16"
    ]
    assert not differences([studies[2], one])
    assert not differences([two, studies[2]])


def test_another_budget_or_version_of_an_attack_is_a_difference(studies):
    one, two, _ = studies
    raised = two._replace(data=dataclasses.replace(two.data, attacks=two.data.attacks.assign(budget="standard")))
    assert [each.what for each in differences([one, raised])] == ["attack decoder:quick", "attack decoder:standard"]
    newer = two._replace(data=dataclasses.replace(two.data, attacks=two.data.attacks.assign(version=7)))
    assert str(differences([one, newer])[0]) == "attack decoder:quick: a has version 1, b has version 7"


def test_differences_are_told_in_the_order_of_their_weight(studies):
    changed = other(studies[1], **CHANGES["precision"], **CHANGES["images"])
    assert [each.aspect for each in differences([studies[0], changed])] == ["images", "precision"]


def test_the_pooled_front_is_that_of_all_trials_together(studies):
    both = pooled(studies)
    assert len(both) == sum(len(each.data.trials) for each in studies)
    members = {(row.study, row.trial) for row in both[on_front(both)].itertuples()}
    assert {(row[0], int(row[1])) for row in front_table(studies).rows} == members
    for each in studies:  # what is dominated at home is dominated in company
        own = set(front(each.data.trials)["trial"])
        assert {trial for name, trial in members if name == each.name} <= own


def test_unlike_studies_are_marked_and_have_no_pooled_front(studies, tmp_path):
    render(studies, tmp_path)
    tables = {f"{name}.{ending}" for name in ("trials", "ranks", "front") for ending in ("csv", "parquet")}
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "tables", "figures", *tables}
    assert {"studies.tex", "front.md", "front.csv"} <= {path.name for path in (tmp_path / "tables").iterdir()}
    unlike = [studies[0], other(studies[1], **CHANGES["images"])]
    html = render(unlike, tmp_path).read_text()
    assert "unlike studies: not to be pooled" in html
    assert "validation images: a has sha256:77aa, b has ffffffffffff" in html
    assert "What nothing dominates in any of them" not in html
    assert not (tmp_path / "front.csv").exists()
    assert not (tmp_path / "tables" / "front.tex").exists()
    assert "not pooled" in words(unlike)[1]


def test_the_common_reference_is_the_worst_of_all(studies):
    changed = other(studies[1], hypervolume_reference={"accuracy": 0.05, "mse": 0.001, "ssim": 0.9})
    assert reference([studies[0], changed]) == {"accuracy": 0.05, "mse": 0.0, "ssim": 1.0}


def test_ranks_are_over_the_hypervolume_of_each_defense_in_each_study(studies):
    found = ranking(studies)
    assert found.scores.shape == (3, 4)
    one = studies[0].data
    own = one.trials[one.trials["defense/name"].eq("laplace") & on_front(one.trials, ("accuracy", "mse", "ssim"))]
    assert found.scores.loc["a", "laplace"] >= hypervolume(own, one.study["hypervolume_reference"])
    expected = ranks(found.scores)
    assert found.found.mean.to_dict() == expected.mean.to_dict()
    assert f"Over 3 studies {expected.mean.index[0]} ranks best" in ranks_words(found)[0]


def test_too_few_studies_are_not_ranked_and_it_says_why(studies):
    assert ranking(studies[:2]).found is None
    assert "Ranks are told over 3 studies or more; here are 2." in page(studies[:2])


def test_a_diagram_sets_the_best_on_the_left_and_joins_what_cannot_be_told_apart():
    scores = pd.DataFrame([[3.0, 2.0, 1.0]] * 20, columns=["best", "middle", "worst"])
    scores.iloc[::2, :2] = [2.0, 3.0]
    drawn = diagram(ranks(scores))
    assert [one.name for one in sorted(drawn.ranked, key=lambda one: one.at)][-1] == "worst"
    (bar,) = drawn.bars
    assert bar.start < drawn.ranked[0].at <= drawn.ranked[1].at < bar.end < drawn.ranked[2].at


def test_a_diagram_for_papers_says_what_the_page_says():
    found = diagram(ranks(pd.DataFrame({"a": [3.0, 3, 3, 2], "b": [2.0, 2, 2, 3], "c": [1.0, 1, 1, 1]})))
    (axes,) = ranks_picture(found).axes
    assert {text.get_text() for text in axes.texts} >= {"a 1.25", "b 1.75", "c 3.00", "critical difference"}
    assert axes.yaxis_inverted()


def test_a_plane_for_papers_has_every_point_its_interval_and_the_better_side_up():
    dots = [Dot(0.5, 0.3, "a", 0, True, (0.4, 0.6), (0.2, 0.4)), Dot(0.6, 0.5, "b", 1, False)]
    (axes,) = plane_picture(plane(dots, "accuracy", "ssim", [(0, [(0.5, 0.3), (0.6, 0.5)])]), [("a", 0), ("b", 1)]).axes
    assert [tuple(map(float, one[0].get_xydata()[0])) for one in axes.containers] == [(0.5, 0.3), (0.6, 0.5)]
    assert [len(one[2]) for one in axes.containers] == [2, 0]
    assert (axes.xaxis_inverted(), axes.yaxis_inverted()) == (False, True)


def test_the_upper_right_is_better_in_every_plane():
    for name, better in (("mse", 0.9), ("ssim", 0.1)):
        worse = 1 - better
        drawn = plane([Dot(0.9, better, ""), Dot(0.1, worse, "")], "accuracy", name)
        assert drawn.dots[0].x > drawn.dots[1].x
        assert drawn.dots[0].y < drawn.dots[1].y  # downwards


def test_a_name_of_strangers_is_text(studies):
    html = page([studies[0]._replace(name="<b>a</b>"), *studies[1:]])
    assert "<b>" not in html
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import", html)


def test_studies_without_trials_say_so(tmp_path):
    empty = [Named(name, read(write_study(tmp_path / name, 0))) for name in "ab"]
    assert "No trial of any study is complete and reaches its floor yet." in page(empty)


def test_the_command_refuses_unlike_studies_and_writes_like_ones(tmp_path, capsys):
    given = searched(tmp_path / "one", [(0.6, 0.02, 0.4), (0.5, 0.03, 0.3)]).root
    again = searched(tmp_path / "two", [(0.7, 0.01, 0.5)]).root
    old = shutil.copytree(OLD, tmp_path / "old")
    assert main(["report", str(given), str(old), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "; --unlike puts them side by side" in line
    assert not (tmp_path / "out").exists()
    assert main(["report", str(given), str(old), "--unlike", "--out", str(tmp_path / "out")]) == 0
    assert main(["report", str(given), str(again), "--json"]) == 0
    document = json.loads(capsys.readouterr().out.partition("\n")[2])
    out = tmp_path / "one" / "comparison"
    assert document == {"report": str(out / "index.html"), "data": str(out)}
    drawn = {f"accuracy-{y}.{form}" for y in ("mse", "ssim") for form in ("png", "pdf")}
    assert {path.name for path in (out / "figures").iterdir()} == drawn
    assert not (given / "report").exists()
    assert main(["report", str(given), "--unlike"]) == 2
