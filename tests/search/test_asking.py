"""What is tried next: anchors, then every branch its turn; nothing twice after a crash; the budget to the letter."""

import math
from collections import Counter
from pathlib import Path

import optuna
import pytest

from harness.judging.book import outline_of
from harness.ledger.files import Ledger
from harness.records.asked import Asked
from harness.search.asking import FLOOR, Conditions, Search
from harness.search.comparing import Differences, compared
from harness.search.index import open_rows
from harness.search.informed import Informed, values_of
from harness.search.reconciling import reconcile
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from tests.values import JOB, attack, book_of, record, scores, trial_of

SPACE = """
name: searched
data: {name: digits}
model: {width: 0.25, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 1}
defense:
  none: {}
  laplace: {scale: {choices: [0.1, 0.2]}}
  cem_paper: {lam: {low: 0.003, high: 1, log: true}}
  cem_code: {lam: {low: 1.0, high: 32.0}}
attacks: {decoder: quick}
"""


class Session:
    """A driver's view of a study, as it is after every start."""

    def __init__(self, root: Path, search: str = "{trials: 12, seed: 1}", space: str = SPACE) -> None:
        root.mkdir(exist_ok=True)
        file = root / "space.yaml"
        file.write_text(f"{space}\nsearch: {search}\n")
        self.study, self.ledger = load_checked(file), Ledger(root)
        book = book_of(self.ledger)
        self.rows = open_rows(self.study, root, book.outlines, None)
        conditions = Conditions("l", attack_jobs(self.study), {"train": 1, "attack": 1}, "float32")
        self.search = Search(self.study, self.rows, self.ledger, conditions)
        self.found = reconcile(self.search, self.rows, book)

    def seen(self) -> dict[int, list[float]]:
        """The values of the complete trials that the sampler sees, by number."""
        states = (optuna.trial.TrialState.COMPLETE,)
        return {trial.number: trial.values for trial in self.search._drawing.get_trials(states=states)}

    def finish(self, asked: Asked, again: bool = False, **changes) -> None:
        accuracy = 0.5 + asked.number / 100
        done = record(asked.number, accuracy=accuracy, mse=0.01 * (1 + asked.number)).model_copy(
            update={"asked": asked}
        )
        done = done.model_copy(update=changes)
        self.ledger.publish_record(done, again)
        self.search.tell(outline_of(trial_of(self.ledger, asked.number)))

    def run(self, count: int | None = None) -> list[Asked]:
        asked = []
        while count is None or len(asked) < count:
            trial = self.search.ask()
            if trial is None:
                break
            self.finish(trial)
            asked.append(trial)
        return asked

    def states(self) -> Counter[str]:
        return Counter(row.state.name for row in self.rows.get_trials(deepcopy=False))


def branches(asked: list[Asked]) -> Counter[object]:
    return Counter(trial.settings["defense/name"] for trial in asked)


def test_every_branch_gets_its_equal_share_and_a_spent_one_passes_its_turns_on(tmp_path):
    asked = Session(tmp_path, "{trials: 20, seed: 1}").run()
    assert branches(asked) == {"none": 2, "laplace": 4, "cem_paper": 7, "cem_code": 7}
    settings = [tuple(sorted(trial.settings.items(), key=str)) for trial in asked]
    assert len(set(settings)) == len(settings)


def test_anchors_come_first_and_count_for_their_branch(tmp_path):
    published = "{defense/name: cem_code, defense/cem_code/lam: 16, model/sigma: 0.05}"
    anchors = f"[{{defense/name: none, model/sigma: 0.1}}, {published}]"
    asked = Session(tmp_path, f"{{trials: 8, seed: 1, anchors: {anchors}}}").run()
    assert [trial.anchor for trial in asked] == [True, True] + [False] * 6
    assert (asked[0].settings["defense/name"], asked[0].settings["model/sigma"]) == ("none", 0.1)
    assert asked[1].settings["defense/cem_code/lam"] == 16
    assert branches(asked) == {"none": 2, "laplace": 2, "cem_paper": 2, "cem_code": 2}


