"""One attack as a job: what it may know, on which images it is scored, its prior, its tuning, and probes beside it."""

import json
import multiprocessing
import shutil
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from filelock import FileLock
from torch import Tensor

from attacks.base import Fit, Images, Knowledge, Point, Target, train_prior
from attacks.diffusion import Diffusion
from attacks.gan_prior import GanPrior
from attacks.seen import Seen
from harness.ledger.arrays import scores_of
from harness.ledger.attempts import find, open_attempt
from harness.ledger.files import read_value
from harness.ledger.testing import machines_on
from harness.records.asked import AttackJob
from harness.records.place import Place
from harness.stages.assignment import Assignment
from harness.stages.attacking import attack_stage
from harness.stages.jobs import drain
from harness.stages.loading import images_of, target_of, trained
from harness.stages.priors import PriorRecord, Priors, needs_prior, train_priors
from harness.stages.training import train_stage
from harness.stages.underway import folder_of
from harness.stores import MemoryStore
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from harness.trial import Result, run_trial
from tests.adversaries import TRAININGS, Guess, Remembering
from tests.holding import SLIGHT
from tests.values import asked

ANYWHERE = Place()
FAST = SLIGHT | {"train/epochs": 1, "train/images": 128}
MODULE = "tests.adversaries:"


def job(name: str, **changes) -> AttackJob:
    return AttackJob(**({"attack": MODULE + name, "budget": "quick", "seed": 0, "part": "validation"} | changes))


GUESS, REMEMBERING, UNDONE = job("Guess"), job("Remembering"), job("Undone")
COUNTING, FAILING = job("Counting", kind="probe"), job("Failing", kind="probe")
RIDGE_AT = {"name": "Ridge", "attack": "tests.later_attacks:Ridge"}
RIDGE = job(**RIDGE_AT)
LABELLED = job("Labelled", attack="tests.later_attacks:Labelled")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A trained network's files."""
    attempt = open_attempt(tmp_path_factory.mktemp("study") / "trials" / "00000")
    drain(train_stage(Assignment(asked(settings=FAST), Place(), attempt)), lambda progress: None)
    return attempt


def attacked(weights: Path, which: AttackJob, trial: Path | None = None, place: Place = ANYWHERE, **changes):
    handed = Assignment(asked(settings=FAST, **changes), place, open_attempt(trial or weights.parent))
    return drain(attack_stage(handed, weights, which), lambda progress: None)


# what it meets


class Met(Guess):
    """Says what it was fitted and stopped on, and what it was shown of its own images."""

    knowledge: ClassVar[Knowledge] = "gradients"
    met: ClassVar[list[tuple[Tensor, Tensor, Tensor]]] = []

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        self.met.append((aux.x, val.x, target.release(val.x.float() / 255)))
        return super().fit(target, aux, val)

    def reconstruct(self, z: Tensor) -> Tensor:
        self.met[-1] = (*self.met[-1], z)
        return super().reconstruct(z)


MET = job("Met", attack=f"{__name__}:Met")


@pytest.mark.parametrize("kind", ["noise", "few"])
def test_an_attacker_with_other_images_stops_by_its_own(weights, tmp_path, kind):
    settings = FAST | {"attacker/data": kind, "attacker/images": 100}
    handed = Assignment(asked(settings=settings), ANYWHERE, open_attempt(tmp_path / "trials" / "00000"))
    record = drain(attack_stage(handed, weights, MET), lambda progress: None).measured
    aux, val, *_ = Met.met.pop()
    assert (len(aux), len(val)) == (100, 25)
    own = images_of(asked(settings=FAST).settings, ANYWHERE, torch.device("cpu")).parts["attacker_validation"]
    assert val.equal(own.x[:25]) == (kind == "few")
    assert record.digests["selection"] == own.digest != record.digests["stopping"]
    assert max(map(int, record.subsets)) == 80


def test_an_attack_at_a_level_is_the_one_that_few_is(weights, tmp_path):
    """The same numbers to the bit as of a study whose own attacker holds so many; and its own images and digest."""
    trial = tmp_path / "trials" / "00000"
    record = attacked(weights, RIDGE, trial)
    own = record.measured
    level = attacked(weights, job(**RIDGE_AT, attacker_images=100), tmp_path / "trials" / "00001").measured
    settings = FAST | {"attacker/data": "few", "attacker/images": 100}
    handed = Assignment(asked(settings=settings), ANYWHERE, open_attempt(tmp_path / "trials" / "00002"))
    few = drain(attack_stage(handed, weights, RIDGE), lambda progress: None).measured
    assert level == few
    assert (own.attacker_images, level.attacker_images) == (320, 100)
    assert own.digests["fit"] != level.digests["fit"]
    assert own.digests["scored"] == level.digests["scored"]
    assert own.scores.mse < level.scores.mse
    table = scores_of(trial, record)
    assert table["surprise_mse"].notna().all()
    assert table["surprise_mse"].tolist() == table["surprise_ssim"].tolist()


