"""Makes a passport of a trial: of the trainings that confirm it, or of the one that the search knows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from harness.errors import UserError
from harness.judging import Front, Training, confirmed, judged, judged_trials, suite_of
from harness.ledger import Ledger, find
from harness.passports.claim import Claim
from harness.passports.evidence import Source, confirming, searched
from harness.passports.passport import write_passport
from harness.passports.probe import told
from harness.records import Place, one_line
from harness.stages.device import pick_device
from harness.stages.loading import images_of, trained
from harness.study import Study

SETTABLE = ("data/root", "data/download", "attacker/root")
"""What may be set where passports are written: where images lie."""

UNCONFIRMED = "chosen by what it is scored on: `invfront confirm` first makes a better claim"
"""Said of a claim that rests on the search alone."""

FOLDER = "passports"
"""Of a study's directory: where passports are written unless told otherwise."""


class Exported(NamedTuple):
    """A passport that was written."""

    path: Path
    claim: Claim
    note: str | None
    """What a reader must know of it."""


def export(study: Study, ledger: Ledger, chosen: Sequence[str], folder: Path) -> list[Exported]:
    """Write a passport for each trial that was chosen; return them. All are looked at before the first is written.

    Args:
        study: The study, with where its images lie now.
        ledger: Its directory.
        chosen: Numbers of trials, or ``front``.
        folder: Where they are written.

    Raises:
        UserError: there is no such trial, it has nothing to claim, or its network is gone; nothing is written.
    """
    trainings = confirmed(ledger)
    found = [(number, _sources(ledger, trainings, number)) for number in _numbers(ledger, chosen)]
    weights = {number: [_weights(ledger, each) for each in sources] for number, sources in found}
    place = Place(data_root=study.data.root, attacker_root=study.attacker.root, download=study.data.download)
    return [
        _write(folder / f"{study.name}-{number:05d}.zip", sources, weights[number], place) for number, sources in found
    ]


def _numbers(ledger: Ledger, chosen: Sequence[str]) -> list[int]:
    """Return the trials that were chosen, each once."""
    known = ledger.numbers()
    numbers = dict[int, None]()
    for text in chosen:
        if text == "front":
            front = Front(judged_trials(ledger)).numbers
            if not front:
                raise UserError(f"{ledger.root}: no trial is on the front yet; name a trial that is complete")
            numbers |= dict.fromkeys(front)
        elif text.isascii() and text.isdecimal() and int(text) in known:
            numbers[int(text)] = None
        else:
            have = f"trials {known[0]} to {known[-1]}" if known else "no trials"
            raise UserError(f"TRIAL {text}: {ledger.root} has {have}; name a number, or front")
    return list(numbers)


def _sources(ledger: Ledger, trainings: list[Training], number: int) -> list[Source]:
    """Return the trainings that a claim is made of: those that confirm the trial, if there are any."""
    sure = confirming(trainings, number)
    if sure:
        return sure
    trial = judged(ledger.read(number), suite_of(ledger))
    sources = searched(trial)
    if not sources:
        raise UserError(f"TRIAL {number}: is {trial.state}, it has no scores to claim; name a trial that is complete")
    return sources


def _weights(ledger: Ledger, source: Source) -> Path:
    trial = source.trial
    found = find(trial.path, ())
    if found.trained is None:
        why = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise UserError(
            f"TRIAL {trial.number}: {trial.path} has no trained network{why}; put back a copy of what was written"
        )
    return trial.path / f"attempt-{found.trained.attempt}"


def _write(path: Path, sources: Sequence[Source], weights: Sequence[Path], place: Place) -> Exported:
    networks = [_network(source, folder, place) for source, folder in zip(sources, weights, strict=True)]
    try:
        claim = write_passport(path, [source.evidence for source in sources], networks)
    except ValueError as error:
        raise UserError(f"TRIAL {sources[0].trial.number}: {one_line(error)}; export another trial") from error
    return Exported(path, claim, None if claim.seeds else UNCONFIRMED)


def _network(source: Source, folder: Path, place: Place) -> dict[str, bytes]:
    """Return the files of a training by part."""
    asked = source.evidence.asked
    data = images_of(asked.settings, place, pick_device())
    torch.manual_seed(asked.seed)
    model = trained(asked, data, folder)
    weights = {part: (folder / f"{part}.safetensors").read_bytes() for part in ("client", "defense")}
    return weights | {"probe": told(model, data.image_shape)}
