"""One trial's story as lines of text."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.commands.curves import curve_lines
from harness.credentials import hidden
from harness.judging import JudgedTrial, decided_by, not_halved, settings_line
from harness.ledger.disk import FileSize, shown
from harness.records import Asked, AttackRecord, Circumstances, CurvePoint, Failure, Scores, Trained, failure_line

LAST_LINES = 20
"""Lines of each log that are shown; the file has all of it."""

WIDTH = 120
"""Characters of a line of numbers."""

INDENT = "  "


class Seen(NamedTuple):
    """All that is known of a trial."""

    study: str
    informed: tuple[str, ...]
    """Whose results informed the search beside the study's own."""
    trial: JudgedTrial
    trained: Trained | None
    """The training of a trial that is not finished; null if it is not done."""
    attacks: tuple[AttackRecord, ...]
    """Those on storage; of a trial that is not finished, those that its attempts have done."""
    files: tuple[FileSize, ...]
    """The files of its directory, by path."""
    logs: Mapping[str, str]
    """What each attempt's processes printed, by the attempt."""


def story(seen: Seen, levels: str) -> Iterator[str]:
    """Yield a trial's story: asked, where it ran, measured, attacks, files, errors, logs.

    Args:
        seen: The trial.
        levels: Characters that curves are drawn with (`harness.commands.curves`).
    """
    trial = seen.trial
    yield f"trial {trial.number} of {seen.study}: {trial.state}"
    yield from _asked(trial)
    yield from (f"{INDENT}{line}" for line in seen.informed)
    yield from _where(seen)
    yield from _measured(seen, levels)
    for attack in seen.attacks:
        yield from _attack(attack, trial, levels)
    yield from _titled("notes", trial.record.notes if trial.record else ())
    yield from _error(trial.record.error if trial.record else None)
    yield f"files: {len(seen.files)} in {trial.path}, {shown(sum(file.num_bytes for file in seen.files))}"
    yield from (f"{INDENT}{shown(file.num_bytes):>8}  {file.path.relative_to(trial.path)}" for file in seen.files)
    for attempt, log in seen.logs.items():
        yield from _titled(f"log of {attempt}", _last(log))


def _asked(trial: JudgedTrial) -> Iterator[str]:
    asked = trial.asked
    yield f"asked: {settings_line(asked)}"
    yield from (f"{INDENT}{path}: {'none' if value is None else value}" for path, value in asked.settings.items())
    threads = ", ".join(f"{count} to {kind}" for kind, count in asked.threads.items())
    floor = "" if asked.floor is None else f", accuracy floor {asked.floor:g}"
    yield f"{INDENT}seed {asked.seed}, threads {threads}, {asked.precision}{', anchor' * asked.anchor}{floor}"
    yield f"{INDENT}attacks: {', '.join(job.name for job in asked.attacks)}"


def _where(seen: Seen) -> Iterator[str]:
    record = seen.trial.record
    cost = record.circumstances if record else seen.trained.circumstances if seen.trained else None
    if cost is None:
        yield "ran: nothing of it is finished yet"
        return
    yield f"ran: {_cost(cost)}"
    packages = ", ".join(f"{name} {version}" for name, version in cost.packages.items())
    yield f"{INDENT}{packages or 'packages unknown'}; commit {cost.commit or 'unknown'}"


def _cost(cost: Circumstances) -> str:
    threads = f"{cost.threads} {'thread' if cost.threads == 1 else 'threads'}"
    memory = f", at most {shown(cost.peak_memory_bytes)} of memory" if cost.peak_memory_bytes else ""
    return (
        f"on {cost.node or 'an unknown node'} ({cost.device}, {threads}), {cost.started}, {cost.seconds:.1f} s{memory}"
    )


def _measured(seen: Seen, levels: str) -> Iterator[str]:
    record, worst = seen.trial.record, seen.trial.objectives
    found = record.measured if record else seen.trained
    if found is None or found.accuracy is None:
        yield "measured: nothing"
        return
    part = f" on {record.measured.part}" if record else ""
    yield f"measured{part}: accuracy {found.accuracy:.4f}" + (
        "" if seen.trial.feasible or not record else ", below the floor"
    )
    if worst:
        by = decided_by(worst)
        yield f"{INDENT}worst case: mse {worst.mse:.5f} ({by['mse']}), ssim {worst.ssim:.4f} ({by['ssim']})"
    yield from (f"{INDENT}guess {name}: {_scores(guess.scores)}" for name, guess in found.floors.items())
    for name, value in found.diagnostics.items():
        yield f"{INDENT}{name}: {found.null_reasons.get(name, 'null') if value is None else f'{value:.4g}'}"
    yield from _held(seen.trial.asked, found.curve)
    yield from _curve("training", found.curve, levels)


