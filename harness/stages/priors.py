"""Models of images that attacks start from: trained once per images and budget, then shared by a study's trials."""

import hashlib
import json
import logging
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import nn

import attacks
from attacks.base import Attack, Images
from harness.data import AttackSplit, Data
from harness.data.attacker import attacker_part
from harness.ledger import Ledger, read_value, sha256, write_whole
from harness.records import Asked, AttackJob, Circumstances, CurvePoint, Progress, Tell, Value, derive
from harness.stages.ground import Meter, precision, prepare, seed_everything
from harness.stages.jobs import Submit
from harness.stages.loading import images_of
from harness.stages.measuring import recorded
from harness.study import Study
from harness.study.jobs import attack_jobs

_LOG = logging.getLogger(__name__)

FOLDER = "priors"

LONGEST_WAIT = 24 * 3600.0
"""Seconds for which a job of a study without ``resources/timeout`` waits for another process that trains its prior."""


class PriorRecord(Value):
    """``priors/<digest>.json``: the prior is trained exactly when this is on storage and its weights are as written."""

    version: int = 1
    attack: str
    settings: str
    """Everything the digest is of, as JSON."""
    weights: str
    """SHA-256 of the safetensors file."""
    curve: tuple[CurvePoint, ...]
    circumstances: Circumstances


def folder_of(trial: Path) -> Path:
    """Return where the priors of a trial's study lie; of a trial outside any study, beside its attempts."""
    return (trial.parent.parent if trial.parent.name == "trials" else trial) / FOLDER


def prior_stage(asked: Asked, folder: Path, job: AttackJob) -> Generator[Progress, None, str]:
    """Train an attack's prior before a study's first trial; return its digest."""
    device = prepare(asked, "attack")
    yield Progress(f"prior of {job.attack}", 0, 1)
    data = images_of(asked, device)
    split = next(split for split in data.attack_splits if split.part == job.part)
    attack = _attack(job)
    if attack is None:
        raise TypeError(f"{job.attack} is a probe, which has no prior")
    _, digest = find_or_train(attack, job, asked, data, split, folder)
    yield Progress(f"prior of {job.attack}", 1, 1)
    return digest


def train_priors(study: Study, ledger: Ledger, asked: Asked, submit: Submit, tell: Tell) -> None:
    """Train what a study's attacks start from on each part; one that fails is left to its attacks, which record why.

    Args:
        study: The study.
        ledger: Its directory.
        asked: What its trials share of images, threads, precision and seed.
        submit: Runs the jobs.
        tell: Hears of their progress.
    """
    jobs = [job for job in attack_jobs(study) if job.seed == 0 and _needs_prior(job)]
    for outcome in submit(prior_stage, [(asked, ledger.root / FOLDER, job) for job in jobs], "attack", tell):
        if outcome.failure is not None:
            _LOG.warning(
                "prior of %s: %s: %s", jobs[outcome.number].name, outcome.failure.type, outcome.failure.message
            )


def find_or_train(
    attack: Attack, job: AttackJob, asked: Asked, data: Data, split: AttackSplit, folder: Path
) -> tuple[nn.Module, str]:
    """Return an attack's prior and its digest; one writer at a time trains it if no file has it.

    It knows no network: its seed derives from the study's seed and from what the prior is, and images without labels
    of the study's classes get random ones, so that every trial starts from the same prior.

    Raises:
        TimeoutError: another process has been training it for half of a trial's time.
    """
    held = attacker_part(data, asked.settings, asked.attacker_root, split.fit.x.device)
    part, labelled = (split.fit, True) if held is None else held
    told = json.dumps(
        {
            "attack": job.attack,
            "version": attack.version,
            "prior": attack.prior_settings(),
            "images": part.digest,
            "seed": asked.study_seed,
            "precision": asked.precision,
        },
        sort_keys=True,
    )
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with _only_writer(folder / f"{digest}.lock", asked.timeout_seconds):
        seed_everything(derive(asked.study_seed, "prior", digest))
        shape = (int(part.x.shape[1]), int(part.x.shape[2]), int(part.x.shape[3]))
        prior = attack.make_prior(shape, data.num_classes).to(part.x.device)
        if not _loaded(prior, folder / digest):
            y = part.y if labelled else torch.randint_like(part.y, data.num_classes)
            _train(attack, prior, Images(part.x, y), asked, job, told, folder / digest)
    return prior.eval(), digest


def _only_writer(lock: Path, timeout_seconds: float | None) -> AbstractContextManager[object]:
    """Take a lock, held by the context returned; wait half of a trial's time, so that the rest can tell of it."""
    patience = LONGEST_WAIT if timeout_seconds is None else timeout_seconds / 2
    try:
        return FileLock(lock).acquire(timeout=patience)
    except Timeout:
        raise TimeoutError(
            f"{lock}: another process has held it for {patience:g} s to train this prior; end that process, or raise "
            "resources/timeout"
        ) from None


def _train(
    attack: Attack, prior: nn.Module, images: Images, asked: Asked, job: AttackJob, told: str, stem: Path
) -> None:
    meter = Meter(asked, "attack", images.x.device)
    attack.prior_precision = precision(asked)
    curve = attack.train_prior(prior, images)
    weights = stem.with_suffix(".safetensors")
    write_whole(weights, save({name: value.contiguous() for name, value in prior.state_dict().items()}))
    record = PriorRecord(
        attack=job.attack,
        settings=told,
        weights=sha256(weights),
        curve=recorded(curve),
        circumstances=meter.read(),
    )
    write_whole(stem.with_suffix(".json"), record.model_dump_json(indent=1).encode())


def _loaded(prior: nn.Module, stem: Path) -> bool:
    """Load a prior that is there whole; say whether it was."""
    weights, record = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    try:
        if read_value(record, PriorRecord).weights != sha256(weights):
            return False
        prior.load_state_dict(load_file(weights, device=str(next(prior.parameters(), torch.zeros(0)).device)))
    except (OSError, ValueError):
        return False
    return True


def _needs_prior(job: AttackJob) -> bool:
    attack = _attack(job)
    return attack is not None and attack.prior_settings() is not None


def _attack(job: AttackJob) -> Attack | None:
    kind = attacks.resolve(job.attack)
    return kind(**attacks.budget(kind, job.budget)) if issubclass(kind, Attack) else None
