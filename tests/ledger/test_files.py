"""A study's directory: written whole, read strictly."""

import os

import pytest

from harness.errors import UserError
from harness.ledger.files import Ledger
from harness.ledger.whole import write_whole
from tests.values import JOB, asked, attack, record


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.publish_asked(asked(0))
    ledger.publish_attack(attack(0))
    ledger.publish_record(record(0))
    ledger.publish_asked(asked(2))
    return ledger


def test_what_is_published_is_read_back_equal(ledger):
    first, second = ledger.trials()
    assert (first.number, first.asked, first.record, first.attacks) == (0, asked(0), record(0), (attack(0),))
    assert (second.number, second.asked, second.record, second.attacks) == (2, asked(2), None, ())


def test_a_record_is_never_rewritten(ledger):
    with pytest.raises(FileExistsError, match="never run twice"):
        ledger.publish_record(record(0, accuracy=0.1))


def test_an_attack_of_a_finished_trial_is_never_rewritten(ledger):
    with pytest.raises(FileExistsError, match="never rewritten"):
        ledger.publish_attack(attack(0))


@pytest.mark.parametrize("name", ["asked.json", "record.json", "attacks/decoder-quick-0.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff\xfe"])
def test_a_corrupt_file_is_refused_by_name_with_the_way_out(ledger, name, content):
    path = ledger.trial(0) / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"invfront doctor") as refusal:
        list(ledger.trials())
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_another_trials_record_is_refused(ledger):
    (ledger.trial(0) / "record.json").write_text(record(1).model_dump_json())
    with pytest.raises(UserError, match="says trial 1, not 0"):
        list(ledger.trials())


def test_a_number_that_is_not_finite_cannot_enter_a_record():
    with pytest.raises(ValueError, match="finite"):
        record(0, accuracy=float("nan"))


def test_a_write_that_fails_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "text is not bytes")  # type: ignore[arg-type]
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_each_publish_brings_its_whole_file_and_its_folder_to_the_disk_once(tmp_path, monkeypatch):
    ledger, fsync, synced = Ledger(tmp_path), os.fsync, []

    def counted(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        synced.append((found.st_ino, found.st_size))

    monkeypatch.setattr(os, "fsync", counted)
    other = JOB.model_copy(update={"seed": 1})
    ledger.publish_asked(asked(0))
    for found in (attack(0), attack(0, other)):
        ledger.publish_attack(found)
    ledger.publish_record(record(0))
    trial = ledger.trial(0)
    files = ("asked.json", f"attacks/{JOB.name}.json", f"attacks/{other.name}.json", "record.json")
    on_disk = [path.stat() for name in files for path in (trial / name, (trial / name).parent)]
    assert [number for number, _ in synced] == [found.st_ino for found in on_disk]
    assert [size for _, size in synced[::2]] == [found.st_size for found in on_disk[::2]]


def test_writers_of_one_process_id_have_temporary_files_of_their_own(tmp_path, monkeypatch):
    """Containers that share a folder have the same small process ids."""
    seen = set[str]()
    monkeypatch.setattr(os, "fsync", lambda file: seen.update(path.name for path in tmp_path.glob(".*.tmp")))
    for content in (b"one", b"two"):
        write_whole(tmp_path / "file", content)
    assert len(seen) == 2
