"""Attacks run later on stored trials: their files are added, records stay, and everything takes them into account."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import psutil
import pytest

import harness
from harness.cli import main
from harness.cluster import IN_PROCESS
from harness.cluster.requests import attack_claim
from harness.cluster.scratch import SCRATCH
from harness.commands.environment import quiet
from harness.driver.campaign import Campaign
from harness.driver.endpoints import Endpoints
from harness.driver.faults import resumable
from harness.driver.later import run_tasks, tasks_of
from harness.driver.orders import BUDGET, order_of
from harness.driver.reattack import AGAIN, attack_again
from harness.errors import Interrupted, UserError
from harness.judging.trials import judged
from harness.ledger.attempts import open_attempt
from harness.ledger.files import Ledger
from harness.ledger.whole import write_whole
from harness.records.asked import AttackJob
from harness.records.attack import AttackRecord
from harness.records.circumstances import Failure
from harness.records.place import Place
from harness.search.index import open_rows, outdated
from harness.stages.assignment import Assignment
from harness.stages.attacking import attack_stage
from harness.stages.jobs import Outcome, drain
from harness.stages.spent import Stopwatch
from harness.study.check import load_checked
from tests.adversaries import TRAININGS
from tests.later_attacks import STALL
from tests.small_ledger import JOB, small_ledger
from tests.values import book_of, scores

MODULE, LATER = "tests.adversaries:", "tests.later_attacks:"
SHARP = f"{MODULE}Remembering:quick"
PROBE = f"{MODULE}Counting:quick"
WINNING = f"{LATER}Ridge:quick"
HERE = Endpoints(address=IN_PROCESS)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A study of which trials 0 and 1 were attacked again, by two attacks and by probes; and what was there before.

    Its trials and attacks asked for a GPU each; the later attacks do without.
    """
    quiet(None)
    _, ledger = small_ledger(tmp_path_factory.mktemp("attacked"))
    on_gpus(ledger)
    before = {path: path.read_bytes() for path in ledger.root.glob("trials/*/*.json")}
    told: list[AttackRecord] = []
    orders = [order_of(text) for text in (WINNING, SHARP, SHARP, PROBE, f"{MODULE}Failing:quick")]
    campaign = Campaign(ledger.root, ["0", "1"], orders, ["resources/attack/gpu=0"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRAININGS, str(ledger.root / "trainings"))
        found = attack_again(campaign, HERE, lambda progress: None, told.append)
    assert told == found
    return ledger, before, found


def on_gpus(ledger: Ledger) -> None:
    study = load_checked(ledger.study_file, ["resources/train/gpu=1", "resources/attack/gpu=1"])
    write_whole(ledger.study_file, study.dump().encode())


def again(ledger: Ledger, trials: list[str], *attacks: str, sets: tuple[str, ...] = ()) -> list[AttackRecord]:
    campaign = Campaign(ledger.root, trials, [order_of(text) for text in attacks], sets)
    return attack_again(campaign, HERE, lambda progress: None, lambda record: None)


def open_rows_of(ledger: Ledger) -> optuna.Study:
    study = load_checked(ledger.root / "study.yaml")
    return open_rows(study, ledger.root, book_of(ledger).outlines, None)


def test_later_attacks_add_files_and_leave_records_as_they_were(attacked):
    ledger, before, found = attacked
    assert {path: path.read_bytes() for path in before} == before
    assert len(found) == 8
    names = {path.name for path in (ledger.trial(0) / "attacks").iterdir()}
    assert names == {f"{JOB.name}.json", *(f"{record.job.name}.json" for record in found)}
    assert (ledger.root / "trainings").read_text().splitlines() == ["Remembering torch.float32"]


def test_the_worst_case_takes_a_later_attack_in_and_probes_stay_out(attacked):
    ledger, _, _ = attacked
    for number in (0, 1):
        files = ledger.read(number)
        assert {attack.job.kind for attack in files.attacks} == {"reconstruction", "probe"}
        best = winner(ledger, number)
        assert best.job.name not in (own.name for own in files.asked.attacks)
        assert judged(files).objectives.mse_attack == best.job.name != files.record.measured.objectives.mse_attack
        assert judged(files).objectives.mse == best.measured.scores.mse < 0.9 * files.record.measured.objectives.mse


def winner(ledger: Ledger, number: int) -> AttackRecord:
    """The later attack that beats every other attack and guess."""
    (best,) = (attack for attack in ledger.read(number).attacks if attack.job.attack == f"{LATER}Ridge")
    return best


def test_status_report_and_tables_see_later_attacks(attacked, capsys):
    ledger, _, found = attacked
    assert main(["status", str(ledger.root), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["states"]["complete"] == 2
    row = harness.open(ledger.root).trials.set_index("trial").loc[0]
    assert row["mse"] == winner(ledger, 0).measured.scores.mse
    assert row["mse_attack"] == winner(ledger, 0).job.name
    page = (ledger.root / "report" / "index.html").read_text()
    assert all(record.job.name in page for record in found)


def test_a_later_attack_that_failed_is_recorded_and_changes_no_objective(attacked):
    ledger, _, found = attacked
    failed = next(record for record in found if record.trial == 0 and record.error)
    assert failed.measured.verdict == "failed"
    assert "not finite" in failed.error.message
    assert failed.job.name not in (
        judged(ledger.read(0)).objectives.mse_attack,
        judged(ledger.read(0)).objectives.ssim_attack,
    )


def test_a_later_attack_may_be_run_again_only_if_it_failed(attacked):
    ledger, _, found = attacked
    failed = next(record for record in found if record.trial == 0 and record.error)
    ledger.publish_attack(failed)
    (whole,) = (record for record in found if record.trial == 0 and "Remembering" in record.job.name)
    with pytest.raises(FileExistsError, match="never rewritten"):
        ledger.publish_attack(whole)


def test_a_resume_gives_optuna_the_objectives_over_all_attacks(tmp_path):
    _, ledger = small_ledger(tmp_path)
    shutil.rmtree(ledger.trial(3))  # its setting is outside the study, so that it could fail: Optuna refuses the row
    rows = open_rows_of(ledger)
    assert list(outdated(rows.get_trials(), book_of(ledger).outlines)) == []
    ledger.publish_attack(stronger(ledger.read(1).attacks[0]))
    assert [row.number for row, _ in outdated(rows.get_trials(), book_of(ledger).outlines)] == [1]
    again = open_rows_of(ledger)
    assert again.get_trials()[1].values == [judged(ledger.read(1)).objectives.accuracy, 1e-6, 0.999]
    assert [row.state.name for row in again.get_trials()] == ["COMPLETE", "COMPLETE", "FAIL", "WAITING", "RUNNING"]
    assert [row.params for row in again.get_trials()] == [row.params for row in rows.get_trials()]


def stronger(record: AttackRecord) -> AttackRecord:
    """Return a later attack that all but recovers the images."""
    better = record.measured.selection.model_copy(update={"mse": 1e-6, "ssim": 0.999})
    sizes = dict.fromkeys(record.measured.subsets, better)
    measured = record.measured.model_copy(update={"scores": better, "selection": better, "subsets": sizes})
    job = record.job.model_copy(update={"seed": 1})
    return record.model_copy(update={"job": job, "measured": measured})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["9", "--attack", "decoder"], "TRIAL 9: .*has trials 0 to 4; name a number, front, or all"),
        (["x", "--attack", "decoder"], "TRIAL x: "),
        (["3", "--attack", "decoder"], "TRIAL 3: failed, it has no trained network to attack"),
        (["4", "--attack", "decoder"], "TRIAL 4: is not finished; `invfront resume` first"),
        (["0", "--attack", "decoder:huge"], "--attack decoder:huge: .*takes the budgets"),
        (["0", "--attack", "decodr"], "--attack decodr: no attack 'decodr'.*did you mean decoder"),
        (["0", "--attack", "tests.small_ledger:SmallDecoder:tiny"], "has been run; take another budget or --seed"),
        (["1", "--attack", "tests.small_ledger:SmallDecoder:tiny"], "failed in the trial itself.*; take --seed 1"),
        (["2", "--attack", WINNING], r"TRIAL 2: .*\(attempt-1: client.safetensors not as written\); put back a copy"),
        (
            ["0", "--attack", WINNING, "--set", "train/epochs=9"],
            "--set train/epochs=9: takes resources/attack, resources/timeout, data/root, data/download and ",
        ),
        (["0", "--attack", WINNING, "--set", "resources/attack/gpus=1"], "resources/attack/gpus: unknown key"),
        (["0", "--attack", WINNING, "--set", "resources/attack/gpu=2"], "resources/attack/gpu: 2: a job uses one GPU"),
        (["0", "--attack", PROBE, "--tune", "4"], "--tune 4: .*has nothing to tune"),
        (["1", "--attack", "membership:quick"], "TRIAL 1: membership asks the server"),
    ],
)
def test_what_cannot_be_attacked_is_refused_in_one_line_and_nothing_changes(arguments, message, tmp_path, capsys):
    _, ledger = small_ledger(tmp_path)
    (ledger.trial(1) / "attempt-1" / "server.safetensors").unlink()
    (ledger.trial(2) / "attempt-1" / "client.safetensors").write_bytes(b"torn")
    fail(ledger.trial(1) / "attacks" / f"{JOB.name}.json")
    before = sorted(ledger.root.rglob("*"))
    assert main(["attack", str(ledger.root), *arguments]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert re.search(message, said), said
    assert sorted(path for path in ledger.root.rglob("*") if path.name != "study.lock") == before


def fail(path: Path) -> None:
    """Make an attack's file that of one that failed."""
    record = AttackRecord.model_validate_json(path.read_bytes())
    nothing = {"verdict": "failed", "scores": None, "selection": None, "subsets": {}}
    failed = record.model_copy(update={"measured": record.measured.model_copy(update=nothing)})
    path.write_text(failed.model_dump_json())


@pytest.mark.parametrize(
    ("text", "name", "budget"),
    [
        ("decoder", "decoder", BUDGET),
        ("decoder:quick", "decoder", "quick"),
        ("tests.adversaries:Guess:quick", "tests.adversaries:Guess", "quick"),
        ("alone:Mine", "alone:Mine", BUDGET),
        ("alone:Mine:quick", "alone:Mine", "quick"),
    ],
)
def test_an_attack_is_named_with_or_without_its_budget(text, name, budget, tmp_path, monkeypatch):
    base = (
        "from tests.later_attacks import Ridge\nclass Mine(Ridge):\n    budgets = dict.fromkeys(['quick', 'standard'], "
    )
    (tmp_path / "alone.py").write_text(base + "{'penalty': 1.0})\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert order_of(text)[:2] == (name, budget)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decodr:quick", "no attack 'decodr'.*did you mean decoder"),
        ("decoder:Quick", "Decoder takes the budgets"),
        ("no_such_module:Mine", "attack no_such_module:Mine: .*is its package installed or on PYTHONPATH"),
        ("no_such_module:Mine:quick", "attack no_such_module:Mine: .*is its package installed or on PYTHONPATH"),
    ],
)
def test_a_misspelt_attack_is_told_what_is_wrong_with_it(text, message):
    with pytest.raises(UserError, match=f"--attack {text}: {message}"):
        order_of(text)


