"""The second kind of job of a trial: one attack on the trained network, or one probe of what else it leaks."""

import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import attacks
from attacks import metrics
from attacks.base import Attack, Evidence, Fit, Images, Knowledge, ProbeAttack
from attacks.fitting import released
from attacks.label_head import label_head
from attacks.metrics import Further
from harness.ledger import attempt_number, refuse_altered, sha256, write_whole
from harness.records import AttackJob, AttackMeasured, AttackRecord, Progress, Scalar, Tuned, derive, one_line
from harness.stages.assignment import Assignment
from harness.stages.evidence import Judged, evidence
from harness.stages.following import followed
from harness.stages.ground import Meter, prepare
from harness.stages.identifying import identified_by
from harness.stages.jobs import drain
from harness.stages.measuring import (
    mean_scores,
    recorded,
    release_errors,
    releases,
    standard_errors,
    subsets,
)
from harness.stages.priors import Priors, Wanted, find_or_train, held_images
from harness.stages.reconstructions import Reconstructed, Seeds, reconstructed, save_arrays
from harness.stages.scene import Scene, scene_of
from harness.stages.underway import folder_of


class Fitted(NamedTuple):
    """An attack that has been fitted, and under which settings."""

    attack: Attack
    fit: Fit
    settings: dict[str, Any]
    prior: dict[str, str]
    """Digest of the prior that it started from, by ``prior``; empty without one."""
    tuning: tuple[Tuned, ...] = ()
    """Every setting it was tuned over, in order; of one that was not tuned, none."""


def attack_stage(handed: Assignment, weights: Path, job: AttackJob) -> Generator[Progress, None, AttackRecord]:
    """Run one attack on the trained network in ``weights``, and put its result and arrays into the attempt."""
    asked, attempt = handed.asked, handed.attempt
    device = prepare(asked, "attack")
    meter = Meter(asked.shared(), "attack", device, handed.place.driver)
    yield Progress(job.name, 0, 1)
    scene = scene_of(handed, weights, job, device)
    kind = attacks.resolve(job.attack)
    measured = yield from followed(
        job.name, lambda: _probed(scene, kind) if issubclass(kind, ProbeAttack) else _attacked(scene, kind)
    )
    digests = {use: getattr(scene.split, use).digest for use in ("fit", "selection", "scored")}
    if scene.stopping is not scene.split.selection:
        digests["stopping"] = scene.stopping.digest
    record = AttackRecord(
        trial=asked.number,
        job=job,
        attempt=attempt_number(attempt),
        measured=measured.model_copy(
            update={
                "digests": measured.digests | digests | {"client": sha256(weights / "client.safetensors")},
                "knowledge": kind.knowledge,
                "needs_server": kind.needs_server and scene.has_server,
                "attacker_images": None if issubclass(kind, ProbeAttack) else len(scene.split.fit.y),
            }
        ),
        error=None,
        circumstances=meter.read(),
    )
    write_whole(attempt / f"{job.name}.json", record.model_dump_json(indent=1).encode())
    yield Progress(job.name, 1, 1)
    return record


def later_stage(handed: Assignment, weights: Path, job: AttackJob) -> Generator[Progress, None, AttackRecord]:
    """Run ``attack_stage`` beside those of other trials: its progress names the trial, whose files are read here first.

    Raises:
        NotAsWritten: the trained network was altered.
    """
    yield Progress(f"trial {handed.asked.number}: {job.name}", 0, 1)
    refuse_altered(weights)
    return drain(attack_stage(handed, weights, job), lambda progress: None)


