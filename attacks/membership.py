"""The membership probe: whether the network was trained on an image, from what the server sees and computes.

References:
    Nasr, Shokri, Houmansadr, Comprehensive privacy analysis of deep learning: passive and active white-box inference
    attacks against centralized and federated learning, 2019.
    Yeom, Giacomelli, Fredrikson, Jha, Privacy risk in machine learning: analyzing the connection to overfitting, 2018.
    Carlini, Chien, Nasr, Song, Terzis, Tramèr, Membership inference attacks from first principles, 2022.
"""

from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Evidence, Images, Knowledge, Point, Probe, ProbeAttack, Target, Verdict
from attacks.counted import counted
from attacks.metrics import roc
from attacks.ranges import at_least, positive
from attacks.server_features import features
from attacks.verdict import verdict

CURVE_POINTS = 20

FALSE_POSITIVES = 0.01
"""Rate at which the true-positive rate is read."""

CHANCE = 0.5
"""An area of no use."""

NEGLIGIBLE = 0.05
"""What the area may exceed chance by, at the upper end of its interval, where the probe is said to be at the floor."""

BOUND = 5.0
"""Standard deviations that a feature is cut off at."""

LEAST_IMAGES = 4
"""Images of each kind that the probe cannot do without."""


class Sides(NamedTuple):
    """Features of as many members as non-members, ``(n, F)`` each."""

    members: Tensor
    others: Tensor


class Groups(NamedTuple):
    """Who is used for what; members apart at random, every pair of groups balanced."""

    fit: tuple[Images, Images]
    """Known members and non-members, to train on."""
    held: tuple[Images, Images]
    """Known ones, to stop on."""
    scored: tuple[Images, Images]
    """Members not known to the attacker, and images that nobody has seen."""


