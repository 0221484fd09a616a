"""A node that does not see what the driver sees is named before anything is made."""

import re
import socket

import pytest

from harness.cli import main
from harness.cluster import sight

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

SPACE = """
name: blind
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {none: {}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 2, sampler: random}
"""


def test_a_node_that_sees_other_files_than_the_driver_is_named_before_anything_is_made(
    cluster, tmp_path, monkeypatch, capfd
):
    ray_cluster, _ = cluster
    monkeypatch.setattr(sight, "known_of", lambda place: {str(tmp_path): "what the driver alone sees there"})
    (tmp_path / "space.yaml").write_text(SPACE)
    before = sorted(tmp_path.rglob("*"))
    asked = ["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path / "runs"), "--address", ray_cluster.address]
    assert main([*asked, "--no-tracking"]) == 2
    said = capfd.readouterr().err
    node = re.escape(socket.gethostname())
    assert re.search(
        rf"^invfront: node {node}: sees other files in {tmp_path} than the driver; mount it there", said, re.M
    )
    assert sorted(tmp_path.rglob("*")) == before
