"""As many trials are out as nodes hold, now and when they come and go; one that finds no place is told of."""

from harness.cluster.waiting import AHEAD, LOOK_SECONDS, PATIENT_SECONDS, Waiting
from harness.study import Resources

GPU = {"CPU": 4.0, "GPU": 1.0}
RESOURCES = Resources.model_validate({"concurrent": 4, "train": {"cpu": 1, "gpu": 1}, "attack": {"cpu": 1, "gpu": 0.5}})


class Cluster:
    """A cluster and a clock; ``comes`` says whether its autoscaler may bring nodes."""

    def __init__(self, *nodes, comes=False):
        self.nodes, self.comes, self.now, self.said = list(nodes), comes, 0.0, []

    def there(self):
        if self.nodes is None:
            raise RuntimeError("no answer")
        return self.nodes

    def waiting(self, steered: bool = False) -> Waiting:
        return Waiting(RESOURCES, steered, self.there, lambda bundle: self.comes, self.said.append, lambda: self.now)

    def later(self, seconds: float = LOOK_SECONDS) -> None:
        self.now += seconds


def handed_out(waiting: Waiting, placed: int = 0) -> int:
    """Hand out what may be; return how many those are."""
    count = 0
    while waiting.another():
        waiting.asked(key := f"{id(waiting)}-{count}-{waiting._clock()}", count)
        if count < placed:
            waiting.began(key)
        count += 1
    return count


def test_as_many_trials_are_out_as_nodes_hold_and_as_are_asked_for():
    assert handed_out(Cluster(*[GPU] * 3).waiting()) == 3
    assert handed_out(Cluster(*[GPU] * 9).waiting()) == RESOURCES.concurrent
    assert handed_out(Cluster(*[GPU] * 9).waiting(steered=True)) == 9


def test_nodes_that_come_are_used_and_those_that_go_are_not_counted_on():
    cluster = Cluster(GPU)
    waiting = cluster.waiting()
    assert handed_out(waiting) == 1
    cluster.nodes.append(GPU)
    assert handed_out(waiting) == 0  # until it looks again
    cluster.later()
    assert handed_out(waiting) == 1
    cluster.nodes.clear()
    cluster.later()
    waiting = cluster.waiting()
    assert handed_out(waiting) == 1  # one waits, and is told of
    cluster.nodes = None
    cluster.later()
    assert handed_out(waiting) == 0


def test_where_nodes_may_come_one_trial_more_waits_at_each_look_up_to_a_few():
    cluster = Cluster(comes=True)
    waiting = cluster.waiting(steered=True)
    for _ in range(AHEAD):
        assert handed_out(waiting) == 1
        cluster.later()
    assert handed_out(waiting) == 0
    cluster.nodes += [GPU] * 3
    cluster.later()
    assert handed_out(waiting) == 1
    assert [handed_out(each) for each in (cluster.waiting(), cluster.waiting(steered=True))] == [4, 4]


def test_once_the_cluster_has_no_node_for_what_waits_nothing_more_does_until_its_nodes_change():
    cluster = Cluster(GPU, comes=True)
    waiting = cluster.waiting(steered=True)
    assert handed_out(waiting, placed=1) == 2
    cluster.comes = False
    cluster.later()
    assert handed_out(waiting) == 0
    cluster.comes = True  # what was refused has found its place, and the cluster says no more of it
    cluster.later()
    assert handed_out(waiting) == 0
    cluster.nodes.append(GPU)
    cluster.later()
    assert handed_out(waiting) == 1


def test_where_no_node_has_come_for_long_one_trial_alone_waits():
    cluster = Cluster(GPU, comes=True)
    waiting = cluster.waiting(steered=True)
    handed_out(waiting, placed=1)
    cluster.later(PATIENT_SECONDS)
    assert handed_out(waiting) == 0
    cluster.nodes.append(GPU)
    cluster.later()
    assert handed_out(waiting) == 1


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
    waiting.ended("key-2")
    cluster.later(9 * PATIENT_SECONDS)
    waiting.look()
    assert len(cluster.said) == 2


def test_a_trial_whose_node_went_waits_for_a_place_again_and_the_nodes_are_named():
    cluster = Cluster({"CPU": 1.0, "GPU": 1.0, "node:10.0.0.1": 1.0})
    waiting = cluster.waiting()
    waiting.asked("key", 4)
    waiting.began("key")
    cluster.nodes[:] = [{"CPU": 2.0, "node:10.0.0.2": 1.0, "node:__internal_head__": 1.0}]
    waiting.lost("key", 4)
    cluster.later(PATIENT_SECONDS)
    waiting.look()
    (said,) = cluster.said
    assert said.startswith("trial 4: no node has had room for {'CPU': 1.0, 'GPU': 1.0} for 10 min; the nodes 10.0.0.2 ")
    waiting.began("key")
    cluster.later(PATIENT_SECONDS)
    waiting.look()
    assert len(cluster.said) == 1


def test_a_trial_that_waits_for_its_turn_on_nodes_that_others_of_the_study_take_is_told_of_once():
    cluster = Cluster(GPU, comes=True)
    waiting = cluster.waiting()
    handed_out(waiting, placed=1)
    for _ in range(2):
        cluster.later(PATIENT_SECONDS)
        waiting.look()
    (said,) = cluster.said
    assert said.startswith("trial 1: no further node has come for {'CPU': 1.0, 'GPU': 1.0} in 10 min; it waits until")


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
