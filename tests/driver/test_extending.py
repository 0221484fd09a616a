"""A study that is widened keeps its trials; what a hand edited is refused; what was cut off is done again."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from harness.cli import main
from harness.doctor import examine, mend
from harness.driver.extending import Plan, planned, refuse_by_hand, write_down
from harness.errors import Interrupted, UserError
from harness.judging import judged_trials
from harness.judging.book import outline_of
from harness.ledger.files import Ledger
from harness.records import Asked
from harness.search import Search, open_rows, reconcile
from harness.search.asking import Conditions
from harness.study import load_study
from harness.study.check import load_all_checked, load_checked
from harness.study.jobs import attack_jobs
from tests.small_ledger import small_ledger
from tests.values import book_of, record, trial_of

LEDGER = "00000000-0000-4000-8000-000000000000"
SPACE = f"""
name: wide
data: {{name: digits}}
model: {{width: 0.25, sigma: {{choices: [0.05, 0.1]}}}}
train: {{recipe: fast, epochs: 1}}
defense:
  none: {{}}
  laplace: {{scale: {{low: 0.1, high: 1.0}}}}
attacks: {{decoder: quick}}
search: {{trials: 6, seed: 1}}
ledger: {LEDGER}
"""
RIDGE = "tests.later_attacks:Ridge"
SCALE = "defense/laplace/scale={low: .001, high: 2}"
BRANCH = "defense/dropout={rate: {low: 0.1, high: 0.5}}"


class Driver:
    """What a driver does with a directory, its trials' outcomes apart."""

    def __init__(self, root: Path) -> None:
        self.study, self.ledger = load_study(root / "study.yaml"), Ledger(root)
        book = book_of(self.ledger)
        self.rows = open_rows(self.study, root, book.outlines, None)
        conditions = Conditions(LEDGER, attack_jobs(self.study), {"train": 1, "attack": 1}, "float32")
        self.search = Search(self.study, self.rows, self.ledger, conditions)
        reconcile(self.search, self.rows, book)

    def run(self) -> list[Asked]:
        asked = []
        while trial := self.search.ask():
            self.ledger.publish_record(record(trial.number).model_copy(update={"asked": trial}))
            self.search.tell(outline_of(trial_of(self.ledger, trial.number)))
            asked.append(trial)
        return asked


def extended(root: Path, *settings: str, trials: int | None = None) -> Plan:
    """Plan what a resume sets; nothing is written."""
    refuse_by_hand(load_study(root / "study.yaml"), root, None)
    return planned(load_all_checked(root / "study.yaml", settings, trials), root)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("extending")
    (folder / "wide.yaml").write_text(SPACE)
    write_down(Plan(load_checked(folder / "wide.yaml"), None), Ledger(folder / "wide"))
    Driver(folder / "wide").run()
    return folder / "wide"


@pytest.fixture
def root(made, tmp_path) -> Path:
    """A study of six trials, all finished."""
    return Path(shutil.copytree(made, tmp_path / "wide"))


def branches(asked: list[Asked]) -> Counter[object]:
    return Counter(trial.settings["defense/name"] for trial in asked)


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def records(root: Path) -> dict[Path, bytes]:
    return {path: content for path, content in files(root / "trials").items() if path.suffix == ".json"}


def rows_of(root: Path) -> list[tuple[object, ...]]:
    return [(row.number, row.state, row.params, row.values) for row in Driver(root).rows.get_trials()]


def test_a_widened_study_keeps_its_trials_and_draws_from_all_that_is_new(root):
    before, trials, rows = load_study(root / "study.yaml"), files(root / "trials"), rows_of(root)
    write_down(extended(root, SCALE, "model/sigma={choices: [0.05, 0.1, 0.4]}", trials=60), Ledger(root))
    assert rows_of(root) == rows
    asked = Driver(root).run()
    scales = [trial.settings["defense/laplace/scale"] for trial in asked if "defense/laplace/scale" in trial.settings]
    assert min(scales) < 0.1
    assert max(scales) > 1.0
    assert {trial.settings["model/sigma"] for trial in asked} == {0.05, 0.1, 0.4}
    assert {path: content for path, content in files(root / "trials").items() if path in trials} == trials
    assert load_study(root / "study.yaml").digest() != before.digest()


