"""What a split network is built from: its settings, and the images it is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.models.architecture import Head
from harness.records import Scalar


@dataclass(frozen=True, kw_only=True)
class Network:
    """A split network's settings."""

    name: str
    """A key of ``MODELS``, or a network of one's own, ``package.module:Class``."""
    cut: int = 4
    """Number of the network's entries on the client; in VGG a pooling is an entry."""
    bottleneck: str = "noRELU_C8S1"
    """``None``, or such as ``noRELU_C8S1`` (see :func:`harness.models.bottleneck.parse`)."""
    sca: bool = False
    """Whether a sparse-coding layer stands before the client's sigmoid."""
    width: float = 1.0
    """Multiplies the channel counts of the body, > 0; image and bottleneck channels stay."""
    head: Head = "mlp"
    """VGG's classifier: ``mlp`` as published, or a single ``linear`` layer."""
    own: Mapping[str, Scalar] = field(default_factory=dict)
    """Settings of a network of one's own."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The images that a network is built for."""

    shape: tuple[int, int, int] = (3, 32, 32)
    """``(channels, height, width)``."""
    num_classes: int
    """Number of logits, >= 1."""
    mean: tuple[float, ...]
    """Mean of each channel, images in [0, 1]."""
    std: tuple[float, ...]
    """Standard deviation of each channel, > 0."""
