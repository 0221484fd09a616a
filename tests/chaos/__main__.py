"""Kills real processes of real studies until enough are dead, then proves that every study is whole: `make chaos`."""

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.chaos.kinds import KINDS, REFUSED, Place, Study
from tests.chaos.nodes import Nodes
from tests.chaos.proof import Memory, Proof, prove, prove_numbers
from tests.servers import MLflow, PostgreSQL, kill_all, no_postgresql

SPACE = """
name: {name}
data: {{name: digits}}
model: {{name: 'tests.slight:Slight', cut: 1, sigma: {{choices: [0.05, 0.1]}}}}
train: {{recipe: fast, epochs: 4, batch_size: 32, images: 128}}
defense: {{none: {{}}, cem_paper: {{lam: {{low: 0.003, high: 0.1, log: true}}}}}}
attacks: {{'tests.adversaries:Guess': quick, 'tests.adversaries:Remembering': quick}}
search: {{trials: {trials}, sampler: tpe, seed: {seed}}}
resources: {{concurrent: 2, checkpoint: 0.2s}}
"""

MORE = 2
"""Trials by which a study grows when its budget is spent before its kills are."""

MARK = "INVFRONT_CHAOS"
"""Variable of the environment of all that is started here."""

PAUSE = 4.0
"""Longest time between two kills, seconds."""

AT_WORK = 0.8
"""Share of the kills before which trials run; before the others a driver may just have started."""

LAST = 1800.0
"""Seconds in which an undisturbed driver must end, on a busy machine."""

GONE = 90.0
"""Seconds after which nothing may be left over."""


