"""A trial costs its driver few waits for the disk; moved images are no other study, and trials run where they are."""

import json
import re

import pytest
import yaml

from harness.cli import main
from harness.driver import searching
from harness.driver.filesystems import Mount
from harness.judging.trials import judged
from harness.ledger.files import Ledger
from harness.study.check import load_checked
from tests.bench_driver import LEDGER_ID, Disk, Driver
from tests.data.test_attacker import write_folder

SPACE = """
name: moved
data: {name: folder, root: %s, size: 32}
model: {width: 0.125, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 1, batch_size: 16}
defense: {none: {}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 1, sampler: random, allocate: joint}
"""
HERE = ["--address", "in-process"]
GUESS = ["--attack", "tests.adversaries:Remembering:quick", *HERE]


def test_a_trial_costs_its_driver_two_fsyncs_for_each_file_that_it_publishes(tmp_path, monkeypatch):
    study = load_checked("quickstart", ["search/anchors=[]"]).model_copy(update={"ledger": LEDGER_ID})
    driver, disk = Driver(study, tmp_path), Disk()
    disk.watch(monkeypatch)
    for number in range(2):
        fsyncs = driver.cycle(disk).fsyncs
        files = driver.ledger.read(number)
        assert files.record is not None
        assert fsyncs == 2 * len([files.asked, *files.attacks, files.record])


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A study of one trial whose class folders were moved; its next trial was asked before, by version 0.1."""
    folder = tmp_path_factory.mktemp("moved")
    write_folder(folder / "old", count=60, size=32)
    (folder / "space.yaml").write_text(SPACE % (folder / "old"))
    assert main(["run", str(folder / "space.yaml"), "--out", str(folder), *HERE]) == 0
    ledger = Ledger(folder / "moved")
    first = ledger.read(0).asked
    second = {"version": 1, "number": 1, "seed": first.seed + 1, "data_root": str(folder / "old"), "download": False}
    second |= {"attacker_root": None, "timeout_seconds": 1.0, "checkpoint_seconds": 60.0}
    ledger.trial(1).mkdir()
    (ledger.trial(1) / "asked.json").write_text(json.dumps(json.loads(first.model_dump_json()) | second))
    (folder / "old").rename(folder / "new")
    return ledger


def test_a_finished_trial_is_attacked_where_its_images_are_now(moved, capsys):
    before = {path: path.read_bytes() for path in (moved.root / "study.yaml", *moved.root.glob("trials/*/*.json"))}
    assert main(["attack", str(moved.root), "0", *GUESS]) == 2
    assert re.search(r"data/root: .*old", capsys.readouterr().err)
    new = moved.root.parent / "new"
    assert main(["attack", str(moved.root), "0", *GUESS, "--set", f"data/root={new}"]) == 0
    (later,) = judged(moved.read(0)).later
    own = moved.read(0).attacks
    assert {attack.measured.digests["scored"] for attack in own} == {later.measured.digests["scored"]}
    assert {path: path.read_bytes() for path in before} == before


def test_a_trial_asked_earlier_runs_where_its_images_are_now_and_for_as_long_as_it_may_now(moved, capsys):
    asked = moved.trial(1) / "asked.json"
    before = asked.read_bytes()
    assert main(["resume", str(moved.root), "--trials", "2", *HERE]) == 2
    assert re.search(r"data/root: .*old", capsys.readouterr().err)
    new = moved.root.parent / "new"
    assert main(["resume", str(moved.root), "--trials", "2", "--set", f"data/root={new}", *HERE]) == 0
    assert [moved.read(number).record.state for number in (0, 1)] == ["complete", "complete"]
    assert moved.read(1).record.measured.digests == moved.read(0).record.measured.digests
    assert asked.read_bytes() == before
    assert yaml.safe_load((moved.root / "study.yaml").read_text())["data"]["root"] == str(new)


def test_a_study_whose_index_lies_on_a_shared_file_system_says_so(moved, capsys, monkeypatch):
    monkeypatch.setattr(searching, "mounts", lambda: [Mount("/", "nfs4")])
    new = moved.root.parent / "new"
    assert main(["resume", str(moved.root), "--trials", "3", "--set", f"data/root={new}", *HERE]) == 0
    assert "study.db lies on nfs4" in capsys.readouterr().out


@pytest.mark.parametrize(
    "setting", ["search/seed=2", "search/trials=9", "data/name=digits", "data=null", "attacker=null"]
)
def test_a_resume_sets_nothing_of_what_the_study_is(setting, moved, capsys):
    before = sorted(moved.root.rglob("*"))
    study = (moved.root / "study.yaml").read_bytes()
    assert main(["resume", str(moved.root), "--set", setting]) == 2
    said = capsys.readouterr().err
    sections = "model, train, defense, term, attacks and search/origin"
    places = "data/root, data/download, attacker/root, attacker/images, attacker/levels"
    known = f"resources, keep, search/limits, {places}, {sections}"
    wanted = f"--set {setting}: takes {known}; all else is the study's"
    assert said == f"invfront: {wanted}\n"
    assert sorted(moved.root.rglob("*")) == before
    assert (moved.root / "study.yaml").read_bytes() == study
