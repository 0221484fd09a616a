"""A forecast adds up, takes its trials as they were, and holds what is known to be true of times."""

import json
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.driver.costs import Observed, costs_of, mean, steps_of
from harness.driver.forecast import HOUR, START_SECONDS, Machine, forecast
from harness.driver.planning import costs_measured, middle, seconds_left
from harness.judging import judged_trials
from harness.ledger import Ledger, write_whole
from harness.records.took import NOTHING, Took
from harness.stages.calibrating import Calibrated
from harness.study import Choices, Range
from harness.study.check import load_checked
from tests.planted import plant

STUDY = load_checked("quickstart", ["attacks={linear: quick, decoder: {budget: quick, seeds: 2}}", "train/images=640"])
BRANCHES = list(STUDY.defense)
ATTACKS = 3
IDLE = START_SECONDS * (1 + ATTACKS)
"""Of a trial, in which its jobs have not begun."""


def alike(seconds: float) -> Took:
    return Took(seconds, 0.9 * seconds)


def observed(branch: str, step: float = 0.01, attack: float = 5.0) -> Observed:
    own = [("linear:quick", alike(1.0)), ("decoder:quick", alike(attack)), ("decoder:quick", alike(attack))]
    return Observed(branch, 100.0, alike(100 * step), own, 0.0, 2**30, 2**29, 10**6)


def seen(*steps: float) -> list[Observed]:
    return [observed(branch, step) for branch in BRANCHES for step in steps]


def with_trials(trials: int, concurrent: int = 1):
    search = STUDY.search.model_copy(update={"trials": trials})
    return STUDY.model_copy(
        update={"search": search, "resources": STUDY.resources.model_copy(update={"concurrent": concurrent})}
    )


def test_trials_that_are_all_alike_take_what_one_takes_times_their_number():
    found = forecast(with_trials(10), costs_of(seen(0.01)), Machine(1, 1, 2.0), 900)
    one = steps_of(STUDY.space().shared, 900) * 0.01 + 11.0
    assert found.seconds.mid == pytest.approx(10 * (one + IDLE))
    assert found.cpu_hours.mid == pytest.approx(0.9 * 10 * one / HOUR)
    assert found.gpu_hours.mid == 0.0
    assert found.cost.mid == pytest.approx(2.0 * 10 * (one + IDLE) / HOUR)
    assert found.disk_bytes.mid == 10**7


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 50), st.integers(1, 8), st.lists(st.floats(0.001, 1.0), min_size=1, max_size=4))
def test_more_slots_never_take_longer_and_work_stays_what_it_is(trials, slots, steps):
    costs = costs_of(seen(*steps))
    narrow = forecast(with_trials(trials, slots), costs, Machine(1, 1, None), 900)
    wide = forecast(with_trials(trials, slots), costs, Machine(slots, 1, None), 900)
    assert wide.seconds.mid <= narrow.seconds.mid * (1 + 1e-9)
    assert wide.cpu_hours == narrow.cpu_hours
    assert wide.seconds.low <= wide.seconds.mid <= wide.seconds.high


def test_trials_unlike_each_other_make_the_interval_wider():
    costs = [costs_of(seen(*steps)) for steps in ([0.1, 0.1], [0.01, 0.19])]
    even, uneven = (forecast(with_trials(10), each, Machine(1, 1, None), 900) for each in costs)
    assert uneven.seconds.mid == pytest.approx(even.seconds.mid)
    assert uneven.seconds.high > even.seconds.high


@pytest.mark.parametrize(
    ("cpus", "attack", "wanted"), [(1.0, 1.0, 1.0), (1.0, 0.5, 1.0), (1.0, 0.25, 1.5), (4.0, 1.0, 1.5), (1.0, 2.0, 1.0)]
)
def test_memory_is_that_of_the_training_or_of_all_attacks_that_run_side_by_side(cpus, attack, wanted):
    """Of a gibibyte and half of one, and three attacks."""
    shares = [f"resources={{concurrent: 2, train: {{cpu: {cpus}}}, attack: {{cpu: {attack}}}}}"]
    study = load_checked("quickstart", ["attacks={linear: quick, decoder: {budget: quick, seeds: 2}}", *shares], 10)
    found = forecast(study, costs_of(seen(0.01)), Machine(2, 1, None), 900)
    assert found.memory_bytes.mid == 2 * wanted * 2**30


