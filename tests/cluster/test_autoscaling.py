"""Ray's own autoscaler brings nodes to a study that waits for them, uses them, and lets them go when it is done.

Both of its versions, on one machine: nodes come as processes of the autoscaler's, by a provider that Ray ships for it.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import ray
import yaml

from harness.cli import main
from harness.cluster import scheduling
from harness.cluster.connection import cluster, nodes
from harness.ledger import Ledger
from tests.servers import cut_off, free_port
from tests.slept import SPANS, slept_trial, spans

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1800)]

COMES = 300.0
"""Seconds in which a head must come, and idle nodes must go."""

HEAD = "f" * 51 + "00000"
"""The provider's name of the head."""

KIND = "ray.head.default"
"""Its name of the kind of node that the head is."""

SPACE = """
name: scaled
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {none: {}, dropout: {rate: {low: 0.1, high: 0.9}}}
attacks: {linear: quick}
search: {trials: 6, sampler: random}
"""


EMPTY: dict[str, list[str]] = {
    key: []
    for key in (
        "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
        "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter",
    )
}  # fmt: skip
"""What Ray wants said of a cluster of a provider that it does not know."""


class Scaled(NamedTuple):
    """A head, and where its jobs note when they ran."""

    address: str
    spans: Path


@pytest.fixture
def scaled(loopback, tmp_path, monkeypatch) -> Iterator[Callable[[int, int], Scaled]]:
    """Start a head of some CPUs to which an autoscaler brings up to two nodes of one CPU each."""
    monkeypatch.setattr(scheduling, "_trial", slept_trial)
    monkeypatch.setenv(SPANS, str(tmp_path / "spans"))
    (tmp_path / "spans").mkdir()
    heads: list[subprocess.Popen[bytes]] = []
    sockets = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)  # whose paths must be short

    def start(version: int, cpus: int) -> Scaled:
        port = free_port()
        (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(_cluster(port, cpus)))
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_AUTH_MODE": "disabled",
        }
        if version == 2:  # as `ray up` sets it
            environment |= {
                "RAY_enable_autoscaler_v2": "1",
                "RAY_CLOUD_INSTANCE_ID": HEAD,
                "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
                "RAY_NODE_TYPE_NAME": KIND,
            }
        ray_start = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--disable-usage-stats"]
        options = {
            "port": port, "node-ip-address": "127.0.0.1", "num-cpus": cpus, "include-dashboard": "false",
            "object-store-memory": 100 * 2**20, "temp-dir": sockets.name,
            "autoscaling-config": tmp_path / "cluster.yaml",
        }  # fmt: skip
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with (tmp_path / "head.log").open("wb") as log:
            heads.append(subprocess.Popen([*ray_start, *arguments], env=environment, stdout=log, stderr=log))
        until = time.monotonic() + COMES
        while b"will now block forever" not in (tmp_path / "head.log").read_bytes():
            assert heads[0].poll() is None, (tmp_path / "head.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.5)
        return Scaled(f"127.0.0.1:{port}", tmp_path / "spans")

    yield start
    for head in heads:
        cut_off(head)
    sockets.cleanup()


def _cluster(port: int, cpus: int) -> dict[str, Any]:
    return EMPTY | {
        "cluster_name": "scaled",
        "auth": {},
        "file_mounts": {},
        "max_workers": 2,
        "idle_timeout_minutes": 0.2,
        "provider": {
            "type": "external",  # by its own name Ray looks for a file of defaults that its wheel has not
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "head_node_id": HEAD,
            "gcs_address": f"127.0.0.1:{port}",
            "launch_multiple": True,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            KIND: {"resources": {"CPU": cpus}, "node_config": {}, "max_workers": 0},
            "worker": {
                "resources": {"CPU": 1, "object_store_memory": 100 * 2**20},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 2,
            },
        },
        "head_node_type": KIND,
    }


def at_once(folder: Path) -> int:
    """Return how many jobs ran at a time, at most."""
    ran = spans(folder)
    return max(sum(other.begun <= one.begun < other.ended for other in ran) for one in ran)


def ran(there: Scaled, tmp_path: Path, *more: str) -> int:
    (tmp_path / "space.yaml").write_text(SPACE)
    where = ["--out", str(tmp_path), "--address", there.address, "--no-tracking"]
    return main(["run", str(tmp_path / "space.yaml"), *where, *more])


def wait_for_one_node(address: str) -> None:
    """Wait until the head alone is there."""
    until = time.monotonic() + COMES
    with cluster(address, "", packages=()):
        while len(nodes()) > 1:
            assert time.monotonic() < until, ray.nodes()
            time.sleep(1)


@pytest.mark.parametrize(("version", "cpus"), [(2, 0), (1, 1)])
def test_nodes_come_for_a_study_that_begins_on_none_or_on_one_and_go_when_it_is_done(version, cpus, scaled, tmp_path):
    there = scaled(version, cpus)
    assert ran(there, tmp_path, "--set", "resources/concurrent=auto") == 0
    ledger = Ledger(tmp_path / "scaled")
    assert [ledger.read(number).record.state for number in range(6)] == ["complete"] * 6
    assert at_once(there.spans) >= 2  # more than the head holds; three where nodes come soon
    wait_for_one_node(there.address)


def test_what_no_node_that_may_come_can_hold_is_refused_before_anything_starts(scaled, tmp_path, capsys):
    there = scaled(2, 0)
    assert ran(there, tmp_path, "--set", "resources/train={cpu: 4}") == 2
    assert (
        "asks for {'CPU': 4.0}; no node has that, the nodes have [{'CPU': 0.0, 'GPU': 0.0}] and no autoscaler brings"
        in (capsys.readouterr().err)
    )
    assert not (tmp_path / "scaled" / "trials").exists()
