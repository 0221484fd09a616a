"""The ledger's trials as tidy tables: outcomes, guesses without z, learning curves."""

from collections.abc import Mapping

import pandas

from harness.judging import OBJECTIVE_PARTS, Front, JudgedTrial, objectives_over, train_seconds, worked
from harness.judging.images import PerImage, per_image
from harness.records import DIRECTIONS, Measured, Objectives, Scalar, failure_line, told
from harness.tables.attacks import finished
from harness.tables.frames import column, kind_of, table
from harness.tables.held import held
from reports.columns import ALONE, BELIEVED, OPEN
from reports.front import on_front

TRIAL = {"trial": int, "state": str}
OUTCOME = {
    "accuracy": float,
    "mse": float,
    "ssim": float,
    "mse_attack": str,
    "ssim_attack": str,
    "part": str,
    "feasible": bool,
    "on_front": bool,
    "seconds": float,
    "error": str,
    "anchor": bool,
    "limited": bool,
    "train_seconds": float,
    "mse_verdict": str,
    "ssim_verdict": str,
    "mse_within": float,
    "mse_shared": float,
    "ssim_shared": float,
    "mse_base": str,
    "ssim_base": str,
    "mse_se": float,
    "ssim_se": float,
    "mse_oracle": float,
    "ssim_oracle": float,
    "oracle_images": int,
    "oracle_of": str,
    "mse_same_images": float,
    "ssim_same_images": float,
    "mse_stacked": float,
    "ssim_stacked": float,
    "mse_stacked_single": float,
    "ssim_stacked_single": float,
    "mse_stacked_oracle": float,
    "ssim_stacked_oracle": float,
    "mse_stacked_se": float,
    "stacked_images": int,
    "stacked_of": str,
    "controlled": bool,
    "control_accuracy": float,
    "strength": float,
    "hours": float,
    "device": str,
    "nats": float,
    "nats_missing": str,
    "class_gaussian_nats": float,
    "covariance_nats": float,
    "mixture_nats": float,
    "codebook_nats": float,
    "fisher_per_pixel": float,
    "spectrum_bound": float,
    "spectrum_bound_se": float,
    "spectrum_missing": str,
    "robust_accuracy": float,
    "client_multiplications": float,
    "client_parameters": float,
}
FLOOR = {"trial": int, "guess": str, "part": str, "mse": float, "psnr": float, "ssim": float}
POINT = {"trial": int, "job": str, "step": int, "name": str, "value": float}


BOUNDS = ("class_gaussian_nats", "covariance_nats", "mixture_nats")
"""Diagnostics that are upper bounds on I(x; z | y)."""

DERIVED = ("fisher_per_pixel", "spectrum_bound", "spectrum_bound_se")
"""Diagnostics that rest on the derivative of releases."""

BESIDE = ("robust_accuracy", "client_multiplications", "client_parameters")
"""Diagnostics of the network itself."""

BOUNDS_SINCE = 2
"""Version of the diagnostics from which they are, whatever the law of the noise."""

GUESS = "guess"
"""Verdict of a guess without z that decided an objective, and beside which an attack got as far as it can."""


def per_images(trials: list[JudgedTrial]) -> dict[int, PerImage]:
    """Return what the scores of single images say of each finished trial."""
    return {trial.number: per_image(trial) for trial in trials if trial.record}


def trials_table(trials: list[JudgedTrial], images: Mapping[int, PerImage]) -> pandas.DataFrame:
    """Return one row per trial that was asked.

    Columns: ``trial, state, defense/name``, every other setting by its path, ``accuracy, mse, ssim, mse_attack,
    ssim_attack, part, feasible, on_front, seconds, error``, then ``anchor, limited, train_seconds``, the verdicts of
    the attacks that decided, ``mse_verdict, ssim_verdict``, what a better attacker could reach where that is open,
    ``mse_within``, the objectives that ``on_front`` compares, over the attacks
    that the front's trials share, ``mse_shared, ssim_shared``, whom a challenger was held against, ``mse_base,
    ssim_base``, the standard errors of the objectives, ``mse_se, ssim_se``, the per-image oracle beside the
    deciding attacks on the same images (`harness.judging.oracle`), and what stacking comes to
    (`harness.judging.stacking`); then ``controlled, control_accuracy, strength`` of trainings that were to be held to
    an accuracy; ``hours`` of work up to its end, its ``device``, and the bound ``nats`` on what its releases tell, or
    why there is none, ``nats_missing``; each measure of it by itself, and what the derivative of releases leaves to
    any attack (`harness.stages.fisher`), or why that is not known, ``spectrum_missing``; the robust accuracy and what
    the client costs a device. The objectives are those over
    all attacks on storage; NaN or null where there is none.
    """
    jobs = Front(trials).jobs
    hours = worked(trials)
    rows = (
        _outcome(trial, images.get(trial.number)) | _shared(trial, jobs) | {"hours": hours.get(trial.number)}
        for trial in trials
    )
    outcomes = table(rows, TRIAL | OUTCOME)
    found = pandas.concat([outcomes[[*TRIAL]], _settings(trials), outcomes[[*OUTCOME]]], axis=1)
    return found.assign(on_front=on_front(found))


