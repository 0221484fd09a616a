"""What ``study.json`` says of a study: its identity, progress, yardsticks, provenance and cost."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from attacks import ATTACKS
from attacks.metrics import FORMER, FOUND, FURTHER, PROTOCOL
from harness.export import published
from harness.judging import (
    Front,
    JudgedTrial,
    Pooled,
    costs,
    covered,
    moment,
    other_images,
    read_line,
    spans,
    states,
    suite_of,
    unlike_torch,
    widened_lines,
)
from harness.ledger import Confirms, Ledger, read_value
from harness.records import DIRECTIONS, Circumstances, ImagesSeen
from harness.study import Study, borrowed_lines
from reports import tables

_MEANINGS: dict[str, str] = {name: str(meaning) for name, meaning in {**FORMER, **FURTHER, **FOUND}.items()}
"""Of every further metric that a record may have."""


def study_json(study: Study, ledger: Ledger, trials: list[JudgedTrial], trainings: list[JudgedTrial]) -> bytes:
    """Return ``study.json`` as `reports.tables` documents it.

    Args:
        study: The study.
        ledger: Its directory.
        trials: Those that were searched.
        trainings: Those that confirm some of them.
    """
    paid, times = costs(trials), spans(trials)
    file_time = datetime.fromtimestamp(ledger.study_file.stat().st_mtime, UTC) if ledger.study_file.exists() else None
    counts = states(trials, study.search.trials)
    described = tables.StudyInfo(
        name=study.name,
        digest=study.digest(),
        ledger=str(study.ledger),
        budget=max(study.search.trials, len(trials)),
        states=tables.States(**counts),  # type: ignore[typeddict-item]
        protocol=study.protocol,
        data=study.data.name,
        parts=_parts(trials),
        floor=study.search.floor.accuracy,
        created=_stamp(min((span.start for span in times), default=file_time)),
        updated=_stamp(max(_moments(ledger, [*trials, *trainings]), default=file_time)),
        command="invfront run study.yaml",
        objectives=list(DIRECTIONS),
        hypervolume_reference=reference(study),
        metrics=dict(PROTOCOL),
        packages=_versions(paid),
        commit=_joined(cost.commit for cost in paid) or None,
        hardware=_hardware(paid),
        seconds_total=covered(times),
        study_yaml=study.dump(),
        published=published.published(study.data.name),
        attacks=_attacks(study, trials),
        metric_meanings={name: _MEANINGS[name] for name in _further(trials) if name in _MEANINGS},
        metric_notes=_metric_notes(trials),
        images=_images(ledger),
        image_marks=[*_marks(ledger), *other_images(trials), *other_images(trainings)],
        widened=list(widened_lines(ledger, suite_of(ledger))),
        informed=list(borrowed_lines(study)),
        confirms=[read_line(each) for each in Confirms(ledger).rounds()],
        confirm_precision=_joined(cost.precision for cost in costs(trainings)) or None,
        warnings=[*_ended(ledger), *unlike_torch([*paid, *costs(trainings)])],
        unsettled=list(Front(trials).unsettled),
        mixed=list(Pooled(trials).lines()),
    )
    return json.dumps(described, indent=1, allow_nan=False).encode() + b"\n"


def reference(study: Study) -> dict[str, float]:
    """Return the point that hypervolumes are measured from, known before the first trial.

    It is where a trial stops being worth anything: an accuracy at the study's floor (0 if it has none), and an attack
    that reconstructs perfectly, mse 0 and ssim 1. The floor is part of the study's identity, so the point never moves,
    and every trial that may be on a front and is above the floor adds volume.
    """
    return {"accuracy": study.search.floor.accuracy or 0.0, "mse": 0.0, "ssim": 1.0}


def _attacks(study: Study, trials: list[JudgedTrial]) -> dict[str, tables.AttackInfo]:
    """Return what the built-in attacks of the study and of its ledger say of themselves; no plug-in is imported."""
    stored = (attack.job.attack for trial in trials for attack in trial.attacks)
    names = dict.fromkeys([*study.attacks, *stored])
    return {
        name: tables.AttackInfo(
            kind=kind.kind, knowledge=kind.knowledge, threat=kind.threat, cost=kind.cost, reference=kind.reference
        )
        for name in names
        if (kind := ATTACKS.get(name))
    }


def _further(trials: list[JudgedTrial]) -> list[str]:
    """Return the further metrics that any record has, or says why it has not."""
    told = [attack.measured for trial in trials if trial.record for attack in trial.attacks]
    return list(dict.fromkeys(name for measured in told for name in (*measured.extras, *measured.null_reasons)))


def _metric_notes(trials: list[JudgedTrial]) -> dict[str, str]:
    """Return why a further metric is null in some attack's record, by its name."""
    told = [attack.measured.null_reasons for trial in trials if trial.record for attack in trial.attacks]
    names = dict.fromkeys(name for reasons in told for name in reasons)
    return {name: "; ".join(dict.fromkeys(reasons[name] for reasons in told if name in reasons)) for name in names}


