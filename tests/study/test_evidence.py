"""Results of another study inform a search where both measure the same; nothing else of a study knows of them."""

import shutil
import sys
from pathlib import Path

import pytest

from attacks.decoder import Decoder
from attacks.metrics import protocol_digest
from harness.cli import main
from harness.display.lines import Lines
from harness.display.story import Story
from harness.doctor import examine
from harness.driver.driving import run
from harness.driver.endpoints import Endpoints
from harness.driver.extending import Plan, planned, write_down
from harness.errors import UserError
from harness.ledger import Ledger
from harness.records import AttackJob
from harness.search import Conditions, Search, open_rows, reconcile
from harness.study import load_study
from harness.study.borrowing import borrowed_lines, borrowed_of
from harness.study.check import load_all_checked
from harness.study.jobs import attack_jobs
from tests.values import JOB, asked, attack, book_of, record, scores

LEDGER = "00000000-0000-4000-8000-00000000000"
SPACE = """
name: {name}
data: {{name: digits}}
model: {{width: 0.125, sigma: {{choices: [0.05, 0.1]}}}}
train: {{recipe: fast, epochs: 4, batch_size: 64, images: 640, ramp: 0.125, label_smoothing: 0}}
defense: {{laplace: {{scale: {{low: 0.1, high: 1.0}}}}, none: {{}}}}
attacks: {{decoder: quick}}
search: {{trials: 20, seed: 1{more}}}
"""
RESULTS = ", from: {study: first, take: results}"
MEASURED = attack().measured.model_copy(update={"metrics": protocol_digest(), "version": Decoder.version})
COUNT = 24
TODAY = {"train/ramp": 0.125, "train/label_smoothing": 0.0}


def write(folder, name, more="", ledger=""):
    path = folder / f"{name}.yaml"
    path.write_text(SPACE.format(name=name, more=more) + ledger)
    return path


def publish(ledger, number, scale, accuracy=0.9, **changes):
    """A trial that leaks the less the nearer its scale is to .3."""
    own = {"defense/name": "laplace", "defense/laplace/scale": scale, "model/sigma": 0.1} | TODAY | changes
    one, mse = asked(number, settings=own), 0.05 - 0.04 * abs(scale - 0.3)
    found = attack(number, scored=scores(mse, 1 - 10 * mse), selection=scores(mse))
    ledger.publish_asked(one)
    ledger.publish_attack(found.model_copy(update={"measured": MEASURED.model_copy(update={"scores": scores(mse)})}))
    ledger.publish_record(record(number, accuracy=accuracy).model_copy(update={"asked": one}))


@pytest.fixture
def first(tmp_path):
    """A study of which 24 trials fit the second one, and one, whose scale is 2, does not."""
    root = tmp_path / "first"
    study = load_all_checked(write(tmp_path, "first", ledger=f"ledger: {LEDGER}1\n")).study
    write_down(Plan(study, None), Ledger(root))
    for number in range(COUNT):
        publish(Ledger(root), number, round(0.1 + 0.9 * number / COUNT, 3))
    publish(Ledger(root), COUNT, 2.0)
    return root


def begun(folder, more=RESULTS):
    """The directory of a second study, as its driver begins it."""
    loaded = load_all_checked(write(folder, "second", more), out=folder)
    study = loaded.study.model_copy(update={"ledger": f"{LEDGER}2"})
    write_down(Plan(study, None, borrowed=loaded.borrowed), Ledger(folder / "second"))
    return folder / "second"


def search(root):
    study, ledger = load_study(root / "study.yaml"), Ledger(root)
    book = book_of(ledger)
    rows = open_rows(study, root, book.outlines, None)
    conditions = Conditions("l", attack_jobs(study), {"train": 1, "attack": 1}, "float32")
    found = Search(study, rows, ledger, conditions, borrowed=borrowed_of(study, root))
    reconcile(found, rows, book)
    return found


def scales(root, count=12):
    found = search(root)
    settings = [found.ask().settings for _ in range(count)]
    return [own["defense/laplace/scale"] for own in settings if own["defense/name"] == "laplace"]


def test_what_was_measured_elsewhere_is_drawn_by_from_the_first_trial_on(first, tmp_path):
    root = begun(tmp_path)
    informed, alone = scales(root), scales(begun(tmp_path / "first", more=""))
    far, near = (sum(abs(scale - 0.3) for scale in drawn) / len(drawn) for drawn in (alone, informed))
    assert near < 0.6 * far
    assert list(borrowed_lines(load_study(root / "study.yaml"))) == [
        f"24 results of first ({load_study(first / 'study.yaml').digest()[:12]}) inform the search"
    ]