@pytest.mark.parametrize(("train", "attack", "idle"), [(0, 0.5, "train"), (1, 0, "attack"), (1, 1, None), (0, 0, None)])
def test_a_gpu_that_is_held_for_jobs_which_do_not_use_it_is_said_with_its_share_of_the_time(train, attack, idle):
    shares = [f"resources={{train: {{gpu: {train}}}, attack: {{gpu: {attack}}}}}", "attacks={linear: quick}"]
    found = forecast(load_checked("quickstart", shares, 10), costs_of(seen(1.0)), Machine(1, 1, None), 900)
    told = [line for line in found.limits if "idles" in line]
    assert len(told) == (idle is not None)
    for line in told:
        other = "attack" if idle == "train" else "train"
        assert line.startswith(f"resources/{idle}/gpu: 0; ")
        assert f"set resources/{idle}/gpu too, or resources/{other}/gpu=0" in line
        share = int(re.search(r"that is (\d+)% of its time", line)[1])
        assert share > 90 if idle == "train" else share < 20


def test_what_is_not_known_is_said():
    few = [observed(BRANCHES[0])]
    found = forecast(with_trials(10), costs_of(few), Machine(1, 1, None), 900)
    assert [line.split(":")[0] for line in found.limits] == [f"defense {branch}" for branch in BRANCHES[1:]]
    wider = costs_of(few, {"model/width": 1.0, "model/sigma": 0.5})
    assert forecast(with_trials(10), wider, Machine(1, 1, None), 900).limits[-1] == (
        "model/width: seen with 1.0, asked with 0.25; its trials take otherwise"
    )
    other = load_checked("quickstart", ["attacks={rmle: quick}"])
    with pytest.raises(ValueError, match="attacks/rmle: nothing is known of what quick takes"):
        forecast(other, costs_of(few), Machine(1, 1, None), 900)


def test_what_a_study_limits_itself_to_is_said_with_the_trials_until_then():
    limited = load_checked("quickstart", ["search/limits={hours: 0.01}", "resources={concurrent: 1, timeout: 5}"], 10)
    lines = forecast(limited, costs_of(seen(0.01)), Machine(4, 1, None), 900).limits
    assert [line.split(":")[0] for line in lines] == [
        "resources/concurrent",
        "search/limits/hours",
        "resources/timeout",
    ]
    assert "some 4 trials until then" in lines[1]


def measured(busy: float = 1.0) -> Calibrated:
    took = Took(2.0 * busy, 2.0)
    return Calibrated(
        device="cpu",
        fixed=took,
        steps={branch: Took(0.01 * busy, 0.01) for branch in BRANCHES},
        epochs={branch: Took(0.1 * busy, 0.1) for branch in BRANCHES},
        attacks={"linear-quick-0": took, "decoder-quick-0": took},
        priors={"decoder-quick-0": Took(7.0, 7.0)},
    )


def test_a_few_steps_are_scaled_up_to_trials_and_what_is_trained_once_is_charged_once():
    study = with_trials(10)
    found = forecast(study, costs_measured(measured(), study), Machine(1, 1, None), 900)
    shared = STUDY.space().shared
    one = 2.0 + steps_of(shared, 900) * 0.01 + 0.1 * float(shared["train/epochs"]) + 3 * 2.0
    assert found.cpu_hours.mid == pytest.approx((10 * one + 7.0) / HOUR)
    assert found.seconds.mid == pytest.approx(10 * (one + IDLE) + 7.0)


