"""Numbers of one study that come from two versions of torch are told, by node."""

from harness.judging.software import unlike_torch
from tests.values import circumstances


def on(node: str | None, torch: str = "2.13.0", **driver: str):
    return circumstances().model_copy(update={"node": node, "packages": {"torch": torch}, "driver": driver})


def test_the_same_torch_everywhere_is_no_warning():
    assert unlike_torch([on("a"), on("b"), on("b", optuna="4.0"), circumstances()]) == []


def test_each_pair_of_versions_is_one_line_with_its_nodes():
    costs = [on("a", torch="2.14.1"), on("b"), on("b"), on("c"), on("d", "2.12.0"), on(None)]
    other = [cost.model_copy(update={"driver": {"torch": "2.14.1"}}) for cost in costs[1:]]
    found = unlike_torch([costs[0], *other])
    assert [line.partition(":")[0] for line in found] == [
        "torch 2.13.0 on b, c, an unknown node, 2.14.1 at the driver",
        "torch 2.12.0 on d, 2.14.1 at the driver",
        "torch 2.14.1, 2.13.0, 2.12.0 in one study",
    ]


def test_a_study_that_was_resumed_under_another_torch_is_told():
    assert unlike_torch([on("a", torch="2.13.0"), on("a", torch="2.14.1")]) == [
        "torch 2.13.0, 2.14.1 in one study: numbers may differ by more than chance"
    ]
