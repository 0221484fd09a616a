"""Which attacks of ``invfront attack`` are to run on which trials."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attacks
from attacks.base import Attack
from harness.driver.later import Task, tasks_of
from harness.driver.orders import AttackOrder
from harness.errors import UserError
from harness.judging import Book, judged
from harness.ledger import Ledger, TrialFiles
from harness.records import AttackJob, Half
from harness.study import Study, refuse_others
from harness.study.attacker_levels import Level, at_levels
from harness.study.check import load_checked
from harness.study.jobs import level_jobs
from reports.formats import listed

SETTABLE = ("resources/attack", "resources/timeout", "data/root", "data/download", "attacker/root")
"""What may be set for attacks on finished trials alone."""


class Campaign(NamedTuple):
    """Further attacks on finished trials of a study."""

    root: Path
    """The study's directory."""
    chosen: Sequence[str]
    """Numbers of trials, or ``front``, or ``all``."""
    orders: Sequence[AttackOrder]
    """The attacks; one that a trial has already is left out there, unless it failed."""
    overrides: Sequence[str] = ()
    """``PATH=VALUE`` each, of ``SETTABLE``: where the attacks run, and what they may take."""
    until_stable: bool = False
    """Whether to go on with whatever the front becomes, until all that it consists of was attacked."""
    halves: bool = False
    """Whether to run what decides each trial with half the attacker's images and, at ``strong``, half the width."""
    levels: Sequence[Level] = ()
    """What the attacker holds in place of what the study's own does: the attacks that were named, or all that a trial
    has, are run so alone."""

    def moved(self) -> Study:
        """Return the study with what is set for these attacks alone.

        Raises:
            UserError: something else is set, or cannot be had.
        """
        refuse_others(self.overrides, SETTABLE)
        study = load_checked(self.root / "study.yaml", self.overrides)
        if not self.levels:
            return study
        own = study.attacker.own
        levels = (*self.levels, *([] if own in self.levels else ["all" if own is None else own]))
        return study.model_copy(update={"attacker": study.attacker.model_copy(update={"images": levels})})

    def ordered(self, book: Book, ledger: Ledger) -> Sequence[AttackOrder]:
        """Return the attacks to run: those that were named, else those that leave the front unsettled.

        Raises:
            UserError: there are none.
        """
        if self.until_stable and [*self.chosen] != ["front"]:
            raise UserError(f"TRIAL {' '.join(self.chosen)}: --until-stable is for the front; name `front` alone")
        if self.until_stable and self.levels:
            raise UserError("--until-stable: no other attacker moves the front; leave out --levels and --images")
        if self.orders or self.halves or self.levels:
            return self.orders
        if not self.until_stable:
            raise UserError("--attack: is missing; name an attack")
        open_jobs = [job for name in book.standing().unsettled for job in _known(book, ledger, name)]
        if not open_jobs:
            raise UserError("--until-stable: the front is settled; name an --attack to run on it")
        return [AttackOrder(job.attack, job.budget, job.seed, job.tune) for job in open_jobs]


class Round(NamedTuple):
    """What is to run at once."""

    tasks: list[Task]
    left_out: list[str]
    """What cannot run, a line for each reason with its trials."""


def next_round(
    campaign: Campaign,
    orders: Sequence[AttackOrder],
    book: Book,
    ledger: Ledger,
    tried: Collection[tuple[int, str]] = (),
) -> Round:
    """Return what is to run now.

    Args:
        campaign: The attacks and the trials.
        orders: The attacks, in place of the campaign's.
        book: What is known of the study's trials, what this campaign has added included.
        ledger: Its directory.
        tried: Trials and attacks, by name, that this campaign has run.

    Raises:
        UserError: a trial that was named by its number cannot be attacked so.
    """
    numbers = book.contenders if campaign.until_stable else _numbers(book, campaign.root, campaign.chosen)

    def wanted(files: TrialFiles) -> list[AttackJob]:
        jobs = [job for order in orders for job in _jobs(files, order)]
        if campaign.levels:
            jobs = list(at_levels(jobs or _counting(files), campaign.levels))
        return [*jobs, *(_halved(files) if campaign.halves else [])]

    return _round(map(ledger.read, numbers), wanted, campaign.chosen, tried)