def _attacked(scene: Scene, kind: type[Attack]) -> AttackMeasured:
    """Fit a reconstruction attack, and score it on attacker-validation and on the scored part."""
    best = _best(scene, kind)
    selection = reconstructed(best.attack, scene.target, scene.split.selection, _seeds(scene))
    if scene.job.half:
        return _halved(scene, kind, best, selection)
    scored = reconstructed(best.attack, scene.target, scene.split.scored, _seeds(scene), best.attack.scored_releases)
    finite = selection.finite and scored.finite
    further, reasons = _further(scene, scored, kind.knowledge) if finite else Further({}, {})
    judged = _judged(scene, best, selection) if finite else None
    details = {name: value for name, value in best.fit.details.items() if math.isfinite(value)}
    lost = dict.fromkeys(best.fit.details.keys() - details.keys(), "what the attack says of its fit is not finite")
    return AttackMeasured(
        verdict=judged.verdict if judged else "diverged",
        settings=_scalars(best.settings),
        scores=mean_scores(scored.per_image) if finite else None,
        selection=mean_scores(selection.per_image) if finite else None,
        images=len(scored.part.y),
        releases=len(scored.by_release.mse),
        digests=best.prior,
        metrics=metrics.protocol_digest(),
        conversions=save_arrays(scene.handed.attempt / scene.job.name, scored),
        curve=recorded(best.fit.curve),
        version=kind.version,
        subsets=subsets(selection.per_image) if finite else {},
        scored_subsets=subsets(scored.first) if finite else {},
        errors=standard_errors(scored.per_image) if finite else {},
        release_errors=release_errors(scored.by_release) if finite else {},
        variants={name: mean_scores(each) for name, each in scored.variants.items()} if finite else {},
        extras=further,
        null_reasons=reasons | lost,
        gains=judged.gains if judged else None,
        selection_mse=judged.errors if judged else (),
        details=details,
        tuning=best.tuning,
    )


def _seeds(scene: Scene) -> Seeds:
    asked, job = scene.asked, scene.job
    return Seeds(asked.seed, derive(asked.seed, "reconstruct", job.attack, job.budget, job.seed, job.part))


def _halved(scene: Scene, kind: type[Attack], best: Fitted, selection: Reconstructed) -> AttackMeasured:
    """Return what half of something came to, on attacker-validation alone: it is no objective."""
    judged = _judged(scene, best, selection) if selection.finite else None
    return AttackMeasured(
        verdict=judged.verdict if judged else "diverged",
        settings=_scalars(best.settings),
        scores=None,
        selection=mean_scores(selection.per_image) if judged else None,
        images=0,
        digests=best.prior,
        metrics=metrics.protocol_digest(),
        conversions={},
        curve=recorded(best.fit.curve),
        version=kind.version,
        subsets=subsets(selection.per_image) if judged else {},
        gains=judged.gains if judged else None,
        selection_mse=judged.errors if judged else (),
    )


def _judged(scene: Scene, best: Fitted, selection: Reconstructed) -> Judged:
    return evidence(best.attack, best.fit, selection, scene.split, (scene.target, scene.exact), scene.asked.seed)


def _best(scene: Scene, kind: type[Attack]) -> Fitted:
    """Fit under the budget's settings or, if the job says so, under those that leak most on attacker-validation."""
    settings = attacks.budget(kind, scene.job.budget)
    if scene.job.half == "width":
        settings = attacks.half_as_wide(kind, settings)
    return _tuned(scene, kind, settings) if scene.job.tune else _fitted(scene, kind, settings)


def _tuned(scene: Scene, kind: type[Attack], settings: dict[str, Any]) -> Fitted:
    from harness.stages.tuning import Tuner  # Optuna, which a trial without tuning does not need

    tuner = Tuner(kind, settings, scene.job.tune, derive(scene.asked.seed, "tune", scene.job.name))
    best: Fitted | None = None
    least, failure = float("inf"), None
    tuning: list[Tuned] = []
    for number, tried in tuner:
        error, fitted, why = None, None, None
        try:
            fitted = _fitted(scene, kind, tried, number)
            error = fitted.fit.curve[-1].validation
            if fitted.fit.verdict == "diverged" or not math.isfinite(error):
                error, why = None, "diverged"
        except (ValueError, RuntimeError) as fault:
            failure, why = fault, one_line(f"{type(fault).__name__}: {fault}")
        tuner.tell(number, error)
        chosen = _scalars({name: tried[name] for name in kind.tunable})
        tuning.append(Tuned(settings=chosen, selection=error, error=why))
        if fitted is not None and (best is None or (error is not None and error < least)):
            best, least = fitted, least if error is None else error
    if best is None:
        raise RuntimeError(f"{scene.job.attack}: no setting that it was tuned over could be fitted") from failure
    return best._replace(tuning=tuple(tuning))