def test_settings_repeat_with_another_seed_when_nothing_is_new(tmp_path):
    only = SPACE.replace("  laplace: {scale: {choices: [0.1, 0.2]}}\n", "")
    only = "\n".join(line for line in only.splitlines() if "cem" not in line)
    asked = Session(tmp_path, "{trials: 4, seed: 1}", only).run()
    assert Counter(trial.settings["model/sigma"] for trial in asked) == {0.05: 2, 0.1: 2}
    assert len({trial.seed for trial in asked}) == 4


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "qmc", "random"])
def test_a_resumed_study_draws_nothing_twice(tmp_path, sampler):
    search = f"{{trials: 16, seed: 1, sampler: {sampler}}}"
    asked = Session(tmp_path, search).run(4) + Session(tmp_path, search).run(4) + Session(tmp_path, search).run()
    drawn = [value for trial in asked for path, value in trial.settings.items() if path.endswith("/lam")]
    assert len(asked) == 16
    assert len(set(drawn)) == len(drawn)


def test_grid_walks_every_setting_in_order(tmp_path):
    space = SPACE.replace("{low: 0.003, high: 1, log: true}", "{choices: [0.1, 1.0]}")
    space = space.replace("{low: 1.0, high: 32.0}", "{low: 8, high: 16, step: 8}")
    asked = Session(tmp_path, "{trials: 14, sampler: grid}", space).run()
    assert branches(asked) == {"none": 2, "laplace": 4, "cem_paper": 4, "cem_code": 4}
    assert {trial.settings["defense/cem_code/lam"] for trial in asked if "defense/cem_code/lam" in trial.settings} == {
        8,
        16,
    }


TENTHS = """
name: searched
data: {name: digits}
model: {width: 0.25, sigma: 0.05}
train: {recipe: fast, epochs: 1}
defense: {dropout: {rate: {low: 0.1, high: 0.5, step: 0.1}}}
attacks: {decoder: quick}
"""
THIRD = "{defense/name: dropout, defense/dropout/rate: 0.3}"


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_a_grid_of_tenths_with_an_anchor_on_it_is_asked_to_its_end(tmp_path, sampler):
    search = f"{{trials: 5, sampler: {sampler}, anchors: [{THIRD}]}}"
    asked = Session(tmp_path, search, TENTHS).run(3) + Session(tmp_path, search, TENTHS).run()
    assert asked[0].settings["defense/dropout/rate"] == 0.3
    assert sorted(trial.settings["defense/dropout/rate"] for trial in asked) == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_rows_and_trials_that_spell_a_number_in_two_ways_agree(tmp_path):
    """Trials of before hold .1 + .2 where a grid has .3."""
    search = "{trials: 5, sampler: grid}"
    Session(tmp_path, search, TENTHS).run(3)
    third = tmp_path / "trials" / "00002"
    for name in ("asked.json", "record.json"):
        path = third / name
        assert "0.3" in path.read_text()
        path.write_text(
            path.read_text().replace("0.3,", "0.30000000000000004,").replace("0.3\n", "0.30000000000000004\n")
        )
    assert Ledger(tmp_path).read(2).asked.settings["defense/dropout/rate"] == 0.1 + 0.2
    session = Session(tmp_path, search, TENTHS)
    assert compared(session.study, tmp_path, book_of(session.ledger).outlines, None) == Differences()
    (tmp_path / "study.db").unlink()
    asked = Session(tmp_path, search, TENTHS).run()
    assert not list(tmp_path.glob("study.db.torn-*"))
    assert [trial.settings["defense/dropout/rate"] for trial in asked] == [0.4, 0.5]


def test_what_was_asked_and_not_finished_is_handed_out_again_under_its_number(tmp_path):
    first = Session(tmp_path)
    cut_off = [first.search.ask(), first.search.ask()]
    second = Session(tmp_path)
    assert [second.search.ask(), second.search.ask()] == cut_off
    second.run()
    for asked in cut_off:
        assert asked is not None
        second.finish(asked)
    assert second.states() == {"COMPLETE": 12}
    assert second.ledger.numbers() == list(range(12))


