"""A sparse-coding layer that a client may carry in front of its last sigmoid.

References:
    Dibbo et al., "Improving Robustness to Model Inversion Attacks via Sparse Coding Architectures", 2024.
    Rozell et al., "Sparse Coding via Thresholding and Local Competition in Neural Circuits", 2008.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

THRESHOLD = 0.01
"""Soft threshold of a neuron."""


def num_neurons(inputs: int) -> int:
    """Return the largest power of two that is at most ``inputs``.

    This is the rule behind both published sizes: 512 neurons for 8x8x8 inputs (8 s s), 1,024 for 8x12x12.
    """
    return 1 << (inputs.bit_length() - 1)


class LCA(nn.Module):
    """One iteration of the locally competitive algorithm from rest: ``W' soft(W x)`` with tied weights and no bias.

    From rest the lateral inhibition is zero in the first iteration, and its step size only scales time.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        """Draw the dictionary: ``weight`` is ``(neurons, C H W)``, its rows of unit length.

        Args:
            shape: ``(C, H, W)`` of the activation.
        """
        super().__init__()
        inputs = math.prod(shape)
        self.weight = nn.Parameter(F.normalize(torch.randn(num_neurons(inputs), inputs), dim=1))

    def forward(self, z: Tensor) -> Tensor:
        """Return the reconstruction of ``z`` from its sparse code, ``(B, C, H, W)`` like ``z``."""
        code = F.softshrink(F.linear(z.flatten(1), self.weight), THRESHOLD)
        return F.linear(code, self.weight.t()).view(z.shape)
