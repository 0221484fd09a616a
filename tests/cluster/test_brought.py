"""What a cluster's node gives to a job that a driver brings: no GPU that it has not reserved, and no plug-in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from harness.cli import main
from harness.ledger import Ledger
from tests.plugins import noted

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

SMALL = {"object_store_memory": 100 * 2**20}

SPACE = """
name: brought
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'%s': {folder: %s}}
attacks: {'tests.plugins:Grey': quick}
search: {trials: 1, sampler: random, allocate: joint}
resources: {concurrent: 1, train: {cpu: 1, gpu: 0}, attack: {cpu: 1, gpu: 0}}
"""

MINE = """
from pathlib import Path

from defenses.base import Defense, Epoch


class Mine(Defense):
    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self.folder = folder

    def end_epoch(self, epoch: Epoch) -> None:
        (Path(self.folder) / "trained-by").write_text(__file__)
"""


def test_a_job_that_reserves_no_gpu_sees_none_of_its_node(loopback, tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE % ("tests.plugins:Noting", tmp_path / "notes"))
    cluster = Cluster(initialize_head=True, head_node_args=SMALL | {"num_cpus": 0, "include_dashboard": False})
    try:
        cluster.add_node(**SMALL, num_cpus=1, num_gpus=2, env_vars={"CUDA_VISIBLE_DEVICES": "0,1"})
        run = ["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), "--no-tracking"]
        assert main([*run, "--address", cluster.address]) == 0
    finally:
        cluster.shutdown()
    assert [noted(str(tmp_path / "notes"), what) for what in ("train", "attack")] == [[""], [""]]


def test_a_plug_in_of_one_file_that_no_node_has_travels_to_it(cluster, tmp_path):
    there, _ = cluster
    for folder in ("home", "own"):
        (tmp_path / folder).mkdir()
    (tmp_path / "own" / "mine_alone.py").write_text(MINE)
    (tmp_path / "space.yaml").write_text(SPACE % ("mine_alone:Mine", tmp_path))
    run = ["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), "--no-tracking", "--address", there.address]
    paths = os.pathsep.join(map(str, (Path(__file__).parents[2], tmp_path / "own")))
    driver = subprocess.run(
        [sys.executable, "-m", "harness.cli", *run],
        env=os.environ | {"PYTHONPATH": paths}, cwd=tmp_path / "home", capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert driver.returncode == 0, driver
    assert Ledger(tmp_path / "brought").read(0).record.state == "complete"
    trained_by = Path((tmp_path / "trained-by").read_text())
    assert trained_by.name == "mine_alone.py"
    assert not trained_by.is_relative_to(tmp_path)
