"""Studies on S3, whose rows lie in PostgreSQL: an address is all that another machine needs to go on with one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.stores import Store, open_store
from tests.s3 import BUCKET, KEY, SECRET, make_bucket, serving, surroundings
from tests.search.test_postgresql import url

__all__ = ["url"]  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRIALS, LONGEST = 3, 600.0

SPACE = f"""
name: far
data: {{name: digits}}
model: {{name: 'tests.slight:Slight', cut: 1, sigma: 0.1}}
train: {{recipe: fast, epochs: 6, batch_size: 64, images: 640}}
defense: {{none: {{}}, laplace: {{scale: {{low: 0.05, high: 0.2}}}}}}
attacks: {{'tests.small_ledger:SmallDecoder': tiny}}
search: {{trials: {TRIALS}, sampler: random, seed: 3}}
resources: {{concurrent: 1, train: {{cpu: 1}}, attack: {{cpu: 1}}, checkpoint: 1s}}
"""


@pytest.fixture(scope="module")
def endpoint():
    with serving() as there:
        make_bucket(there)
        yield there


class Machine(NamedTuple):
    """A machine that knows of the others nothing but addresses."""

    home: Path
    environment: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness.cli", *words]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment, cwd=self.home
        )

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=LONGEST)
        return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture
def machine(endpoint, tmp_path, monkeypatch):
    for name, value in surroundings(endpoint).items():
        monkeypatch.setenv(name, value)

    def made(name: str, storage: str | None) -> Machine:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        (home / "far.yaml").write_text(SPACE)
        given = {} if storage is None else {"INVFRONT_STORAGE": storage}
        paths = {"PYTHONPATH": str(Path(__file__).parents[2]), "INVFRONT_CACHE": str(home / "cache")}
        return Machine(home, os.environ | paths | given)

    return made


def wait_for(store: Store, key: str, driver: subprocess.Popen[str]) -> None:
    """Wait until an object is there."""
    deadline = time.monotonic() + LONGEST
    while store.entry(key) is None:
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline, key
        time.sleep(0.05)


def test_a_study_without_a_server_that_keeps_drivers_apart_is_refused(machine):
    refused = machine("one", None).say("run", "far.yaml", "--out", f"s3://{BUCKET}/refused", "--no-tracking")
    assert refused.returncode == 2
    assert re.fullmatch(rf"invfront: s3://{BUCKET}/refused/far: .* needs a PostgreSQL server.*\n", refused.stderr)
    assert not [*open_store(f"s3://{BUCKET}/refused").entries()]


@pytest.mark.parametrize("address", ["in-process", None])
def test_a_driver_that_is_killed_loses_nothing_and_another_machine_goes_on(machine, url, address):
    out = f"s3://{BUCKET}/{address or 'ray'}"
    study, store = f"{out}/far", open_store(f"{out}/far")
    where = ["--no-tracking", *(["--address", address] if address else [])]
    first, second = machine("first", url), machine("second", url)
    driver = first.start("run", "far.yaml", "--out", out, *where)
    try:
        wait_for(store, "trials/00000/asked.json", driver)
        doubled = second.say("resume", study, *where)
        assert doubled.returncode == 2, doubled
        assert "another driver runs this study" in doubled.stderr, doubled
        steered = second.say("ctl", study, "pause")
        assert steered.returncode == 0, steered
        wait_for(store, f"{next(store.entries('ctl')).key.removesuffix('.json')}.answer.json", driver)
        wait_for(store, "trials/00000/record.json", driver)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    before = {entry.key: store.read(entry.key) for entry in store.entries("trials") if "/attempt-" not in entry.key}
    found = json.loads(second.say("status", study, "--json").stdout)
    assert 1 <= found["states"]["complete"] < TRIALS
    assert [(one["asked"], one["state"]) for one in found["ctl"]] == [("pause", "done")]
    resumed = second.say("resume", study, *where, "--json")
    assert resumed.returncode == 0, resumed
    document = json.loads(resumed.stdout)
    assert document["states"]["complete"] == TRIALS == sum(document["states"].values())
    assert document["study"] == study
    after = {entry.key: store.read(entry.key) for entry in store.entries("trials")}
    assert before.items() <= after.items(), "what was there is as it was"
    third = machine("third", url)
    assert third.say("doctor", study).stdout.endswith(f"{study}: nothing is wrong\n")
    assert third.say("report", out).returncode == 0
    assert store.entry("report/index.html") is not None
    attacked = third.say("attack", study, "0", "--attack", "linear:quick", *where)
    assert attacked.returncode == 0, attacked
    assert store.entry("trials/00000/attacks/linear-quick-0.json") is not None
    confirmed = machine("fourth", url).say("confirm", study, "--seeds", "1", "--trials", "0", *where)
    assert confirmed.returncode == 0, confirmed
    assert store.entry("confirm/00000/0/record.json") is not None
    everything = b"".join(store.read(entry.key) for entry in store.entries())
    for secret in (KEY, SECRET, "s3cret"):
        assert secret.encode() not in everything
