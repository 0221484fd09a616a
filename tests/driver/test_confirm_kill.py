"""Confirms killed at random moments: nothing lost, nothing double, nothing rewritten."""

import random
import time

import pandas
import pytest

from harness.ledger import Confirms
from tests.driver.test_kill import family, kill, start, status, wait_for
from tests.small_ledger import small_ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1800)]

SEEDS = 3


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_confirm_goes_on_to_exactly_what_was_asked(tmp_path, seed):
    _, ledger = small_ledger(tmp_path)
    root, log, dice = ledger.root, tmp_path / "log.txt", random.Random(seed)
    arguments = ["confirm", str(root), "--seeds", str(SEEDS), "--trials", "0,1", "--set", "resources/checkpoint=0.1s"]
    seen: dict[str, bytes] = {}
    for _ in range(3):
        driver = start(*arguments, log=log)
        before = {*root.glob("confirm/*/*/attempt-*/*"), *root.glob("confirm/*/*/record.json")}

        def works(before: set = before) -> bool:
            return bool({*root.glob("confirm/*/*/attempt-*/*"), *root.glob("confirm/*/*/record.json")} - before)

        if not wait_for(works, driver, log):
            break
        time.sleep(dice.uniform(0, 3))
        relatives = family(driver)
        kill([driver])
        kill(relatives)
        records = {str(path): path.read_bytes() for path in root.glob("confirm/*/*/record.json")}
        assert {path: records[path] for path in seen} == seen
        seen = records
    driver = start(*arguments, log=log)
    wait_for(lambda: False, driver, log)
    assert driver.wait(60) == 0, log.read_text()[-3000:]
    assert status(root)["confirmed"] == {"candidates": 2, "seeds": SEEDS, "waiting": 0}
    everything = [(trial, seed) for trial in (0, 1) for seed in range(SEEDS)]
    assert [tuple(run) for run, _ in Confirms(ledger).runs()] == everything
    assert [each.number for each in Confirms(ledger).rounds()] == [1]
    runs = pandas.read_parquet(root / "report" / "confirmed.parquet")
    assert list(runs[["trial", "seed"]].itertuples(index=False, name=None)) == everything
    assert {str(path): path.read_bytes() for path in root.glob("confirm/*/*/record.json") if str(path) in seen} == seen
