"""Doctor: names every fault of a study's directory, changes nothing unasked, and mends without losing anything."""

import contextlib
import os
import re
import shutil
import sqlite3

import pytest

from harness.cli import main
from harness.doctor import examine, mend
from harness.errors import UserError
from harness.ledger.files import Ledger, read_value
from harness.records.asked import Asked
from harness.records.trial import Record
from harness.search.index import open_rows
from harness.study.check import load_checked
from tests.values import JOB, asked, attack, book_of, record

LEDGER = "00000000-0000-4000-8000-000000000000"
SPACE = f"""
name: small
data: {{name: digits}}
model: {{width: 0.25, sigma: {{choices: [0.05, 0.1]}}}}
train: {{recipe: fast, epochs: 3, batch_size: 64, images: 256}}
defense: {{none: {{}}}}
attacks: {{decoder: quick}}
search: {{trials: 4}}
ledger: {LEDGER}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of two finished trials and one that was cut off, as drivers leave it."""
    root = tmp_path_factory.mktemp("doctor") / "small"
    root.mkdir()
    (root / "study.yaml").write_text(SPACE)
    ledger = Ledger(root)
    for number in (0, 1):
        ledger.publish_asked(asked(number))
        attempt = ledger.trial(number) / "attempt-1"
        attempt.mkdir()
        for array in (f"{JOB.name}.parquet", f"{JOB.name}.npz"):
            (attempt / array).write_bytes(b"arrays")
        (attempt / f"{JOB.name}.json").write_text(attack(number).model_dump_json(indent=1))
        (attempt / "record.json").write_text(record(number).model_dump_json(indent=1))
        ledger.publish_attack(attack(number))
        ledger.publish_record(record(number))
    ledger.publish_asked(asked(2))
    open_index(ledger)
    return root


@pytest.fixture
def ledger(whole, tmp_path):
    return Ledger(shutil.copytree(whole, tmp_path / "small"))


def open_index(ledger):
    return open_rows(load_checked(ledger.study_file), ledger.root, book_of(ledger).outlines, None)


