"""What is killed, and what comes again afterwards. Everything here was started by this process, and dies by its pid."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.chaos.nodes import Nodes
from tests.chaos.sessions import Session
from tests.servers import MLflow, PostgreSQL

LONGEST_OUTAGE = 6.0
"""Seconds after which a server has come again."""

REFUSED = "another driver runs this study"


class Place(NamedTuple):
    """What studies run on."""

    home: Path
    nodes: Nodes
    rows: PostgreSQL
    tracking: MLflow


class Study:
    """One study, and the driver that runs it now.

    Args:
        place: What it runs on.
        root: Its directory.
    """

    def __init__(self, place: Place, root: Path) -> None:
        self.place, self.root = place, root
        self.driver: Session | None = None
        self.faults: list[str] = []
        """What a driver did that it must not."""

    def go_on(self, *arguments: str) -> Session:
        """Start a driver if none runs, and return the one that runs."""
        if self.driver is None or self.driver.code() is not None:
            self.driver = self.start(*arguments)
        return self.driver

    def close(self) -> None:
        """End its driver."""
        if self.driver is not None:
            self.driver.kill()

    def start(self, *arguments: str) -> Session:
        """Start a driver that goes on with the study, beside whatever runs."""
        place, log = self.place, self.place.home / f"{self.root.name}.log"
        begun = (self.root / "study.yaml").exists()
        command = ["resume", str(self.root)] if begun else ["run", f"{place.home / self.root.name}.yaml"]
        command += [] if begun else ["--out", str(self.root.parent)]
        where = ["--address", place.nodes.address, "--tracking-uri", place.tracking.url]
        return Session([*(arguments or command), *where], log, place.rows.url)


def kill_driver(study: Study, dice: random.Random) -> bool:
    """Kill the driver, as it works or as it starts."""
    return study.go_on().kill()


def kill_job(study: Study, dice: random.Random) -> bool:
    """Kill a process that trains or attacks."""
    return _one_of(study, dice, job=True)


def kill_worker(study: Study, dice: random.Random) -> bool:
    """Kill the process in which a trial waits for its jobs."""
    return _one_of(study, dice, job=False)


def _one_of(study: Study, dice: random.Random, job: bool) -> bool:
    study.go_on()
    found = study.place.nodes.working(job)
    if found:
        dice.choice(found).kill()
    return bool(found)


def kill_raylet(study: Study, dice: random.Random) -> bool:
    """Kill a node's raylet, and let another node come."""
    study.go_on()
    study.place.nodes.lose(dice)
    time.sleep(dice.uniform(0, LONGEST_OUTAGE))
    study.place.nodes.add()
    return True


def kill_resume(study: Study, dice: random.Random) -> bool:
    """Kill one of two that resume at once, somewhere on its way; one at most has the study."""
    if study.driver is not None and study.driver.code() is None:
        first = study.driver
    else:
        first = study.start()
        time.sleep(dice.uniform(0, LONGEST_OUTAGE))
    second = study.start()
    time.sleep(dice.uniform(0, 4 * LONGEST_OUTAGE))
    dead, alive = (first, second) if dice.random() < 0.5 else (second, first)
    killed = dead.kill()
    for each in (dead, alive):
        if each.code() == 2 and REFUSED not in each.told():
            study.faults.append(f"a second driver ended with 2: {each.told()[-300:]}")
    study.driver = alive
    return killed


def kill_rows(study: Study, dice: random.Random) -> bool:
    """Kill PostgreSQL, and let it come again."""
    return _outage(study, dice, study.place.rows)


def kill_tracking(study: Study, dice: random.Random) -> bool:
    """Kill the MLflow server, and let it come again."""
    return _outage(study, dice, study.place.tracking)


def _outage(study: Study, dice: random.Random, server: PostgreSQL | MLflow) -> bool:
    session = study.go_on()
    server.kill()
    time.sleep(dice.uniform(0, LONGEST_OUTAGE))
    server.start()
    if session.code() == 2:
        session.excused = True  # it asked before it began, and was told
    return True


class Kind(NamedTuple):
    """One kind of kill."""

    kill: Callable[[Study, random.Random], bool]
    """Says whether there was something to kill."""
    weight: int
    """How often it is drawn, relative to others."""


KINDS = {
    "driver": Kind(kill_driver, 2),
    "worker": Kind(kill_worker, 5),
    "job": Kind(kill_job, 8),
    "raylet": Kind(kill_raylet, 3),
    "resume": Kind(kill_resume, 1),
    "PostgreSQL": Kind(kill_rows, 4),
    "MLflow": Kind(kill_tracking, 2),
}