def main() -> int:
    """Kill, prove, and say so on one line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--studies", type=int, default=5)
    parser.add_argument("--trials", type=int, default=4, help="of a study, to begin with")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if why := no_postgresql():
        print(f"chaos: {why}")
        return 2
    for sign in (signal.SIGINT, signal.SIGTERM):  # whatever ends this, nothing stays behind
        signal.signal(sign, signal.default_int_handler)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"chaos: seed {seed}", flush=True)
    dice, dead, found, trials = random.Random(seed), Counter[str](), Proof.empty(), 0
    token = secrets.token_hex(8)
    os.environ |= {MARK: token, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}
    home = Path(tempfile.mkdtemp(prefix="chaos-"))
    with placed(home) as place:
        for number in range(options.studies):
            share = (options.kills - dead.total()) // (options.studies - number)
            with contextlib.closing(Study(place, home / "runs" / f"chaos-{seed}-{number}")) as study:
                trials += torment(study, options.trials, share, dice, dead, found)
    found.orphaned.extend(f"process {each} is left over" for each in left_over(token, place.nodes))
    kinds = ", ".join(f"{kind} {dead[kind]}" for kind in KINDS)
    for lines in found:
        for line in lines:
            print(f"chaos: {line}")
    wrong, told = any(found), f"seed {seed}, {options.studies} studies of {trials} trials"
    print(f"chaos: {told}, {dead.total()} kills ({kinds}): {found.told()}")
    if wrong:
        print(f"chaos: what it left is in {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return int(wrong)


@contextlib.contextmanager
def placed(home: Path) -> Iterator[Place]:
    """Yield what studies run on, which ends with the body."""
    for name in ("rows", "tracking", "runs"):
        (home / name).mkdir()
    with contextlib.ExitStack() as held:
        rows = PostgreSQL(home / "rows")
        held.callback(rows.stop)
        rows.start()
        tracking = MLflow(home / "tracking")
        held.callback(tracking.stop)
        tracking.start()
        nodes = Nodes(2)
        held.callback(nodes.stop)
        yield Place(home, nodes, rows, tracking)


def torment(study: Study, budget: int, kills: int, dice: random.Random, dead: Counter[str], found: Proof) -> int:
    """Kill so often while a study runs, let it end, and add what is wrong with it; return its number of trials."""
    place, name = study.place, study.root.name
    (place.home / f"{name}.yaml").write_text(SPACE.format(name=name, trials=budget, seed=dice.randrange(100)))
    memory, begun = Memory(study.root), time.monotonic()
    left = kills
    while left > 0:
        study.go_on()
        if dice.random() < AT_WORK:
            wait_for_work(study)
        time.sleep(dice.uniform(0, PAUSE))
        if judge(study, found) == 0:
            budget += MORE
            study.driver = study.start("resume", str(study.root), "--trials", str(budget))
            continue
        memory.look()
        kind = dice.choices(list(KINDS), [each.weight for each in KINDS.values()])[0]
        if KINDS[kind].kill(study, dice):
            dead[kind] += 1
            left -= 1
            print(
                f"chaos: {name}: {time.monotonic() - begun:.0f} s, kill {kills - left} of {kills}: {kind}", flush=True
            )
        judge(study, found)
    retried = end(study, budget, found)
    memory.look()
    found.add(memory.compare(retried))
    found.add(prove(study.root, budget, place.rows.url, place.tracking.url))
    found.add(prove_numbers(study.root, place.home / f"{name}-again"))
    found.altered.extend(study.faults)
    found.orphaned.extend(f"{kind}: {amount:g} reserved" for kind, amount in settled(place.nodes).items())
    print(f"chaos: {name}: {budget} trials, {time.monotonic() - begun:.0f} s: {found.told()}", flush=True)
    return budget


def wait_for_work(study: Study) -> None:
    """Wait until a trial runs, or the driver has ended."""
    deadline = time.monotonic() + LAST
    while time.monotonic() < deadline and study.driver is not None and study.driver.code() is None:
        if study.place.nodes.working(job=False):
            return
        time.sleep(0.5)


def judge(study: Study, found: Proof) -> int | None:
    """Return how the driver ended by itself; an end that is none of those that a resume mends is a fault."""
    session = study.driver
    code = None if session is None or session.killed else session.code()
    if session is None or code is None or code in (0, 130):
        return code
    told = session.told()
    if code == 2 and (session.excused or REFUSED in told or "storage:" in told):
        return code
    study.faults.append(f"a driver ended with {code}: {told[-1500:]}")
    session.killed = True
    return code


def end(study: Study, budget: int, found: Proof) -> bool:
    """Let the study's budget be spent, and what was killed too often be retried; say whether anything was."""
    retried = False
    for _ in range(6):
        session = study.go_on()
        if session.wait(LAST) is None:
            study.faults.append(f"a driver did not end within {LAST:g} s: {session.told()[-1500:]}")
            session.kill()
        if judge(study, found) == 0:
            states = [file.read_text().count('"state": "complete"') for file in newest(study.root)]
            if len(states) == budget and all(states):
                break
            retried = True
            study.driver = study.start("retry", str(study.root))
            study.driver.wait(LAST)
            judge(study, found)
    study.driver = None
    study.go_on("resume", str(study.root), "--trials", str(budget)).wait(LAST)  # MLflow hears of all
    judge(study, found)
    return retried


def newest(root: Path) -> list[Path]:
    """Return the newest record of each trial that has one."""
    records = (
        sorted(trial.glob("record*.json"), key=lambda file: (len(file.name), file.name))
        for trial in root.glob("trials/*")
    )
    return [files[-1] for files in records if files]


def settled(nodes: Nodes) -> dict[str, float]:
    """Return what is still reserved once drivers that were killed have been noticed."""
    deadline = time.monotonic() + GONE
    while (reserved := nodes.reserved()) and time.monotonic() < deadline:
        time.sleep(1)
    return reserved


def left_over(token: str, nodes: Nodes) -> list[str]:
    """Return what was started here and still runs; it ends now."""
    deadline = time.monotonic() + GONE
    while (there := [*marked(token), *nodes.left()]) and time.monotonic() < deadline:
        time.sleep(1)
    told = [str(process) for process in there]
    kill_all(there)
    return told


def marked(token: str) -> list[psutil.Process]:
    """Return the processes that carry this run's mark, but for this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == token:
                found.append(process)
    return found


if __name__ == "__main__":
    sys.exit(main())
