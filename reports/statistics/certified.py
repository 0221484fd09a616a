"""What no attack can beat, whatever it does: from an upper bound on what a release tells of its image.

All of it takes images for Gaussian with the covariance that was seen. Then an attacker whose release tells at most I
nats errs by at least the distortion-rate function at I, in the mean (Shannon). And at most a share P of images can be
recovered to a given error, where kl(P || p0) = I and p0 is what a blind guess achieves (data processing, which is the
sharp form of Fano's inequality, and what PAC privacy rests on).

References:
    Cover, Thomas, Elements of Information Theory, 2006, chapter 10 (reverse water-filling).
    Xiao, Devadas, PAC Privacy: Automatic Measurement and Control of Data Processing, 2023, theorem 1.
"""

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from reports.dominance import Floats


def least_error(spectrum: Floats, nats: float, pixels: int) -> float:
    """Return the least mean squared error that is possible with so much information, by reverse water-filling.

    Args:
        spectrum: Eigenvalues of the covariance, > 0, ``(k,)``.
        nats: Upper bound on I(x; z), >= 0.
        pixels: Numbers that an image has, >= k; the error is a mean over them.
    """
    ordered = np.sort(spectrum)[::-1]
    # with the first k components above the water, its logarithm is such that they spend all of the nats
    counts = np.arange(1, len(ordered) + 1)
    levels = np.exp((np.cumsum(np.log(ordered)) - 2 * nats) / counts)
    below = np.append(ordered[1:], 0.0)
    fitting = np.flatnonzero((levels <= ordered * (1 + 1e-12)) & (levels >= below))
    level = levels[fitting[0]] if len(fitting) else levels[-1]
    return float(np.minimum(ordered, level).sum() / pixels)


def blind(spectrum: Floats, error: float, pixels: int) -> float:
    """Return -log p0: how improbable it is, at least, that a blind guess comes within an error, nats.

    The best guess is the mean image; its chance is bounded by Chernoff's inequality.

    Args:
        spectrum: Eigenvalues of the covariance, > 0, ``(k,)``.
        error: Mean squared error over the pixels, > 0.
        pixels: Numbers that an image has, >= k.
    """
    radius = error * pixels
    if radius >= spectrum.sum():
        return 0.0

    def exponent(log_tilt: float) -> float:
        tilt = np.exp(log_tilt)
        return float(tilt * radius - 0.5 * np.log1p(2 * tilt * spectrum).sum())

    scale = float(np.log(spectrum.max()))
    found = minimize_scalar(exponent, bounds=(-scale - 12, -scale + 25), method="bounded", options={"xatol": 1e-8})
    return max(0.0, -float(found.fun))


def most_recovered(blind_nats: float, nats: float) -> float:
    """Return the greatest share P of images that can be recovered: kl(P || p0) <= nats, in [0, 1].

    Args:
        blind_nats: -log p0, >= 0.
        nats: Upper bound on I(x; z), >= 0.
    """
    if nats >= blind_nats:
        return 1.0

    def excess(share: float) -> float:
        return _kl(share, blind_nats) - nats

    lowest = float(np.exp(-blind_nats))
    if excess(1.0 - 1e-12) <= 0:
        return 1.0
    if excess(lowest) >= 0:  # no information, but for rounding
        return lowest
    return float(brentq(excess, lowest, 1.0 - 1e-12, xtol=1e-12))


def _kl(share: float, blind_nats: float) -> float:
    """Return the divergence between chances of ``share`` and of exp(-blind_nats), nats."""
    inner = share * (np.log(share) + blind_nats) if share > 0 else 0.0
    rest = 1 - share
    other = rest * (np.log(rest) - np.log1p(-np.exp(-blind_nats))) if rest > 0 else 0.0
    return float(inner + other)
