"""What a driver does from lease to report."""

from harness.driver.campaign import Campaign
from harness.driver.confirming import AGAIN as CONFIRM_AGAIN
from harness.driver.confirming import ConfirmOrder
from harness.driver.confirming import confirm as confirm_front
from harness.driver.endpoints import Endpoints
from harness.driver.orders import levels_of, order_of
from harness.driver.reattack import AGAIN, attack_again
from harness.driver.watching import Watcher

__all__ = [
    "AGAIN",
    "CONFIRM_AGAIN",
    "Campaign",
    "ConfirmOrder",
    "Endpoints",
    "Watcher",
    "attack_again",
    "confirm_front",
    "levels_of",
    "order_of",
]