def test_members_are_an_attackers_who_was_given_them(weights, tmp_path):
    members = attacked(weights, job(**RIDGE_AT, attacker="members"), tmp_path / "trials" / "00000").measured
    data = images_of(asked(settings=FAST).settings, ANYWHERE, torch.device("cpu"))
    assert members.attacker_images == 96
    assert members.digests["fit"] != data.parts["attacker"].digest
    assert members.digests["scored"] == data.parts["validation"].digest


def test_a_prior_at_a_level_is_of_the_images_of_that_level(weights, tmp_path):
    trial = tmp_path / "trials" / "00000"
    level = attacked(weights, job("Remembering", attacker_images=100), trial).measured
    told = read_value(folder_of(trial) / f"{level.digests['prior']}.json", PriorRecord)
    assert json.loads(told.settings)["images"] == level.digests["fit"]


def test_a_white_box_attack_is_fitted_on_releases_like_those_it_is_scored_on(weights, tmp_path):
    quiet = FAST | {"model/sigma": 0.0}
    for number, precision in enumerate(("bfloat16", "float32")):
        changed = asked(settings=quiet, precision=precision)
        handed = Assignment(changed, ANYWHERE, open_attempt(tmp_path / "trials" / f"0000{number}"))
        drain(attack_stage(handed, weights, MET), lambda progress: None)
    (_, _, bfloat16, z, *_), (_, _, float32, other, *_) = (Met.met.pop(0) for _ in range(2))
    assert bfloat16.equal(z)
    assert float32.equal(other)
    assert not bfloat16.equal(float32)


class Listener(Met):
    """Keeps what it overheard."""

    knowledge: ClassVar[Knowledge] = "none"
    overhears: ClassVar[bool] = True

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        self.met.append((self.overheard,))
        return Guess.fit(self, target, aux, val)


def test_who_only_listens_is_handed_the_releases_that_it_is_scored_on(weights, tmp_path):
    attacked(weights, job("Listener", attack=f"{__name__}:Listener"), tmp_path / "trials" / "00000")
    overheard, _, scored = Listener.met.pop()[:3]
    assert overheard.equal(scored)


# tuning


def test_tuning_finds_the_setting_that_leaks_most_and_records_every_one(weights):
    found = attacked(weights, GUESS.model_copy(update={"tune": 8}), weights.parent.parent / "00001").measured
    plain = attacked(weights, GUESS, weights.parent.parent / "00002").measured
    assert len(found.tuning) == 8
    assert found.tuning[0].settings == plain.settings == {"grey": 1.0}
    best = min(tried.selection for tried in found.tuning if tried.selection is not None)
    assert found.selection.mse == pytest.approx(best)
    assert found.selection.mse < plain.selection.mse
    assert plain.tuning == ()


def test_a_setting_that_cannot_be_fitted_is_told_and_passed_over(weights):
    found = attacked(weights, GUESS.model_copy(update={"tune": 24}), weights.parent.parent / "00003").measured
    failed = [tried for tried in found.tuning if tried.selection is None]
    assert failed
    assert all(tried.settings["grey"] < 0.1 for tried in failed)
    assert all("ValueError: guess: grey must be >= 0.1" in tried.error for tried in failed)
    assert all(tried.error is None for tried in found.tuning if tried not in failed)
    assert found.scores is not None


def test_the_same_tuning_gives_the_same_numbers(weights):
    tuned = GUESS.model_copy(update={"tune": 5})
    first = attacked(weights, tuned, weights.parent.parent / "00004").measured
    assert attacked(weights, tuned, weights.parent.parent / "00005").measured == first


# what an attack says of its fit


def test_a_number_that_is_not_finite_costs_the_number_and_not_the_attack(weights, tmp_path):
    found = attacked(weights, job("Boasting"), tmp_path / "trials" / "00000").measured
    assert found.scores is not None
    assert found.details == {"grey": 0.5}
    assert found.null_reasons["ratio"] == found.null_reasons["rate"] == "what the attack says of its fit is not finite"


# priors


@pytest.fixture
def trainings(tmp_path, monkeypatch) -> Path:
    """A file with a line for every training of a prior, in whatever process."""
    file = tmp_path / "trainings"
    monkeypatch.setenv(TRAININGS, str(file))
    return file


