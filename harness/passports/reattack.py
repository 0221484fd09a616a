"""Attacks the networks of a passport again, on this machine's own images, and says whether its claim stands."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError

import attacks
from attacks.base import Attack
from attacks.metrics import protocol_digest
from harness.data import Data, parts_digests
from harness.errors import UserError
from harness.passports.attacks import Held, add_attack, held_against, read_attacks, standing
from harness.passports.passport import Passport, read_passport
from harness.passports.plugins import refuse_plugins
from harness.passports.probe import compare
from harness.passports.settings import study_of
from harness.records import Asked, AttackJob, AttackRecord, Place, Tell, failure_line, one_line
from harness.stages import ATTACK, Assignment, call
from harness.stages.device import pick_device
from harness.stages.loading import images_of, trained
from harness.study.check import REFUSALS, check_ready, make_ready

Noted = Callable[[str], None]


class Order(NamedTuple):
    """What a passport is to be attacked by."""

    path: Path
    jobs: Sequence[AttackJob] = ()
    """On whatever part; empty for the claim's own attacks."""
    overrides: Sequence[str] = ()
    """``PATH=VALUE`` each: where images lie."""
    allow_plugins: bool = False
    """Whether what the passport names may be imported."""


class Reattacked(NamedTuple):
    """How a claim stands after attacks."""

    passport: Passport
    now: list[Held]
    """The attacks that were run now."""
    all: list[Held]
    """They and earlier ones, as far as they are kept beside the passport."""

    @property
    def stands(self) -> bool:
        """Whether no attack fells the claim."""
        return not any(held.fells for held in self.all)


def attack_passport(order: Order, tell: Tell, noted: Noted) -> Reattacked:
    """Attack a passport again. What comes of it is kept beside the passport, attack by attack.

    Args:
        order: The passport and the attacks.
        tell: Hears of the progress of jobs.
        noted: Hears of what did not end, and of attacks that are of another version here.

    Raises:
        UserError: it cannot be read, is not what it says, or cannot be attacked here; nothing was attacked or written.
    """
    passport = read_passport(order.path)
    read_attacks(passport)
    if not os.access(order.path.parent, os.W_OK):
        raise UserError(
            f"{order.path.parent}: cannot be written, where the attacks are kept; copy the passport elsewhere"
        )
    jobs = _jobs_of(passport, order, noted)
    study = study_of(passport, order.overrides)
    check_ready(study)
    make_ready(study)
    place = Place(data_root=study.data.root, attacker_root=study.attacker.root, download=study.data.download)
    with tempfile.TemporaryDirectory(prefix="invfront-passport-") as folder:
        scenes = [_scene(passport, number, place, Path(folder)) for number in range(len(passport.evidence))]
        now = [_run(passport, job, scenes, tell, noted) for job in jobs]
    return Reattacked(passport, now, standing(passport, read_attacks(passport).attacks))


def _jobs_of(passport: Passport, order: Order, noted: Noted) -> list[AttackJob]:
    """Return the attacks that are to run; raise UserError where one cannot, or where scores would be others."""
    if passport.claim.digests.metrics != (here := protocol_digest()):
        raise UserError(
            f"{passport.path}: is scored by metrics {passport.claim.digests.metrics[:12]}, here they are {here[:12]}; "
            "use the invfront that wrote it"
        )
    own = [] if order.jobs else [one.job for one in passport.evidence[0].attacks]
    refuse_plugins(passport, {job.attack for job in own}, allowed=order.allow_plugins)
    jobs = own or [job.model_copy(update={"part": passport.claim.part}) for job in order.jobs]
    for job in jobs:
        _refuse_job(passport, job)
    for one in passport.claim.suite if own else ():
        if one.version != (version := attacks.resolve(one.attack).version):
            noted(f"{one.job}: was of version {one.version}, here it is {version}: its numbers may be others")
    return jobs


class _Scene(NamedTuple):
    """A training's network on this machine."""

    handed: Assignment
    weights: Path


