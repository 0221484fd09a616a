"""Ray schedules trials: shares of devices, no deadlock, nothing that can never be placed, loopback only."""

import os
import pickle
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from harness.cluster.autoscaler import brings, could_bring
from harness.cluster.exchange import NOT_NOW
from harness.cluster.gpus import nodes_with_gpus
from harness.cluster.requests import claims_of, held_by, refuse_unplaceable, side_by_side
from harness.cluster.scheduling import Exchange, schedule
from harness.cluster.submitting import IN_PLACE, PATIENT_SECONDS, RaySubmit
from harness.cluster.survey import Survey
from harness.cluster.tasks import LOST, Claim
from harness.commands.environment import quiet
from harness.errors import Interrupted, UserError
from harness.ledger import SKIP, attempts, log_of
from harness.ledger.files import Ledger
from harness.records.asked import Asked, AttackJob
from harness.records.place import Place
from harness.records.progress import Progress
from harness.stages import Site, Stage
from harness.stages.device import REHEARSAL, device_name, pick_device
from harness.study import Resources
from harness.trial import Result
from tests.plugins import note, noted
from tests.values import asked

pytestmark = pytest.mark.ray

ANYWHERE = Place()
NODE = {"CPU": 2.0, "GPU": 0.0}


def resources(**changes) -> Resources:
    return Resources.model_validate(
        {"concurrent": 4, "train": {"cpu": 1, "gpu": 0}, "attack": {"cpu": 1, "gpu": 0}} | changes
    )


def test_nodes_hold_as_many_trials_as_fit_each_of_them():
    assert [held_by(resources(), [NODE] * count) for count in (0, 1, 3)] == [0, 2, 6]
    assert held_by(resources(train={"cpu": 1.5, "gpu": 0}), [NODE, NODE]) == 2
    assert held_by(resources(train={"cpu": 0.1, "gpu": 0}, attack={"cpu": 0.1, "gpu": 0}), [{"CPU": 0.3}]) == 3


@pytest.mark.parametrize(("share", "held"), [(0.5, 4), (0.4, 4), (0.6, 2), (0.1, 20), (1, 2), (2, 1)])
def test_a_share_of_a_gpu_lies_on_one_gpu(share, held):
    """As Ray was seen to place them, on two."""
    asked = resources(train={"cpu": 0.01, "gpu": share}, attack={"cpu": 0.01, "gpu": 0})
    assert held_by(asked, [{"CPU": 8.0, "GPU": 2.0}]) == held


def test_attacks_share_what_their_trial_reserves_of_a_gpu():
    asked = resources(train={"cpu": 4, "gpu": 0.25}, attack={"cpu": 1, "gpu": 0.125})
    assert side_by_side(asked) == 2


def test_a_bundle_must_fit_one_node():
    with pytest.raises(UserError, match=r"resources: a trial asks for \{'CPU': 3.0\}; no node has that"):
        refuse_unplaceable(resources(train={"cpu": 3, "gpu": 0}), [NODE, NODE])


def test_a_trial_reserves_what_the_largest_of_its_jobs_takes():
    large = resources(train={"cpu": 1, "gpu": 1}, attack={"cpu": 4, "gpu": 0.5})
    assert large.bundle() == {"CPU": 4.0, "GPU": 1.0}
    with pytest.raises(UserError, match=r"asks for \{'CPU': 4.0, 'GPU': 1.0\}"):
        refuse_unplaceable(large, [{"CPU": 2.0, "GPU": 2.0}])


def test_memory_a_kind_of_gpu_and_what_nodes_were_given_are_asked_for_by_rays_names():
    share = {"cpu": 1, "gpu": 0.5, "memory": "2GiB", "accelerator": "H100", "custom": {"licence": 1}}
    asked = resources(train={"cpu": 2, "gpu": 1}, attack=share)
    node = {"CPU": 8.0, "GPU": 4.0, "memory": 2.0**33, "accelerator_type:H100": 1.0, "licence": 2.0}
    assert held_by(asked, [node]) == 2  # as many as there are licences
    assert held_by(asked, [node | {"accelerator_type:H100": 0.0}]) == 0
    claim = claims_of(asked)["attack"]
    assert (claim.memory, claim.others) == (2.0**31, {"accelerator_type:H100": 0.001, "licence": 1.0})
    assert pickle.loads(pickle.dumps(claim)) == claim
    with pytest.raises(
        UserError, match=r"the nodes have \[\{'CPU': 8.0, 'GPU': 4.0, 'memory': 0.0.*'licence': 0.0\}\]"
    ):
        refuse_unplaceable(asked, [{"CPU": 8.0, "GPU": 4.0, "node:10.0.0.1": 1.0}])