def test_an_attack_that_was_not_reached_in_time_takes_what_the_dearest_did_and_is_said():
    found, study = measured(), with_trials(10)
    del found.attacks["linear-quick-0"]
    told = forecast(study, costs_measured(found, study), Machine(1, 1, None), 900)
    assert told.cpu_hours == forecast(study, costs_measured(measured(), study), Machine(1, 1, None), 900).cpu_hours
    assert [line.split(";")[0] for line in told.limits] == ["attack linear:quick: not reached in time"]


@pytest.mark.parametrize(
    ("seconds", "by"), [(1.0, "to be as slow as the slowest that was"), (9.0, "by the steps of it")]
)
def test_an_attack_that_was_begun_takes_what_its_steps_foretell_and_no_less_than_the_dearest(seconds, by):
    study, found = with_trials(10), measured()
    found.begun["linear-quick-0"] = Took(seconds, seconds)
    del found.attacks["linear-quick-0"]
    told, whole = (forecast(study, costs_measured(one, study), Machine(1, 1, None), 900) for one in (found, measured()))
    (line,) = told.limits
    assert line.startswith(f"attack linear:quick: its end was not reached in time; taken {by}")
    more = max(0.0, seconds - 2.0)
    assert told.cpu_hours.mid == pytest.approx(whole.cpu_hours.mid + 10 * more / HOUR)


def test_a_machine_that_was_busy_when_it_was_measured_makes_the_interval_reach_down_and_is_said():
    study = with_trials(10)
    quiet, busy = (
        forecast(study, costs_measured(measured(times), study), Machine(1, 1, None), 900) for times in (1.0, 4.0)
    )
    assert busy.cpu_hours == quiet.cpu_hours
    assert quiet.seconds.low * 0.7 < busy.seconds.low < quiet.seconds.mid < busy.seconds.mid
    assert [line.split(":")[0] for line in busy.limits] == ["this machine"]
    assert quiet.limits == ()


def test_the_middle_of_a_setting_is_one_that_it_can_take():
    assert middle(Choices((0.1, 0.2, 0.3))) == 0.2
    assert middle(Range(low=1, high=9)) == 5
    entry = Range(low=0.01, high=1.0, log=True)
    assert entry.contains(middle(entry))