def _held(asked: Asked, curve: Iterable[CurvePoint]) -> Iterator[str]:
    """Yield how near a training that was to be held to an accuracy came, and by which strength."""
    target, last = asked.settings.get("train/target_accuracy"), {point.name: point.value for point in curve}
    reached, strength = last.get("control_accuracy"), last.get("strength")
    if target is None or reached is None:
        return
    how = "uncontrolled: no strength to steer" if strength is None else f"by a strength of {strength:.4g} in the end"
    yield f"{INDENT}held to accuracy {target}: {reached:.4f} on the control part, {how}"


def _evidence(attack: AttackRecord, trial: JudgedTrial) -> Iterator[str]:
    """Yield what a verdict rests on: gains, what a better attack could take off, flags."""
    gains, judged, found = attack.measured.gains, trial.verdicts.get(attack.job.name), trial.objectives
    if gains is None:
        return
    halves = judged.halves if judged else {}
    told = {
        "twice the steps gain": judged.steps if judged else gains.steps,
        "twice the images gain": halves.get("images"),
        "twice the width gains": halves.get("width"),
        "a better attack gains": judged.remainder if judged else gains.remainder,
    }
    shares = [f"{name} {one.value:.1%} ({one.low:.1%} to {one.high:.1%})" for name, one in told.items() if one]
    worse = gains.worse_than_truth
    if worse is not None:
        shares.append(f"{worse:.0%} of images have a worse objective than the truth")
    yield from _wrapped("; ".join([*shares, *(judged.flags if judged else gains.flags)]) or "no evidence")
    reasons = dict(gains.reasons)
    if found and attack.job.half is None:
        reasons |= not_halved(attack, attack.job.name in (found.mse_attack, found.ssim_attack), halves)
    yield from (f"{INDENT}{name}: {reason}" for name, reason in reasons.items())


def _attack(attack: AttackRecord, trial: JudgedTrial, levels: str) -> Iterator[str]:
    measured, judged = attack.measured, trial.verdicts.get(attack.job.name)
    verdict, why = (judged.verdict, judged.why) if judged else (measured.verdict, None)
    later = ", run later" if trial.record and attack.job not in trial.asked.attacks else ""
    yield f"attack {attack.job.name}: {verdict}{f' ({why})' if why else ''}{later}"
    yield from _evidence(attack, trial)
    if measured.scores:
        each = f", {measured.releases} releases of each" if measured.releases > 1 else ""
        yield f"{INDENT}{_scores(measured.scores)} on {measured.images} images of {attack.job.part}{each}"
    if measured.selection:
        yield f"{INDENT}{_scores(measured.selection)} on attacker-validation"
    for name, values in (("probe", measured.probe), ("further", measured.extras), ("evidence", measured.details)):
        if values:
            yield from _wrapped(f"{name}: {_numbers(values)}")
    yield from (f"{INDENT}{name}: {_scores(scores)}" for name, scores in measured.variants.items())
    yield from (f"{INDENT}{name}: {reason}" for name, reason in measured.null_reasons.items())
    if measured.tuning:
        yield f"{INDENT}tuned over {len(measured.tuning)} settings"
    listed = ", ".join(f"{name}={value}" for name, value in measured.settings.items())
    yield from _wrapped(f"settings: {listed or 'unknown'}")
    yield from (f"{INDENT}{line}" for line in _curve("curve", measured.curve, levels))
    yield f"{INDENT}attempt-{attack.attempt} {_cost(attack.circumstances)}"
    yield from (f"{INDENT}{line}" for line in _error(attack.error))


def _error(error: Failure | None) -> Iterator[str]:
    if error is None:
        return
    yield f"error in {error.stage}: {hidden(failure_line(error) or '')}"
    yield from _titled("traceback", _plain(error.traceback or "").splitlines())
    yield from _titled("the last that was printed", _plain(error.log or "").splitlines())


def _curve(title: str, curve: Iterable[CurvePoint], levels: str) -> Iterator[str]:
    return _titled(title, curve_lines(curve, levels))


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a title and lines below it; nothing if there are none."""
    listed = list(lines)
    if listed:
        yield f"{title}:"
        yield from (f"{INDENT}{line}" for line in listed)


def _last(log: str) -> list[str]:
    lines = _plain(log).splitlines()
    left_out = len(lines) - LAST_LINES
    return [f"({left_out} lines before)", *lines[-LAST_LINES:]] if left_out > 0 else lines


def _scores(scores: Scores) -> str:
    return f"mse {scores.mse:.5f}, psnr {scores.psnr:.2f}, ssim {scores.ssim:.4f}"


def _numbers(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'null' if value is None else f'{value:.4g}'}" for name, value in values.items())


def _wrapped(text: str) -> list[str]:
    """Return a long text as lines, those after the first further in."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=INDENT, subsequent_indent=2 * INDENT, break_long_words=False, break_on_hyphens=False
    )


def _plain(text: str) -> str:
    """Return text without what would move a terminal's cursor, and without credentials."""
    return hidden("".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text))