def test_a_plug_in_without_the_default_budget_says_which_it_has():
    with pytest.raises(UserError, match=r"takes the budgets \['quick'\], not 'standard'"):
        order_of("tests.adversaries:Guess")


@pytest.mark.slow
def test_the_same_command_goes_on_after_a_kill(tmp_path):
    """Trial 0's attack was published, trial 1's was finished, trial 2's had not begun."""
    _, ledger = small_ledger(tmp_path)
    quiet(None)
    attempts = [ended(ledger, number) for number in (0, 1)]
    published = AttackRecord.model_validate_json(next(attempts[0].glob("*Remembering*.json")).read_bytes())
    ledger.publish_attack(published)
    found = {record.trial: record for record in again(ledger, ["0", "1", "2"], SHARP)}
    assert sorted(found) == [1, 2]
    assert f"attempt-{found[1].attempt}" == attempts[1].name
    assert [judged(ledger.read(number)).later for number in (0, 1, 2)] == [[published], [found[1]], [found[2]]]
    with pytest.raises(UserError, match="TRIAL 0 1 2: has been run; take another budget or --seed"):
        again(ledger, ["0", "1", "2"], SHARP)


@pytest.mark.slow
def test_a_command_that_was_cut_off_while_it_wrote_the_page_writes_it_when_it_is_given_again(tmp_path):
    _, ledger = small_ledger(tmp_path)
    page = ledger.root / "report" / "index.html"
    write_whole(page, b"of before the attack")
    os.utime(page, (0, 0))
    own = f"{JOB.attack}:{JOB.budget}"
    assert again(ledger, ["0"], own) == []
    assert "<html" in page.read_text()
    with pytest.raises(UserError, match="has been run"):
        again(ledger, ["0"], own)