def test_a_prior_is_trained_once_and_shared_by_the_studys_trials(weights, trainings, tmp_path):
    first = attacked(weights, REMEMBERING, tmp_path / "trials" / "00000")
    second = attacked(weights, REMEMBERING, tmp_path / "trials" / "00001", number=1)
    assert trainings.read_text().splitlines() == ["Remembering torch.float32"]
    assert len(list((tmp_path / "priors").glob("*.safetensors"))) == 1
    assert second.measured.scores == first.measured.scores


def test_a_prior_whose_losses_are_no_numbers_is_kept_and_trained_once(weights, trainings, tmp_path):
    attacked(weights, UNDONE, tmp_path / "trials" / "00000")
    attacked(weights, UNDONE, tmp_path / "trials" / "00001", number=1)
    assert trainings.read_text().splitlines() == ["Undone torch.float32"]
    (record,) = (tmp_path / "priors").glob("*.json")
    assert [point.value for point in read_value(record, PriorRecord).curve] == [None, None]


def test_a_prior_that_outlasts_its_trial_goes_on_in_the_next_one_and_its_checkpoint_goes_when_it_is_done(
    weights, trainings, tmp_path
):
    place = Place(checkpoint_seconds=0.0)
    for number in range(2):
        with pytest.raises(TimeoutError, match="time is up"):
            attacked(weights, job("Lasting"), tmp_path / "trials" / f"0000{number}", place)
    assert len(list((tmp_path / "priors").glob("*.checkpoint"))) == 1
    attacked(weights, job("Lasting"), tmp_path / "trials" / "00002", place)
    steps = [line.split() for line in trainings.read_text().splitlines()]
    assert [int(step) for step, _ in steps] == list(range(1, 9))
    assert [float(draw) for _, draw in steps] == sorted({float(draw) for _, draw in steps})
    assert not list((tmp_path / "priors").glob("*.checkpoint"))


def test_a_prior_goes_on_on_another_machine_from_its_checkpoint_in_the_store(weights, trainings, tmp_path, monkeypatch):
    store, place = MemoryStore(), Place(checkpoint_seconds=0.0)
    machines = machines_on(store, tmp_path / "machines", monkeypatch)
    for number, name in enumerate(("one", "other")):
        with pytest.raises(TimeoutError, match="time is up"):
            attacked(weights, job("Lasting"), machines(name).trial(number), place)
        assert [entry.key for entry in store.entries("priors") if entry.key.endswith(".checkpoint")]
    third = machines("third")
    attacked(weights, job("Lasting"), third.trial(2), place)
    steps = [int(line.split()[0]) for line in trainings.read_text().splitlines()]
    assert steps == list(range(1, 9))
    assert not [key for key in (entry.key for entry in store.entries("priors")) if key.endswith(".checkpoint")]
    assert not list((third.root / "priors").glob("*.checkpoint"))


def test_another_seed_of_the_attack_trains_another_prior(weights, trainings, tmp_path):
    first, second = (
        attacked(weights, REMEMBERING.model_copy(update={"seed": seed}), tmp_path / "trials" / "00000").measured
        for seed in (0, 1)
    )
    assert len(trainings.read_text().splitlines()) == 2
    assert first.digests["prior"] != second.digests["prior"]
    told = [json.loads(read_value(path, PriorRecord).settings) for path in (tmp_path / "priors").glob("*.json")]
    assert sorted(each.get("attack_seed", 0) for each in told) == [0, 1]


def test_a_prior_that_is_not_as_written_is_trained_again_to_the_same_weights(weights, trainings, tmp_path):
    attacked(weights, REMEMBERING, tmp_path / "trials" / "00000")
    (file,) = (tmp_path / "priors").glob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[:-4] + b"torn")
    attacked(weights, REMEMBERING, tmp_path / "trials" / "00001")
    assert file.read_bytes() == whole
    assert len(trainings.read_text().splitlines()) == 2


def test_a_prior_depends_on_the_studys_seed_and_says_what_it_is(weights, tmp_path):
    attacked(weights, REMEMBERING, tmp_path / "trials" / "00000")
    attacked(weights, REMEMBERING, tmp_path / "trials" / "00001", study_seed=1)
    records = [read_value(path, PriorRecord) for path in sorted((tmp_path / "priors").glob("*.json"))]
    assert sorted(json.loads(record.settings)["seed"] for record in records) == [0, 1]
    assert all(json.loads(record.settings)["prior"] == {"kind": "mean"} for record in records)


