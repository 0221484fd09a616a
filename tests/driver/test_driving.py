"""The driver: what a study's trials are given beside their settings."""

import pytest
import torch

from attacks.precision import bfloat16_is_faster
from harness.driver.conditions import precision_of
from harness.ledger.files import Ledger
from harness.study.check import load_checked
from tests.values import asked


def study(folder, share: str):
    path = folder / "space.yaml"
    path.write_text(
        f"{{name: small, data: {{name: digits}}, defense: {{none: {{}}}}, search: {{trials: 4}}, "
        f"resources: {{train: {share}, attack: {share}}}}}"
    )
    return load_checked(path)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("share", ["{cpu: 1, gpu: 0}", "{cpu: 1, gpu: 1}"])
def test_a_study_keeps_the_precision_of_its_first_trial(precision, share, tmp_path):
    """Else a resume on another machine, or on a busy one, would compare trials of two precisions."""
    ledger = Ledger(tmp_path / "small")
    ledger.publish_asked(asked(0, precision=precision))
    assert precision_of(study(tmp_path, share), ledger) == precision


def test_before_its_first_trial_bfloat16_is_for_gpus_and_for_cpus_that_are_faster_with_it(tmp_path):
    ledger = Ledger(tmp_path / "small")
    assert precision_of(study(tmp_path, "{cpu: 1, gpu: 1}"), ledger) == "bfloat16"
    on_cpu = "bfloat16" if bfloat16_is_faster(torch.device("cpu")) else "float32"
    assert precision_of(study(tmp_path, "{cpu: 1, gpu: 0}"), ledger) == on_cpu