def test_what_changed_when_is_recorded_with_both_digests(root):
    first = load_study(root / "study.yaml").digest()
    write_down(extended(root, SCALE), Ledger(root))
    second = load_study(root / "study.yaml")
    write_down(extended(root, BRANCH), Ledger(root))
    lineage = Ledger(root).lineage()
    assert [(step.parent, step.digest, step.asked) for step in lineage.extensions] == [
        (first, second.digest(), 6),
        (second.digest(), load_study(root / "study.yaml").digest(), 6),
    ]
    assert second.extends == first
    (change,) = lineage.extensions[0].changes
    assert change.model_dump() == {
        "path": "defense/laplace/scale",
        "was": '{"low": 0.1, "high": 1.0}',
        "now": '{"low": 0.001, "high": 2.0}',
    }


def test_a_new_branch_takes_turns_until_it_is_level(root):
    write_down(extended(root, BRANCH, trials=12), Ledger(root))
    asked = Driver(root).run()
    assert branches(asked[:3]) == {"dropout": 3}
    assert branches([files.asked for files in Ledger(root).trials()]) == {"none": 2, "laplace": 5, "dropout": 5}


def test_nothing_is_narrowed_and_the_line_names_what_was_set(root):
    before = files(root)
    with pytest.raises(UserError) as refused:
        extended(root, "defense/laplace/scale={low: .2, high: 2}")
    assert str(refused.value) == (
        "--set defense/laplace/scale={low: .2, high: 2}: defense/laplace/scale: "
        '{"low": 0.2, "high": 2.0} does not hold all of {"low": 0.1, "high": 1.0}; '
        "a study is widened, never narrowed; for another one choose another name"
    )
    assert files(root) == before


def test_a_driver_that_ended_between_file_and_lineage_is_repeated(root):
    class Lost(Ledger):
        def __init__(self, root: Path) -> None:
            super().__init__(root)
            self.guard = self.refuse

        @staticmethod
        def refuse() -> None:
            raise Interrupted("the lease is lost")

    with pytest.raises(Interrupted):
        write_down(extended(root, BRANCH, trials=12), Lost(root))
    assert "dropout" in (root / "study.yaml").read_text()
    assert Ledger(root).lineage().extensions == ()
    assert [finding.what for finding in examine(root) if finding.wrong] == []
    write_down(extended(root), Ledger(root))
    assert [change.path for step in Ledger(root).lineage().extensions for change in step.changes] == ["defense/dropout"]
    assert branches(Driver(root).run()[:3]) == {"dropout": 3}
    assert extended(root).extension is None


def test_a_driver_that_ended_before_the_rows_were_made_anew_is_repeated(root):
    rows = rows_of(root)
    write_down(extended(root, BRANCH, "train/epochs={low: 1, high: 3}", trials=12), Ledger(root))
    write_down(extended(root), Ledger(root))  # the next driver finds nothing more to write
    assert len(Ledger(root).lineage().extensions) == 1
    assert [(number, values) for number, _, _, values in rows_of(root)] == [(row[0], row[3]) for row in rows]
    assert {trial.settings["train/epochs"] for trial in Driver(root).run()} == {1, 2, 3}
    assert not list(root.glob("study.db.torn-*"))


def test_an_index_that_was_half_made_anew_is_filled_up(root):
    write_down(extended(root, BRANCH, trials=12), Ledger(root))
    study = load_study(root / "study.yaml")
    open_rows(
        study, root, {number: outline for number, outline in book_of(Ledger(root)).outlines.items() if number < 2}, None
    )
    assert len(Driver(root).run()) == 6
    assert [row[0] for row in rows_of(root)] == list(range(12))


EDITS = [
    ("[0.05, 0.1]", "[0.05, 0.1, 0.4]", "model/sigma/choices", "[0.05, 0.1, 0.4]", "[0.05, 0.1]"),
    ("low: 0.1", "low: 0.2", "defense/laplace/scale/low", "0.2", "0.1"),
    ("budget: quick", "budget: standard", "attacks/decoder/budget", '"standard"', '"quick"'),
    ("seed: 1", "seed: 2", "search/seed", "2", "1"),
    (LEDGER, LEDGER.replace("8000", "9000"), "ledger", f'"{LEDGER.replace("8000", "9000")}"', f'"{LEDGER}"'),
]


