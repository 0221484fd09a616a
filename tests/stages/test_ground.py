"""What a stage says of itself: where it ran, and by whose code."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import harness
from harness.records.place import Software
from harness.stages import Site, Spent, circumstances, software
from harness.stages.circumstances import _installed
from tests.values import asked

SPENT = Spent("2026-01-01T00:00:00+00:00", 2.5)
HOUSE = Path(harness.__file__).parents[1]


def test_a_job_that_never_gave_a_sign_has_no_node_and_no_known_device():
    cost = circumstances(SPENT, asked().shared(), "attack", None)
    assert (cost.started, cost.seconds, cost.node, cost.device) == (*SPENT[:2], None, "unknown")
    assert cost.driver == {}


def test_only_versions_that_differ_are_the_drivers():
    own = software()
    driver = Software(packages=own.packages | {"torch": "1.0.0", "left_pad": "3"}, commit=None)
    here = SPENT._replace(site=Site(socket.gethostname(), "cpu"))
    cost = circumstances(here, asked().shared(), "train", driver)
    assert cost.packages == own.packages
    assert cost.driver == {"torch": "1.0.0", "left_pad": "3"}


def test_a_machine_without_a_scheduler_records_what_it_has():
    assert dict(_installed(("torch", "no-such-package"))) == {"torch": software().packages["torch"]}


def test_the_versions_of_another_node_are_not_taken_for_this_ones():
    there = SPENT._replace(site=Site("another-node", "cpu"))
    cost = circumstances(there, asked().shared(), "attack", software())
    assert (cost.node, cost.packages, cost.driver) == ("another-node", {}, {})


TRAVELLED = """
from harness.records import Shared, Software
from harness.stages import Spent, circumstances, software
shared = Shared(settings={}, study_seed=0, threads={"train": 1}, precision="float32")
assert software().commit is None
print(circumstances(Spent("now", 0.0), shared, "train", Software(packages={}, commit="abc+")).commit)
"""


def test_packages_that_travelled_to_a_node_are_of_the_drivers_commit(tmp_path):
    for package in ("harness", "search_spaces", "defenses", "attacks", "reports"):
        shutil.copytree(HOUSE / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [sys.executable, "-c", TRAVELLED],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.returncode) == ("abc+\n", 0), ran.stderr
