"""A node with another torch than the driver's is told of once."""

import logging

from harness.driver.comparison import Comparison
from tests.values import circumstances


def test_a_difference_in_torch_is_one_warning_however_many_records_have_it(caplog):
    alike = circumstances().model_copy(update={"node": "a", "packages": {"torch": "2.13.0"}})
    unlike = alike.model_copy(update={"node": "b", "driver": {"torch": "2.14.1"}})
    comparison = Comparison()
    with caplog.at_level(logging.WARNING, "harness.driver"):
        comparison.hear(alike, alike)
        assert caplog.messages == []
        for _ in range(3):
            comparison.hear(alike, unlike)
    (said,) = caplog.messages
    assert said.startswith("torch 2.13.0 on b, 2.14.1 at the driver")