def _fitted(scene: Scene, kind: type[Attack], settings: dict[str, Any], number: int = 0) -> Fitted:
    asked, job, split = scene.asked, scene.job, scene.split
    attack, prior = _with_prior(scene, kind(**settings))
    if kind.overhears:  # the very releases that are scored went by
        attack = attack.hearing(releases(scene.target, split.scored, asked.seed))
    tried = (number,) if number else ()
    prepare(asked, "attack", job.attack, job.budget, job.seed, job.part, *tried)
    aux, val = (Images(part.x, part.y) for part in (split.fit, scene.stopping))
    details = {} if scene.has_server or not kind.needs_server else _own_head(scene, aux, val)
    fit = attack.fit(scene.seen, aux, val)
    return Fitted(attack, replace(fit, details=fit.details | details), settings, prior)


def _own_head(scene: Scene, aux: Images, val: Images) -> dict[str, float]:
    """Let a head of the attacker's own answer for the server; return its accuracy on attacker-validation."""
    head = label_head(scene.seen, aux, val)
    scene.seen.answered_by(head)
    right = head(released(scene.seen, val)).argmax(1) == val.y
    return {"label_head_accuracy": float(right.float().mean())}


def _with_prior(scene: Scene, attack: Attack) -> tuple[Attack, dict[str, str]]:
    """Return an attack with the prior that it starts from, if it has one; and its digest, as ``Fitted`` has it."""
    if attack.prior_settings() is None:
        return attack, {}
    asked, place, attempt = scene.handed
    shared = asked.shared()
    held_by = shared.model_copy(update={"settings": scene.job.held_by(shared.settings)})
    priors = Priors(held_by, place, folder_of(attempt.parent))
    held = held_images(scene.data, scene.own, priors)
    found = find_or_train(Wanted(attack, scene.job, held, scene.data.num_classes), priors)
    return attack.with_prior(found.model), {"prior": found.digest}


def _probed(scene: Scene, kind: type[ProbeAttack]) -> AttackMeasured:
    job, split = scene.job, scene.own  # who holds other images is a matter of reconstruction
    settings = attacks.budget(kind, job.budget)
    prepare(scene.asked, "attack", job.attack, job.budget, job.seed, job.part)
    parts = (split.fit, split.selection, scene.data.parts["train"], split.scored)
    found = kind(**settings).probe(scene.seen, Evidence(*(Images(part.x, part.y) for part in parts)))
    return AttackMeasured(
        verdict=found.verdict,
        settings=_scalars(settings),
        scores=None,
        selection=None,
        images=found.images,
        digests={},
        metrics=metrics.protocol_digest(),
        conversions={},
        curve=recorded(found.curve),
        version=kind.version,
        probe=found.scores | dict.fromkeys(found.null_reasons),
        null_reasons=found.null_reasons,
    )


def _further(scene: Scene, scored: Reconstructed, knowledge: Knowledge) -> Further:
    part = scene.split.scored
    mse = scored.per_image.mse
    told = metrics.further(scored.x_hat, scored.part.x, scored.part.y, scored.first, mse, part.x)
    found = identified_by(knowledge, scene.target, part, scored.x_hat, scene.asked.seed)
    return Further({**found.values, **told.values}, found.reasons | told.reasons)


def _scalars(settings: dict[str, Any]) -> dict[str, Scalar]:
    """Return settings as a record has them: a list of widths as text."""
    return {name: value if isinstance(value, Scalar) else str(value) for name, value in settings.items()}
