"""Ray nodes of a test's own."""

import pytest
from ray._private import ray_constants
from ray.cluster_utils import Cluster


@pytest.fixture
def loopback(monkeypatch):
    """Nodes and drivers keep to loopback."""
    monkeypatch.setenv(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0")
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # which was read when Ray was imported


@pytest.fixture
def cluster(loopback):
    """A head without CPUs, and two nodes of one each, with their ids."""
    small = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=small | {"num_cpus": 0, "include_dashboard": False})
    assert cluster.address.startswith("127.0.0.1:")
    nodes = [cluster.add_node(**small) for _ in range(2)]
    yield cluster, [node.node_id for node in nodes]
    cluster.shutdown()