def test_sixteen_gpus_that_trials_attack_with_two_of_attack_in_eight_at_once():
    """None of them holds one for a trial that waits for its attack."""
    assert held_by(resources(train={"cpu": 1, "gpu": 1}, attack={"cpu": 1, "gpu": 2}), [{"CPU": 64, "GPU": 16}]) == 8


def test_a_gpu_that_is_not_there_is_refused_with_the_numbers():
    with pytest.raises(UserError, match=r"'GPU': 1.0.*the nodes have.*'GPU': 0.0"):
        refuse_unplaceable(resources(train={"cpu": 1, "gpu": 1}), [NODE])


def test_what_a_node_that_may_come_can_hold_is_waited_for_and_what_none_can_is_refused():
    gpu = resources(train={"cpu": 1, "gpu": 1})
    refuse_unplaceable(gpu, [NODE], lambda bundle: bundle == {"CPU": 1.0, "GPU": 1.0})
    with pytest.raises(UserError, match=r"the nodes have \[.*'GPU': 0.0\}\] and no autoscaler brings one that has it;"):
        refuse_unplaceable(gpu, [NODE], lambda bundle: False)


NOTING = "tests.plugins:Noting"


def noting(number: int, folder: Path, attacks: tuple[str, ...], stall: float = 0.0, **changes) -> Asked:
    """A trial of one epoch whose training and attacks note where they run."""
    settings = {
        "defense/name": NOTING,
        f"defense/{NOTING}/folder": str(folder),
        f"defense/{NOTING}/stall": stall,
        "train/epochs": 1,
        "train/images": 64,
    }
    jobs = tuple(
        AttackJob(attack=f"tests.plugins:{name}", budget="quick", seed=seed, part="validation")
        for seed, name in enumerate(attacks)
    )
    return asked(number, settings=settings, attacks=jobs, **changes)


@pytest.fixture(scope="module")
def local_ray():
    """A local Ray that is told of two GPUs which are not there."""
    quiet(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REHEARSAL, "1")
        ray.init(
            address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False,
            object_store_memory=200 * 2**20,
        )  # fmt: skip
    yield
    ray.shutdown()


def scheduled(root: Path, trials: list[Asked], place: Place = ANYWHERE, **shares) -> dict[int, Result]:
    ledger, waiting, done = Ledger(root), deque(trials), {}
    for trial in trials:
        ledger.publish_asked(trial)
    schedule(
        resources(**shares),
        place,
        ledger,
        Exchange(
            ask=lambda: waiting.popleft() if waiting else None,
            finish=lambda result: done.update({result.record.number: result}),
            watch=lambda number, progress: None,
        ),
    )
    return done


def test_a_ray_that_nobody_brings_nodes_to_says_so_at_once(local_ray):
    assert not brings({"CPU": 1.0})
    assert not could_bring({"CPU": 99.0})


def placement_groups() -> int:
    """Return how many there have been."""
    return len(ray.util.placement_group_table())


@pytest.mark.timeout(600)
def test_four_attacks_at_a_quarter_each_run_together_on_their_trials_own_device(tmp_path, local_ray):
    """And in its own placement group, of which each trial has one; beside them another trial's attack on its own."""
    before = placement_groups()
    kinds = [("Together",) * 4, ("Grey",)]
    trials = [noting(number, tmp_path / str(number), kinds[number]) for number in range(2)]
    share = {"train": {"cpu": 1, "gpu": 1}, "attack": {"cpu": 0.25, "gpu": 0.25}}
    done = scheduled(tmp_path / "study", trials, **share)
    assert {number: result.record.state for number, result in done.items()} == dict.fromkeys(range(2), "complete")
    devices = []
    for number in range(2):
        (device,) = noted(str(tmp_path / str(number)), "train")
        assert device in ("0", "1")
        assert noted(str(tmp_path / str(number)), "attack") == [device] * len(kinds[number])
        devices.append(device)
    assert set(devices) == {"0", "1"}
    assert placement_groups() - before == len(trials)


