"""A confirm trains candidates anew, scores the test part, and can be cut off anywhere."""

import json
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas
import pytest
import torch

import harness
from harness.cli import main
from harness.cluster import IN_PROCESS
from harness.driver.confirming import ConfirmOrder, confirm
from harness.driver.endpoints import Endpoints
from harness.errors import Interrupted
from harness.judging import confirmed_so_far
from harness.ledger import Confirms, Ledger
from harness.ledger.lease import lease
from harness.records import Place
from harness.stages.building import build
from harness.stages.ground import prepare
from harness.stages.loading import images_of
from reports.columns import CANDIDATES, CONFIRMED
from tests.small_ledger import JOB, small_ledger

HERE = Endpoints(address=IN_PROCESS, tracked=False)
TRIALS = "0,1"
OLD = Path(__file__).parents[1] / "old_studies" / "0.1"


class Cut:
    """Hears lines, and cuts the work off after so many."""

    def __init__(self, after: int) -> None:
        self.after, self.told = after, list[str]()

    def __call__(self, line: str) -> None:
        self.told.append(line)
        if len(self.told) == self.after:
            raise KeyboardInterrupt


def confirmed_in_pieces(order: ConfirmOrder, cuts: Iterable[int]) -> list[str]:
    """Give a confirm again after each cut until it ends; return what was told. No record changes on the way."""
    seen, told = dict[str, bytes](), list[str]()
    for after in cuts:
        cut = Cut(after)
        try:
            confirm(order, HERE, cut)
        except Interrupted as end:
            told += [*cut.told, str(end)]
        else:
            return [*told, *cut.told]
        records = {str(path): path.read_bytes() for path in order.root.glob("confirm/*/*/record.json")}
        assert {path: records[path] for path in seen} == seen
        seen = records
    raise AssertionError("it did not end")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A study of which two trials were confirmed with one seed, cut off on the way; what was there before; what was
    told.
    """
    _, ledger = small_ledger(tmp_path_factory.mktemp("confirmed"))
    before = files_of(ledger)
    told = confirmed_in_pieces(ConfirmOrder(ledger.root, 1, trials=TRIALS), [1, 3, 2, 9])
    return ledger, before, told


@pytest.fixture
def ledger(once, tmp_path):
    """A copy of it that may be changed."""
    return Ledger(shutil.copytree(once[0].root, tmp_path / "small"))


def files_of(ledger: Ledger) -> dict[str, bytes]:
    """Everything but the page, by its path in the study."""
    paths = [path for path in ledger.root.rglob("*") if path.is_file() and "report" not in path.parts]
    return {str(path.relative_to(ledger.root)): path.read_bytes() for path in paths}


def test_the_trials_stay_and_the_trainings_are_files_of_their_own(once):
    ledger, before, told = once
    after = files_of(ledger)
    values = {
        path: content for path, content in before.items() if path.endswith((".json", ".yaml", ".npz", ".parquet"))
    }
    assert {path: after[path] for path in values} == values
    made = {path for path in after if path not in before and path != "study.lock"}
    assert all(path.startswith("confirm/") for path in made)
    assert {"confirm/round-1.json", "confirm/00000/0/record.json", "confirm/00001/0/asked.json"} <= made
    assert not [path for path in made if path.endswith(".pt")]
    assert told[0].startswith("confirm 1: trials 0 and 1 with 1 seed: 2 trainings to go")


def test_everything_is_scored_on_the_test_part_and_by_the_studys_own_attacks(once):
    for _, files in Confirms(once[0]).runs():
        measured = files.record.measured
        assert measured.part == "test"
        (attack,) = files.attacks
        assert attack.job == JOB.model_copy(update={"part": "test"})
        assert attack.measured.digests["scored"] == measured.digests["test"] != measured.digests["validation"]
        assert attack.measured.images == measured.images["test"]


def test_equal_seeds_begin_with_equal_networks(once):
    asked = [files.asked for _, files in Confirms(once[0]).runs()]
    clients = []
    for one in asked:
        device = prepare(one, "train")
        clients.append(build(one, images_of(one.settings, Place(), device)).client.state_dict())
    assert asked[0].settings["defense/name"] != asked[1].settings["defense/name"]
    assert all(torch.equal(clients[0][name], clients[1][name]) for name in clients[0])


def test_the_tables_hold_a_row_a_training_and_a_row_a_candidate(once):
    report = once[0].root / "report"
    runs = pandas.read_parquet(report / "confirmed.parquet")
    assert [*runs] == [*CONFIRMED]
    assert runs[["trial", "seed", "part"]].to_numpy().tolist() == [[0, 0, "test"], [1, 0, "test"]]
    rows = pandas.read_parquet(report / "candidates.parquet")
    assert [name for name in rows if "/" not in name or name == "defense/name"] == [*CANDIDATES]
    assert rows["defense/cem_paper/lam"].tolist()[1] == 0.01
    assert rows["mse"].tolist() == runs["mse"].tolist()
    opened = harness.open(once[0].root)
    pandas.testing.assert_frame_equal(opened.confirmed, runs, check_dtype=False)
    pandas.testing.assert_frame_equal(opened.candidates, rows, check_dtype=False)
    assert "The test part was read by confirm 1" in (report / "index.html").read_text()


@pytest.mark.slow
def test_the_same_confirm_again_trains_nothing_and_writes_the_page(ledger):
    before, told = files_of(ledger), list[str]()
    (ledger.root / "report" / "candidates.parquet").unlink()
    confirm(ConfirmOrder(ledger.root, 1, trials=TRIALS), HERE, told.append)
    assert files_of(ledger) == before
    assert told == ["all of that is confirmed: the page is written anew"]
    assert (ledger.root / "report" / "candidates.parquet").exists()


@pytest.mark.slow
def test_a_second_confirm_adds_attacks_and_replaces_nothing(ledger, capsys):
    before = files_of(ledger)
    assert main(["confirm", str(ledger.root), "--seeds", "1", "--trials", TRIALS, "--attacks", "small",
                 "--address", IN_PROCESS, "--no-tracking", "--json"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["confirmed", "candidates", "notes", "report"]
    assert found["confirmed"] == {"candidates": 2, "seeds": 1, "waiting": 0}
    after = files_of(ledger)
    assert {path: after[path] for path in before} == before
    assert [each.attacks[0].budget for each in Confirms(ledger).rounds()] == ["tiny", "small"]
    for _, files in Confirms(ledger).runs():
        assert [attack.job.budget for attack in files.attacks] == ["small", "tiny"]
        assert len(list(files.path.glob("attempt-*/train.json"))) == 1
    assert main(["status", str(ledger.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confirmed"] == found["confirmed"]


def test_a_confirm_that_is_cut_off_anywhere_goes_on_and_nothing_is_lost_or_doubled(once):
    """It was cut off before its first training, as that had ended, and as the next one had started."""
    ledger, _, told = once
    assert sum("the same command goes on" in line for line in told) >= 3
    assert [line for line in told if " on test" in line and line.startswith("trial 0")][1:] == []
    assert [line for line in told if " on test" in line and line.startswith("trial 1")][1:] == []
    assert [run for run, _ in Confirms(ledger).runs()] == [(0, 0), (1, 0)]
    assert [each.number for each in Confirms(ledger).rounds()] == [1]
    assert confirmed_so_far(ledger).model_dump() == {"candidates": 2, "seeds": 1, "waiting": 0}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_confirm_that_is_cut_off_at_random_goes_on(ledger, seed):
    dice = random.Random(seed)
    confirmed_in_pieces(ConfirmOrder(ledger.root, 3, trials="0"), (dice.randint(1, 3) for _ in range(30)))
    assert confirmed_so_far(ledger).waiting == 0
    assert [run for run, _ in Confirms(ledger).runs()] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [each.number for each in Confirms(ledger).rounds()] == [1, 2]
    runs = pandas.read_parquet(ledger.root / "report" / "confirmed.parquet")
    assert runs[["trial", "seed"]].to_numpy().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert runs["accuracy"].notna().all()


BAD = {
    ("--seeds", "0"): "takes a whole number >= 1",
    ("--trials", "7"): "has trials 0 to 4; say front, near, all, or numbers",
    ("--trials", "2"): "--trials 2: is partial; name trials that are complete",
    ("--trials", "3"): "--trials 3: is failed; name trials that are complete",
    ("--attacks", "huge"): "the study's attacks have no such budget; take one of tiny and small",
    ("--set", "search/seed=3"): "search/seed",
    ("--set", "protocol=cem"): "protocol",
    ("--set", "resources/train/gpu=2"): "resources/train/gpu: 2: a job uses one GPU",
}


@pytest.mark.parametrize("options", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_nothing_is_written(ledger, options, capsys):
    before = files_of(ledger)
    assert main(["confirm", str(ledger.root), *options, "--address", IN_PROCESS]) == 2
    error = capsys.readouterr().err
    assert BAD[options] in error
    assert error.count("\n") == 1
    assert files_of(ledger) == before


def test_the_published_protocol_is_refused(tmp_path, capsys):
    root = shutil.copytree(OLD / "cem", tmp_path / "cem")
    assert main(["confirm", str(root)]) == 2
    assert "protocol cem has no test part apart" in capsys.readouterr().err


def test_another_driver_on_the_study_is_waited_for(ledger, capsys):
    before = files_of(ledger)
    with lease(ledger.root, "another", None):
        assert main(["confirm", str(ledger.root), "--seeds", "2", "--address", IN_PROCESS]) == 2
    assert "another driver runs this study" in capsys.readouterr().err
    assert files_of(ledger) == before
