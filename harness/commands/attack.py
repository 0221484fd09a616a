"""``invfront attack``: a further attack on a trial that is stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.ending import terminable
from harness.commands.environment import quiet
from harness.commands.finding import find_study
from harness.commands.options import Address, Json, Storage, Tracked, TrackingUri, count, moved, remarks_apart, say
from harness.commands.passport import IN_PROCESS, attack_it, is_passport, refuse_of_studies
from harness.commands.working import NONE_SUCCEEDED, remembered
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.driver import Campaign, Endpoints
    from harness.driver.orders import AttackOrder
    from harness.records import AttackRecord, Objectives


Attacked = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY", help="A study's directory, or the --out that holds just one; or a passport, passport.zip."
    ),
]

Chosen = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TRIAL...]", help="Numbers of trials, or `front`, or `all`; none of a passport."),
]

Named = Annotated[
    list[str] | None,
    typer.Option("--attack", metavar="NAME[:BUDGET]", help="The attack; its budget is standard. Repeatable."),
]

UntilStable = Annotated[
    bool,
    typer.Option(
        "--until-stable",
        help="With `front`: attack what enters the front too, until nothing does. Without --attack: what leaves "
        "it unsettled.",
    ),
]

Halves = Annotated[
    bool,
    typer.Option(
        "--halves",
        help="Run what decides each trial with half the attacker's images and, at strong, half the width: what the "
        "other half gains is the evidence behind its verdict.",
    ),
]

Levels = Annotated[
    bool,
    typer.Option(
        "--levels",
        help="Run the attacks that a trial has, or those of --attack, at the study's other levels of attacker/images.",
    ),
]

ImagesHeld = Annotated[
    list[str] | None,
    typer.Option(
        "--images",
        metavar="N|members",
        help="Likewise where the attacker holds that many of its images, or those that the network was trained on. "
        "Repeatable.",
    ),
]

Seed = Annotated[int, typer.Option(metavar="K", min=0, help="Index of the attacker's seed, for a repetition.")]

Tuned = Annotated[
    int | None, typer.Option(parser=count, metavar="N", help="Tune over N settings on attacker-validation.")
]

Moved = Annotated[
    list[str] | None,
    moved(
        "What an attack may take, or where images lie: resources/attack, resources/timeout, data/root, "
        "data/download, attacker/root"
    ),
]

AllowPlugin = Annotated[
    bool,
    typer.Option("--allow-plugin", help="Import what a passport names that is not built in: its code runs here."),
]


def attack(
    study: Attacked,
    trial: Chosen = None,
    attack: Named = None,
    until_stable: UntilStable = False,
    halves: Halves = False,
    levels: Levels = False,
    images: ImagesHeld = None,
    seed: Seed = 0,
    tune: Tuned = None,
    set_: Moved = None,
    allow_plugin: AllowPlugin = False,
    address: Address = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    tracked: Tracked = True,
    as_json: Json = False,
) -> int:
    """Run another attack on finished trials, or on a passport.

    The trials' records stay as they are: the attack adds files of its own beside them. What has been run is left out,
    so that the same command goes on after an interrupt. The study's timeout is that of each attack by itself. Of
    `front` and `all`, trials that an attack cannot be run on are left out, and a line says which and why.

    A passport (`invfront export`) is attacked in this process, by --attack or else by its own attacks again, once its
    images and what its networks make of a probe are found to be the same here. Its claim falls to an attack that may do
    no more than its own and leaves the interval; what was run is kept beside it, for `invfront claims`.

    \b
    Examples:
      invfront attack runs/quickstart 3 --attack rmle
      invfront attack runs/quickstart front --attack decoder_xl:quick --attack membership:quick
      invfront attack runs/quickstart front --until-stable --attack decoder_xl:standard
      invfront attack runs/quickstart front --halves
      invfront attack runs/quickstart front --images 40 --images 160 --images members
      invfront attack runs/quickstart all --levels --attack decoder_xl:quick
      invfront attack runs/quickstart 3 --attack decoder:standard --seed 1
      invfront attack runs/quickstart all --attack diffusion:strong --set resources/attack/gpu=1
      invfront attack runs/faces front --attack rmle --set data/root=/data/faces
      invfront attack passport.zip --attack decoder_xl:quick

    \b
    JSON: attacks [record], worst {trial: objectives}, notes [line], report (the page); of a passport claim, stands,
    attacks [{job, mse, ssim, knowledge, fells, why}], earlier, notes.
    """
    if is_passport(study):
        of_studies = {"--until-stable": until_stable, "--halves": halves, "--levels": levels, "--images": images}
        refuse_of_studies(trial or [], of_studies | {"--address": address not in (None, IN_PROCESS)})
        ordered = _orders(attack, seed, tune)
        return attack_it(study, ordered, set_ or [], allow_plugins=allow_plugin, as_json=as_json)
    if not trial:
        raise UserError("TRIAL: is missing; name a number, front, or all")
    root = find_study(study)
    quiet(address)
    from harness.driver import Campaign, levels_of

    held = levels_of(root, images or [], own=levels)
    where = remembered(root, address, storage, tracking_uri, tracked)
    campaign = Campaign(root, trial, _orders(attack, seed, tune), set_ or [], until_stable, halves, held)
    return _attacked(campaign, where, as_json=as_json)


def _attacked(campaign: "Campaign", where: "Endpoints", *, as_json: bool) -> int:
    """Run attacks on a study's trials, and tell of them; return the exit code."""
    from harness.driver import AGAIN, attack_again
    from harness.records import Progress

    root, notes = campaign.root, list[str]()

    def tell(progress: Progress) -> None:
        if progress.done == 0:
            typer.echo(f"{progress.job} started")

    def added(record: "AttackRecord") -> None:
        typer.echo(f"trial {record.trial}: {_ended(record)}")

    def noted(line: str) -> None:
        notes.append(line)
        typer.echo(line)

    with remarks_apart(as_json), terminable(lambda: AGAIN):
        found = attack_again(campaign, where, tell, added, noted)
        worst = {number: _worst(root, number) for number in sorted({record.trial for record in found})}
        for number, objectives in worst.items():
            _tell_worst(number, objectives)
        typer.echo(f"report: {root / 'report' / 'index.html'}")
    if as_json:
        say(_document(root, found, worst, notes))
    return 0 if not found or any(record.error is None for record in found) else NONE_SUCCEEDED


