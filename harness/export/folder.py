"""The ledger as tidy tables, and the folder of them that a report is made from."""

import io
from collections.abc import Mapping
from pathlib import Path

import pandas

from harness.export.attacks import finished, probes, reconstructions, variants
from harness.export.description import study_json
from harness.export.frames import column, kind_of, table
from harness.export.images import image_scores, images_npz
from harness.judging import OBJECTIVE_PARTS, JudgedTrial, judged_trials, train_seconds
from harness.judging.images import PerImage, per_image
from harness.ledger import Ledger, write_whole
from harness.records import DIRECTIONS, Objectives, Scalar, failure_line
from harness.study import Study
from reports.columns import ALONE, BELIEVED
from reports.curves import shown_trials
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
    "mse_oracle": float,
    "ssim_oracle": float,
    "oracle_images": int,
    "oracle_of": str,
    "mse_same_images": float,
    "ssim_same_images": float,
}
FLOOR = {"trial": int, "guess": str, "part": str, "mse": float, "psnr": float, "ssim": float}
POINT = {"trial": int, "job": str, "step": int, "name": str, "value": float}

GUESS = "guess"
"""Verdict of a guess without z that decided an objective, and beside which an attack got as far as it can."""


def write_tables(study: Study, ledger: Ledger, trials: list[JudgedTrial]) -> Path:
    """Write ``STUDY/report/data/`` as `reports.columns` documents it, from the directory alone; return it.

    Reconstructions are copied for the trials that a report shows: the front's and the anchors.
    """
    data = ledger.root / "report" / "data"
    images = _images(trials)
    rows = _trials(trials, images)
    numbers = set(shown_trials(rows)["trial"])
    shown = [trial for trial in trials if trial.number in numbers]
    for name, content in (
        ("trials", rows),
        ("attacks", reconstructions(trials, images)),
        ("probes", probes(trials)),
        ("variants", variants(trials)),
        ("floors", _floors(trials)),
        ("curves", _curves(trials)),
        ("image_scores", image_scores(shown, images)),
    ):
        write_whole(data / f"{name}.parquet", _parquet(content))
    write_whole(data / "images.npz", images_npz(shown))
    write_whole(data / "study.json", study_json(study, ledger, trials))
    return data


def trials_table(ledger: Ledger) -> pandas.DataFrame:
    """Return one row per trial that was asked.

    Columns: ``trial, state, defense/name``, every other setting by its path, ``accuracy, mse, ssim, mse_attack,
    ssim_attack, part, feasible, on_front, seconds, error``, then ``anchor, limited, train_seconds``, the verdicts of
    the attacks that decided, ``mse_verdict, ssim_verdict``, and the per-image oracle beside the deciding attacks on the
    same images (`harness.judging.oracle`). The objectives are those over all attacks on storage; NaN or null where
    there is none.
    """
    trials = list(judged_trials(ledger))
    return _trials(trials, _images(trials))


def attacks_table(ledger: Ledger) -> pandas.DataFrame:
    """Return one row per reconstruction job of a finished trial; probes have a table of their own.

    Columns: ``trial, attack, budget, seed, part, verdict, mse, psnr, ssim, images, seconds``, then ``job, error``, the
    standard errors of the means over images, ``mse_se, ssim_se`` (NaN where the per-image scores are not there),
    ``why`` (what lowered the attack's own verdict, or keeps it out of the worst case), ``knowledge, version, tune``,
    and every record's further metrics.
    """
    trials = list(judged_trials(ledger))
    return reconstructions(trials, _images(trials))


def _images(trials: list[JudgedTrial]) -> dict[int, PerImage]:
    return {trial.number: per_image(trial) for trial in trials if trial.record}


def _trials(trials: list[JudgedTrial], images: Mapping[int, PerImage]) -> pandas.DataFrame:
    outcomes = table((_outcome(trial, images.get(trial.number)) for trial in trials), TRIAL | OUTCOME)
    found = pandas.concat([outcomes[[*TRIAL]], _settings(trials), outcomes[[*OUTCOME]]], axis=1)
    return found.assign(on_front=on_front(found))


def _settings(trials: list[JudgedTrial]) -> pandas.DataFrame:
    """Return a column for every setting of any trial, in the order they were first met, the defense's name in front."""
    paths = dict.fromkeys(("defense/name", *(path for trial in trials for path in trial.asked.settings)))
    values = {path: [trial.asked.settings.get(path) for trial in trials] for path in paths}
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
        }
    return row | _decided(trial, objectives, images) if objectives and images else row


def _decided(trial: JudgedTrial, objectives: Objectives, images: PerImage) -> dict[str, Scalar]:
    """Return the objectives, which attacks decided them and how these ended, and the oracle."""
    judged = trial.verdicts
    named = {"mse_attack": objectives.mse_attack, "ssim_attack": objectives.ssim_attack}
    tried = [attack.job for attack in trial.attacks if attack.job.kind == "reconstruction"]
    believed = any(judged[job.name].verdict in BELIEVED for job in tried if job.part in OBJECTIVE_PARTS)
    guess = GUESS if believed else ALONE
    ended = [judged[name].verdict if name in judged else guess for name in named.values()]
    return {
        **{name: getattr(objectives, name) for name in DIRECTIONS},
        **named,
        **dict(zip(("mse_verdict", "ssim_verdict"), ended, strict=True)),
        "limited": not set(ended) <= set(BELIEVED),
        **(images.oracle._asdict() if images.oracle else {}),
    }


def _floors(trials: list[JudgedTrial]) -> pandas.DataFrame:
    rows = (
        {"trial": trial.number, "guess": name, "part": trial.record.measured.part, **guess.scores.model_dump()}
        for trial in trials
        if trial.record
        for name, guess in trial.record.measured.floors.items()
    )
    return table(rows, FLOOR)


def _curves(trials: list[JudgedTrial]) -> pandas.DataFrame:
    training = ((trial.number, "train", trial.record.measured.curve) for trial in trials if trial.record)
    attacks = ((trial.number, attack.job.name, attack.measured.curve) for trial, attack, _ in finished(trials))
    rows = (
        {"trial": number, "job": job, "step": point.step, "name": point.name, "value": point.value}
        for curves in (training, attacks)
        for number, job, curve in curves
        for point in curve
    )
    return table(rows, POINT)


def _parquet(content: pandas.DataFrame) -> bytes:
    buffer = io.BytesIO()
    content.to_parquet(buffer, index=False)
    return buffer.getvalue()
