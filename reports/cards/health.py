"""Health checks: what may make these numbers less than they seem, each with the next step."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from scipy.stats import spearmanr

from reports.card import Block, Card, Words
from reports.cards.sandwich import sandwiches
from reports.formats import MISSING, Table, counted, listed
from reports.statistics import complete_runs
from reports.study import Study
from reports.suites import lacking

OPEN = 0.05
"""Share of its error that a better attack may still take off, from which an attack is said to be open."""

AGREEING = 0.8
"""Rank correlation over trials from which a cheap attack is said to rank them as the worst case does."""

FEW_TRIALS = 8
"""Trials below which ranks are not compared."""


class Check(NamedTuple):
    """What a check found."""

    name: str
    found: str | None
    """Null if all is well."""
    step: str = ""
    """What to do about it."""


def seeds_missing(study: Study) -> Check:
    """Look for candidates with fewer seeds than the others, and for a front that has none."""
    rows = study.candidates
    if rows is None:
        return Check("seeds", "nothing is confirmed: every setting has the search's one seed", "`invfront confirm`")
    runs = complete_runs(study.data.confirmed)
    counts = runs.groupby("trial")["seed"].nunique().reindex(rows["trial"], fill_value=0)
    few = counts[counts < counts.max()].index.tolist()
    new = [trial for trial in study.front["trial"] if trial not in set(rows["trial"])]
    told = [
        *([f"{counted(len(few), 'candidate')} with fewer seeds than {counts.max()} ({listed(few)})"] if few else []),
        *([f"{counted(len(new), 'trial')} of the front unconfirmed ({listed(new)})"] if new else []),
        *(["two seeds or fewer"] if counts.max() < 3 else []),
    ]
    return Check("seeds", "; ".join(told) or None, "`invfront confirm` again, with more `--seeds`: it adds")


def attacks_open(study: Study) -> Check:
    """Look for trials of the front whose deciding attack may be outdone by more than ``OPEN``."""
    rows = study.front
    weak = rows[rows["limited"].eq(True)]
    if weak.empty:
        return Check("attacks open", None)
    told = f"{counted(len(weak), 'trial')} of the front ({listed(weak['trial'].tolist())})"
    if "mse_within" in weak and weak["mse_within"].notna().any():
        less = float((1 - weak["mse_within"].astype(float) / weak["mse"].astype(float)).max())
        told += f", by up to {less:.0%}" if less >= OPEN else ""
    jobs = [str(job).rsplit("-", 2)[0] for job in weak["mse_attack"].dropna()]
    name = max(set(jobs), key=jobs.count) if jobs else "NAME"
    return Check("attacks open", told, f"`invfront attack` on `front --attack {name}:standard`, or a larger budget")


def attacked_unlike(study: Study) -> Check:
    """Look for complete trials that lack attacks which others have."""
    lacks = lacking(study.data)
    jobs = sorted({job for missing in lacks.values() for job in missing})
    told = f"{counted(len(lacks), 'trial')} lack some of {listed(jobs)}" if lacks else None
    return Check("attacked alike", told, "`invfront attack STUDY front --until-stable --attack NAME:BUDGET`")


def beyond_bound(study: Study) -> Check:
    """Look for attacks that do better than any can."""
    found = [each for each in study.once(sandwiches) if each.refuted]
    told = f"the mse of {listed([each.trial for each in found])} is below what any attack can reach" if found else None
    step = "a leak between attackers and scored images, or images that are no Gaussian, which the bounds take them for"
    return Check("within the bound", told, step)


def duplicates(study: Study) -> Check:
    """Look for images that are on both sides of a division."""
    marks = [mark for mark in study.data.study.get("image_marks", []) if "cop" in mark]
    return Check("duplicates among images", "; ".join(marks) or None, "another data set, or `confirm` without them")


def attacks_disagree(study: Study) -> Check:
    """Look for cheap attacks that rank the trials otherwise than the worst case does."""
    name = "cheap and full attacks agree"
    done = study.eligible
    if len(done) < FEW_TRIALS:
        return Check(name, None)
    attacks = study.data.attacks[study.data.attacks["trial"].isin(done["trial"])]
    seconds = attacks.groupby("job")["seconds"].median().sort_values()
    if len(seconds) < 2:
        return Check(name, None)
    cheapest = str(seconds.index[0])
    own = attacks[attacks["job"].eq(cheapest)].set_index("trial")["mse"].astype(float).dropna()
    worst = done.set_index("trial")["mse"].astype(float).reindex(own.index).dropna()
    if len(worst) < FEW_TRIALS or own.nunique() < 2:
        return Check(name, None)
    rank = float(spearmanr(own.reindex(worst.index), worst).statistic)
    told = (
        None if rank >= AGREEING else f"{cheapest}, the cheapest, ranks trials otherwise (rank correlation {rank:.2f})"
    )
    return Check(name, told, "let no trial be stopped, and no front be drawn, by it alone")


def hardware(study: Study) -> Check:
    """Look for trials of one front that different hardware trained."""
    if "device" not in study.front:
        return Check("one kind of hardware", None)
    devices = study.front["device"].dropna().value_counts()
    told = None
    if len(devices) > 1:
        told = "the front's trials were trained on " + listed([f"{name} ({count})" for name, count in devices.items()])
    return Check("one kind of hardware", told, "sums differ in their last bits: `confirm` on one kind of node decides")


def unfinished(study: Study) -> Check:
    """Look for trials that failed, or have not run."""
    states = study.data.study["states"]
    left = {name: states[name] for name in ("failed", "partial", "running", "waiting") if states[name]}
    told = listed([f"{count} {name}" for name, count in left.items()]) if left else None
    return Check("all trials complete", told, "`invfront resume` runs what is missing, `invfront retry` what failed")


CHECKS: tuple[Callable[[Study], Check], ...] = (
    seeds_missing,
    attacks_open,
    attacked_unlike,
    beyond_bound,
    duplicates,
    attacks_disagree,
    hardware,
    unfinished,
)


def checked(study: Study, checks: Iterable[Callable[[Study], Check]] = CHECKS) -> list[Check]:
    """Return what each check found."""
    return [check(study) for check in checks]


def health_table(found: list[Check]) -> Table:
    """Return what was found first, then what is well."""
    ordered = sorted(found, key=lambda check: check.found is None)
    rows: list[tuple[str, ...]] = [
        (check.name, "look" if check.found else "well", check.found or MISSING, check.step if check.found else MISSING)
        for check in ordered
    ]
    headers = ("check", "state", "found", "next step")
    return Table("Each with what it found and what to do about it.", headers, rows, roomy=frozenset(headers[2:]))


def compute(study: Study) -> list[Block]:
    """Return how many found something, and the table."""
    found = checked(study)
    wrong = [check for check in found if check.found]
    told = f"{len(wrong)} of {len(found)} checks found something." if wrong else f"All {len(found)} checks are well."
    return [Words([told]), health_table(found)]


def applicable(study: Study) -> str | None:
    """Return why there is nothing to check."""
    return None if len(study.data.trials) else "no trial was asked yet"


CARD = Card(name="health", title="Health checks", group="The answer", compute=compute, applicable=applicable)
