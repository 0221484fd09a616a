"""What a driver does from lease to report."""

from harness.driver.campaign import Campaign
from harness.driver.endpoints import Endpoints
from harness.driver.orders import levels_of, order_of
from harness.driver.reattack import AGAIN, attack_again
from harness.driver.watching import Watcher

__all__ = [
    "AGAIN",
    "Campaign",
    "Endpoints",
    "Watcher",
    "attack_again",
    "levels_of",
    "order_of",
]