def test_the_mean_of_a_distribution_is_what_draws_come_to():
    drawn = ["train/epochs={choices: [2, 4]}", "train/batch_size={low: 10, high: 100, log: true}"]
    shared = load_checked("quickstart", drawn).space().shared
    assert mean(shared["train/epochs"]) == 3
    assert mean(shared["train/batch_size"]) == pytest.approx(90 / 2.302585, rel=1e-3)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study of nine finished trials."""
    root = tmp_path_factory.mktemp("ran") / "quickstart"
    study = load_checked("quickstart", ["search/anchors=[]"], 9)
    study = study.model_copy(update={"ledger": "00000000-0000-4000-8000-000000000000"})
    write_whole(root / "study.yaml", study.dump().encode())
    plant(study, Ledger(root), range(9))
    return root


def test_a_finished_study_is_compared_with_what_its_first_third_told(ran, capsys):
    assert main(["plan", str(ran), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["was"]["from_trials"] == 3
    jobs = sum(len(trial.attacks) for trial in judged_trials(Ledger(ran)))
    assert told["was"]["cpu_hours"] == pytest.approx((jobs + 9) / HOUR)  # each of them a second
    assert told["cpu_hours"]["low"] <= told["was"]["cpu_hours"] <= told["cpu_hours"]["high"]


def test_memory_is_forecast_by_the_peaks_that_records_tell(ran, tmp_path, capsys):
    root = tmp_path / "quickstart"
    shutil.copytree(ran, root)
    for path in root.glob("trials/*/**/*.json"):
        path.write_text(re.sub(r'("peak_memory_bytes": *)\d+', r"\g<1>3000000", path.read_text()))
    told = []
    for one in (ran, root):
        assert main(["plan", str(one), "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out)["memory_bytes"]["mid"])
    assert told[1] == pytest.approx(3e6 * told[0])


def test_steps_have_what_the_nodes_left_of_three_minutes():
    assert [seconds_left(spent) for spent in (0.0, 45.0, 170.0)] == [165.0, 120.0, 60.0]


def test_an_earlier_study_tells_of_another_one_and_what_cannot_be_placed_is_said(ran, capsys):
    more = ["--trials", "90", "--from", str(ran), "--set", "resources/train/gpu=1", "--set", "search/anchors=[]"]
    assert main(["plan", "quickstart", *more, "--rate", "2.5/h", "--gpus-per-node", "0"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^cannot be placed: resources: a trial asks for .*'GPU': 1.0", said, re.MULTILINE)
    assert re.search(r"^cost: \d", said, re.MULTILINE)
    assert main(["plan", "quickstart", "--from", str(ran), "--rate", "cheap"]) == 2
    assert capsys.readouterr().err == "invfront: --rate cheap: takes an amount an hour, as 2.5/h\n"
    assert main(["plan", "quickstart", "--from", str(ran), "--set", "attacks={rmle: quick}"]) == 2
    assert "nothing is known of what quick takes; name a study that ran it" in capsys.readouterr().err


def test_gpu_hours_are_of_the_share_that_memory_of_a_gpu_comes_to(ran, capsys):
    told = {}
    for share in ("gpu: 1", "gpu_memory: 20GiB"):
        shares = f"resources={{concurrent: auto, train: {{cpu: 1, {share}}}, attack: {{cpu: 1, gpu: 0.1}}}}"
        more = ["--trials", "90", "--from", str(ran), "--set", shares, "--cpus-per-node", "64", "--gpus-per-node", "2"]
        assert main(["plan", "quickstart", *more, "--gpu-memory", "80GiB", "--json"]) == 0
        told[share] = json.loads(capsys.readouterr().out)
    whole, part = told.values()
    assert part["gpu_hours"]["mid"] == pytest.approx(whole["gpu_hours"]["mid"] / 4, rel=0.2)
    assert part["seconds"]["mid"] < whole["seconds"]["mid"] / 2, "eight at a time, where it was two"
    assert part["unplaceable"] == []


def test_a_size_that_is_none_and_one_that_is_missing_are_said_before_anything_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    nodes = ["plan", "quickstart", "--gpus-per-node", "8", "--set", "resources/train/gpu_memory=20GiB"]
    assert main([*nodes, "--gpu-memory", "80GB"]) == 2
    assert "--gpu-memory': takes a size such as 512MiB, 8GiB, 1TiB or a number of bytes" in capsys.readouterr().err
    assert main([*nodes, "--from", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err.startswith("invfront: --gpu-memory: is missing; ")


@pytest.mark.slow
def test_a_few_steps_of_each_kind_tell_what_a_study_takes(capsys):
    small = ["--set", "train/images=320", "--set", "train/epochs=2", "--set", "defense={none: {}, cem_paper: default}"]
    assert main(["plan", "quickstart", *small, "--trials", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 < told["cpu_hours"]["low"] < told["cpu_hours"]["mid"] < told["cpu_hours"]["high"]
    assert told["memory_bytes"]["mid"] > 2**27
    assert told["disk_bytes"]["mid"] > 10**5
    assert told["was"] is None
    assert NOTHING.with_(NOTHING) == NOTHING


@pytest.mark.slow
def test_a_study_that_is_held_to_an_accuracy_is_measured_whichever_defense_comes_first(capsys):
    small = ["--set", "train/images=320", "--set", "train/epochs=2", "--set", "train/target_accuracy=0.6"]
    first = ["--set", "defense={cem_paper: default, none: {}}", "--trials", "4", "--json"]
    assert main(["plan", "quickstart", *small, *first]) == 0
    assert json.loads(capsys.readouterr().out)["cpu_hours"]["low"] > 0
