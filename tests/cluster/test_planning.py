"""What a study will take on a cluster: its nodes are counted, and a few steps measured on one of them."""

import json
import re

import pytest

from harness.cli import main

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

SPACE = """
name: planned
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {none: {}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 4, sampler: random, allocate: joint}
resources: {concurrent: auto}
"""


def test_a_study_is_planned_where_it_is_to_run_and_what_no_node_holds_is_said_and_refused(cluster, tmp_path, capsys):
    there, _ = cluster
    (tmp_path / "space.yaml").write_text(SPACE)
    at = [str(tmp_path / "space.yaml"), "--address", there.address]
    times = {}
    for concurrent in ("auto", "1"):
        assert main(["plan", *at, "--json", "--rate", "2", "--set", f"resources/concurrent={concurrent}"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["unplaceable"], told["gpu_hours"]["mid"]) == ([], 0.0)
        assert 0 < told["cpu_hours"]["low"] < told["cpu_hours"]["mid"]
        times[concurrent] = told["seconds"]["mid"]
        assert told["cost"]["mid"] == pytest.approx(2 * 3 * times[concurrent] / 3600)  # of three nodes
    assert times["auto"] < 0.9 * times["1"]  # two nodes hold a trial each

    large = ["--set", "resources/train={cpu: 1, gpu_memory: 6GiB}"]
    for order in (["plan", *at], ["run", *at, "--out", str(tmp_path / "runs"), "--no-tracking"]):
        assert main([*order, *large]) == 2
        assert re.fullmatch(r"invfront: resources[^\n]*no node has [^\n]*, or add a node\n", capsys.readouterr().err)
    assert not (tmp_path / "runs" / "planned").exists()