def test_a_row_that_was_drawn_and_never_asked_is_reused(tmp_path):
    first = Session(tmp_path)
    first.run(2)
    trial = first.rows.ask()
    trial.suggest_categorical("model/sigma", [0.05, 0.1])
    second = Session(tmp_path)
    assert second.found.unstarted == 1
    asked = second.run()
    assert asked[0].number == trial.number
    assert asked[0].settings["model/sigma"] == trial.params["model/sigma"]
    assert second.states() == {"COMPLETE": 12}


def test_a_record_that_optuna_has_not_heard_of_is_told(tmp_path):
    first = Session(tmp_path)
    asked = first.search.ask()
    assert asked is not None
    first.ledger.publish_record(record(asked.number).model_copy(update={"asked": asked}))
    second = Session(tmp_path)
    assert (second.found.told, second.found.again) == (1, 0)
    assert second.states() == {"COMPLETE": 1}


def test_failed_and_partial_trials_count_and_are_fail_in_optuna(tmp_path):
    session = Session(tmp_path)
    for state in ("failed", "partial"):
        asked = session.search.ask()
        assert asked is not None
        session.finish(asked, state=state, measured=record().measured.model_copy(update={"objectives": None}))
    assert session.states() == {"FAIL": 2}
    assert len(session.run()) == 10


def test_the_sampler_sees_what_a_failed_trial_came_to_when_it_was_retried_and_its_row_stays(tmp_path):
    session = Session(tmp_path)
    first, second = session.search.ask(), session.search.ask()
    session.finish(first, state="failed")
    session.finish(second)
    assert set(session.seen()) == {second.number}
    session.finish(first, again=True)
    later = Session(tmp_path)
    for one in (session, later):
        assert one.seen()[first.number] == values_of(trial_of(one.ledger, first.number).objectives)
        assert set(one.seen()) == {first.number, second.number}
        assert one.states() == {"FAIL": 1, "COMPLETE": 1}


def test_the_sampler_sees_every_row_as_it_is_whatever_has_changed_it(tmp_path):
    session = Session(tmp_path)

    def agree() -> None:
        assert session.search._drawing.get_trials() == session.rows.get_trials()

    agree()
    first, second, third = (session.search.ask() for _ in range(3))
    agree()
    session.finish(second)
    session.finish(third, state="failed")
    agree()
    session.search.enqueue({"defense/name": "laplace"}, "a request")
    agree()
    session.finish(session.search.ask())
    session.finish(first)
    agree()
    session.rows.enqueue_trial({})  # as an ask that fails half-way
    session.search._look_again()
    agree()
    assert session.states() == {"COMPLETE": 3, "FAIL": 1, "WAITING": 1}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc"])
def test_draws_are_those_of_a_sampler_that_reads_all_rows_every_time(tmp_path, sampler, monkeypatch):
    def asked(root: Path) -> list[Asked]:
        session, running, asked = Session(root, f"{{trials: 16, seed: 1, sampler: {sampler}}}"), [], []
        while (trial := session.search.ask()) is not None:
            asked.append(trial)
            running.append(trial)
            if len(running) == 4:
                session.finish(running.pop(trial.number % 3))
        return asked

    changed, look = asked(tmp_path / "changed"), Informed._look
    monkeypatch.setattr(Informed, "_look", lambda study: Informed.forget(study) or look(study))
    assert [trial.settings for trial in asked(tmp_path / "all")] == [trial.settings for trial in changed]


def test_a_trial_below_the_floor_is_complete_and_infeasible(tmp_path):
    session = Session(tmp_path, "{trials: 4, seed: 1, floor: {accuracy: 0.515}}")
    session.run()
    rows = session.rows.get_trials(deepcopy=False)
    assert session.states() == {"COMPLETE": 4}
    assert [row.constraints[FLOOR] > 0 for row in rows] == [True, True, False, False]
    assert {row.number for row in session.rows.best_trials} <= {2, 3}