def levels_left(study: Study, book: Book, ledger: Ledger) -> Round:
    """Return what is left to run of a study's attacks by other attackers than its own, once the front is known.

    Args:
        study: Says at which levels, and on which trials.
        book: What is known of the study's trials.
        ledger: Its directory.
    """
    jobs = level_jobs(study)
    front = [outline.number for outline in book.standing().front]
    numbers = _complete(book) if study.attacker.levels == "all" else front
    return _round(map(ledger.read, numbers if jobs else ()), lambda files: jobs)


def _round(
    trials: Iterable[TrialFiles],
    wanted: Callable[[TrialFiles], Iterable[AttackJob]],
    named: Collection[str] = (),
    tried: Collection[tuple[int, str]] = (),
) -> Round:
    """Return what is left to run of what is wanted on each trial; files of those that were named are read now.

    Raises:
        UserError: a trial that was named by its number cannot be attacked so.
    """
    tasks, reasons = list[Task](), dict[str, list[int]]()
    for files in trials:
        number = files.number
        jobs = {job.name: job for job in wanted(files) if (number, job.name) not in tried}
        for job in jobs.values():
            try:
                tasks += tasks_of(files, [job], read=str(number) in named)
            except UserError as error:
                if str(number) in named:
                    raise
                reasons.setdefault(str(error).removeprefix(f"TRIAL {number}: "), []).append(number)
    return Round(tasks, [f"left out: trial {listed(found)}: {reason}" for reason, found in reasons.items()])


def _counting(files: TrialFiles) -> list[AttackJob]:
    """Return the attacks that a trial has of the study's own attacker."""
    return [attack.job for attack in files.attacks if attack.job.counts and attack.measured.verdict != "failed"]


def _complete(book: Book) -> list[int]:
    return [outline.number for outline in book.outlines.values() if outline.state == "complete"]


def _known(book: Book, ledger: Ledger, name: str) -> Iterator[AttackJob]:
    """Yield an attack that some trial has, by its name."""
    for outline in book.outlines.values():
        if any(each.name == name for each in outline.candidates):
            yield from (found.job for found in ledger.read(outline.number).attacks if found.job.name == name)
            return


def _numbers(book: Book, root: Path, chosen: Sequence[str]) -> list[int]:
    """Return the trials that were named, each once."""
    known = list(book.outlines)
    numbers: dict[int, None] = {}
    for text in chosen:
        if text == "front":
            numbers |= dict.fromkeys(outline.number for outline in book.standing().front)
        elif text == "all":
            numbers |= dict.fromkeys(_complete(book))
        elif text.isdecimal() and int(text) in book.outlines:
            numbers[int(text)] = None
        else:
            have = f"{known[0]} to {known[-1]}" if known else "none"
            raise UserError(f"TRIAL {text}: {root} has trials {have}; name a number, front, or all")
    if not numbers:
        raise UserError(f"TRIAL {' '.join(chosen)}: no trial of {root} is complete yet; run the study first")
    return list(numbers)


def _halved(files: TrialFiles) -> list[AttackJob]:
    """Return the attacks that decide a trial with half of what a doubling could gain by."""
    found = judged(files).objectives
    names = {found.mse_attack, found.ssim_attack} if found else set()
    deciding = [attack.job for attack in files.attacks if attack.job.name in names and attack.job.counts]
    return [
        job.model_copy(update={"half": half})
        for job in deciding
        for half in ("images", "width")
        if can_halve(attacks.resolve(job.attack), job.budget, half)
    ]


def can_halve(kind: attacks.AnyAttack, budget: str, half: Half) -> bool:
    """Say whether an attack can be run with half of something: of a prior, trained once a study, nothing is known."""
    if not issubclass(kind, Attack) or kind(**attacks.budget(kind, budget)).prior_settings() is not None:
        return False
    return half == "images" or (budget == "strong" and kind.width_setting is not None)


def _jobs(files: TrialFiles, order: AttackOrder) -> Iterator[AttackJob]:
    """Yield the jobs of an attack: on every part that the trial's own attacks score, probes on the last alone."""
    kind = attacks.resolve(order.attack).kind
    parts = list(dict.fromkeys(job.part for job in files.asked.attacks))
    for part in parts if kind == "reconstruction" else parts[-1:]:
        yield AttackJob(
            attack=order.attack, budget=order.budget, seed=order.seed, part=part, kind=kind, tune=order.tune
        )
