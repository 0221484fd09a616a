"""``invfront show``: the story of one trial."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Json, say
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.commands.telling import Seen
    from harness.judging import Judgement
    from harness.records import AttackRecord


def show(
    study: StudyPath,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="The trial's number.")],
    as_json: Json = False,
) -> None:
    """Tell one trial's story, from its settings to its logs.

    What was asked, where it ran, what was measured, curves, attacks, errors, files. The directory is all that is read;
    a trial that runs shows what it has finished.

    \b
    Examples:
      invfront show runs/quickstart 3
      invfront show runs/quickstart 3 --json

    \b
    JSON: study, informed [line on results of another study], trial, state, path, objectives, asked, record, trained,
    attacks [{verdict, why, flags, remainder, gain_images, gain_width, record}], files [{path, bytes}], logs {attempt:
    text}; what does not exist is null.
    """
    root = find_study(study)
    from harness.commands.curves import levels_of
    from harness.commands.telling import story

    seen = _seen(root, trial)
    if as_json:
        say(_document(seen))
        return
    for line in story(seen, levels_of(sys.stdout.encoding)):
        typer.echo(line)


def _seen(root: Path, text: str) -> "Seen":
    """Return all that is known of a trial.

    Raises:
        UserError: there is no such trial.
    """
    from harness.commands.telling import Seen
    from harness.judging import Controls, judged, suite_of
    from harness.ledger import Ledger, attempts, find, log_of
    from harness.ledger.disk import files_of
    from harness.study import borrowed_lines, load_study

    own, ledger = load_study(root / "study.yaml"), Ledger(root)
    known = ledger.numbers()
    if not text.isdecimal() or int(text) not in known:
        have = f"{known[0]} to {known[-1]}" if known else "none"
        raise UserError(f"TRIAL {text}: {root} has trials {have}; name one of them")
    trial = judged(ledger.read(int(text)), suite_of(ledger), Controls(ledger))
    found = None if trial.record else find(trial.path, trial.asked.attacks)
    return Seen(
        study=own.name,
        informed=tuple(borrowed_lines(own)),
        trial=trial,
        trained=found.trained if found else None,
        attacks=trial.attacks or (tuple(found.attacks.values()) if found else ()),
        files=tuple(files_of(trial.path)),
        logs={path.name: log for path in reversed(attempts(trial.path)) if (log := log_of(path))},
    )


def _document(seen: "Seen") -> dict[str, Any]:
    from harness.credentials import hidden

    trial = seen.trial
    judged = {attack.job.name: trial.verdicts.get(attack.job.name) for attack in seen.attacks}
    return {
        "study": seen.study,
        "informed": list(seen.informed),
        "trial": trial.number,
        "state": trial.state,
        "path": str(trial.path),
        "objectives": trial.objectives and trial.objectives.model_dump(mode="json"),
        "asked": trial.asked.model_dump(mode="json"),
        "record": trial.record and trial.record.model_dump(mode="json"),
        "trained": seen.trained and seen.trained.model_dump(mode="json"),
        "attacks": [
            _judged(attack, judged[attack.job.name]) | {"record": attack.model_dump(mode="json")}
            for attack in seen.attacks
        ],
        "files": [{"path": str(file.path.relative_to(trial.path)), "bytes": file.num_bytes} for file in seen.files],
        "logs": {attempt: hidden(log) for attempt, log in seen.logs.items()},
    }


def _judged(attack: "AttackRecord", judged: "Judgement | None") -> dict[str, Any]:
    """Return how an attack ended beside the others of its trial; of a trial without a record, by itself."""
    if judged is None:
        alone = {"verdict": attack.measured.verdict}
        return alone | dict.fromkeys(("why", "flags", "remainder", "gain_images", "gain_width"))
    images, width = judged.halves.get("images"), judged.halves.get("width")
    shares = {"remainder": judged.remainder, "gain_images": images, "gain_width": width}
    told = {name: share and share.model_dump(mode="json") for name, share in shares.items()}
    return {"verdict": judged.verdict, "why": judged.why, "flags": list(judged.flags), **told}
