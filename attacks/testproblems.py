"""Targets whose least possible error is known exactly, to test attacks against.

References:
    Chan, Li, Diagonal elements and eigenvalues of a real symmetric matrix, 1983 (every pixel of one deviation).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Images
from attacks.likelihood import effective_sigma, gaussian_surprise

PATCH = 4
"""Side of a patch in pixels."""

DEVIATION = 0.1
"""Standard deviation of a pixel."""

KINDS = 4
"""Kinds of patches in a mixture."""


class NoisyChannel:
    """The part of a target that follows from ``mean`` and ``sigma``: additive Gaussian noise, no defense."""

    sigma: float
    spread = 1.0
    extent = (0.0, 1.0)
    mirrors = False

    def mean(self, x: Tensor) -> Tensor:
        """Return the release without noise, ``(B, C, H, W)``."""
        raise NotImplementedError

    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases, ``(B, C, H, W)``, of m > 1 ``(m, B, C, H, W)``."""
        with torch.no_grad():
            z = self.mean(x)
            z = z if m == 1 else z.expand(m, *z.shape)
            return z + self.sigma * torch.randn_like(z)

    def noise_std(self, z: Tensor) -> float:
        """Return 0: there is no defense."""
        return 0.0

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the negative log-likelihood of releases, ``(B,)``, up to a constant."""
        return gaussian_surprise(z, self.mean(x), effective_sigma(self))


class LinearGaussian(NoisyChannel):
    """A linear client on Gaussian images: by default 3x32x32 images of independent 4x4x3 patches, 8x8x8 releases.

    A patch is ``x ~ N(1/2, C)``, C with eigenvalues proportional to i^-2 in a random basis in which every pixel has the
    deviation ``DEVIATION``, so that [0, 1] cuts off nothing; its release is ``z = W (x - 1/2) + sigma e``, W of 8x48
    with entries N(0, 1/48), the same for all patches.

    Args:
        sigma: Standard deviation of the channel noise, > 0.
        seed: Of C's basis and of W.
        side: Height and width of an image in pixels, a multiple of ``PATCH``.
        precision: What autocast uses.
    """

    num_classes = 1

    def __init__(self, sigma: float, seed: int = 0, side: int = 32, precision: torch.dtype = torch.float32) -> None:
        self.sigma, self.precision = sigma, precision
        self.image_shape = (3, side, side)
        self.activation_shape = (8, side // PATCH, side // PATCH)
        self.defense: nn.Module = nn.Identity()
        generator = torch.Generator().manual_seed(seed)
        size = 3 * PATCH**2
        orthogonal = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q
        eigenvalues = torch.arange(1, size + 1, dtype=torch.float64) ** -2
        eigenvalues *= DEVIATION**2 * size / eigenvalues.sum()
        basis = _levelled(orthogonal, eigenvalues)
        self.covariance = basis @ eigenvalues.diag() @ basis.T
        """C of a patch, ``(48, 48)``, float64."""
        self.weight = torch.randn(8, size, generator=generator, dtype=torch.float64) / size**0.5
        """W, ``(8, 48)``, float64."""
        self._root = basis @ eigenvalues.sqrt().diag()

    def least_error(self) -> float:
        """Return the mean squared error of the posterior mean: no attack has less in expectation."""
        information = torch.linalg.inv(self.covariance) + self.weight.T @ self.weight / self.sigma**2
        return float(torch.linalg.inv(information).trace()) / len(self.covariance)

    def posterior_mean(self, z: Tensor) -> Tensor:
        """Return what is expected of the images given releases: nothing has a lesser mean squared error."""
        return _unpatched(torch.einsum("ij,njhw->nihw", self._estimator(self.covariance), z.double())).clamp(0, 1)

    def sample(self, num_images: int) -> Images:
        """Draw images from the global random state."""
        grid = self.image_shape[1] // PATCH
        standard = torch.randn(num_images, 3 * PATCH**2, grid, grid)
        return _images(_unpatched(torch.einsum("ij,njhw->nihw", self._root.float(), standard)))

    def _estimator(self, covariance: Tensor) -> Tensor:
        """Return the matrix from a release to the expected patch, ``(48, 8)``, of patches of a covariance."""
        released = self.weight @ covariance @ self.weight.T + self.sigma**2 * torch.eye(8, dtype=torch.float64)
        matrix: Tensor = covariance @ self.weight.T @ torch.linalg.inv(released)
        return matrix

    def mean(self, x: Tensor) -> Tensor:
        """Return the release without noise, ``(B, 8, side / 4, side / 4)``."""
        weight = self.weight.to(x)
        return F.conv2d(F.pixel_unshuffle(x - 0.5, PATCH), weight[:, :, None, None])

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Refuse: a linear map is no network."""
        raise NotImplementedError("this client is a linear map, not a network")

    def server(self, z: Tensor) -> Tensor:
        """Return the logits of the only class there is, ``(B, 1)``."""
        return z.new_zeros(len(z), 1)