def ended(ledger: Ledger, number: int) -> Path:
    """Run an attack on a trial to its end without publishing it; return its attempt."""
    attempt = open_attempt(ledger.trial(number))
    job = AttackJob(attack=f"{MODULE}Remembering", budget="quick", seed=0, part="validation")
    handed = Assignment(ledger.read(number).asked, Place(), attempt)
    drain(attack_stage(handed, ledger.trial(number) / "attempt-1", job), lambda _: None)
    return attempt


def test_an_attack_that_was_run_with_another_tuning_is_refused(tmp_path):
    _, ledger = small_ledger(tmp_path)
    (own,) = ledger.read(0).attacks
    job = own.job.model_copy(update={"attack": f"{MODULE}Guess", "budget": "quick", "tune": 2})
    ledger.publish_attack(own.model_copy(update={"job": job}))
    with pytest.raises(UserError, match=r"Guess-quick-0.json: has been run, tuned over 2 settings"):
        again(ledger, ["0"], f"{MODULE}Guess:quick")


# being cut off


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_told_to_end_keeps_what_is_finished_and_goes_on(sign, tmp_path):
    _, ledger = small_ledger(tmp_path)
    arguments = ["attack", str(ledger.root), "0", "1", "--attack", WINNING, "--attack", f"{LATER}Stalling:quick"]
    finished, errors, said = cut_off(arguments, sign)
    files = {path: path.read_bytes() for path in ledger.root.glob("trials/*/attacks/*Ridge*.json")}
    assert files
    assert "trial 0: tests.later_attacks.Ridge-quick-0 started\n" in said
    if sign == signal.SIGTERM:
        assert (finished.returncode, errors) == (130, f"invfront: ended by SIGTERM; {AGAIN}\n")
        assert not list(Path("/tmp").glob(f"{SCRATCH}{finished.pid}-*"))
    assert main(arguments) == 0
    assert [len(judged(ledger.read(number)).later) for number in (0, 1)] == [2, 2]
    assert {path: path.read_bytes() for path in files} == files