def snapshot(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def cure(ledger):
    """Mend all that is found, as often as something new comes to light; return the actions."""
    actions = []
    for _ in range(3):
        found = [finding for finding in examine(ledger.root) if finding.wrong]
        for finding in found:
            actions.append(finding.action)
            mend(ledger.root, finding, None)
        if not found:
            return actions
    pytest.fail(f"still wrong: {found}")


def corrupt(path):
    path.write_bytes(path.read_bytes()[:40])


def lose_copies(ledger, number):
    for copy in (ledger.trial(number) / "attempt-1").glob("*.json"):
        copy.unlink()


def test_nothing_is_wrong_with_a_whole_study(ledger):
    assert examine(ledger.root) == []


@pytest.mark.parametrize("name", ["asked.json", "record.json", f"attacks/{JOB.name}.json"])
def test_what_has_a_good_copy_is_restored_byte_for_byte(ledger, name):
    path = ledger.trial(0) / name
    whole = path.read_bytes()
    corrupt(path)
    torn = path.read_bytes()
    assert cure(ledger) == ["restore"]
    assert path.read_bytes() == whole
    assert path.with_name(f"{path.name}.corrupt-1").read_bytes() == torn


def test_a_record_of_another_trial_is_a_fault(ledger):
    (ledger.trial(0) / "record.json").write_text(record(1).model_dump_json())
    assert "says trial 1, not 0" in examine(ledger.root)[0].what
    assert cure(ledger) == ["restore"]
    assert ledger.read(0).record == record(0)


def test_a_record_without_a_copy_is_moved_aside_and_its_trial_handed_out_again(ledger):
    lose_copies(ledger, 0)
    corrupt(ledger.trial(0) / "record.json")
    assert cure(ledger) == ["again", "rebuild"]
    assert ledger.read(0).record is None
    assert open_index(ledger).trials[0].state.name == "RUNNING"


def test_an_attack_without_a_copy_takes_its_trials_record_along(ledger):
    """The record's worst case stands on the attack: it is done again before the trial counts as finished."""
    lose_copies(ledger, 0)
    corrupt(ledger.trial(0) / "attacks" / f"{JOB.name}.json")
    assert cure(ledger)[0] == "again"
    assert (ledger.read(0).record, ledger.read(0).attacks) == (None, ())
    assert read_value(ledger.trial(0) / "record.json.corrupt-1", Record) == record(0)


@pytest.mark.parametrize("missing", [True, False])
def test_an_asked_file_is_recovered_from_the_trials_record(ledger, missing):
    path = ledger.trial(1) / "asked.json"
    path.unlink() if missing else corrupt(path)
    assert cure(ledger) == ["restore"]
    assert read_value(path, Asked) == asked(1)


def test_a_trial_without_its_question_is_kept_out_of_the_way(ledger):
    corrupt(ledger.trial(2) / "asked.json")
    (ledger.trial(2) / "attempt-1").mkdir()
    (ledger.trial(2) / "attempt-1" / "train.json").write_text("{}")
    assert cure(ledger) == ["lost"]
    assert ledger.numbers() == [0, 1]
    assert (ledger.root / "lost" / "00002-1" / "attempt-1" / "train.json").read_text() == "{}"


def test_arrays_that_are_gone_are_told_and_left_to_the_user(ledger):
    (ledger.trial(0) / "attempt-1" / f"{JOB.name}.npz").unlink()
    (finding,) = examine(ledger.root)
    assert f"{JOB.name}.npz" in finding.what
    assert (finding.fixable, finding.wrong) == (False, True)


def test_leftovers_of_writes_and_finished_trainings_are_removed(ledger):
    leftovers = [ledger.root / ".study.yaml.7.tmp", ledger.trial(0) / "attempt-1" / "checkpoint-000000010.pt"]
    needed = ledger.trial(2) / "attempt-1" / "checkpoint-000000010.pt"
    needed.parent.mkdir()
    for path in [*leftovers, needed]:
        path.write_bytes(b"x")
    assert sorted(cure(ledger)) == ["remove", "remove"]
    assert needed.exists()
    assert not any(path.exists() for path in leftovers)


def test_a_torn_index_is_kept_aside_and_rebuilt(ledger):
    (ledger.root / "study.db").write_bytes(b"no database")
    assert cure(ledger) == ["rebuild"]
    assert [row.state.name for row in open_index(ledger).trials] == ["COMPLETE", "COMPLETE", "RUNNING"]
    assert (ledger.root / "study.db.torn-0").read_bytes() == b"no database"


def test_a_lost_index_is_rebuilt(ledger):
    (ledger.root / "study.db").unlink()
    assert cure(ledger) == ["rebuild"]
    assert len(open_index(ledger).trials) == 3


def test_a_row_with_other_values_than_the_record_is_a_fault(ledger):
    with sqlite3.connect(ledger.root / "study.db") as database:
        database.execute("UPDATE trial_values SET value = 0.5 WHERE objective = 0")
    (finding,) = examine(ledger.root)
    assert "tells of other trials than the directory: [0, 1]" in finding.what
    assert cure(ledger) == ["rebuild"]
    assert open_index(ledger).trials[0].values[0] == pytest.approx(0.9)


def test_a_finished_row_that_the_directory_does_not_know_is_a_fault(ledger):
    shutil.rmtree(ledger.trial(1))
    assert cure(ledger) == ["rebuild"]
    assert [row.state.name for row in open_index(ledger).trials] == ["COMPLETE", "WAITING", "RUNNING"]


def test_a_record_that_the_index_has_not_heard_of_is_told(ledger):
    ledger.publish_record(record(2, accuracy=0.7))
    assert cure(ledger) == ["tell"]
    assert open_index(ledger).trials[2].values[0] == pytest.approx(0.7)


def test_rows_on_a_remembered_server_are_mended_there(ledger, tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/server.db"
    ledger.study_file.write_text(f"{SPACE}storage: {url}\n")
    study = load_checked(ledger.study_file)
    open_rows(study, ledger.root, book_of(ledger).outlines, url)
    ledger.publish_record(record(2))
    before = (ledger.root / "study.db").read_bytes()
    assert main(["doctor", str(ledger.root), "--fix"]) == 0
    assert "their records are told" in capsys.readouterr().out
    assert open_rows(study, ledger.root, book_of(ledger).outlines, url).trials[2].state.name == "COMPLETE"
    assert (ledger.root / "study.db").read_bytes() == before


def test_a_broken_study_file_is_left_to_the_user(ledger):
    ledger.study_file.write_text("name: [")
    (finding,) = examine(ledger.root)
    assert (finding.path, finding.action) == (ledger.study_file, "yours")


def test_without_fix_nothing_is_changed_and_the_exit_code_is_2(ledger, capsys):
    corrupt(ledger.trial(0) / "record.json")
    before = snapshot(ledger.root)
    assert main(["doctor", str(ledger.root)]) == 2
    after = snapshot(ledger.root)
    assert {path: content for path, content in after.items() if path.name != "study.lock"} == before
    output = capsys.readouterr()
    assert str(ledger.trial(0) / "record.json") in output.out
    assert "doctor" in output.err
    assert output.err.count("\n") == 1


def test_with_fix_the_exit_code_is_0_and_the_study_can_be_read(ledger, capsys):
    corrupt(ledger.trial(0) / "record.json")
    assert main(["doctor", str(ledger.root), "--fix"]) == 0
    assert "restored from attempt-1/record.json" in capsys.readouterr().out
    assert ledger.read(0).record == record(0)
    assert main(["doctor", str(ledger.root)]) == 0


def is_whole(database):
    with contextlib.closing(sqlite3.connect(database)) as opened:
        try:
            return opened.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        except sqlite3.DatabaseError:
            return False


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page % 8 > 0)) for page in range(30)][1:]
)
def test_whatever_page_of_the_index_is_torn_doctor_finds_and_mends_it(page, ledger):
    database = ledger.root / "study.db"
    before = [(row.number, row.state, row.params, row.values) for row in open_index(ledger).trials]
    content = bytearray(database.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = bytes([0xA5]) * 4096
    database.write_bytes(content[: len(database.read_bytes())])
    assert main(["doctor", str(ledger.root)]) == (0 if is_whole(database) else 2)
    main(["doctor", str(ledger.root), "--fix"])
    assert is_whole(database)
    assert main(["doctor", str(ledger.root)]) == 0
    assert [(row.number, row.state, row.params, row.values) for row in open_index(ledger).trials] == before


def test_what_was_kept_aside_earlier_is_never_replaced(ledger):
    (ledger.root / "study.db.torn-1").write_text("kept")
    for _ in range(2):
        (ledger.root / "study.db").write_bytes(b"no database")
        cure(ledger)
    assert (ledger.root / "study.db.torn-1").read_text() == "kept"
    assert len(list(ledger.root.glob("study.db.torn-*"))) == 3


def test_a_study_file_that_lost_a_branch_is_left_to_the_user_and_the_rows_stay(ledger):
    (ledger.trial(0) / "asked.json").write_text(
        (ledger.trial(0) / "asked.json").read_text().replace('"defense/name": "none"', '"defense/name": "knife"')
    )
    before = (ledger.root / "study.db").read_bytes()
    (found,) = [finding for finding in examine(ledger.root) if finding.wrong]
    assert (found.action, "trials [0] were asked of another study" in found.what) == ("yours", True)
    with pytest.raises(UserError, match=r"trials \[0\] were asked of another study; put back the file"):
        open_index(ledger)
    assert (ledger.root / "study.db").read_bytes() == before


def test_what_was_seen_of_the_images_is_removed_where_it_cannot_be_read(ledger):
    ledger.images_file.write_text('{"version": 1, "told": [')
    (finding,) = examine(ledger.root)
    assert "unreadable" in finding.what
    assert cure(ledger) == ["remove"]
    assert not ledger.images_file.exists()


def test_doctor_shows_the_image_cache_and_clears_it(ledger, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INVFRONT_CACHE", str(tmp_path / "cache"))
    images = tmp_path / "cache" / "images" / "0123"
    images.mkdir(parents=True)
    (images / "train.npy").write_bytes(bytes(2000))
    assert main(["doctor", str(ledger.root)]) == 0
    line = f"{tmp_path / 'cache'}: decoded images of this machine, 1 data set, 2 kB; "
    assert f"{line}--clear-cache removes them\n" in capsys.readouterr().out
    assert images.exists()
    assert main(["doctor", str(ledger.root), "--clear-cache"]) == 0
    assert f"{line}removed; the next run decodes them again\n" in capsys.readouterr().out
    assert not images.exists()


@pytest.mark.parametrize("place", ["trials", "trials/00000", "trials/00000/attacks"])
def test_a_file_where_a_folder_belongs_is_left_to_the_user_and_the_rows_stay(ledger, place, capsys):
    path = ledger.root / place
    shutil.rmtree(path)
    path.write_text("mine")
    before = snapshot(ledger.root)
    assert [(finding.path, finding.action) for finding in examine(ledger.root)] == [(path, "yours")]
    assert main(["doctor", str(ledger.root), "--fix"]) == 2
    assert {name: text for name, text in snapshot(ledger.root).items() if "study.lock" not in str(name)} == before
    with pytest.raises(UserError, match=f"{path}: is no folder, though one belongs there"):
        list(ledger.trials())
    assert "put the folder back" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["asked.json", "record.json", "attacks/decoder-quick-0.json"])
def test_what_a_newer_version_wrote_is_called_so_and_left_as_it_is(ledger, name):
    path = ledger.trial(0) / name
    path.write_text(path.read_text().replace('"version": ', '"novel": 1, "version": 9', 1))
    before = path.read_bytes()
    found = examine(ledger.root)
    assert [(finding.path, finding.action) for finding in found] == [(path, "yours")]
    assert "was written by a newer invfront" in found[0].what
    main(["doctor", str(ledger.root), "--fix"])
    assert path.read_bytes() == before
    with pytest.raises(UserError, match="was written by a newer invfront"):
        ledger.read(0)


def test_a_storage_without_rows_of_the_study_is_called_so(ledger, tmp_path):
    (finding,) = examine(ledger.root, f"sqlite:///{tmp_path / 'new.db'}")
    assert (str(finding.path), finding.what, finding.action) == ("storage", "has no rows of this study", "yours")
    assert not (tmp_path / "new.db").exists()


def test_a_directory_that_cannot_be_written_is_looked_at_all_the_same(ledger, monkeypatch, capsys):
    may = os.access  # whoever runs the tests may write everywhere
    monkeypatch.setattr(os, "access", lambda path, mode, **options: mode != os.W_OK and may(path, mode, **options))
    before = snapshot(ledger.root)
    corrupt(ledger.trial(0) / "record.json")
    assert main(["doctor", str(ledger.root)]) == 2
    assert "record.json: unreadable" in capsys.readouterr().out
    assert snapshot(ledger.root).keys() == before.keys()


def test_a_cache_of_nobodys_is_one_line_that_says_what_to_set(ledger, monkeypatch, capsys):
    monkeypatch.setenv("INVFRONT_CACHE", "~no-such-user/images")
    assert main(["doctor", str(ledger.root)]) == 2
    line = r"invfront: image cache ~no-such-user/images: .*; set INVFRONT_CACHE to a folder of your own"
    assert re.search(line, capsys.readouterr().err)
