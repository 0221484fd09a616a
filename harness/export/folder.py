"""The ledger as the folder of tables that a report is made from."""

import io
from pathlib import Path

import pandas

from harness.export.description import study_json
from harness.export.images import image_scores, images_npz
from harness.judging import JudgedTrial, confirmed
from harness.ledger import Ledger, write_whole
from harness.study import Study
from harness.tables import (
    confirmed_table,
    curves,
    floors,
    levels,
    per_images,
    probes,
    reconstructions,
    trials_table,
    variants,
)
from reports.curves import shown_trials


def write_tables(
    study: Study,
    ledger: Ledger,
    trials: list[JudgedTrial],
    importances: pandas.DataFrame | None = None,
    folder: Path | None = None,
) -> Path:
    """Write ``STUDY/report/data/`` as `reports.columns` documents it, from the directory alone; return it.

    Reconstructions are copied for the trials that a report shows: the front's and the anchors.

    Args:
        study: The study.
        ledger: Its directory.
        trials: All of its trials.
        importances: Of its settings, by objective; null if nobody asked.
        folder: Another folder to write; null for that one.
    """
    data = ledger.root / "report" / "data" if folder is None else folder
    ledger.bring("*.parquet", "*.npz", "*/train.json")
    images = per_images(trials)
    rows = trials_table(trials, images)
    numbers = set(shown_trials(rows)["trial"])
    shown = [trial for trial in trials if trial.number in numbers]
    for name, content in (
        ("trials", rows),
        ("attacks", reconstructions(trials, images)),
        ("levels", levels(images)),
        ("probes", probes(trials)),
        ("variants", variants(trials)),
        ("floors", floors(trials)),
        ("curves", curves(trials)),
        ("image_scores", image_scores(shown, images)),
    ):
        write_whole(data / f"{name}.parquet", _parquet(content))
    trainings = confirmed(ledger)
    for name, perhaps in (("confirmed", confirmed_table(trainings)), ("importances", importances)):
        if perhaps is not None and len(perhaps):
            write_whole(data / f"{name}.parquet", _parquet(perhaps))
        else:
            (data / f"{name}.parquet").unlink(missing_ok=True)
    write_whole(data / "images.npz", images_npz(shown))
    write_whole(data / "study.json", study_json(study, ledger, trials, [training.trial for training in trainings]))
    return data


def _parquet(content: pandas.DataFrame) -> bytes:
    buffer = io.BytesIO()
    content.to_parquet(buffer, index=False)
    return buffer.getvalue()