def _marks(ledger: Ledger) -> list[str]:
    """Return what was seen of the images that a reader must know; a file that is not whole says so."""
    if not ledger.images_file.exists():
        return []
    try:
        return list(read_value(ledger.images_file, ImagesSeen).marks)
    except (OSError, ValueError):
        return [
            f"{ledger.images_file.name} cannot be read, and with it what it said of the images; a resume writes it anew"
        ]


def _images(ledger: Ledger) -> tables.ImagesInfo | None:
    """Return how the images vary; null if nobody looked."""
    try:
        seen = read_value(ledger.images_file, ImagesSeen)
    except (OSError, ValueError):
        return None
    if not seen.spectrum:
        return None
    return tables.ImagesInfo(spectrum=list(seen.spectrum), classes=seen.classes, pixels=seen.pixels)


def _parts(trials: list[JudgedTrial]) -> dict[str, tables.PartInfo]:
    for trial in trials:
        if trial.record and trial.record.measured.images:
            measured = trial.record.measured
            return {
                name: tables.PartInfo(images=measured.images[name], digest=measured.digests[name])
                for name in measured.digests
            }
    return {}


def _ended(ledger: Ledger) -> list[str]:
    """Return what ended the study before its trials were spent."""
    ended = ledger.ended()
    return [f"The study ended before its trials were spent: {ended.text}"] if ended else []


def _versions(paid: list[Circumstances]) -> dict[str, str]:
    names = dict.fromkeys(name for cost in paid for name in cost.packages)
    return {name: _joined(cost.packages.get(name) for cost in paid) for name in names}


def _hardware(paid: list[Circumstances]) -> dict[str, Any]:
    nodes = {"nodes": named} if (named := _joined(cost.node for cost in paid)) else {}
    return nodes | {
        "devices": _joined(cost.device for cost in paid),
        "threads": _joined(str(cost.threads) for cost in paid),
        "precision": _joined(cost.precision for cost in paid),
        "peak_memory_bytes": max((cost.peak_memory_bytes for cost in paid), default=None),
    }


def _joined(values: Iterable[str | None]) -> str:
    """Return the different values, in the order they were first met."""
    return ", ".join(dict.fromkeys(value for value in values if value))


def _moments(ledger: Ledger, trials: list[JudgedTrial]) -> list[datetime]:
    """Return when anything came to be that a page shows: jobs that ended, confirms that began, widenings."""
    lineage = ledger.lineage()
    widenings = lineage.extensions if lineage else ()
    said = [*(one.time for one in Confirms(ledger).rounds()), *(one.time for one in widenings)]
    return [span.end for span in spans(trials)] + [time for time in map(moment, said) if time is not None]


def _stamp(time: datetime | None) -> str:
    return (time or datetime.fromtimestamp(0, UTC)).isoformat(timespec="seconds")
