"""The worst case over a study's attacks: chosen on attacker-validation, reported on the scored part."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.ledger import TrialFiles
from harness.record import AttackRecord, Guess, Objectives, Scores

BLIND = ("mean_image", "class_mean")
"""Guesses that need no z, or the predicted label only: every worst case includes them."""

OBJECTIVE_PARTS = ("validation", "train")
"""The scored part that gives the objectives under the strict and under the published protocol."""


class Candidate(NamedTuple):
    """An attack, or a guess without z, that may be the worst."""

    name: str
    selection: Scores
    scores: Scores
    subsets: Mapping[str, Scores]
    """Scores on the first so many images of attacker-validation, by their number."""


def candidates(floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> list[Candidate]:
    """Return everything that can be the worst case: the scored attacks and the blind guesses."""
    guesses = [
        Candidate(name, floors[name].selection, floors[name].scores, floors[name].subsets)
        for name in BLIND
        if name in floors
    ]
    scored = [
        Candidate(attack.job.name, attack.measured.selection, attack.measured.scores, attack.measured.subsets)
        for attack in attacks
        if attack.job.part in OBJECTIVE_PARTS and attack.measured.selection and attack.measured.scores
    ]
    return scored + guesses


def compared(found: Iterable[Candidate]) -> dict[str, Scores]:
    """Return by name the scores that candidates are compared by: on the most first images that all of them have."""
    listed = list(found)
    common = set.intersection(*(set(candidate.subsets) for candidate in listed)) if listed else set()
    if not common:
        return {candidate.name: candidate.selection for candidate in listed}
    most = max(common, key=int)
    return {candidate.name: candidate.subsets[most] for candidate in listed}


def worst_case(accuracy: float, floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> Objectives:
    """Return the objectives of a trial whose attacks all ended with scores."""
    found = candidates(floors, attacks)
    by_selection = compared(found)
    by_mse = min(found, key=lambda candidate: by_selection[candidate.name].mse)
    by_ssim = max(found, key=lambda candidate: by_selection[candidate.name].ssim)
    return Objectives(
        accuracy=accuracy,
        mse=by_mse.scores.mse,
        ssim=by_ssim.scores.ssim,
        mse_attack=by_mse.name,
        ssim_attack=by_ssim.name,
    )


def current(files: TrialFiles) -> Objectives | None:
    """Return a trial's objectives over all its attacks, those run after its record included; null if it has none.

    An attack added later that failed leaves the objectives as they are.
    """
    record = files.record
    if record is None or record.state != "complete" or record.measured.accuracy is None:
        return None
    return worst_case(record.measured.accuracy, record.measured.floors, files.attacks)
