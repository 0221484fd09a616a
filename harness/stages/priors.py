"""Models of images that attacks start from: trained once per images, budget and seed, then shared by all trials."""

import hashlib
import json
import logging
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import nn

import attacks
from attacks.base import Attack, Images, train_prior
from attacks.lasting import kept_by
from harness.data import AttackSplit, Data
from harness.data.attacker import Held, attacker_part
from harness.ledger import arrived, read_value, sha256, write_whole
from harness.records import AttackJob, Circumstances, CurvePoint, Place, Progress, Shared, Tell, Value, derive
from harness.stages.checkpoints import Kept
from harness.stages.ground import Meter, dtype_of, seed_everything, settle
from harness.stages.jobs import PRIOR, Submit
from harness.stages.loading import images_of
from harness.stages.measuring import recorded
from harness.stages.transfer import bring, patiently, put
from harness.stages.underway import LONGEST_WAIT, over, underway

_LOG = logging.getLogger(__name__)


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


class Priors(NamedTuple):
    """The priors of a study: what they are trained under, and where."""

    shared: Shared
    place: Place
    folder: Path


class Wanted(NamedTuple):
    """A prior that an attack starts from."""

    attack: Attack
    job: AttackJob
    """Whose seed is the prior's too."""
    images: Held
    """What the attacker holds."""
    num_classes: int
    """Of the study's images."""

    def told(self, shared: Shared) -> str:
        """Return everything that the prior's name is the digest of, as JSON."""
        # of the first seed, what it has always been: a study that runs on finds its priors again
        own = {"attack_seed": self.job.seed} if self.job.seed else {}
        return json.dumps(
            own
            | {
                "attack": self.job.attack,
                "version": self.attack.version,
                "prior": self.attack.prior_settings(),
                "images": self.images.part.digest,
                "seed": shared.study_seed,
                "precision": shared.precision,
            },
            sort_keys=True,
        )


class Prior(NamedTuple):
    """A trained prior."""

    model: nn.Module
    digest: str
    """The name of its files without their endings."""


def prior_stage(priors: Priors, job: AttackJob) -> Generator[Progress, None, str]:
    """Train an attack's prior for a study's trials, which may begin meanwhile; return its digest."""
    priors = priors._replace(folder=arrived(priors.folder, priors.place.store))
    shared = priors.shared
    device = settle(shared.threads["attack"], derive(shared.study_seed, "prior"))
    with underway(priors.folder, job):
        yield Progress(f"prior of {job.attack}", 0, 1)
        data = images_of(shared.settings, priors.place, device)
        split = data.split(job.part)
        attack = _attack(job)
        if attack is None:
            raise TypeError(f"{job.attack} is a probe, which has no prior")
        held = held_images(data, split, priors)
        found = find_or_train(Wanted(attack, job, held, data.num_classes), priors, LONGEST_WAIT, again=True)
    yield Progress(f"prior of {job.attack}", 1, 1)
    return found.digest


def train_priors(jobs: Sequence[AttackJob], priors: Priors, submit: Submit, tell: Tell) -> None:
    """Train what attacks start from, each on its part; one that fails is left to its attacks, which record why.

    Args:
        jobs: The attacks, of which each starts from a prior.
        priors: Where the study's priors lie.
        submit: Runs the jobs.
        tell: Hears of their progress.
    """
    for outcome in submit(PRIOR, [(priors, job) for job in jobs], "attack", tell):
        if outcome.failure is not None:
            over(priors.folder, jobs[outcome.number])
            _LOG.warning(
                "prior of %s: %s: %s", jobs[outcome.number].name, outcome.failure.type, outcome.failure.message
            )


def held_images(data: Data, split: AttackSplit, priors: Priors) -> Held:
    """Return the images that an attacker's prior is trained on, which no network has labelled."""
    held = attacker_part(data, priors.shared.settings, priors.place.attacker_root, split.fit.x.device)
    return Held(split.fit, split.selection, labelled=True) if held is None else held


def find_or_train(wanted: Wanted, priors: Priors, patience: float | None = None, again: bool = False) -> Prior:
    """Return a prior; one writer at a time trains it if no file has it.

    It knows no network: its seed derives from the study's seed and from what the prior is, the attack's seed included,
    and images without labels of the study's classes get random ones, so that every trial starts from the same prior.

    Args:
        wanted: The prior.
        priors: Where the study's priors lie.
        patience: Seconds to wait for another process that trains it; half of a trial's time by default, so that the
            rest can tell of it.
        again: Whether it may be tried again where it fails: then its caller says when it is over, and until then those
            that wait for it wait on.

    Raises:
        TimeoutError: another process has been training it for longer.
    """
    if patience is None:
        timeout = priors.place.timeout_seconds
        patience = LONGEST_WAIT if timeout is None else timeout / 2
    folder = priors.folder
    digest = hashlib.sha256(wanted.told(priors.shared).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with _only_writer(folder / f"{digest}.lock", patience):
        try:
            model = _found_or_trained(wanted, priors, digest)
        finally:
            if not again:
                over(folder, wanted.job)
    return Prior(model.eval(), digest)


def _found_or_trained(wanted: Wanted, priors: Priors, digest: str) -> nn.Module:
    """Return a prior's model; only one process at a time is here."""
    folder, part = priors.folder, wanted.images.part
    seed_everything(derive(priors.shared.study_seed, "prior", digest))
    shape = (int(part.x.shape[1]), int(part.x.shape[2]), int(part.x.shape[3]))
    model = wanted.attack.make_prior(shape, wanted.num_classes).to(part.x.device)
    stem = folder / digest
    there = bring(folder, f"{digest}.[js]*")
    kept = Kept(stem.with_suffix(".checkpoint"), priors.place.checkpoint_seconds, part.x.device)
    if not _loaded(model, stem):
        if not kept.file.exists():  # this machine's own may be the later one
            bring(folder, kept.file.name)
        _train(Prior(model, digest), wanted, priors, kept)
    elif any(key.endswith(".json") for key in there):
        return model
    for ending in (".safetensors", ".json"):
        put(stem.with_suffix(ending))
    patiently(kept.over)
    return model


def _only_writer(lock: Path, patience: float) -> AbstractContextManager[object]:
    """Take a lock, held by the context returned."""
    try:
        return FileLock(lock).acquire(timeout=patience)
    except Timeout:
        raise TimeoutError(
            f"{lock}: another process has held it for {patience:g} s to train this prior; end that process, or raise "
            "resources/timeout"
        ) from None


def _train(prior: Prior, wanted: Wanted, priors: Priors, kept: Kept) -> None:
    shared, (part, _, labelled) = priors.shared, wanted.images
    y = part.y if labelled else torch.randint_like(part.y, wanted.num_classes)
    meter = Meter(shared, "attack", part.x.device, priors.place.driver)
    stem = priors.folder / prior.digest
    with kept_by(kept):
        curve = train_prior(wanted.attack, prior.model, Images(part.x, y), dtype_of(shared.precision))
    weights = stem.with_suffix(".safetensors")
    write_whole(weights, save({name: value.contiguous() for name, value in prior.model.state_dict().items()}))
    record = PriorRecord(
        attack=wanted.job.attack,
        settings=wanted.told(shared),
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


def needs_prior(job: AttackJob) -> bool:
    attack = _attack(job)
    return attack is not None and attack.prior_settings() is not None


def _attack(job: AttackJob) -> Attack | None:
    kind = attacks.resolve(job.attack)
    return kind(**attacks.budget(kind, job.budget)) if issubclass(kind, Attack) else None
