"""The networks that attacks train: decoders, U-Nets and critics, each a plain module that knows of no attack."""

from attacks.networks.critic import Critic, gradient_penalty
from attacks.networks.inverse_network import InverseNetwork
from attacks.networks.skip_network import SkipNetwork
from attacks.networks.unet import Sizes, UNet
from attacks.networks.unet_decoder import UnetDecoder
from attacks.networks.vector_network import VectorNetwork

__all__ = [
    "Critic",
    "InverseNetwork",
    "Sizes",
    "SkipNetwork",
    "UNet",
    "UnetDecoder",
    "VectorNetwork",
    "gradient_penalty",
]