class PureNoise(LinearGaussian):
    """The same images, but a release that says nothing about them: the best guess is the mean image."""

    def mean(self, x: Tensor) -> Tensor:
        """Return zeros, ``(B, 8, side / 4, side / 4)``."""
        return super().mean(x) * 0

    def least_error(self) -> float:
        """Return the error of the mean image."""
        return DEVIATION**2


class LinearMixture(LinearGaussian):
    """The same client on patches of ``KINDS`` kinds, each a Gaussian of its own: no linear attack is best.

    What is expected of a patch given its release is the mean of what each kind expects, weighted by how likely the
    release is under it.
    """

    def __init__(self, sigma: float, seed: int = 0, side: int = 32, precision: torch.dtype = torch.float32) -> None:
        super().__init__(sigma, seed, side, precision)
        kinds = [LinearGaussian(sigma, seed=seed * KINDS + kind, side=side) for kind in range(KINDS)]
        generator = torch.Generator().manual_seed(seed)
        shifts = torch.randn(KINDS, 3 * PATCH**2, generator=generator, dtype=torch.float64)
        self.means = 0.5 * DEVIATION * (shifts - shifts.mean(0))
        """Of a patch less a half, ``(KINDS, 48)``, float64."""
        self.covariances = torch.stack([kind.covariance for kind in kinds]) / 2
        self._roots = torch.stack([kind._root for kind in kinds]) / 2**0.5

    def least_error(self) -> float:
        """Refuse: it has no closed form; :meth:`posterior_mean` attains it."""
        raise NotImplementedError("the least error of a mixture has no closed form; measure posterior_mean's")

    def posterior_mean(self, z: Tensor) -> Tensor:
        """Return what is expected of the images given releases: nothing has a lesser mean squared error."""
        rows = z.double().movedim(1, -1)
        expected, surprise = [], []
        for mean, covariance in zip(self.means, self.covariances, strict=True):
            deviation = rows - self.weight @ mean
            law = self.weight @ covariance @ self.weight.T + self.sigma**2 * torch.eye(8, dtype=torch.float64)
            expected.append(deviation @ self._estimator(covariance).T + mean)
            surprise.append((deviation @ torch.linalg.inv(law) * deviation).sum(-1) / 2 + law.logdet() / 2)
        weights = torch.stack(surprise).neg().softmax(0)
        patches = (weights[..., None] * torch.stack(expected)).sum(0)
        return _unpatched(patches.movedim(-1, 1)).clamp(0, 1)

    def sample(self, num_images: int) -> Images:
        """Draw images from the global random state; each patch is of a kind of its own."""
        grid = self.image_shape[1] // PATCH
        standard = torch.randn(num_images, grid, grid, 3 * PATCH**2)
        kinds = torch.randint(KINDS, (num_images, grid, grid))
        patches = torch.einsum("nhwij,nhwj->nihw", self._roots.float()[kinds], standard)
        return _images(_unpatched(patches + self.means.float()[kinds].movedim(-1, 1)))


def _unpatched(patches: Tensor) -> Tensor:
    """Return images around a half, ``(N, 3, side, side)`` float32, from patches around nought, ``(N, 48, ...)``."""
    return F.pixel_shuffle(patches.float(), PATCH) + 0.5


def _images(x: Tensor) -> Images:
    return Images((x * 255).round().clamp(0, 255).to(torch.uint8), torch.zeros(len(x), dtype=torch.int64))


def _levelled(basis: Tensor, eigenvalues: Tensor) -> Tensor:
    """Return an orthogonal basis in which the matrix of these eigenvalues has one number on all its diagonal.

    Each rotation of two rows, the one with most and the one with least variance, gives one of them the mean.
    """
    basis, mean = basis.clone(), eigenvalues.mean()
    for _ in range(len(basis) - 1):
        diagonal = basis.square() @ eigenvalues
        most, least = int(diagonal.argmax()), int(diagonal.argmin())
        above, below = diagonal[most] - mean, diagonal[least] - mean
        shared = basis[most] @ (eigenvalues * basis[least])
        if above <= 1e-12 * mean or below >= -1e-12 * mean:
            break
        # the tangent t of the angle at which above + 2 shared t + below t^2 = 0; above and below differ in sign
        t = (-shared - (shared.square() - above * below).sqrt()) / below
        cosine = (1 + t.square()).rsqrt()
        sine = t * cosine
        first, second = basis[most].clone(), basis[least].clone()
        basis[most], basis[least] = cosine * first + sine * second, cosine * second - sine * first
    return basis
