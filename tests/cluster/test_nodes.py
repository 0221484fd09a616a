"""Several Ray nodes on one machine: what one of them cannot do, another does, and a bad one gets no more trials."""

import socket
from collections import Counter

import pytest

from harness.cli import main
from harness.ledger import Ledger
from tests.adversaries import TRAININGS
from tests.plugins import noted

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

SPACE = """
name: nodes
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'tests.plugins:Broken': {folder: %s}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 5, sampler: random, allocate: joint}
resources: {concurrent: 2}
"""


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """What trainings of priors note; nodes that start later know of it."""
    monkeypatch.setenv(TRAININGS, str(tmp_path / "trainings"))
    return tmp_path / "trainings"


@pytest.mark.parametrize(
    ("deadly", "each", "why"),
    [(False, 1, "DeviceError: a GPU"), (True, 2, "WorkerLost: its worker or node was lost 2 times")],
)
def test_a_broken_node_is_left_out_and_its_trials_run_on_another(deadly, each, why, cluster, tmp_path, capsys):
    there, (bad, good) = cluster
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "bad").write_text(bad)
    if deadly:
        (notes / "deadly").touch()
    (tmp_path / "space.yaml").write_text(SPACE % notes)
    address = ["--address", there.address]
    assert main(["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), *address, "--no-tracking"]) == 0
    ledger = Ledger(tmp_path / "nodes")
    records = [ledger.read(number).record for number in range(5)]
    assert [record.state for record in records] == ["complete"] * 5
    ran = Counter(noted(str(notes), "train"))
    assert ran[good] == 5
    failed, over = divmod(ran[bad], each)
    assert (over, failed in (1, 2, 3)) == (0, True)
    told_again = [note for record in records for note in record.notes if note.startswith("handed out again")]
    assert len(told_again) == failed
    assert all(why in note and note.endswith(f" on {socket.gethostname()}") for note in told_again)
    told = capsys.readouterr()
    assert ("gets no more trials until the study is resumed" in told.out + told.err) == (failed == 3)


def test_an_attack_on_a_finished_trial_goes_to_another_node_than_the_broken_one(cluster, tmp_path, capsys):
    there, (bad, good) = cluster
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "bad").write_text("")
    (tmp_path / "space.yaml").write_text(SPACE % notes)
    address = ["--address", there.address, "--no-tracking"]
    assert main(["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), *address]) == 0
    (notes / "bad").write_text(bad)
    attacks = [f"--attack=tests.plugins:Shattered:{budget}" for budget in ("quick", "standard")]
    order = ["attack", str(tmp_path / "nodes"), "all", *attacks]
    assert main([*order, *address]) == 0
    ledger = Ledger(tmp_path / "nodes")
    found = [attack for trial in ledger.trials() for attack in trial.attacks if "Shattered" in attack.job.attack]
    assert [attack.error for attack in found] == [None] * 10
    ran = Counter(noted(str(notes), "attack"))
    assert ran[good] == 10
    assert 1 <= ran[bad] <= 4  # one may begin before it is known of the third
    told = capsys.readouterr()
    told_again = (told.out + told.err).count("handed out again, attack: DeviceError: a GPU is reserved")
    assert told_again in (ran[bad], ran[bad] - 1)


@pytest.mark.parametrize("later", [False, True], ids=["with a study", "with attacks on finished trials"])
def test_a_prior_that_its_node_fails_is_trained_on_another(later, trainings, cluster, tmp_path, capsys):
    there, _ = cluster
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "bad").write_text("")
    space, chipped = SPACE % notes, "tests.plugins:Chipped"
    if not later:
        space = space.replace("tests.adversaries:Guess", chipped)
    (tmp_path / "space.yaml").write_text(space)
    address = ["--address", there.address, "--no-tracking"]
    order = ["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), "--trials", "2"]
    assert main([*order, *address]) == 0
    if later:
        assert main(["attack", str(tmp_path / "nodes"), "all", f"--attack={chipped}:quick", *address]) == 0
    found = [attack for trial in Ledger(tmp_path / "nodes").trials() for attack in trial.attacks]
    assert [attack.error for attack in found if attack.job.attack == chipped] == [None] * 2
    bad, *others = trainings.read_text().splitlines()
    assert [line for line in others if line != bad][1:] == ["Chipped torch.float32"]  # once, elsewhere
    told = capsys.readouterr()
    assert "handed out again, prior: DeviceError: a GPU is reserved" in told.out + told.err
