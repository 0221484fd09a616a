"""Training that makes the release forget the distances between images.

References:
    Vepakomma, Singh, Gupta, Raskar, NoPeek: Information leakage reduction to share activations in distributed deep
    learning, 2020.
"""

from torch import Tensor

from defenses.base import Batch, Defense
from defenses.distance_correlation import FEWEST, distance_correlation, unbiased_distance_correlation
from defenses.ranges import choice, number

ESTIMATORS = ("unbiased", "biased")


class NoPeek(Defense):
    """Penalises the distance correlation between images and their releases, within the batch.

    Images are those of the batch in [0, 1]; the public code of Xia et al. 2025 standardises their channels, which
    hardly changes a correlation that no common scale changes. Releases are those with the channel noise. The penalty
    does not see the scale of z either: without noise it may hide nothing from a strong decoder.

    - ``unbiased``: the bias-corrected squared correlation, which is 0 for strangers, below it as often as not.
    - ``biased``: the papers', which is far above 0 for strangers in a batch: much of what is paid is for chance.

    Args:
        lam: Weight of the distance correlation, which is at most 1 and has no unit, >= 0.
        estimator: ``unbiased`` or ``biased``; fewer than four images tell the first one nothing.
    """

    strength = "lam"
    reference = (
        "Vepakomma, Singh, Gupta, Raskar, NoPeek: Information leakage reduction to share activations in distributed "
        "deep learning, 2020"
    )
    version = 2
    faithful = "ours"
    cost = "distances between all images of a batch"

    def __init__(self, lam: float = 1.0, estimator: str = "unbiased") -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.estimator = choice("estimator", estimator, ESTIMATORS)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the distance correlation of images and releases."""
        if self.lam == 0:
            return super().penalty(batch)
        if self.estimator == "biased":
            return self.lam * distance_correlation(batch.x, batch.z)
        if len(batch.x) < FEWEST:
            return 0 * batch.z.sum()
        return self.lam * unbiased_distance_correlation(batch.x, batch.z)
