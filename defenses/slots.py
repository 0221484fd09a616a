"""Slots that compete for the images of a class, and cross-attention behind a gate.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020: algorithm 1.
    Alayrac et al., Flamingo: a Visual Language Model for Few-Shot Learning, NeurIPS 2022: gated cross-attention.
"""

import contextlib
import math

import torch
from torch import Tensor, nn

from defenses.rows import Rows


class Slots(nn.Module):
    """Slots of every class, refined by attention over its features.

    The slots start from learned values, the same at every call, since random ones would trade labels between steps.

    Args:
        features: D, size of a feature.
        num_classes: K; each class has an embedding of its own beside the shared start.
        num_slots: S, of each class.
        dim: Size of a slot and of a token.
        steps: Rounds of attention, >= 1.
        detached: Whether only the last round passes a gradient.
    """

    def __init__(
        self, features: int, num_classes: int, num_slots: int, dim: int, *, steps: int = 3, detached: bool = True
    ) -> None:
        super().__init__()
        self.steps, self.detached = steps, detached
        self.start = nn.Parameter(torch.randn(1, num_slots, dim))
        self.classes = nn.Parameter(torch.randn(num_classes, 1, dim) / math.sqrt(dim))
        self.encoder = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, dim), nn.LayerNorm(dim))
        self.norm = nn.LayerNorm(dim)
        self.query, self.key, self.value = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.recurrence = nn.GRUCell(dim, dim)
        self.residual = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))

    def tokens(self, rows: Rows) -> Rows:
        """Return tokens ``(K, n, dim)`` in the place of features ``(K, n, D)``."""
        return Rows(self.encoder(rows.points), rows.member)

    def forward(self, tokens: Rows) -> Tensor:
        """Return the slots of every class, ``(K, S, dim)``."""
        slots = (self.start + self.classes).contiguous()
        for step in range(self.steps):
            last = step == self.steps - 1
            with contextlib.nullcontext() if last or not self.detached else torch.no_grad():
                slots = self._refined(slots, tokens)
        return slots

    def logits(self, tokens: Tensor, slots: Tensor) -> Tensor:
        """Return the scaled products of keys and queries, ``(..., n, S)``.

        A softmax over slots makes shares of them.

        Args:
            tokens: ``(..., n, dim)``.
            slots: Of their classes, ``(..., S, dim)``.
        """
        queries: Tensor = self.query(self.norm(slots))
        products: Tensor = self.key(tokens) @ queries.mT
        return products / math.sqrt(slots.shape[-1])

    def own_logits(self, z: Tensor, y: Tensor, slots: Tensor) -> Tensor:
        """Return the logits of a batch ``(B, D)`` with labels ``(B,)`` in the slots of its classes, ``(B, S)``."""
        return self.logits(self.encoder(z)[:, None], slots[y])[:, 0]

    def _refined(self, slots: Tensor, tokens: Rows) -> Tensor:
        share = (self.logits(tokens.points, slots).softmax(-1) + 1e-8) * tokens.member[..., None]
        update = (share / share.sum(1, keepdim=True).clamp(min=1e-8)).mT @ self.value(tokens.points)
        size = slots.shape[-1]
        slots = self.recurrence(update.reshape(-1, size), slots.reshape(-1, size)).view_as(slots)
        refined: Tensor = slots + self.residual(slots)
        return refined


class CrossAttention(nn.Module):
    """Attention of several heads from queries to a class's features.

    Args:
        dim: Size of queries, features and result, a multiple of ``heads``.
        heads: Number of heads.
    """

    def __init__(self, dim: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(4))

    def forward(self, queries: Tensor, media: Rows) -> Tensor:
        """Return what the queries ``(K, S, dim)`` read off their class's media ``(K, n, dim)``, ``(K, S, dim)``."""
        q, k, v = (
            values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for values in (self.query(self.norm(queries)), self.key(media.points), self.value(media.points))
        )
        scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(media.member[:, None, None] == 0, -1e9)
        read: Tensor = self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return read
