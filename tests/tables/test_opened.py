"""``harness.open``: a study's tables as data frames, in a process without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

import harness
from harness.errors import UserError
from harness.export import write_tables
from harness.judging import judged_trials
from harness.ledger import Ledger
from harness.study import load_study

OLD = Path(__file__).parents[1] / "old_studies" / "0.1" / "strict"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    return shutil.copytree(OLD, tmp_path_factory.mktemp("runs") / "strict")


def test_the_tables_are_those_of_the_report(strict):
    ledger = Ledger(strict)
    data = write_tables(load_study(strict / "study.yaml"), ledger, list(judged_trials(ledger)))
    opened = harness.open(strict)
    for name in ("trials", "attacks", "probes", "variants", "floors", "curves"):
        written = pandas.read_parquet(data / f"{name}.parquet")
        assert len(written) > 0
        pandas.testing.assert_frame_equal(getattr(opened, name), written, check_dtype=False)


def test_a_later_attack_on_a_part_of_the_front_leaves_it_unsettled_and_what_is_compared_as_it_was(strict, tmp_path):
    """Over all of its attacks trial 0 would be off the front, and trial 3 on it, which was spared the last one."""
    root = Path(shutil.copytree(strict, tmp_path / "strict"))
    before = harness.open(root)
    assert (before.front["trial"].tolist(), before.unsettled) == ([0], ())
    path = root / "trials/00000/attacks/decoder-quick-0.json"
    told = json.loads(path.read_text())
    told["job"]["budget"] = "strong"
    told["measured"]["scores"] |= {"mse": 0.0001, "ssim": 0.99}
    path.with_name("decoder-strong-0.json").write_text(json.dumps(told))
    after = harness.open(root)
    assert after.front["trial"].tolist() == [0]
    assert "decoder-strong-0" in after.unsettled
    row, was = after.trials.iloc[0], before.trials.iloc[0]
    assert (row["mse"], row["mse_attack"]) == (0.0001, "decoder-strong-0")
    assert (row["mse_shared"], row["ssim_shared"]) == (was["mse"], was["ssim"])


def test_the_front_is_the_rows_that_nothing_dominates(strict):
    opened = harness.open(str(strict.parent))
    assert opened.root == strict
    assert opened.front["trial"].tolist() == opened.trials.query("on_front")["trial"].tolist() == [0]


def test_it_needs_no_torch(strict):
    code = (
        "import sys, harness; assert len(harness.open(sys.argv[1]).trials) == 6; harness.open(sys.argv[1]).attacks\n"
        "print({'torch', 'ray', 'optuna', 'mlflow', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(strict)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "")


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such directory"):
        harness.open(tmp_path / "nowhere")
