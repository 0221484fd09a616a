"""Whether the nodes compute with the driver's torch."""

import logging

from harness.judging import unlike_torch
from harness.records import Circumstances

_LOG = logging.getLogger(__name__)


class Comparison:
    """Warns once, when the first record comes in that was made with another torch than the driver's."""

    def __init__(self) -> None:
        self._warned = False

    def hear(self, *costs: Circumstances) -> None:
        """Look at what jobs cost, and by which software."""
        if self._warned:
            return
        for warning in unlike_torch(costs):
            self._warned = True
            _LOG.warning("%s", warning)
