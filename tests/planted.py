"""A directory full of finished trials, put there as files without a driver."""

from pathlib import Path

import optuna

from harness.ledger import Ledger
from harness.records import Value
from harness.search.drawing import draw
from harness.study import Study
from harness.study.jobs import attack_jobs
from tests import values
from tests.recorded import ended


def plant(study: Study, ledger: Ledger, numbers: range) -> None:
    """Put finished trials of a study on storage without a driver, and without waiting for the disk."""
    space, jobs, floor = study.space(), attack_jobs(study), study.search.floor.accuracy
    for number in numbers:
        drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number)).ask()
        asked = values.asked(
            number, study=study.name, ledger=str(study.ledger), attacks=jobs, floor=floor, settings=draw(drawn, space)
        )
        trial = ledger.trial(number)
        result = ended(asked, trial)
        (trial / "attacks").mkdir()
        _write(trial / "asked.json", asked)
        _write(trial / "record.json", result.record)
        for attack in result.attacks:
            _write(trial / "attacks" / f"{attack.job.name}.json", attack)


def _write(path: Path, value: Value) -> None:
    path.write_text(value.model_dump_json(indent=1))
