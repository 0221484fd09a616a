"""Limited-memory BFGS on many small problems at once, each with its own history and line search.

References:
    Liu, Nocedal, On the limited memory BFGS method for large scale optimization, 1989.
    Armijo, Minimization of functions having Lipschitz continuous first partial derivatives, 1966.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.counted import counted

SUFFICIENT = 1e-4
"""Share of the fall promised by the slope that a step must bring (Armijo)."""

SHRINK = 0.3
"""What a refused step is multiplied by."""

LEAST_STEP = 1e-6
"""Step from which a problem forgets its history and starts again downhill."""


class Iterate(NamedTuple):
    """Where the problems stand after so many evaluations."""

    evaluations: int
    x: Tensor
    """``(B, D)``"""
    loss: Tensor
    """``(B,)``"""


class _History(NamedTuple):
    """The last steps and changes of gradient, the latest last; empty places have a curvature of 0."""

    steps: Tensor
    """``(B, m, D)``"""
    changes: Tensor
    """``(B, m, D)``"""
    inverse: Tensor
    """One over the product of step and change, ``(B, m)``."""


def minimise(
    evaluate: Callable[[Tensor], tuple[Tensor, Tensor]], start: Tensor, evaluations: int, memory: int = 50
) -> Iterator[Iterate]:
    """Yield where the problems stand after each evaluation; losses never rise, and no problem sees its neighbours.

    Args:
        evaluate: Returns losses ``(B,)`` and gradients ``(B, D)`` at ``(B, D)``.
        start: ``(B, D)``.
        evaluations: Of all problems together, >= 1.
        memory: Steps remembered, >= 1.
    """
    x, (loss, gradient) = start, evaluate(start)
    yield Iterate(1, x, loss)
    history = _empty(start, memory)
    direction, step = _downhill(gradient), torch.ones_like(loss)
    for count in counted(range(2, evaluations + 1)):
        slope = _dot(gradient, direction)
        tried = x + step[:, None] * direction
        new_loss, new_gradient = evaluate(tried)
        accepted = (new_loss <= loss + SUFFICIENT * step * slope) & new_gradient.isfinite().all(1)
        history = _remembered(history, accepted, tried - x, new_gradient - gradient)
        x, gradient = (torch.where(accepted[:, None], *pair) for pair in ((tried, x), (new_gradient, gradient)))
        loss = torch.where(accepted, new_loss, loss)
        yield Iterate(count, x, loss)
        stuck = ~accepted & (step * SHRINK < LEAST_STEP)
        history = history._replace(inverse=torch.where(stuck[:, None], 0, history.inverse))
        direction = torch.where((accepted | stuck)[:, None], _direction(history, gradient), direction)
        step = torch.where(accepted | stuck, 1, step * SHRINK)


def _empty(x: Tensor, memory: int) -> _History:
    places = x.new_zeros(len(x), memory, x.shape[1])
    return _History(places, places.clone(), x.new_zeros(len(x), memory))


def _remembered(history: _History, accepted: Tensor, step: Tensor, change: Tensor) -> _History:
    """Add the accepted steps along which the gradient rose: others would spoil the descent."""
    product = _dot(step, change)
    kept = accepted & (product > 1e-10 * step.norm(dim=1) * change.norm(dim=1))
    latest = _History(step, change, 1 / torch.where(kept, product, 1))

    def pushed(places: Tensor, new: Tensor) -> Tensor:
        mask = kept.view(-1, *[1] * (places.ndim - 1))
        return torch.where(mask, torch.cat([places[:, 1:], new[:, None]], dim=1), places)

    return _History(*(pushed(places, new) for places, new in zip(history, latest, strict=True)))


def _direction(history: _History, gradient: Tensor) -> Tensor:
    """Return the quasi-Newton direction by the two-loop recursion, or downhill where it does not descend."""
    q, weights = gradient, []
    places = list(zip(*(part.unbind(1) for part in history), strict=True))
    for step, change, inverse in reversed(places):
        weight = inverse * _dot(step, q)
        q = q - weight[:, None] * change
        weights.append(weight)
    _, change, inverse = places[-1]
    scale = torch.where(inverse > 0, 1 / (inverse * change.square().sum(1)), 1)
    q = q * scale[:, None]
    for (step, change, inverse), weight in zip(places, reversed(weights), strict=True):
        q = q + (weight - inverse * _dot(change, q))[:, None] * step
    usable = (history.inverse[:, -1] > 0) & (_dot(q, gradient) > 0) & q.isfinite().all(1)
    return torch.where(usable[:, None], -q, _downhill(gradient))


def _downhill(gradient: Tensor) -> Tensor:
    """Return the direction of steepest descent, of length 1."""
    length: Tensor = gradient.norm(dim=1, keepdim=True)
    return -gradient / length.clamp_min(1e-20)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)