def cut_off(arguments: list[str], sign: signal.Signals) -> tuple[subprocess.Popen[str], str, list[str]]:
    """Run a command until its first attack is on storage and the next one stalls, then send it a signal."""
    command, told = [sys.executable, "-m", "harness.cli", *arguments], []
    environment = os.environ | {STALL: "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as driver:
        watchdog = threading.Timer(240, driver.kill)
        watchdog.start()
        for line in driver.stdout:
            told.append(line)
            if "Ridge-quick-0 open: mse" in "".join(told) and "Stalling-quick-0 started" in "".join(told):
                break
        relatives = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(sign)
        errors = driver.stderr.read() if sign == signal.SIGTERM else ""
        driver.wait(120)
        watchdog.cancel()
    for process in relatives:
        if process.is_running():
            process.kill()
    psutil.wait_procs(relatives, timeout=60)
    return driver, errors, told


@pytest.mark.parametrize(
    "address", [["--address", IN_PROCESS], pytest.param([], marks=[pytest.mark.slow, pytest.mark.ray])]
)
def test_a_full_disk_ends_the_command_and_is_no_fault_of_the_attack(address, tmp_path, capsys, monkeypatch):
    """The study is named from here; its attempt's path is whole, since workers may start in another folder."""
    _, ledger = small_ledger(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["attack", "small", "0", "--attack", f"{LATER}Full:quick", *address]) == 130
    place = ledger.trial(0) / "attempt-2"
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"invfront: {place}: No space left on device; mend it, then {AGAIN}"
    assert judged(ledger.read(0)).later == []


def test_attacks_that_one_after_another_are_failed_by_their_place_end_the_command(tmp_path):
    _, ledger = small_ledger(tmp_path)
    jobs = [JOB.model_copy(update={"seed": seed}) for seed in (1, 2)]
    tasks = [task for number in (0, 1) for task in tasks_of(ledger.read(number), jobs)]
    broken = Failure(stage="attack", type="DeviceError", message="a GPU is reserved and torch cannot use it")

    def submit(stage, jobs, kind, tell):
        yield from (Outcome(number, None, broken, Stopwatch().read()) for number in range(len(jobs)))

    looks = itertools.count()
    ended = run_tasks(tasks, Place(), submit, AGAIN, lambda progress: None, lambda line: None, lambda: next(looks))
    assert [next(ended).measured.verdict for _ in range(2)] == ["failed"] * 2
    with pytest.raises(Interrupted, match=f"trial 1: DeviceError: a GPU .*; mend it, then {AGAIN}"):
        next(ended)
    assert next(looks) == 2


def test_a_fault_says_how_the_attack_goes_on(tmp_path):
    with pytest.raises(UserError, match=f"No space left on device; mend it, then {AGAIN}$"), resumable(tmp_path, AGAIN):
        raise OSError(28, "No space left on device")
    with (
        pytest.raises(UserError, match=f"KeyError; mend it, then {AGAIN}$"),
        resumable(tmp_path, AGAIN),
    ):
        raise optuna.exceptions.StorageInternalError("lost") from KeyError("x")


def test_a_fault_once_work_has_begun_is_no_bad_input(tmp_path):
    def fail() -> None:
        with resumable(tmp_path) as stand:
            stand.begun = True
            raise OSError(28, "No space left on device")

    with pytest.raises(Interrupted, match="No space left on device; mend it, then"):
        fail()


def test_what_is_to_be_mended_once_work_has_begun_can_be_resumed(tmp_path):
    def fail(begun: bool) -> None:
        with resumable(tmp_path, AGAIN) as stand:
            stand.begun = begun
            raise UserError("record.json: is torn; see `invfront doctor`")

    with pytest.raises(Interrupted, match=f"^record.json: is torn; see `invfront doctor`; then {AGAIN}$"):
        fail(True)
    with pytest.raises(UserError, match=r"^record.json: is torn; see `invfront doctor`$"):
        fail(False)


# resources


def test_an_attack_asks_for_its_own_share_alone(tmp_path):
    _, ledger = small_ledger(tmp_path)
    on_gpus(ledger)
    nodes = [{"CPU": 2.0, "GPU": 0.0}]
    with pytest.raises(UserError, match=r"an attack asks for \{'CPU': 1.0, 'GPU': 1.0\}; no node has that"):
        attack_claim(Campaign(ledger.root, ["0"], []).moved().resources, nodes)
    sets = ["resources/attack/gpu=0", "resources/timeout=2h"]
    resources = Campaign(ledger.root, ["0"], [], sets).moved().resources
    assert (attack_claim(resources, nodes).gpu, resources.timeout) == (0.0, 7200.0)


@pytest.mark.parametrize("chosen", [["all"], ["front", "--until-stable"]])
def test_an_altered_network_is_left_out_where_its_attack_would_run_and_the_others_are_attacked(
    chosen, tmp_path, capsys
):
    _, ledger = small_ledger(tmp_path)
    altered = book_of(ledger).contenders[-1]
    (ledger.trial(altered) / "attempt-1" / "client.safetensors").write_bytes(b"torn")
    arguments = [*chosen, "--attack", f"{MODULE}Guess:quick", "--address", IN_PROCESS]
    assert main(["attack", str(ledger.root), *arguments]) == 0
    told = "".join(capsys.readouterr())
    assert told.count(f"left out: trial {altered}: it has no trained network to attack (attempt-1: client") == 1
    assert "put back a copy" in told
    done = {number: len(ledger.read(number).attacks) for number in (0, 1)}
    assert done[altered] == 1
    assert chosen != ["all"] or done[1 - altered] == 2


def test_the_front_is_attacked_until_nothing_new_enters_it(tmp_path, capsys):
    """Trial 1 is off the front, until the attack has found trial 0 out: then it is attacked as well."""
    _, ledger = small_ledger(tmp_path)
    for number, mse in ((0, 0.05), (1, 0.04)):
        path = ledger.trial(number) / "attacks" / f"{JOB.name}.json"
        record = AttackRecord.model_validate_json(path.read_bytes())
        found = record.measured.model_copy(update={"scores": scores(mse, 0.2), "scored_subsets": {}})
        path.write_text(record.model_copy(update={"measured": found}).model_dump_json())
        told = json.loads((ledger.trial(number) / "record.json").read_text())
        told["measured"] |= {"accuracy": 0.9, "feasible": True}
        (ledger.trial(number) / "record.json").write_text(json.dumps(told))
    assert [outline.number for outline in book_of(ledger).standing().front] == [0]
    assert (
        main(["attack", str(ledger.root), "front", "--until-stable", "--attack", WINNING, "--address", IN_PROCESS]) == 0
    )
    said = capsys.readouterr().out
    assert [len(ledger.read(number).attacks) for number in (0, 1)] == [2, 2]
    assert re.search(r"^front: .*; settled$", said, re.MULTILINE), said