def dying(folder: str) -> Iterator[Progress]:
    """Note itself; its process dies the first time."""
    yield Progress("die", 0, 1)
    note(folder, "job")
    if len(noted(folder, "job")) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@pytest.mark.timeout(600)
def test_a_lost_worker_is_replaced(tmp_path, local_ray):
    submit = RaySubmit({"attack": Claim(cpu=1, gpu=0)}, None, again=IN_PLACE)
    (end,) = submit(Stage(__name__, "dying"), [(str(tmp_path),)], "attack", lambda progress: None)
    assert (end.value, end.failure) == ("alive", None)
    assert len(noted(str(tmp_path), "job")) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_lost_worker_is_replaced_once_in_place_and_time_runs_out_for_what_does_not_end(tmp_path, local_ray):
    trials = [
        noting(0, tmp_path / "0", ("Fragile", "Grey")),
        noting(1, tmp_path / "1", ("Doomed", "Grey")),
    ]
    timed = [
        noting(2, tmp_path / "2", ("Endless", "Grey")),
        noting(3, tmp_path / "3", ("Grey",), stall=600.0),
    ]
    share = {"train": {"cpu": 0.5, "gpu": 0}, "attack": {"cpu": 0.5, "gpu": 0}}
    done = scheduled(tmp_path / "study", trials, **share)
    done |= scheduled(tmp_path / "timed", timed, Place(timeout_seconds=60.0), **share)
    assert {number: result.record.state for number, result in done.items()} == {
        0: "complete", 1: "partial", 2: "partial", 3: "failed",
    }  # fmt: skip
    assert len(noted(str(tmp_path / "1"), "attack")) == 2 + 1
    errors = {number: result.record.error and result.record.error.type for number, result in done.items()}
    assert errors == {0: None, 1: "WorkerLost", 2: "Timeout", 3: "Timeout"}
    assert done[1].record.error.message == "its worker or node was lost 2 times"
    assert done[1].record.error.log == "doomed"
    assert [log_of(attempt) for attempt in attempts(done[1].attempt.parent)] == ["doomed\n"] * 2
    assert done[2].record.error.log is None


def sleeping(seconds: float) -> Iterator[Progress]:
    yield Progress("sleep", 0, 1)
    time.sleep(seconds)
    return seconds


SLEEPING = Stage(__name__, "sleeping")


def told_process() -> Iterator[Progress]:
    yield Progress("look", 0, 1)
    return os.getpid()


@pytest.mark.timeout(600)
def test_the_process_of_a_job_on_a_gpu_ends_with_it_so_that_the_memory_is_free(local_ray):
    """One after another, since each takes all that there is."""
    submit = RaySubmit({"attack": Claim(cpu=1, gpu=2)}, None)
    outcomes = list(submit(Stage(__name__, "told_process"), [(), ()], "attack", lambda progress: None))
    assert [outcome.failure for outcome in outcomes] == [None, None]
    assert len({outcome.value for outcome in outcomes}) == 2


@pytest.mark.timeout(600)
def test_each_node_of_a_survey_answers_and_one_that_is_gone_is_named(local_ray):
    (there,) = nodes_with_gpus()
    gone = there._replace(id="a" * len(there.id), host="gone")
    survey = Survey([gone, there], {"train": Claim(cpu=1, gpu=1)}, None)
    bad, good = sorted(survey(Stage(__name__, "told_process"), [()], "train", lambda progress: None))
    assert (bad.value, bad.failure.stage, bad.failure.type) == (None, "train", LOST)
    assert bad.failure.message.startswith("node gone: ")
    assert (good.value > 0, good.failure) == (True, None)


@pytest.mark.timeout(600)
def test_a_time_of_each_job_does_not_count_its_waiting_for_a_place(local_ray):
    """One after another the first two jobs take longer than the time that each has."""
    submit = RaySubmit({"attack": Claim(cpu=2, gpu=0)}, 6.0, each=True)
    outcomes = list(submit(SLEEPING, [(3.2,), (3.2,), (600.0,)], "attack", lambda progress: None))
    errors = {outcome.number: outcome.failure and outcome.failure.type for outcome in outcomes}
    assert errors == {0: None, 1: None, 2: "Timeout"}
    spent = {outcome.number: outcome.spent for outcome in outcomes}
    assert all(3.1 < spent[number].seconds < 6 for number in (0, 1))
    assert 5.5 < spent[2].seconds < 16
    assert {each.site for each in spent.values()} == {Site(socket.gethostname(), device_name(pick_device()))}


