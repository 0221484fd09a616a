"""Attacks that a study was given after its first trials: none counts before all that may be on a front have had it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from harness.ledger import Ledger, TrialFiles
from harness.records import AttackJob, Extension

MOST = 20
"""Trials that a line names; of more it says how many."""


class Suite(NamedTuple):
    """What was added to a study's attacks since it began."""

    added: frozenset[AttackJob] = frozenset()
    lacking: Mapping[AttackJob, tuple[int, ...]] = MappingProxyType({})
    """Of those, the ones that complete trials lack, with their numbers: no trial's objectives are over them."""


ALL = Suite()
"""Of a study whose trials all had the same attacks from the first."""


def suite_of(ledger: Ledger) -> Suite:
    """Return the suite of a study as its directory stands; errors as in ``Ledger.trials``."""
    lineage = ledger.lineage()
    added = lineage.added if lineage else ()
    if not added:
        return ALL
    lacking: defaultdict[AttackJob, list[int]] = defaultdict(list)
    for files in ledger.trials():
        for job in lacked(files, added):
            lacking[job].append(files.number)
    return Suite(frozenset(added), {job: tuple(numbers) for job, numbers in lacking.items()})


def lacked(files: TrialFiles, added: Iterable[AttackJob]) -> list[AttackJob]:
    """Return which attacks a complete trial lacks; one that failed is lacked, and a trial that is not complete none."""
    if files.record is None or files.record.state != "complete":
        return []
    had = {attack.job for attack in files.attacks if attack.measured.verdict != "failed"}
    return [job for job in added if job not in had]


def widened_lines(ledger: Ledger, suite: Suite) -> Iterator[str]:
    """Yield what a reader must know of a study that was widened: when, by what, and which attacks do not count yet."""
    lineage = ledger.lineage()
    yield from (_widened(extension) for extension in (lineage.extensions if lineage else ()))
    for job, numbers in suite.lacking.items():
        trials = ", ".join(map(str, numbers[:MOST])) + (f" and {len(numbers) - MOST} more" if numbers[MOST:] else "")
        yield f"{job.name} counts for nothing yet, since complete trials lack it ({trials}): `invfront resume` runs it"


def _widened(extension: Extension) -> str:
    changes = [
        f"{change.path} is new" if change.was == "absent" else f"{change.path} {change.now} in place of {change.was}"
        for change in extension.changes
    ]
    return f"widened {extension.time[:16]}Z from trial {extension.asked} on: {'; '.join(changes)}"