def test_they_count_for_no_budget_and_no_front_and_the_other_study_may_go(first, tmp_path, capsys):
    root = begun(tmp_path)
    shutil.rmtree(first)
    found = search(root)
    numbers = [trial.number for trial in iter(found.ask, None)]
    assert numbers == list(range(20))
    assert main(["status", str(root)]) == 0
    told = capsys.readouterr().out
    assert "second: 20 trials: 20 running" in told
    assert "front: 0 of them" in told
    assert "24 results of first" in told
    assert main(["show", str(root), "0"]) == 0
    assert "24 results of first" in capsys.readouterr().out
    assert main(["report", str(root)]) == 0
    assert "24 results of first" in (root / "report" / "index.html").read_text()


def test_the_next_draw_is_the_same_after_a_crash_and_after_the_rows_were_made_anew(first, tmp_path):
    cut_off = begun(tmp_path)
    whole = search(Path(shutil.copytree(cut_off, tmp_path / "whole")))
    expected = [whole.ask().settings for _ in range(6)]
    drawn = []
    for number in range(6):
        if number == 4:
            (cut_off / "study.db").unlink()
        found = search(cut_off)
        found.again.clear()
        drawn.append(found.ask().settings)
    assert drawn == expected


def test_a_driver_that_was_killed_between_its_writes_leaves_what_the_next_one_begins_anew(first, tmp_path):
    loaded = load_all_checked(write(tmp_path, "second", RESULTS), out=tmp_path)
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "borrowed.json").write_bytes(loaded.borrowed.content()[:100])
    assert borrowed_of(load_study(begun(tmp_path) / "study.yaml"), tmp_path / "second") == loaded.borrowed


def test_a_study_that_has_begun_keeps_what_it_took(first, tmp_path):
    digest = load_study(begun(tmp_path) / "study.yaml").digest()
    publish(Ledger(first), COUNT + 1, 0.5)
    again = load_all_checked(tmp_path / "second.yaml", out=tmp_path)
    assert (again.study.digest(), again.borrowed) == (digest, None)
    moved = first.rename(tmp_path / "moved")
    assert load_all_checked(tmp_path / "second.yaml", out=tmp_path).study.digest() == digest
    (tmp_path / "first").symlink_to(moved)
    (tmp_path / "second.yaml").write_text(SPACE.format(name="third", more=RESULTS))
    assert load_all_checked(tmp_path / "second.yaml", out=tmp_path).study.search.origin.taken == COUNT + 1


def test_a_widened_study_is_informed_under_its_wider_space(first, tmp_path):
    root = begun(tmp_path)
    search(root).ask()
    wider = load_all_checked(root / "study.yaml", ["defense/laplace/scale={low: .05, high: 3}"], 30)
    write_down(planned(wider, root), Ledger(root))
    assert len(scales(root)) > 0
    assert borrowed_of(load_study(root / "study.yaml"), root) is not None


def test_results_without_an_attack_that_came_later_no_longer_inform(first, tmp_path):
    root = begun(tmp_path)
    wider = load_all_checked(root / "study.yaml", ["attacks/linear=quick"])
    write_down(planned(wider, root), Ledger(root))
    study = load_study(root / "study.yaml")
    assert borrowed_of(study, root) is None
    (line,) = borrowed_lines(study)
    assert line.endswith("inform the search no longer: without linear-quick-0")


def test_a_study_without_another_one_is_the_study_that_it_was(tmp_path):
    path = write(tmp_path, "alone", ledger="version: '0.1'\n")
    path.write_text(path.read_text().replace(", ramp: 0.125, label_smoothing: 0", ""))
    study = load_study(path)
    assert "origin" not in study.dump()
    assert study.digest() == "a8c2c5d41deb3bf05006fcaf91814b6edb496a3ce31c58af28461f80e5140fdf"


def test_a_copy_that_is_gone_or_edited_is_found_by_doctor_and_by_resume(first, tmp_path):
    root = begun(tmp_path)
    assert not [finding for finding in examine(root) if finding.wrong and finding.path.name == "borrowed.json"]
    for content in (b"{}", None):
        (root / "borrowed.json").unlink() if content is None else (root / "borrowed.json").write_bytes(content)
        (found,) = (finding for finding in examine(root) if finding.path.name == "borrowed.json")
        assert "put back a copy" in found.remedy
        with pytest.raises(UserError, match=r"borrowed.json: is .*; put back a copy.* --set search/origin=null`"):
            borrowed_of(load_study(root / "study.yaml"), root)