@pytest.mark.parametrize(("there", "edit", "path", "now", "was"), EDITS, ids=[edit[2] for edit in EDITS])
def test_a_file_edited_by_hand_is_found_with_the_path_and_both_values_and_put_back(root, there, edit, path, now, was):
    file = root / "study.yaml"
    written = file.read_text()
    assert there in written
    file.write_text(written.replace(there, edit))
    told = f"{path}: edited by hand, {now} in place of {was}"
    with pytest.raises(UserError) as refused:
        extended(root, SCALE)
    way_out = f"`invfront doctor {root} --fix` puts it back, `invfront resume {root} --set` widens a study"
    assert str(refused.value) == f"{file}: {told}; {way_out}"
    (finding,) = (finding for finding in examine(root) if finding.wrong)
    assert (finding.what, finding.path) == (told, file)
    mend(root, finding, None)
    assert file.read_text() == written
    assert (root / "study.yaml.corrupt-1").exists()
    assert [finding for finding in examine(root) if finding.wrong] == []


def test_what_is_no_part_of_a_study_may_be_edited(root):
    file = root / "study.yaml"
    file.write_text(file.read_text().replace("trials: 6", "trials: 9").replace("concurrent: 1", "concurrent: 2"))
    assert extended(root) == Plan(load_study(file), None)
    assert [finding for finding in examine(root) if finding.wrong] == []


@pytest.mark.parametrize(("there", "edit", "path", "now", "was"), EDITS[:2], ids=[edit[2] for edit in EDITS[:2]])
def test_beside_a_directory_of_before_its_rows_tell_what_was_drawn(root, there, edit, path, now, was):
    file = root / "study.yaml"
    (root / "lineage.json").unlink()
    assert [finding for finding in examine(root) if finding.wrong] == []
    assert extended(root).extension is None
    file.write_text(file.read_text().replace(there, edit))
    (owner,) = (owner for owner in ("model/sigma", "defense/laplace/scale") if path.startswith(owner))
    with pytest.raises(
        UserError, match=f"{owner}: edited by hand, .*{now.strip('[]')}.* in place of .*{was.strip('[]')}"
    ):
        extended(root)
    (finding,) = (finding for finding in examine(root) if finding.wrong)
    assert finding.what.startswith(f"{owner}: edited by hand, ")


def test_a_lineage_that_cannot_be_read_is_named_and_made_anew_unless_it_tells_of_more(root):
    ledger, file = Ledger(root), root / "lineage.json"
    file.write_text("{")
    with pytest.raises(UserError, match=r"lineage.json: .* see `invfront doctor"):
        extended(root)
    (finding,) = (finding for finding in examine(root) if finding.wrong)
    mend(root, finding, None)
    write_down(extended(root, SCALE), ledger)
    assert len(ledger.lineage().extensions) == 1
    file.write_text("{")
    (finding,) = (finding for finding in examine(root) if finding.wrong)
    assert (finding.path, finding.action) == (file, "yours")


@pytest.mark.parametrize("cut_off", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_new_attack_runs_on_the_trials_that_are_complete_and_then_counts(cut_off, tmp_path, capsys):
    """A trial that was cut off finishes with the attacks that it was asked with, and is caught up with then."""
    _, ledger = small_ledger(tmp_path)
    shutil.rmtree(ledger.trial(3))  # its setting is outside the study, so that it could fail
    done = {0, 1, 4} if cut_off else {0}
    for number in {1, 4} - done:
        shutil.rmtree(ledger.trial(number))
    before = records(ledger.root)
    command = [
        "resume",
        str(ledger.root),
        "--trials",
        str(len(ledger.numbers())),
        "--set",
        f"attacks/{RIDGE}=quick",
        "--no-tracking",
        "--address",
        "in-process",
    ]
    assert main(command) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert {path: content for path, content in records(ledger.root).items() if path in before} == before
    trials = {trial.number: trial for trial in judged_trials(ledger)}
    assert {number for number, trial in trials.items() if trial.state == "complete"} == done
    for number in done:
        assert [attack.job.attack for attack in trials[number].later] == [RIDGE]
        assert trials[number].objectives.mse_attack.startswith("tests.later_attacks.Ridge")
    line = f"from trial {len(ledger.numbers())} on: attacks/{RIDGE} is new"
    assert line in said
    assert line in (ledger.root / "report" / "index.html").read_text()
    assert main(["status", str(ledger.root), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["widened"]
    assert line in told