def _scene(passport: Passport, number: int, place: Place, folder: Path) -> _Scene:
    """Put a network where it can be attacked, once its images and what it makes of the probe are the passport's."""
    asked = _tamed(passport.evidence[number].asked)
    data = images_of(asked.settings, place, pick_device())
    _refuse_other_images(passport, data)
    weights, attempt = folder / str(number) / "attempt-1", folder / str(number) / "attempt-2"
    weights.mkdir(parents=True)
    attempt.mkdir()
    for name in ("client", "defense"):
        (weights / f"{name}.safetensors").write_bytes(passport.networks[number][name])
    try:
        torch.manual_seed(0)
        compare(trained(asked, data, weights), data.image_shape, passport.networks[number]["probe"])
    except (*REFUSALS, SafetensorError, KeyError, AttributeError, OSError) as error:
        raise UserError(f"{passport.path}: networks/{number}: {one_line(error)}; nothing was attacked") from error
    return _Scene(Assignment(asked, place, attempt), weights)


def _tamed(asked: Asked) -> Asked:
    """Return what a training is with no more threads than this machine has."""
    most = os.cpu_count() or 1
    return asked.model_copy(
        update={"threads": {kind: min(max(asked.threads.get(kind, 1), 1), most) for kind in ("train", "attack")}}
    )


def _refuse_other_images(passport: Passport, data: Data) -> None:
    there, here = passport.claim.digests.images, parts_digests(data)
    for part in [*there, *(part for part in here if part not in there)]:
        if there.get(part) != here.get(part):
            raise UserError(
                f"{passport.path}: the {part} images are {there.get(part, 'none')[:12]} there, "
                f"{here.get(part, 'none')[:12]} here; set data/root to the same data set"
            )


def _refuse_job(passport: Passport, job: AttackJob) -> None:
    """Refuse an attack that a passport cannot be attacked by."""
    try:
        kind = attacks.resolve(job.attack)
        kind(**attacks.budget(kind, job.budget))
    except REFUSALS as error:
        raise UserError(f"{passport.path}: {one_line(error)}; name another --attack") from error
    if kind.needs_server and not (issubclass(kind, Attack) and kind.labels_alone):
        raise UserError(
            f"--attack {job.attack}: asks the server, of which a passport has none; take an attack that does not"
        )


def _run(passport: Passport, job: AttackJob, scenes: Sequence[_Scene], tell: Tell, noted: Noted) -> Held:
    """Run an attack on every network, keep what it came to, and hold it against the claim."""
    records: list[AttackRecord | None] = []
    for number, scene in enumerate(scenes):
        for outcome in call(ATTACK, [(scene.handed, scene.weights, job)], "attack", tell):
            if outcome.failure is not None:
                noted(f"{job.name} failed on network {number}: {failure_line(outcome.failure)}")
            records.append(outcome.value)
    if not any(records):
        return Held(job.name, None, None, "", (), "failed on every network")
    add_attack(passport, records)
    return held_against(passport, records)


def lines(found: Reattacked) -> Iterator[str]:
    """Yield what each attack came to, and whether the claim stands."""
    claim = found.passport.claim
    yield (
        f"claim: accuracy {claim.accuracy:.3f}, mse {claim.mse:.4g} [{claim.mse_low:.4g}, {claim.mse_high:.4g}], ssim "
        f"{claim.ssim:.3f} [{claim.ssim_low:.3f}, {claim.ssim_high:.3f}] on {claim.part}, over {claim.interval}"
    )
    for held in found.now:
        yield f"  {held.job}: {said(held)}"
    fell = [f"{held.job} by {' and '.join(held.fells)}" for held in found.all if held.fells]
    yield f"the claim fell to {', '.join(fell)}" if fell else f"the claim stands against {len(found.all)} attacks"


def said(held: Held) -> str:
    """Return what an attack came to against a claim."""
    scores = "" if held.mse is None or held.ssim is None else f"mse {held.mse:.4g}, ssim {held.ssim:.3f}, "
    if held.why:
        return f"{scores}decides nothing: {held.why}"
    return f"{scores}fells the claim by {' and '.join(held.fells)}" if held.fells else f"{scores}the claim stands"
