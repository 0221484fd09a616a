"""Results of another study as evidence for a search: only where what was measured there is what is measured here.

They inform the sampler alone: no budget counts them, and they are on no front, since nobody can attack them here.
What only the code and the images can tell is held against them by `harness.study.agreeing`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.judging import JudgedTrial
from harness.judging.worst import OBJECTIVE_PARTS, candidates, worst_case
from harness.ledger.weights import normalisation_of
from harness.records import AttackRecord, Borrowed, BorrowedResult, Scalar
from harness.study.anchors import misfits
from harness.study.distributions import Distribution, same
from harness.study.problem import Problem
from harness.study.space import Space
from harness.study.study import Study
from harness.study.warm import PATH, Other

INFORMED = "tpe"
"""The sampler that draws by results of others; the rest model only rows of their own, or nothing."""

WAY = "results are taken where both agree; make them agree, or write take: anchors"

Key = tuple[str, str, int, int]
"""Attack, budget, seed and tuned settings of a job."""


class _Seen(NamedTuple):
    """A trial over the attacks of the new study, and what its numbers rest on."""

    result: BorrowedResult
    images: Mapping[str, str]
    train: tuple[str, str]
    metrics: str
    attacks: Mapping[str, int]


def results_of(other: Other, study: Study) -> Borrowed:
    """Return what was measured in another study, as far as this one's settings hold it.

    The objectives are over this study's attacks. A trial whose settings lie outside, or that lacks an attack which
    others have, is left out and counted.

    Raises:
        Problem: the studies measure different things, names the first, both values and the way out; or nothing fits.
    """
    if study.search.sampler != INFORMED:
        raise Problem(
            "search/sampler",
            f"{study.search.sampler}: draws by no results of others; take {INFORMED}, or write take: anchors",
        )
    _refuse_unlike(other, study)
    wanted = _keys(study)
    complete = [trial for trial in other.trials if trial.record and trial.record.state == "complete"]
    _refuse_lacking(other.root, complete, wanted)
    space = study.space()
    within = [trial for trial in complete if next(_outside(space, trial.asked.settings), None) is None]
    seen = [found for trial in within for found in _seen(trial, wanted)]
    if not seen:
        raise Problem(PATH, f"{other.root}: {_none_fits(complete, space)}")
    for one in seen[1:]:
        _refuse_mixed(other.root, seen[0], one)
    train = dict(one.train for one in seen)
    return Borrowed(
        study=other.study.name,
        digest=other.study.digest(),
        results=tuple(one.result for one in seen),
        left_out=len(complete) - len(seen),
        images=dict(seen[0].images),
        train=train,
        normalisation=normalisation_of(trial.path for trial in within),
        metrics=seen[0].metrics,
        attacks=dict(seen[0].attacks),
    )


def _refuse_unlike(other: Other, study: Study) -> None:
    """Refuse another study that has one value of a setting where this one has another value."""
    if "shifted" in (other.study.attacker.data, study.attacker.data):
        text = "shifted: whether the images of another data set are the same cannot be told; write take: anchors"
        raise Problem("attacker/data", text)
    there, here = other.study.space().shared, study.space().shared
    for path in (*here, *(path for path in there if path not in here)):
        one, own = there.get(path), here.get(path)
        if not isinstance(one, Distribution) and not isinstance(own, Distribution) and not same(one, own):
            raise Problem(PATH, f"{other.root}: {path} is {one!r} there, {own!r} here; {WAY}")


def _refuse_lacking(root: Path, complete: list[JudgedTrial], wanted: set[Key]) -> None:
    """Refuse another study no trial of which had some attack of this one."""
    had = {key for trial in complete for key in _had(trial)}
    for attack, budget, seed, tune in sorted(wanted - had) if complete else ():
        others = ", ".join(sorted({"-".join(map(str, key[:3])) for key in had})) or "none"
        tuned = f" tuned over {tune} settings" if tune else ""
        raise Problem(
            PATH, f"{root}: {attack}-{budget}-{seed}{tuned} is an attack here, there they are {others}; {WAY}"
        )


def _refuse_mixed(root: Path, first: _Seen, one: _Seen) -> None:
    """Refuse results that rest on different images, metrics or versions among themselves."""
    pairs = [
        *((f"its {part} images", first.images.get(part), digest) for part, digest in one.images.items()),
        ("its metrics", first.metrics, one.metrics),
        *((f"the version of {job}", first.attacks[job], version) for job, version in one.attacks.items()),
    ]
    for what, before, now in pairs:
        if before != now:
            numbers = f"trial {first.result.trial} and {one.result.trial}"
            raise Problem(PATH, f"{root}: {what} are {before} and {now} in {numbers}; {WAY}")


def _none_fits(complete: list[JudgedTrial], space: Space) -> str:
    if not complete:
        return "none of its trials is complete; wait for some, or leave it out"
    reasons = (reason for trial in complete for reason in _outside(space, trial.asked.settings))
    reason = next(reasons, "each lacks an attack")
    return f"none of its {len(complete)} complete trials fits this study: {reason}; widen it, or leave it out"


def _keys(study: Study) -> set[Key]:
    return {
        (attack, effort.budget, seed, effort.tune)
        for attack, effort in study.attacks.items()
        for seed in range(effort.seeds)
    }


def _had(trial: JudgedTrial) -> dict[Key, AttackRecord]:
    """Return the attacks of a trial that give objectives, and its probes."""
    return {
        (attack.job.attack, attack.job.budget, attack.job.seed, attack.job.tune): attack
        for attack in trial.attacks
        if attack.job.counts
        if attack.measured.verdict != "failed" and (attack.job.kind == "probe" or attack.job.part in OBJECTIVE_PARTS)
    }


def _seen(trial: JudgedTrial, wanted: set[Key]) -> Iterator[_Seen]:
    """Yield a trial if it had every attack."""
    record, had = trial.record, _had(trial)
    accuracy = None if record is None else record.measured.accuracy
    if record is None or accuracy is None or not wanted <= had.keys():
        return
    measured, chosen = record.measured, [had[key] for key in sorted(wanted)]
    count = trial.asked.settings.get("train/images")
    yield _Seen(
        result=BorrowedResult(
            trial=trial.number,
            settings=trial.asked.settings,
            objectives=worst_case(accuracy, candidates(measured.floors, chosen, measured.images)),
        ),
        images={part: digest for part, digest in measured.digests.items() if part != "train"},
        train=("all" if count is None else str(count), measured.digests.get("train", "")),
        metrics=chosen[0].measured.metrics,
        attacks={attack.job.name: attack.measured.version for attack in chosen},
    )


def _outside(space: Space, settings: Mapping[str, Scalar]) -> Iterator[str]:
    """Yield why a study could not have asked a trial with such settings."""
    yield from (f"{misfit.path}: {misfit.why}" for misfit in misfits(space, settings))
    entries = dict(space.shared)
    for role, given in space.roles():
        entries[f"{role}/name"] = ""
        entries |= given.get(str(settings.get(f"{role}/name")), {})
    absent = [path for path, entry in entries.items() if entry is not None and path not in settings]
    yield from (f"{path}: trials there have none" for path in absent)
