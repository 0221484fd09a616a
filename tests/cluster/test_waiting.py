"""As many trials are out as nodes hold, now and when they come and go; one that finds no place is told of."""

from harness.cluster.requests import held_by
from harness.cluster.waiting import LOOK_SECONDS, PATIENT_SECONDS, Waiting
from harness.study import Resources

GPU = {"CPU": 4.0, "GPU": 1.0}
RESOURCES = Resources.model_validate({"concurrent": 4, "train": {"cpu": 1, "gpu": 1}, "attack": {"cpu": 1, "gpu": 0.5}})


class Cluster:
    """A cluster and a clock."""

    def __init__(self, *nodes, at_most=()):
        self.nodes, self.at_most, self.now, self.said = list(nodes), list(at_most), 0.0, []

    def there(self):
        if self.nodes is None:
            raise RuntimeError("no answer")
        return self.nodes, self.at_most

    def waiting(self, steered: bool = False) -> Waiting:
        return Waiting(RESOURCES, steered, self.there, self.said.append, lambda: self.now)

    def later(self, seconds: float = LOOK_SECONDS) -> None:
        self.now += seconds


def test_as_many_trials_are_out_as_nodes_hold_and_as_are_asked_for():
    assert Cluster(*[GPU] * 3).waiting().room() == 3
    assert Cluster(*[GPU] * 9).waiting().room() == RESOURCES.concurrent
    assert Cluster(*[GPU] * 9).waiting(steered=True).room() == 9


def test_nodes_that_come_are_used_and_those_that_go_are_not_counted_on():
    cluster = Cluster(GPU)
    waiting = cluster.waiting()
    assert waiting.room() == 1
    cluster.nodes.append(GPU)
    assert waiting.room() == 1  # until it looks again
    cluster.later()
    assert waiting.room() == 2
    cluster.nodes.clear()
    cluster.later()
    assert waiting.room() == 1  # one waits, and is told of
    cluster.nodes = None
    cluster.later()
    assert waiting.room() == 1


def test_trials_wait_for_as_many_nodes_as_may_come():
    assert Cluster(at_most=[GPU] * 3).waiting().room() == 3
    assert held_by(RESOURCES, []) == 0


def test_a_trial_that_finds_no_place_is_told_of_every_ten_minutes_with_what_it_asks_for_and_what_there_is():
    cluster = Cluster({"CPU": 2.0, "GPU": 0.0})
    waiting = cluster.waiting()
    for number in range(3):
        waiting.asked(f"key-{number}", number)
    waiting.began("key-1")
    cluster.later(PATIENT_SECONDS - 1)
    waiting.look()
    assert cluster.said == []
    for seconds in (1, 5, PATIENT_SECONDS - 6):
        cluster.later(seconds)
        waiting.look()
    assert cluster.said == [
        "trial 0, 2: no node has had room for {'CPU': 1.0, 'GPU': 1.0} for 10 min; the nodes have "
        "[{'CPU': 2.0, 'GPU': 0.0}]; add one, or end it and go on with other resources"
    ]
    cluster.later(1)
    waiting.look()
    assert len(cluster.said) == 2
    waiting.began("key-0")
    waiting.began("key-2")
    cluster.later(9 * PATIENT_SECONDS)
    waiting.look()
    assert len(cluster.said) == 2


def test_a_cluster_that_does_not_answer_when_a_trial_has_waited_long_ends_nothing():
    cluster = Cluster({"CPU": 2.0, "GPU": 0.0})
    waiting = cluster.waiting()
    waiting.asked("key", 0)
    there, cluster.nodes = cluster.nodes, None
    cluster.later(PATIENT_SECONDS)
    waiting.look()
    assert not cluster.said
    cluster.nodes = there
    waiting.look()
    assert len(cluster.said) == 1