@pytest.mark.timeout(600)
def test_of_many_jobs_a_few_wait_at_a_time_and_all_of_them_end_once(local_ray):
    submit = RaySubmit({"attack": Claim(cpu=1, gpu=0, memory=2.0**20)}, None, ahead=2)
    outcomes = list(submit(SLEEPING, [(number / 1000,) for number in range(12)], "attack", lambda progress: None))
    assert {outcome.number: outcome.value for outcome in outcomes} == {number: number / 1000 for number in range(12)}
    assert len(outcomes) == 12


@pytest.mark.timeout(600)
def test_a_job_that_waits_for_what_another_process_makes_takes_no_place_and_no_time_of_its_trial(local_ray):
    begun, taken = time.monotonic(), 600.0
    submit = RaySubmit(
        {"attack": Claim(cpu=2, gpu=0)}, taken, held=lambda job: job[0] == 0.2 and time.monotonic() - begun < 4
    )
    outcomes = submit(SLEEPING, [(0.2,), (0.1,)], "attack", lambda progress: None)
    assert [outcome.value for outcome in outcomes] == [0.1, 0.2]
    assert submit._deadline == pytest.approx(begun + taken, abs=6)
    begun = time.monotonic()
    assert [outcome.value for outcome in submit(SLEEPING, [(0.2,)], "attack", lambda progress: None)] == [0.2]
    assert submit._deadline >= begun + taken + 3 - 6


@pytest.mark.timeout(600)
def test_jobs_whose_place_does_not_come_back_count_as_lost_and_not_as_late(tmp_path, local_ray):
    assert RaySubmit({}, 0.5, trial=tmp_path)._patience == PATIENT_SECONDS
    submit = RaySubmit({"attack": Claim(cpu=99, gpu=0)}, 0.5, trial=tmp_path, ahead=1, patience=1.0)
    outcomes = list(submit(SLEEPING, [(0.0,)] * 3, "attack", lambda progress: None))
    assert {outcome.number for outcome in outcomes} == set(range(3))
    assert {outcome.failure.type for outcome in outcomes} == {LOST}
    assert "no node has had room" in outcomes[0].failure.message


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_attack_larger_than_its_training_finds_its_place_in_what_its_trial_holds(tmp_path, local_ray):
    before = placement_groups()
    trials = [noting(number, tmp_path / str(number), ("Grey",)) for number in range(2)]
    done = scheduled(tmp_path / "study", trials, train={"cpu": 0.5, "gpu": 0}, attack={"cpu": 1, "gpu": 0})
    assert {result.record.state for result in done.values()} == {"complete"}
    assert placement_groups() - before == len(trials)


@pytest.mark.timeout(600)
def test_a_driver_that_cannot_write_stops_with_its_error(tmp_path, local_ray):
    ledger, waiting = Ledger(tmp_path), deque([noting(0, tmp_path / "0", ("Grey",))])
    ledger.publish_asked(waiting[0])

    def full_disk(result: Result) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        schedule(
            resources(),
            ANYWHERE,
            ledger,
            Exchange(lambda: waiting.popleft() if waiting else None, full_disk, lambda number, progress: None),
        )


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_driver_that_has_no_trial_for_the_moment_is_asked_again_and_may_end_the_work_between(tmp_path, local_ray):
    ledger, looks = Ledger(tmp_path), []

    def look() -> None:
        looks.append(1)
        if len(looks) > 3:
            raise Interrupted("stopped")

    exchange = Exchange(lambda: NOT_NOW, lambda result: None, lambda number, progress: None, look=look, steered=True)
    with pytest.raises(Interrupted, match="stopped"):
        schedule(resources(), ANYWHERE, ledger, exchange._replace(ask=lambda: look() or NOT_NOW))


@pytest.mark.timeout(600)
def test_a_trial_that_its_user_skips_ends_within_seconds(tmp_path, local_ray):
    submit = RaySubmit({"train": Claim(cpu=1, gpu=0)}, None, trial=tmp_path, ahead=1)
    (tmp_path / SKIP).touch()
    begun = time.monotonic()
    outcomes = list(submit(SLEEPING, [(300.0,)] * 5, "train", lambda progress: None))
    assert [(outcome.failure.type, outcome.value) for outcome in outcomes] == [("Skipped", None)] * 5
    assert {outcome.number for outcome in outcomes} == set(range(5))
    assert time.monotonic() - begun < 60
