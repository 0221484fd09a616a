"""A job that Ray's memory monitor ends is known as that, and is not handed out again where there is no memory."""

import time
from collections.abc import Iterator

import pytest
import ray

from harness.cluster.submitting import IN_PLACE, RaySubmit
from harness.cluster.tasks import KILLED, Claim
from harness.records import Progress
from harness.stages import Stage

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def short_of_memory(monkeypatch):
    """A local Ray to whose monitor any use of the machine's memory is too much."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        _system_config={"memory_usage_threshold": 0.001, "memory_monitor_refresh_ms": 100},
    )
    yield
    ray.shutdown()


def lasting() -> Iterator[Progress]:
    yield Progress("last", 0, 1)
    time.sleep(300)


def test_a_job_that_the_memory_monitor_ends_is_told_apart_from_one_that_was_lost(short_of_memory):
    submit = RaySubmit({"attack": Claim(cpu=1, gpu=0)}, None, again=IN_PLACE)
    (end,) = submit(Stage(__name__, "lasting"), [()], "attack", lambda progress: None)
    assert (end.value, end.failure.type) == (None, KILLED)
    assert end.failure.message == "Ray ended it, since its node had no memory left, once"
