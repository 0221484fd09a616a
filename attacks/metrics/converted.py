"""Other people's SSIM of the same images, by label: their figures say which one they are."""

import numpy
from numpy.typing import NDArray

from attacks.metrics.ssim import K1, K2, SIGMA


def conversions(x_hat: NDArray[numpy.uint8], x: NDArray[numpy.uint8]) -> dict[str, float]:
    """Return other people's SSIM of stored reconstructions, by label: never to be compared with our own.

    Args:
        x_hat: Reconstructions, ``(N, 3, height, width)``.
        x: Images, ``(N, 3, height, width)``.

    Returns:
        ``ssim_zero_padded``: the same windows, but over the zero-padded image, as in the scripts of published split
        inference; ``ssim_skimage_default``: 7x7 uniform windows, sample covariance, scikit-image's default.
    """
    left, right = (numpy.moveaxis(images, 1, -1) / 255.0 for images in (x_hat, x))
    # here, for its import takes longer than torch's, and a driver needs none of it
    from skimage.metrics import structural_similarity

    default = [structural_similarity(a, b, channel_axis=-1, data_range=1.0) for a, b in zip(left, right, strict=True)]
    return {"ssim_zero_padded": _zero_padded(left, right), "ssim_skimage_default": float(numpy.mean(default))}


def _zero_padded(left: NDArray[numpy.float64], right: NDArray[numpy.float64]) -> float:
    from skimage.filters import gaussian

    def blur(images: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        smooth = gaussian(images, sigma=(0, SIGMA, SIGMA, 0), mode="constant", cval=0, truncate=3.5)
        return numpy.asarray(smooth)

    c1, c2 = K1**2, K2**2
    mean_left, mean_right = blur(left), blur(right)
    covariance = blur(left * right) - mean_left * mean_right
    variances = blur(left**2) - mean_left**2 + blur(right**2) - mean_right**2
    luminance = (2 * mean_left * mean_right + c1) / (mean_left**2 + mean_right**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances + c2)).mean())
