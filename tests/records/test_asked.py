"""What a trial is: files of every version are read for ever, and say nothing of where it ran."""

import json

import pytest
from pydantic import ValidationError

from harness.ledger.files import read_value
from harness.records.asked import Asked
from harness.records.place import Place
from harness.records.trial import Record
from harness.records.versions import GONE
from tests.values import JOB, asked, record

PLACE = {
    "data_root": "/mnt/faces",
    "attacker_root": None,
    "download": False,
    "timeout_seconds": 3600.0,
    "checkpoint_seconds": 60.0,
}
"""What a file of 0.1 says of where the trial ran."""


def old(value: Asked, **changes) -> dict[str, object]:
    """What 0.1 wrote of a trial."""
    return json.loads(value.model_dump_json()) | PLACE | {"version": 1} | changes


def test_a_file_of_the_first_version_is_the_same_trial_wherever_it_ran(tmp_path):
    for place in ({}, {"data_root": None}, {"timeout_seconds": None}, {"checkpoint_seconds": 1.0}):
        file = tmp_path / "asked.json"
        file.write_text(json.dumps(old(asked(3), **place)))
        assert read_value(file, Asked) == asked(3)


def test_so_is_one_of_before_attackers_had_folders_of_their_own():
    first = old(asked(3))
    del first["attacker_root"]
    assert Asked.model_validate_json(json.dumps(first)) == asked(3)


def test_a_record_of_the_first_version_holds_its_trial(tmp_path):
    file = tmp_path / "record.json"
    file.write_text(json.dumps(json.loads(record(3).model_dump_json()) | {"asked": old(asked(3))}))
    assert read_value(file, Record) == record(3)


def test_what_is_gone_from_the_trial_is_a_place():
    assert set(GONE[1]) == set(PLACE) == set(Place.model_fields) - {"driver", "store"}


def test_the_present_version_is_written_and_read():
    written = json.loads(asked(3).model_dump_json())
    assert written["version"] == 2
    assert not set(written) & set(PLACE)
    assert Asked.model_validate_json(json.dumps(written)) == asked(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 1, "colour": "red"}, "colour"),
        ({"colour": "red"}, "colour"),
        ({"data_root": None}, "data_root"),
        ({"version": 3}, "version"),
        ({"version": "1"}, "version"),
        ({"version": None}, "version"),
        ({"number": "3"}, "number"),
        ({"attacks": "decoder"}, "attacks"),
    ],
)
def test_anything_else_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        Asked.model_validate_json(json.dumps(json.loads(asked(3).model_dump_json()) | changes))


def test_an_attack_of_another_attacker_is_named_for_what_it_holds_and_counts_for_nothing():
    named = {
        "decoder-quick-0": {},
        "decoder-quick-0-n1000": {"attacker_images": 1000},
        "decoder-quick-0-members": {"attacker": "members"},
        "decoder-quick-0-n1000-half_images": {"attacker_images": 1000, "half": "images"},
    }
    jobs = {name: JOB.model_copy(update=changes) for name, changes in named.items()}
    assert {name: job.name for name, job in jobs.items()} == {name: name for name in named}
    assert [job.counts for job in jobs.values()] == [True, False, False, False]


def test_what_an_attacker_holds_stands_in_place_of_what_the_studys_own_does():
    few = {"attacker/data": "few", "attacker/images": 100, "model/cut": 4}
    assert JOB.held_by(few) == few
    assert JOB.model_copy(update={"attacker_images": 9}).held_by(few) == few | {"attacker/images": 9}
    assert JOB.model_copy(update={"attacker": "members"}).held_by(few)["attacker/data"] == "members"
    assert JOB.model_copy(update={"attacker": "members"}).held_by(few)["attacker/images"] is None
    assert JOB.model_copy(update={"attacker_images": 9}).held_by({}) == {"attacker/data": "same", "attacker/images": 9}