def test_a_prior_is_trained_in_the_precision_asked_for_and_named_in_the_attacks_record(weights, trainings, tmp_path):
    """The digest of a setting never changes: a study that runs on finds its priors again."""
    for number, (precision, name) in enumerate({"float32": "47c24a8bb74a0c02", "bfloat16": "3214431d05404e53"}.items()):
        found = attacked(weights, REMEMBERING, tmp_path / "trials" / f"0000{number}", precision=precision)
        assert found.measured.digests["prior"] == name
        assert (tmp_path / "priors" / f"{name}.json").exists()
    assert trainings.read_text().splitlines() == ["Remembering torch.float32", "Remembering torch.bfloat16"]
    assert "prior" not in attacked(weights, GUESS, tmp_path / "trials" / "00002").measured.digests


def test_an_heir_that_has_trained_the_prior_lets_the_others_begin(weights, trainings, tmp_path):
    sign = tmp_path / "priors" / f"{REMEMBERING.name}.underway"
    sign.parent.mkdir()
    sign.touch()  # left by a process that was lost
    attacked(weights, REMEMBERING, tmp_path / "trials" / "00000")
    assert not sign.exists()


def test_a_plug_in_whose_training_takes_no_precision_finds_it_in_itself(weights, trainings, tmp_path):
    found = attacked(weights, job("Older"), tmp_path / "trials" / "00000", precision="bfloat16")
    assert trainings.read_text().splitlines() == ["Older torch.bfloat16"]
    assert found.measured.digests["prior"]


def test_an_attack_is_not_changed_by_being_given_a_prior():
    bare = Remembering(0.5)
    prior = bare.make_prior((3, 8, 8), 2)
    assert (bare.with_prior(prior).prior, bare.prior) == (prior, None)
    train_prior(bare, prior, Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.arange(2)), torch.bfloat16)
    assert vars(bare) == vars(Remembering(0.5))


@pytest.mark.parametrize(
    ("kind", "small"),
    [(GanPrior, {"width": 4, "critic_width": 4}), (Diffusion, {"channels": 8, "mult": (1, 2), "components": 8})],
)
def test_generator_and_denoiser_are_trained_in_the_precision_given(kind, small):
    images = Images(torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8), torch.arange(40) % 2)

    def curve(precision: torch.dtype) -> tuple[Point, ...]:
        torch.manual_seed(0)
        attack = kind(**(kind.budgets["quick"] | small | {"prior_steps": 2, "batch_size": 8}))
        return attack.train_prior(attack.make_prior((3, 16, 16), 2), images, precision)

    assert curve(torch.float32) == curve(torch.float32)
    assert curve(torch.float32) != curve(torch.bfloat16)


def test_a_prior_that_another_process_trains_too_long_is_given_up_by_the_name_of_its_lock(weights, tmp_path):
    name = attacked(weights, REMEMBERING, tmp_path / "trials" / "00000").measured.digests["prior"]
    lock = tmp_path / "priors" / f"{name}.lock"
    with FileLock(lock), pytest.raises(TimeoutError, match=f"{lock}: another process has held it for 0.05 s"):
        attacked(weights, REMEMBERING, tmp_path / "trials" / "00001", Place(timeout_seconds=0.1))


def test_every_part_of_the_published_protocol_gets_its_prior_before_the_first_trial(tmp_path):
    (tmp_path / "study.yaml").write_text(
        "{name: published, data: {name: cifar10}, protocol: cem, defense: {none: {}}, "
        "attacks: {decoder: quick, gan_prior: {budget: quick, seeds: 2}, diffusion: quick}}"
    )
    study = load_checked(tmp_path / "study.yaml")
    handed: list[AttackJob] = []

    def submit(stage, jobs, kind, tell):
        handed.extend(job for *_, job in jobs)
        return iter(())

    train_priors(
        list(filter(needs_prior, attack_jobs(study))),
        Priors(asked().shared(), ANYWHERE, tmp_path),
        submit,
        lambda progress: None,
    )
    assert [(job.part, job.attack) for job in handed] == [
        (part, attack) for part in ("train", "infer") for attack in ("gan_prior", "gan_prior", "diffusion")
    ]


def test_a_trial_outside_a_study_keeps_its_priors_to_itself(tmp_path):
    assert folder_of(tmp_path / "alone") == tmp_path / "alone" / "priors"
    assert folder_of(tmp_path / "study" / "trials" / "00003") == tmp_path / "study" / "priors"


def _attack_beside(weights: str, trial: str, both: Barrier) -> None:
    torch.set_num_threads(1)
    images_of(asked(settings=FAST).settings, ANYWHERE, torch.device("cpu"))
    both.wait(120)
    attacked(Path(weights), REMEMBERING, Path(trial))