def test_a_study_goes_on_without_a_copy_that_is_lost_and_its_lineage_tells(first, tmp_path):
    root = begun(tmp_path)
    (root / "borrowed.json").unlink()
    write_down(planned(load_all_checked(root / "study.yaml", ["search/origin=null"]), root), Ledger(root))
    study = load_study(root / "study.yaml")
    assert (study.search.origin, borrowed_of(study, root), list(borrowed_lines(study))) == (None, None, [])
    assert not [finding for finding in examine(root) if finding.wrong and finding.path.name == "borrowed.json"]
    ((change,),) = (extension.changes for extension in Ledger(root).lineage().extensions)
    assert (change.path, change.was, change.now) == (
        "search/origin",
        f"{COUNT} results of first inform the search",
        "null",
    )


def test_an_origin_is_ended_and_never_made(first, tmp_path):
    root = begun(tmp_path)
    with pytest.raises(UserError, match="search/origin"):
        planned(load_all_checked(root / "study.yaml", ["search/origin/taken=3"]), root)


def test_what_does_not_fit_is_left_out_and_counted(first, tmp_path):
    publish(Ledger(first), COUNT + 1, 0.2, **{"defense/name": "dropout"})
    borrowed = load_all_checked(write(tmp_path, "second", RESULTS)).borrowed
    assert (len(borrowed.results), borrowed.left_out) == (COUNT, 2)


def test_objectives_are_over_this_studys_attacks_and_its_floor_decides(first, tmp_path):
    job = AttackJob(attack="rmle", budget="quick", seed=0, part="validation")
    Ledger(first).publish_attack(attack(0, job, scored=scores(0.001), selection=scores(0.001)))
    results = load_all_checked(write(tmp_path, "second", RESULTS)).borrowed.results
    assert results[0].objectives.mse == pytest.approx(0.05 - 0.04 * 0.2)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model/cut=3", "first: model/cut is 4 there, 3 here; results are taken where both agree"),
        ("train/epochs=5", "train/epochs is 4 there, 5 here"),
        ("protocol=cem", "protocol is 'strict' there, 'cem' here"),
        ("attacker={data: few, images: 10}", "attacker/data is None there, 'few' here"),
        ("attacks={rmle: quick}", "rmle-quick-0 is an attack here, there they are decoder-quick-0"),
        ("attacks/decoder/seeds=2", "decoder-quick-1 is an attack here"),
        ("search/sampler=random", "search/sampler: random: draws by no results of others; take tpe"),
        ("model/sigma=0.05", "none of its 25 complete trials fits this study: model/sigma: 0.1 is outside the study"),
        ("search/from={study: first, take: all}", "search/from/take: takes anchors or results, not 'all'"),
        ("search/from={study: first, takes: results}", "search/from/takes: unknown key"),
        ("search/from={take: results}", "search/from/study: None: takes another study's directory"),
    ],
)
def test_what_measures_something_else_is_refused_with_both_values(setting, told, first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        load_all_checked(write(tmp_path, "second", RESULTS), [setting])
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"version": 99}, "decoder-quick-0 is of version 99 there"), ({"metrics": "0" * 64}, "metrics are 000000000000")],
)
def test_results_of_other_versions_are_refused(changed, told, first, tmp_path):
    for number in range(COUNT + 1):
        path = Ledger(first).trial(number) / "attacks" / f"{JOB.name}.json"
        own = Ledger(first).read(number).attacks[0]
        measured = own.measured.model_copy(update=changed)
        path.write_text(own.model_copy(update={"measured": measured}).model_dump_json())
    with pytest.raises(UserError, match=told):
        load_all_checked(write(tmp_path, "second", RESULTS))


def test_results_on_other_images_are_refused_before_anything_is_made(first, tmp_path):
    for number in range(COUNT + 1):
        path = Ledger(first).trial(number) / "record.json"
        own = Ledger(first).read(number).record
        measured = own.measured.model_copy(update={"digests": {"train": "1" * 64, "validation": "2" * 64}})
        path.write_text(own.model_copy(update={"measured": measured}).model_dump_json())
    loaded = load_all_checked(write(tmp_path, "second", RESULTS))
    with pytest.raises(UserError, match=r"first: the validation images are 222222222222 there, [0-9a-f]{12} here"):
        run(loaded.study, tmp_path, Endpoints(tracked=False), Lines(sys.stdout, Story()), loaded.borrowed)
    assert not (tmp_path / "second").exists()
