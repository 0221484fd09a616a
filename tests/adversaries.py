"""Attacks with a prior, with settings to tune, and a probe: plug-ins, as a user's own would be."""

import math
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attacks.base import (
    Attack,
    Evidence,
    Fit,
    Images,
    Knowledge,
    Point,
    Probe,
    ProbeAttack,
    Span,
    Target,
    Tunable,
)
from attacks.lasting import Course, lasting

TRAININGS = "INVFRONT_TEST_TRAININGS"
"""Variable of the environment that names a file of trained priors and their precision."""


class Guess(Attack):
    """Says that every image has one grey, which may be tuned; the best one is the mean of all pixels."""

    reference: ClassVar[str] = "none"
    threat: ClassVar[str] = "Nobody."
    cost: ClassVar[str] = "none"
    knowledge: ClassVar[Knowledge] = "none"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"grey": 1.0}}
    tunable: ClassVar[dict[str, Tunable]] = {"grey": Span(0.0, 1.0)}

    def __init__(self, grey: float) -> None:
        self.grey = grey

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        self._shape = target.image_shape
        if self.grey < 0.1:
            raise ValueError(f"guess: grey must be >= 0.1, not {self.grey}")
        error = float((val.x.float() / 255 - self.grey).square().mean())
        return Fit(curve=(Point(1, error, error),), verdict="converged", details={"grey": self.grey})

    def reconstruct(self, z: Tensor) -> Tensor:
        return z.new_full((len(z), *self._shape), self.grey)


class Boasting(Guess):
    """Says of its fit what is no number, too."""

    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"grey": 0.5}}

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        found = super().fit(target, aux, val)
        return replace(found, details=found.details | {"ratio": math.inf, "rate": math.nan})


class Remembering(Guess):
    """Starts from a prior: the mean of the attacker's images.

    Each training of it adds a line to the file that ``TRAININGS`` names in the environment.
    """

    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"grey": 0.5}}
    loss: ClassVar[float] = 0.0
    """All points of the prior's curve."""

    def prior_settings(self) -> dict[str, Any] | None:
        return {"kind": "mean"}

    def make_prior(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        prior = nn.Module()
        prior.register_parameter("mean", nn.Parameter(torch.zeros(image_shape)))
        prior.register_buffer("draw", torch.zeros(()))
        return prior

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        with torch.no_grad():
            prior.get_parameter("mean").copy_(aux.x.float().mean(0) / 255)
            prior.get_buffer("draw").copy_(torch.rand(()))
        if TRAININGS in os.environ:
            with Path(os.environ[TRAININGS]).open("a") as trainings:
                trainings.write(f"{type(self).__name__} {precision}\n")
        return (Point(1, self.loss, self.loss),)

    def reconstruct(self, z: Tensor) -> Tensor:
        assert self.prior is not None
        return self.prior.get_parameter("mean").detach().expand(len(z), -1, -1, -1)


class Older(Remembering):
    """As plug-ins were written for 0.1: its training takes no precision, it finds it in itself."""

    def train_prior(self, prior: nn.Module, aux: Images) -> tuple[Point, ...]:
        return super().train_prior(prior, aux, self.prior_precision)


class Undone(Remembering):
    """Its prior's losses are no numbers."""

    loss: ClassVar[float] = math.nan


class Lasting(Remembering):
    """Its prior takes eight steps, each of them a line in the file; its process has time for three."""

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        course = Course(prior.state_dict, prior.load_state_dict)
        for taken, step in enumerate(lasting(8, course)):
            if taken == 3:
                raise TimeoutError("time is up")
            with torch.no_grad():
                prior.get_buffer("draw").add_(torch.rand(()))
            with Path(os.environ[TRAININGS]).open("a") as trainings:
                trainings.write(f"{step} {prior.get_buffer('draw'):.6f}\n")
        return (Point(1, self.loss, self.loss),)


class Patient(Remembering):
    """Its prior is not trained before a trial's network is, which notes that beside the file."""

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        file, end = Path(os.environ[TRAININGS]), time.monotonic() + 600
        while not list((file.parent / "notes").glob("train-*")):
            if time.monotonic() > end:
                raise TimeoutError("no trial begins")
            time.sleep(0.1)
        file.write_text("a trial is trained\n")
        return super().train_prior(prior, aux, precision)


class Slow(Remembering):
    """Its prior takes a minute."""

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        time.sleep(60)
        return super().train_prior(prior, aux, precision)


class Counting(ProbeAttack):
    """Says whose images it was given."""

    reference: ClassVar[str] = "none"
    threat: ClassVar[str] = "Nobody."
    cost: ClassVar[str] = "none"
    knowledge: ClassVar[Knowledge] = "queries"
    needs_server: ClassVar[bool] = True
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}}

    def probe(self, target: Target, evidence: Evidence) -> Probe:
        scores = {name: float(len(getattr(evidence, name).y)) for name in Evidence._fields}
        return Probe(scores=scores, verdict="converged", images=len(evidence.scored.y))


class Failing(Counting):
    """Raises."""

    def probe(self, target: Target, evidence: Evidence) -> Probe:
        raise FloatingPointError(f"not finite: {math.nan}")