class Membership(ProbeAttack):
    """Trains a small network to tell members from others by what the server can compute of their releases.

    Features, averaged over ``draws`` releases: cross-entropy with the true and with the predicted label, entropy,
    highest logit, margin of the true label's, |z|, the norm of the loss's gradient in z and in each parameter of the
    server. It is trained on half of the members, known to the attacker, beside attacker images; stopped on others of
    both; scored on the other half beside images that nobody has seen.

    Scores: ``auc``, probability that a member scores higher than a non-member, [0, 1], .5 is chance, more leaks more;
    ``auc_se``, its standard error, >= 0; ``auc_low`` and ``auc_high``, its interval of 95 %; ``auc_loss``, the same
    probability by the loss alone (Yeom); ``tpr_at_1_percent_fpr``, share of members found when 1 % of non-members are
    taken for members, [0, 1], more leaks more, chance is .01, with its own ``_low`` and ``_high``: null where fewer
    than 1,000 non-members are scored, of which 1 % are too few to set a threshold by.

    The curve's losses are cross-entropies in nats; its validation is the Brier score on the known images held out, of
    the best network so far, which is the one kept: .25 without any knowledge. ``floor``: all of the interval of ``auc``
    is below .55. An interval that holds chance and more than that besides is no evidence of either: ``open``.

    Args:
        images: Of each of the groups, at most, >= 4.
        draws: Releases of each image, >= 1.
        chunk: Images whose gradients are held at once, >= 1; each takes twice the memory of the server's parameters.
        hidden: Width of the network's hidden layer, >= 1.
        steps: Optimiser steps, each on all known images, >= 1.
        lr: Learning rate of AdamW, > 0.
        weight_decay: Of AdamW, >= 0.
    """

    reference = "Nasr, Shokri, Houmansadr, Comprehensive privacy analysis of deep learning, 2019"
    threat = (
        "The server holds its own weights, knows some training images and others that are none, and asks of an image "
        "with its label and release whether it was trained on."
    )
    cost = "a gradient of the server's parameters for each image and release; then one training of a small network"
    knowledge: ClassVar[Knowledge] = "gradients"
    needs_server = True
    version = 2
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "images": 100, "draws": 1, "chunk": 32, "hidden": 32, "steps": 200, "lr": 3e-3, "weight_decay": 1e-1,
        },
        "standard": {
            "images": 300, "draws": 1, "chunk": 32, "hidden": 32, "steps": 400, "lr": 3e-3, "weight_decay": 1e-1,
        },
        "strong": {
            "images": 10000, "draws": 8, "chunk": 128, "hidden": 64, "steps": 2000, "lr": 1e-3, "weight_decay": 1e-1,
        },
    }  # fmt: skip

    def __init__(
        self, images: int, draws: int, chunk: int, hidden: int, steps: int, lr: float, weight_decay: float
    ) -> None:
        at_least("membership", 0, weight_decay=weight_decay)
        at_least("membership", 1, draws=draws, chunk=chunk, hidden=hidden, steps=steps)
        at_least("membership", LEAST_IMAGES, images=images)
        positive("membership", lr=lr)
        self.images, self.draws, self.chunk, self.hidden = images, draws, chunk, hidden
        self.steps, self.lr, self.weight_decay = steps, lr, weight_decay

    def probe(self, target: Target, evidence: Evidence) -> Probe:
        """Train on known members beside ``aux``, stop beside ``val``, score unknown members beside ``scored``."""
        fit, held, scored = (
            Sides(*(self._features(target, images) for images in pair)) for pair in _groups(evidence, self.images)
        )
        std, mean = torch.std_mean(torch.cat(fit), dim=0)
        fit, held, scored = (
            # a few images have losses far out: bounded, they decide nothing by themselves
            Sides(*(((side - mean) / std.clamp_min(1e-6)).clamp(-BOUND, BOUND) for side in sides))
            for sides in (fit, held, scored)
        )
        model, curve = self._train(fit, held)
        with torch.no_grad():
            members, others = (model(side)[:, 0] for side in scored)
        auc = roc.area(members, others)
        low, high = roc.area_interval(auc, len(members), len(others))
        scores = {
            "auc": auc,
            "auc_se": roc.area_error(auc, len(members), len(others)),
            "auc_low": low,
            "auc_high": high,
            # the first feature is the loss, and members have less
            "auc_loss": roc.area(-scored.members[:, 0], -scored.others[:, 0]),
        }
        found, reasons = found_at_few_false_positives(members, others)
        return Probe(
            scores=scores | found,
            verdict=told(verdict(curve, guess=0.25), roc.Interval(low, high)),
            images=2 * len(members),
            curve=curve,
            null_reasons=reasons,
        )

    def _train(self, fit: Sides, held: Sides) -> tuple[nn.Module, tuple[Point, ...]]:
        """Return the network with the least Brier score on the held-out sides, and its curve."""
        width = fit.members.shape[1]
        last = nn.Linear(self.hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        model = nn.Sequential(nn.Linear(width, self.hidden), nn.ReLU(), last).to(fit.members)
        optimiser = torch.optim.AdamW(model.parameters(), self.lr, weight_decay=self.weight_decay)
        noted = {max(1, round(self.steps * (i + 1) / CURVE_POINTS)) for i in range(CURVE_POINTS)}
        least, kept = float("inf"), model.state_dict()
        curve: list[Point] = []
        for step in counted(range(1, self.steps + 1)):
            loss = F.binary_cross_entropy_with_logits(*_predicted(model, fit))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if step in noted:
                brier = _brier(model, held)
                if brier < least:
                    least, kept = brier, {name: value.clone() for name, value in model.state_dict().items()}
                curve.append(Point(step, float(loss.detach()), least))
        model.load_state_dict(kept)
        return model, tuple(curve)

    def _features(self, target: Target, images: Images) -> Tensor:
        """Return what the server can compute of each image, ``(N, F)``, the loss first."""
        server = target.modules()[1]
        pairs = zip(images.x.split(self.chunk), images.y.split(self.chunk), strict=True)
        return torch.cat([self._chunk(target, server, x.float() / 255, y) for x, y in pairs])

    def _chunk(self, target: Target, server: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        releases = (target.release(x) for _ in range(self.draws))
        return torch.stack([features(target, server, z, y) for z in releases]).mean(0)


def told(own: Verdict, auc: roc.Interval) -> Verdict:
    """Return the probe's verdict: its curve's, or what the interval of its area says of chance."""
    if own == "diverged" or auc.low > CHANCE:
        return own
    return "floor" if auc.high <= CHANCE + NEGLIGIBLE else "open"


def found_at_few_false_positives(members: Tensor, others: Tensor) -> tuple[dict[str, float], dict[str, str]]:
    """Return the share of members found at few false positives and its interval, by name; or why there are none."""
    name = "tpr_at_1_percent_fpr"
    names = (name, f"{name}_low", f"{name}_high")
    if not roc.enough(len(others), FALSE_POSITIVES):
        reason = (
            f"{FALSE_POSITIVES:.0%} of {len(others)} non-members are fewer than {roc.LEAST_FALSE}, too few to set a "
            "threshold by"
        )
        return {}, dict.fromkeys(names, reason)
    rate = roc.true_positive_rate(members, others, FALSE_POSITIVES)
    interval = roc.rate_interval(members, others, FALSE_POSITIVES)
    return dict(zip(names, (rate, *interval), strict=True)), {}


def _groups(evidence: Evidence, most: int) -> Groups:
    """Draw the groups; a fifth of the known members at most are held out."""
    members = _shuffled(evidence.members)
    half = len(members.x) // 2
    num_held = min(most, len(evidence.val.x), half // 5)
    num_fit = min(most, len(evidence.aux.x), half - num_held)
    num_scored = min(most, len(evidence.scored.x), len(members.x) - half)
    if min(num_held, num_fit, num_scored) < LEAST_IMAGES:
        raise ValueError(
            f"membership: fitting, holding out and scoring take at least {LEAST_IMAGES} members and as many others "
            f"each, not {num_fit}, {num_held} and {num_scored}"
        )
    return Groups(
        fit=(_part(members, 0, num_fit), _part(_shuffled(evidence.aux), 0, num_fit)),
        held=(_part(members, num_fit, num_held), _part(_shuffled(evidence.val), 0, num_held)),
        scored=(_part(members, half, num_scored), _part(_shuffled(evidence.scored), 0, num_scored)),
    )


def _shuffled(images: Images) -> Images:
    order = torch.randperm(len(images.x), device=images.x.device)
    return Images(images.x[order], images.y[order])


def _part(images: Images, start: int, count: int) -> Images:
    return Images(images.x[start : start + count], images.y[start : start + count])


def _predicted(model: nn.Module, sides: Sides) -> tuple[Tensor, Tensor]:
    """Return logits of membership and the truth, ``(2 n,)`` each."""
    truth = torch.cat([torch.ones(len(sides.members)), torch.zeros(len(sides.others))]).to(sides.members)
    logits: Tensor = model(torch.cat(sides))[:, 0]
    return logits, truth


@torch.no_grad()
def _brier(model: nn.Module, sides: Sides) -> float:
    """Return the mean squared error of predicted membership."""
    logits, truth = _predicted(model, sides)
    return float((logits.sigmoid() - truth).square().mean())