@pytest.mark.parametrize("damage", ["lost", "torn", "a page lost", "another study's"])
def test_a_lost_or_torn_database_is_rebuilt_from_the_directory(tmp_path, damage):
    first = Session(tmp_path, "{trials: 6, seed: 1, floor: {accuracy: 0.515}}")
    first.run(4)
    cut_off = first.search.ask()
    before = first.rows.get_trials(deepcopy=True)
    database = tmp_path / "study.db"
    match damage:
        case "lost":
            database.unlink()
        case "torn":
            database.write_bytes(database.read_bytes()[:5000] + b"rubbish")
        case "a page lost":
            content = bytearray(database.read_bytes())
            start = content.find(b"searched") // 4096 * 4096
            content[start : start + 4096] = bytes(4096)
            database.write_bytes(content)
        case _:
            database.unlink()
            other = optuna.create_study(
                storage=f"sqlite:///{database}",
                study_name="searched-None",
                directions=["maximize", "maximize", "minimize"],
            )
            other.tell(other.ask(), [0.0, 0.0, 0.0])
    second = Session(tmp_path, "{trials: 6, seed: 1, floor: {accuracy: 0.515}}")
    after = second.rows.get_trials(deepcopy=True)
    assert [(row.number, row.state, row.params, row.values, row.constraints) for row in after] == [
        (row.number, row.state, row.params, row.values, row.constraints) for row in before
    ]
    assert second.search.ask() == cut_off
    assert (tmp_path / "study.db.torn-0").exists() == (damage != "lost")


def test_gaps_in_a_rebuilt_database_are_waiting_and_used_first(tmp_path):
    first = Session(tmp_path)
    first.run(3)
    (tmp_path / "study.db").unlink()
    for name in ("asked.json", "record.json"):
        (first.ledger.trial(1) / name).unlink()
    second = Session(tmp_path)
    assert second.states() == {"COMPLETE": 2, "WAITING": 1}
    asked = second.run()
    assert asked[0].number == 1
    assert second.states() == {"COMPLETE": 12}
    assert max(branches([t.asked for t in second.ledger.trials()]).values()) <= math.ceil(12 / 4) + 1


def test_more_trials_can_be_added_to_a_finished_study(tmp_path):
    Session(tmp_path).run()
    assert Session(tmp_path).search.ask() is None
    assert len(Session(tmp_path, "{trials: 15, seed: 1}").run()) == 3


def test_the_same_seed_asks_the_same_trials(tmp_path):
    one, two = (Session(tmp_path / name).run(6) for name in ("a", "b"))
    assert [trial.settings for trial in one] == [trial.settings for trial in two]


def sampler_state(rows: optuna.Study) -> tuple[dict[str, object], list[tuple[int, dict[str, object]]]]:
    """What samplers keep beside values: of the study, and of its rows, by their ids."""
    kept = rows._storage.get_study_system_attrs(rows._study_id)
    return kept, [(row._trial_id, row.system_attrs) for row in rows.get_trials()]


@pytest.mark.parametrize("sampler", ["nsga2", "nsga3", "qmc"])
def test_a_later_attack_changes_a_finished_rows_values_and_nothing_that_the_sampler_keeps(sampler, tmp_path):
    plan = f"{{trials: 6, seed: 1, sampler: {sampler}, allocate: joint}}"
    session = Session(tmp_path, plan)
    session.run(3)
    unfinished = session.search.ask()
    before, values = sampler_state(session.rows), [row.values for row in session.rows.get_trials()]
    assert before[0] if sampler == "qmc" else all(attributes for _, attributes in before[1])
    later = JOB.model_copy(update={"seed": 1})
    session.ledger.publish_attack(attack(1, later, selection=scores(1e-6, 0.999), scored=scores(2e-6, 0.998)))
    again = Session(tmp_path, plan)
    assert sampler_state(again.rows) == before
    assert [row.values for row in again.rows.get_trials()] == [values[0], [0.51, 2e-6, 0.998], values[2], None]
    assert again.search.ask() == unfinished