def _shared(trial: JudgedTrial, jobs: frozenset[str]) -> dict[str, Scalar]:
    """Return the objectives over the attacks that trials are compared over; none of what is no candidate."""
    found = objectives_over(trial, jobs)
    return {"mse_shared": found.mse, "ssim_shared": found.ssim} if found else {}


def _settings(trials: list[JudgedTrial]) -> pandas.DataFrame:
    """Return a column for every setting of any trial, in the order they were first met, the defense's name in front.

    A trial that was asked without one has what that meant then.
    """
    asked = [told(trial.asked.settings) for trial in trials]
    meant = (path for settings in asked for path, value in settings.items() if value is not None)
    paths = dict.fromkeys(("defense/name", *(path for trial in trials for path in trial.asked.settings), *meant))
    values = {path: [settings.get(path) for settings in asked] for path in paths}
    columns = {
        path: [_as_text(value) for value in found] if kind_of(found) is str else found for path, found in values.items()
    }
    return pandas.DataFrame({path: column(found, kind_of(found)) for path, found in columns.items()})


def _as_text(value: Scalar) -> str | None:
    return None if value is None else str(value)


def _outcome(trial: JudgedTrial, images: PerImage | None) -> dict[str, Scalar]:
    row: dict[str, Scalar] = {
        "trial": trial.number,
        "state": trial.state,
        "part": trial.asked.attacks[0].part,
        "on_front": False,
        "anchor": trial.asked.anchor,
        "limited": False,
    }
    record, objectives = trial.record, trial.objectives
    if record is not None:
        training = train_seconds(trial)
        row |= {
            "accuracy": record.measured.accuracy,
            "feasible": record.measured.feasible,
            "seconds": training + sum(attack.circumstances.seconds for attack in trial.attacks),
            "train_seconds": training,
            "error": failure_line(record.error),
            **held(trial),
            "device": record.circumstances.device,
            **_told(record.measured),
        }
    return row | _decided(trial, objectives, images) if objectives and images else row


def _told(measured: Measured) -> dict[str, Scalar]:
    """Return what a release tells beyond the class, by each measure and by the least upper bound, or why nothing."""
    known = measured.diagnostics
    derived: dict[str, Scalar] = {name: known.get(name) for name in (*DERIVED, *BESIDE)}
    if derived["spectrum_bound"] is None:
        derived["spectrum_missing"] = measured.null_reasons.get("spectrum_bound", "not measured")
    if measured.diagnostics_version < BOUNDS_SINCE:
        return derived | {"nats_missing": "measured by a version that took all noise for Gaussian"}
    found = {name: value for name in BOUNDS if (value := known.get(name)) is not None}
    measures = derived | found | {"codebook_nats": known.get("codebook_nats")}
    if found:
        return measures | {"nats": min(found.values())}
    reasons = dict.fromkeys(measured.null_reasons[name] for name in BOUNDS if name in measured.null_reasons)
    return measures | {"nats_missing": "; ".join(reasons) or "not measured"}


def _decided(trial: JudgedTrial, objectives: Objectives, images: PerImage) -> dict[str, Scalar]:
    """Return the objectives, which attacks decided them and how these ended, and the oracle."""
    judged = trial.verdicts
    named = {"mse_attack": objectives.mse_attack, "ssim_attack": objectives.ssim_attack}
    tried = [attack.job for attack in trial.attacks if attack.job.kind == "reconstruction" and attack.job.counts]
    believed = any(judged[job.name].verdict in BELIEVED for job in tried if job.part in OBJECTIVE_PARTS)
    guess = GUESS if believed else ALONE
    ended = [judged[name].verdict if name in judged else guess for name in named.values()]
    left = judged[objectives.mse_attack].remainder if objectives.mse_attack in judged else None
    return {
        **{name: getattr(objectives, name) for name in DIRECTIONS},
        **named,
        **dict(zip(("mse_verdict", "ssim_verdict"), ended, strict=True)),
        "mse_within": objectives.mse * (1 - left.high) if left and ended[0] == OPEN else None,
        "limited": not set(ended) <= set(BELIEVED),
        "mse_base": objectives.mse_base,
        "ssim_base": objectives.ssim_base,
        **images.decided,
        **(images.oracle._asdict() if images.oracle else {}),
        **(images.stacked._asdict() if images.stacked else {}),
    }


def floors(trials: list[JudgedTrial]) -> pandas.DataFrame:
    """Return one row per guess without z of a finished trial."""
    rows = (
        {"trial": trial.number, "guess": name, "part": trial.record.measured.part, **guess.scores.model_dump()}
        for trial in trials
        if trial.record
        for name, guess in trial.record.measured.floors.items()
    )
    return table(rows, FLOOR)


def curves(trials: list[JudgedTrial]) -> pandas.DataFrame:
    """Return one row per point of a training's or an attack's curve."""
    training = ((trial.number, "train", trial.record.measured.curve) for trial in trials if trial.record)
    attacks = ((trial.number, attack.job.name, attack.measured.curve) for trial, attack, _ in finished(trials))
    rows = (
        {"trial": number, "job": job, "step": point.step, "name": point.name, "value": point.value}
        for curves in (training, attacks)
        for number, job, curve in curves
        for point in curve
    )
    return table(rows, POINT)
