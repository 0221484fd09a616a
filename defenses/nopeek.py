"""Training that makes the release forget the distances between images.

References:
    Vepakomma, Singh, Gupta, Raskar, NoPeek: Information leakage reduction to share activations in distributed deep
    learning, 2020.
"""

from torch import Tensor

from defenses.base import Batch, Defense
from defenses.distance_correlation import distance_correlation
from defenses.ranges import number


class NoPeek(Defense):
    """Penalises the distance correlation between images and their releases, within the batch.

    Images are those of the batch in [0, 1]; the public code of Xia et al. 2025 standardises their channels, which
    hardly changes a correlation that no common scale changes. Releases are those with the channel noise. The estimate
    is the biased one with Euclidean distances, which the training needs to be positive; for reports there is
    ``distance_correlation.unbiased_distance_correlation``. The penalty does not see the scale of z either: without
    noise it may hide nothing from a strong decoder.

    Args:
        lam: Weight of the distance correlation, which is in [0, 1] and has no unit, >= 0.
    """

    strength = "lam"
    reference = (
        "Vepakomma, Singh, Gupta, Raskar, NoPeek: Information leakage reduction to share activations in distributed "
        "deep learning, 2020"
    )
    faithful = "paper"
    cost = "distances between all images of a batch"

    def __init__(self, lam: float = 1.0) -> None:
        super().__init__()
        self.lam = number("lam", lam)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the distance correlation of images and releases."""
        if self.lam == 0:
            return super().penalty(batch)
        return self.lam * distance_correlation(batch.x, batch.z)
