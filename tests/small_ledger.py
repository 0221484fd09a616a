"""A real study's directory for tests: tiny trials on digits, run in this process and published, in every state."""

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from attacks.decoder import Decoder
from harness.ledger.files import Ledger
from harness.ledger.whole import write_whole
from harness.records.asked import Asked, AttackJob
from harness.study import Study
from harness.study.check import load_checked
from harness.trial import run_trial
from tests.values import asked

LEDGER_ID = "5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b"

SPACE = """
name: small
data: {name: digits}
model: {width: 0.25, sigma: {choices: [0.05, 0.2]}}
train: {recipe: fast, epochs: 1, batch_size: 32, images: 100}
defense:
  none: {}
  cem_paper: {lam: {low: 0.003, high: 0.1, log: true}}
attacks: {'tests.small_ledger:SmallDecoder': tiny}
search: {trials: 7, seed: 1, floor: {accuracy: 0.01}}
"""

TINY = {"train/epochs": 1, "train/batch_size": 32, "train/images": 100}
STATES = ("complete", "complete", "partial", "failed", "running")
"""By trial number; the budget leaves two waiting."""

JOB = AttackJob(attack="tests.small_ledger:SmallDecoder", budget="tiny", seed=0, part="validation")
BROKEN = JOB.model_copy(update={"budget": "no-such-budget"})
"""An attack job that raises."""


class SmallDecoder(Decoder):
    """A plug-in: the published decoder, smaller and shorter than any budget of its own."""

    tiny: ClassVar[dict[str, Any]] = {"blocks": 1, "channels": 8, "steps": 40, "batch_size": 32, "lr": 1e-2}
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": Decoder.budgets["quick"] | tiny,
        "small": Decoder.budgets["quick"] | tiny | {"steps": 60},
    }


def small_ledger(folder: Path) -> tuple[Study, Ledger]:
    """Return a study and its ledger in ``folder/small``, a copy that may be changed; trials run once per process."""
    root = Path(shutil.copytree(_made(), folder / "small"))
    return load_checked(root / "study.yaml"), Ledger(root)


@functools.cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="small-ledger-"))
    space, root = folder / "space.yaml", folder / "small"
    space.write_text(SPACE)
    study = load_checked(space).model_copy(update={"ledger": LEDGER_ID})
    ledger = Ledger(root)
    write_whole(ledger.study_file, study.dump().encode())
    for one, state in zip(_asked(), STATES, strict=True):
        ledger.publish_asked(one)
        if state != "running":
            finish(ledger, one)
    return root


def finish(ledger: Ledger, one: Asked) -> None:
    """Run a trial and publish it as a driver does."""
    result = run_trial(one, ledger.trial(one.number))
    for attack in result.attacks:
        ledger.publish_attack(attack)
    ledger.publish_record(result.record)


def _asked() -> list[Asked]:
    cem = {"defense/name": "cem_paper", "defense/cem_paper/lam": 0.01, "model/sigma": 0.2}
    common: dict[str, Any] = {"study": "small", "ledger": LEDGER_ID, "floor": 0.01, "attacks": (JOB,)}
    return [
        asked(0, settings=TINY, anchor=True, **common),
        asked(1, settings=TINY | cem, **common),
        asked(2, settings=TINY | cem, **(common | {"attacks": (JOB, BROKEN)})),
        asked(3, settings=TINY | cem | {"defense/cem_paper/lam": -1.0}, **common),
        asked(4, settings=TINY, **common),
    ]