@pytest.mark.slow
def test_two_processes_train_one_prior(weights, trainings, tmp_path):
    context = multiprocessing.get_context("spawn")
    both, trials = context.Barrier(2), [tmp_path / "trials" / f"0000{number}" for number in range(2)]
    process = context.Process(target=_attack_beside, args=(str(weights), str(trials[0]), both))
    process.start()
    both.wait(120)
    attacked(weights, REMEMBERING, trials[1])
    process.join(timeout=120)
    assert process.exitcode == 0
    assert trainings.read_text().splitlines() == ["Remembering torch.float32"]


# probes


@pytest.fixture(scope="module")
def probed(tmp_path_factory) -> Result:
    """A trial with an attack and a probe."""
    return run_trial(asked(settings=FAST, attacks=(GUESS, COUNTING)), tmp_path_factory.mktemp("probed"))


def test_a_probe_is_recorded_apart_from_the_objectives(probed):
    guess, probe = probed.attacks
    assert probed.record.state == "complete"
    assert probed.record.measured.objectives.mse_attack in (GUESS.name, "mean_image", "class_mean")
    assert probe.measured.probe == {"aux": 320.0, "val": 80.0, "members": 128.0, "scored": 200.0}
    assert (probe.measured.scores, probe.measured.selection) == (None, None)
    assert guess.measured.probe is None


def test_a_probe_that_failed_is_recorded_and_leaves_the_trial_complete(tmp_path):
    result = run_trial(asked(settings=FAST, attacks=(GUESS, FAILING)), tmp_path)
    assert result.record.state == "complete"
    assert result.record.verdicts[FAILING.name] == "failed"
    assert result.record.error is not None
    assert "not finite" in result.record.error.message


def test_a_probe_that_is_done_is_taken_over(probed):
    assert set(find(probed.attempt.parent, probed.record.asked.attacks).attacks) == {GUESS.name, COUNTING.name}


# knowledge


@pytest.mark.parametrize("flips", [False, True])
def test_a_target_knows_whether_its_data_may_be_mirrored(weights, flips):
    data = images_of(asked(settings=FAST).settings, ANYWHERE, torch.device("cpu"))
    model = trained(asked(settings=FAST), data, weights)
    target = target_of(model, asked(settings=FAST), replace(data, flips=flips))
    assert Seen(target, "none", needs_server=False).mirrors is flips


@pytest.fixture
def target(weights):
    data = images_of(asked(settings=FAST).settings, ANYWHERE, torch.device("cpu"))
    return target_of(trained(asked(settings=FAST), data, weights), asked(settings=FAST), data)


@pytest.mark.parametrize(
    ("knowledge", "needs_server", "allowed"),
    [
        ("none", False, set()),
        ("none", True, {"server"}),
        ("queries", False, {"release"}),
        ("gradients", False, {"release", "mean", "surprise", "modules"}),
        ("gradients", True, {"release", "mean", "surprise", "modules", "server"}),
    ],
)
def test_an_attack_is_refused_what_it_did_not_declare(target, knowledge, needs_server, allowed):
    seen = Seen(target, knowledge, needs_server=needs_server)
    x = torch.rand(2, *target.image_shape)
    z = target.release(x)
    calls = {
        "release": lambda: seen.release(x),
        "mean": lambda: seen.mean(x),
        "surprise": lambda: seen.surprise(x, z),
        "modules": lambda: seen.modules(),
        "server": lambda: seen.server(z),
    }
    for name, call in calls.items():
        if name in allowed:
            call()
        else:
            with pytest.raises(PermissionError, match="declare"):
                call()


def test_an_attack_that_asks_a_server_that_was_let_go_says_so(weights, tmp_path):
    kept = tmp_path / "attempt-9"
    shutil.copytree(weights, kept)
    (kept / "server.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="that of trial 0 was let go"):
        attacked(kept, COUNTING)


@pytest.mark.slow
def test_who_wants_the_predicted_label_alone_does_without_a_server(weights, tmp_path):
    """A head of its own answers, twice alike, and the record says so."""
    kept = tmp_path / "attempt-9"
    shutil.copytree(weights, kept)
    beside = attacked(kept, LABELLED).measured
    assert (beside.needs_server, "label_head_accuracy" in beside.details) == (True, False)
    (kept / "server.safetensors").unlink()
    found, again = attacked(kept, LABELLED).measured, attacked(kept, LABELLED).measured
    assert found.needs_server is False
    assert found.details["label_head_accuracy"] > 0.5
    assert found == again
