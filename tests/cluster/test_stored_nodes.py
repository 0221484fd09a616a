"""A study in a store on nodes that have nothing in common but its address: each its own cache, and one is lost, or does
not reach it.
"""

import re
import socket
import time
from pathlib import Path, PurePath

import pytest
from ray.cluster_utils import Cluster

from harness.search.storage import tables_of
from harness.stores import open_store
from tests.commands.test_stored import TRIALS, endpoint, machine
from tests.s3 import BUCKET
from tests.search.test_postgresql import url

__all__ = ["endpoint", "machine", "url"]  # fixtures

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1800)]

SMALL = {"object_store_memory": 100 * 2**20}


@pytest.fixture
def apart(loopback, machine, tmp_path):
    """A head without CPUs, and two nodes of one each, by the folders of their caches."""
    cluster = Cluster(initialize_head=True, head_node_args=SMALL | {"num_cpus": 0, "include_dashboard": False})
    caches = {name: tmp_path / name for name in ("one", "other")}
    nodes = {
        name: cluster.add_node(**SMALL, num_cpus=1, env_vars={"INVFRONT_CACHE": str(cache)})
        for name, cache in caches.items()
    }
    yield cluster, nodes, caches
    cluster.shutdown()


def kept(cache: Path) -> set[str]:
    """Return the checkpoints that a machine has, as the store names them."""
    return {"/".join(path.parts[-4:]) for path in cache.glob("stores/*/far/trials/*/attempt-*/checkpoint-*")}


def test_a_node_that_asks_elsewhere_for_the_store_is_named_before_anything_is_made(apart, machine, url):
    cluster, _, caches = apart
    elsewhere = {"INVFRONT_CACHE": str(caches["one"].with_name("lost")), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    cluster.add_node(**SMALL, num_cpus=1, env_vars=elsewhere)
    out, rows = f"s3://{BUCKET}/elsewhere", tables_of(url)
    where = ["--no-tracking", "--address", cluster.address]
    refused = machine("driver", url).say("run", "far.yaml", "--out", out, *where)
    assert (refused.returncode, refused.stdout) == (2, "")
    node = re.escape(socket.gethostname())
    said = rf"invfront: node {node}: does not reach {out}/far: [^\n]*; set AWS_ACCESS_KEY_ID, [^\n]*\n"
    assert re.fullmatch(said, refused.stderr.splitlines(keepends=True)[-1]), refused
    assert ([*open_store(out).entries()], tables_of(url)) == ([], rows)


def test_nodes_share_nothing_but_the_store_and_one_that_is_lost_leaves_its_trial_to_the_other(apart, machine, url):
    cluster, nodes, caches = apart
    out, where = f"s3://{BUCKET}/nodes", ["--no-tracking", "--address", cluster.address]
    store, driver = open_store(f"{out}/far"), machine("driver", url)
    running = driver.start("run", "far.yaml", "--out", out, *where, "--set", "resources/concurrent=2")
    try:
        while not (lost := kept(caches["one"]) & {entry.key for entry in store.entries("trials")}):
            assert running.poll() is None, running.communicate()
            time.sleep(0.02)
        cluster.remove_node(nodes["one"], allow_graceful=False)
        last, brought = f"trials/{TRIALS - 1:05d}/record.json", set[str]()
        while store.entry(last) is None:
            assert running.poll() is None, running.communicate()
            brought |= kept(caches["other"])
            time.sleep(0.02)
        told = running.communicate(timeout=600)
    finally:
        running.kill()
    assert running.returncode == 0, told
    trials = {key.partition("/checkpoint-")[0] for key in lost}
    assert trials <= {key.partition("/checkpoint-")[0] for key in brought}, "it goes on from what the lost node sent"
    finished = [entry.key for entry in store.entries("trials") if PurePath(entry.key).match("trials/*/record.json")]
    assert sorted(finished) == [f"trials/{number:05d}/record.json" for number in range(TRIALS)]
    third = machine("third", url)
    assert third.say("doctor", f"{out}/far").stdout.endswith(f"{out}/far: nothing is wrong\n")
    assert third.say("report", out).returncode == 0
