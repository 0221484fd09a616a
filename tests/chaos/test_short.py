"""The short form of `make chaos`: a study on two nodes that is killed a few times, and is whole in the end."""

import os
import subprocess
import sys

import pytest

from tests.chaos.sessions import HERE
from tests.servers import no_postgresql

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]

KILLS = 2
OPTIONS = ("--studies", "1", "--trials", "2", "--kills", str(KILLS))


def test_a_study_that_is_killed_a_few_times_on_its_nodes_is_whole():
    if why := no_postgresql():
        pytest.skip(why)
    seed = os.environ.get("KILL_SEED", "5")
    done = subprocess.run(
        [sys.executable, "-u", "-m", "tests.chaos", *OPTIONS, "--seed", seed],
        capture_output=True,
        text=True,
        cwd=HERE,
        timeout=1150,
    )
    told = done.stdout + done.stderr[-3000:]
    assert done.returncode == 0, told
    assert f", {KILLS} kills (" in told
    assert ": 0 lost, 0 doubled, 0 orphaned, 0 altered" in told
