"""Fisher information of an image in its release, kept small by a double backward pass.

References:
    Maeng, Guo, Kariyappa, Suh, Measuring and Controlling Split Layer Privacy Leakage Using Fisher Information, 2022.
    Hannun, Guo, van der Maaten, Measuring Data Leakage in Machine-Learning Models with Fisher Information, UAI 2021.
"""

from torch import Tensor

from defenses.base import Batch, Defense
from defenses.bounds import noise_variance
from defenses.ranges import number, whole
from defenses.sensitivity import squared_jacobian


class Dfil(Defense):
    """Penalises ``log(1 + dFIL)``, with ``dFIL = |J|_F^2 / (n sigma^2)`` and J the client's Jacobian at x.

    dFIL is the Fisher information of a pixel in the release, in inverse squared units of an image in [0, 1], averaged
    over the n pixels; an unbiased attacker's squared error is at least its inverse, a biased one's need not be. So it
    bounds no information: the logarithm is a pure number. ``|J|_F^2`` comes from Hutchinson's estimate with one normal
    vector per image, averaged over images before the logarithm. Batch norms take the statistics of these images, so
    that weights that only they scale back are not shrunk. Noise that the defense beside it adds counts with the
    channel's, by feature; what else its ``forward`` does is not differentiated. The papers calibrate the noise to a
    target instead of training the Jacobian down.

    Args:
        lam: Weight of the penalty, >= 0.
        images: Images of a batch that are measured, >= 1; the first ones, a random sample.
    """

    strength = "lam"
    reference = (
        "Maeng et al., Measuring and Controlling Split Layer Privacy Leakage Using Fisher Information, 2022; "
        "Hannun et al., Measuring Data Leakage in Machine-Learning Models with Fisher Information, UAI 2021"
    )
    version = 2
    faithful = "ours"
    cost = "double backward through the client for some of the batch's images in every step"
    needs_noise = True

    def __init__(self, lam: float = 0.1, images: int = 32) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.images = whole("images", images, least=1)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the logarithm."""
        if self.lam == 0:
            return super().penalty(batch)
        x = batch.x[: self.images]
        pixels = x[0].numel()
        weight = (noise_variance(batch.sigma) / batch.noise).sqrt()
        information = squared_jacobian(batch.client, x, weight).mean() / (pixels * noise_variance(batch.sigma))
        return self.lam * information.log1p()
