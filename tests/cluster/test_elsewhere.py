"""An attack on a finished trial goes elsewhere where its place fails it; a bad node is left out."""

from harness.cluster.elsewhere import AGAIN, Elsewhere
from harness.records import Failure

PLACE = Failure(stage="attack", type="DeviceError", message="broken")
OWN = Failure(stage="attack", type="ValueError", message="a flaw")


def among(*nodes: str) -> tuple[Elsewhere, list[str]]:
    said: list[str] = []
    known = frozenset(nodes)
    return Elsewhere("attack", lambda failure: failure == PLACE, lambda left: bool(known - left), said.append), said


def test_a_job_goes_to_another_node_twice_and_its_own_failure_is_final():
    elsewhere, said = among("a", "b", "c")
    assert [elsewhere.again(PLACE, times, node, f"host-{node}") for times, node in enumerate("abc")] == [
        True,
        True,
        False,
    ]
    assert said == [f"handed out again, attack: DeviceError: broken on host-{node}" for node in "abc"[:AGAIN]]
    assert not elsewhere.again(OWN, 0, "a", "host-a")
    assert elsewhere.avoided(frozenset()) == frozenset()
    assert elsewhere.avoided(frozenset("ab")) == {"a", "b"}
    assert elsewhere.avoided(frozenset("abc")) == frozenset()  # there is no other


def test_a_node_that_fails_three_in_a_row_gets_no_more_if_there_is_another():
    elsewhere, said = among("a", "b")
    for _ in range(2):
        elsewhere.again(PLACE, 0, "a", "host-a")
    elsewhere.went_well("a")
    for _ in range(3):
        assert elsewhere.avoided(frozenset()) == frozenset()
        elsewhere.again(PLACE, AGAIN, "a", "host-a")
    assert elsewhere.avoided(frozenset()) == {"a"}
    assert said[-1] == "host-a gets no more attacks: 3 in a row failed there"
    for _ in range(3):
        elsewhere.again(PLACE, AGAIN, "b", "host-b")
    assert elsewhere.avoided(frozenset()) == {"a"}  # the last one goes on
