"""A study starts with what another one found best, as far as it can draw it."""

import shutil

import pytest

from harness.errors import UserError
from harness.ledger.files import Ledger
from harness.study import load_study
from harness.study.load import load
from tests.values import asked, attack, record, scores

SPACE = """
name: second
model: {width: 0.25, sigma: {choices: [0.05, 0.1]}}
defense: {none: {}, laplace: {scale: {low: 0.1, high: 1.0}}}
search: {anchors: [{defense/name: none, model/sigma: 0.05}], from: %s}
"""
LAPLACE = {"defense/name": "laplace", "defense/laplace/scale": 0.5, "model/sigma": 0.1}


@pytest.fixture
def first(tmp_path):
    """A study whose trials 0 to 4 are on the front, and 5 is not."""
    ledger = Ledger(tmp_path / "first")
    ledger.root.mkdir()
    ledger.study_file.write_text("name: first")
    settings = [{}, LAPLACE, LAPLACE | {"defense/laplace/scale": 2.0}, {"defense/name": "dropout"}, LAPLACE]
    for number, own in enumerate([*settings, {"model/sigma": 0.1}]):
        one = asked(number, settings=own)
        ledger.publish_asked(one)
        mse = 0.01 * (1 + number) if number < len(settings) else 0.001
        ledger.publish_record(record(number, accuracy=0.9 - number / 10, mse=mse).model_copy(update={"asked": one}))
        ledger.publish_attack(attack(number, scored=scores(mse), selection=scores(mse)))
    return ledger.root


def anchors(tmp_path, source, *settings):
    (tmp_path / "second.yaml").write_text(SPACE % source)
    return load_study(tmp_path / "second.yaml", settings).search.anchors


def test_the_front_of_another_study_is_tried_first_as_far_as_this_one_draws_it(first, tmp_path):
    plain = {"defense/name": "none", "model/sigma": 0.05}
    assert anchors(tmp_path, "first") == (plain, LAPLACE)  # found beside the file; 2.0 and dropout do not fit
    scale = {"defense/name": "laplace", "defense/laplace/scale": 0.5}
    assert anchors(tmp_path, first, "model/sigma=0.1") == ({"defense/name": "none"}, scale)


def test_the_study_holds_the_settings_themselves(first, tmp_path):
    anchors(tmp_path, "first")
    study = load_study(tmp_path / "second.yaml")
    (tmp_path / "study.yaml").write_text(study.dump())
    assert "from" not in study.dump()
    assert load_study(tmp_path / "study.yaml").digest() == study.digest()


def test_a_study_that_has_begun_keeps_the_settings_though_the_other_one_went_on_or_is_gone(first, tmp_path):
    anchors(tmp_path, "first")
    begun = load(tmp_path / "second.yaml", out=tmp_path).study
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "study.yaml").write_text(begun.dump())
    shutil.rmtree(first / "trials" / "00001")
    shutil.rmtree(first / "trials" / "00004")
    assert load(tmp_path / "second.yaml", out=tmp_path).study == begun
    shutil.rmtree(first)
    assert load(tmp_path / "second.yaml", out=tmp_path).study.digest() == begun.digest()
    with pytest.raises(UserError, match="no such directory"):
        load(tmp_path / "second.yaml", out=tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("source", "settings", "told"),
    [
        ("nowhere", (), "search/from: .*nowhere: no such directory; name a study's directory"),
        ("3", (), "search/from: 3: takes another study's directory"),
        (
            "first",
            ("defense={cem_paper: default}", "search/anchors=[]"),
            "search/from: .*first: none of the 5 trials of its front fits",
        ),
    ],
)
def test_a_source_that_gives_nothing_is_refused_in_one_line(source, settings, told, first, tmp_path):
    with pytest.raises(UserError, match=told):
        anchors(tmp_path, source, *settings)