def _orders(texts: list[str] | None, seed: int, tune: int | None) -> "list[AttackOrder]":
    """Return the attacks that were named."""
    from harness.driver import order_of

    return [order_of(text, seed, tune or 0) for text in texts or []]


def _worst(root: Path, number: int) -> "Objectives | None":
    """Return what a trial's worst case has become, if it has one."""
    from harness.judging import judged, suite_of
    from harness.ledger import Ledger

    ledger = Ledger(root)
    return judged(ledger.read(number), suite_of(ledger)).objectives


def _document(
    root: Path, found: "list[AttackRecord]", worst: "Mapping[int, Objectives | None]", notes: list[str]
) -> dict[str, Any]:
    return {
        "attacks": [record.model_dump(mode="json") for record in found],
        "worst": {number: objectives and objectives.model_dump(mode="json") for number, objectives in worst.items()},
        "notes": notes,
        "report": str(root / "report" / "index.html"),
    }


def _tell_worst(number: int, worst: "Objectives | None") -> None:
    """Say what a trial's worst case has become, if it has one."""
    from harness.judging import decided_by

    if worst is not None:
        by = decided_by(worst)
        typer.echo(
            f"trial {number}: worst case mse {worst.mse:.4f} ({by['mse']}), ssim {worst.ssim:.3f} ({by['ssim']})"
        )


def _ended(record: "AttackRecord") -> str:
    """Return how an attack ended, in a line."""
    from harness.records import failure_line

    measured = record.measured
    if record.error is not None:
        return f"{record.job.name} failed: {failure_line(record.error)}"
    if record.job.half and measured.selection:
        return f"{record.job.name}: mse {measured.selection.mse:.4g} on attacker-validation"
    scores = measured.scores.model_dump() if measured.scores else measured.probe or {}
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in scores.items() if value is not None)
    return f"{record.job.name} {measured.verdict}: {numbers or 'no finite scores'} ({measured.images} images)"
