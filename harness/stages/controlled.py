"""A training that is held to an accuracy: what is measured on the way, and which strength is steered by it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from attacks.precision import autocast
from defenses.base import Defense
from harness.data import Part, to_float
from harness.models import SplitModel
from harness.records import Asked, told
from harness.stages.finishing import Rounds
from harness.stages.ground import dtype_of
from harness.stages.steering import VERSION as HELD
from harness.stages.steering import Course, Measurement, Steering, trimmed

MOMENTS = 48
"""Measurements of a training, at most one a step."""

SHARE = 0.3
"""Images that are measured, as a share of those trained on: at a third of a step's cost a tenth of the time."""

LEAST = 256
"""Looks of a measurement, several at an image where the control part has fewer: noise is drawn anew for each."""

TARGET = "train/target_accuracy"

SETTLED = 0.5
"""Share of the training from which the running statistics of batch norm are taken, as deployed."""

TRIMS = 6
"""Times that a strength which acts at once is moved after the last step."""

LAST = 5
"""Looks at each image of the last measurement."""

EDGE = 1e-3
"""A share as strength starts so far from 0 and from 1."""


class Steered(NamedTuple):
    """The part of a network whose strength is steered."""

    defense: Defense
    path: str
    """Of its strength."""
    start: float
    """The strength that it was asked with."""


class Nearest(NamedTuple):
    """The network whose round ended nearest to the target."""

    off: float
    accuracy: float
    strength: float
    network: dict[str, Tensor]


def steered_part(model: SplitModel, asked: Asked) -> Steered | None:
    """Return whose strength is steered: the defense's or, where it has none, the term's; null if there is none."""
    for role, part in (("defense", model.defense), ("term", model.term)):
        if part is not None and part.strength is not None:
            start = float(getattr(part, part.strength))
            if start > 0:
                inside = min(max(start, EDGE), 1 - EDGE) if part.strength_kind == "share" else start
                return Steered(part, f"{role}/{asked.settings[f'{role}/name']}/{part.strength}", inside)
    return None


def steering_of(steered: Steered, asked: Asked, undefended: tuple[Measurement, ...], num_classes: int) -> Steering:
    """Return the law that steers a strength to a trial's target.

    Args:
        steered: What is steered.
        asked: What the trial is.
        undefended: Course of the undefended network.
        num_classes: Of its images.
    """
    settings = told(asked.settings)
    course = Course(target=float(settings[TARGET] or 0.0), undefended=undefended, chance=1 / num_classes)
    begins = max(float(settings["train/ramp"] or 0.0), steered.defense.acts_from(int(settings["train/epochs"] or 1)))
    return Steering(kind=steered.defense.strength_kind, start=steered.start, course=course, begins=begins)


class Control:
    """Measures a training on its control part, and steers by it.

    A measurement looks at the next images of the part, round and round, as many as its time allows; of the others those
    of before count. In the first half of the training batch norm takes the statistics of these images: while the
    learning rate is high, its running ones are of another network. The last measurement, and those of the rounds that
    end a training, look at all. What a weight has trained is taken from the round that ended nearest to the target.

    Args:
        model: The network.
        asked: What the trial is.
        part: The control part.
        steps: Steps of the training.
        rounds: Its last ones, in which only the end of each is measured.
        batch_size: Images of a step.
        steered: Whose strength is steered, and by which law; null to measure alone.
    """

    def __init__(
        self,
        model: SplitModel,
        asked: Asked,
        part: Part,
        steps: int,
        rounds: Rounds,
        batch_size: int,
        steered: tuple[Steered, Steering] | None,
    ) -> None:
        self._model, self._dtype, self._part, self._steered = model, dtype_of(asked.precision), part, steered
        self._steps = steps
        count = min(steps, MOMENTS)
        moments = frozenset(round(steps * (moment + 1) / count) for moment in range(count))
        self._ends = rounds.ends(steps)
        self.moments = frozenset(moment for moment in moments if moment < rounds.begin) | self._ends | {steps}
        self._looks = max(LEAST, math.floor(SHARE * steps * batch_size / count))
        self._right = torch.zeros(0)
        """Whether images were named rightly, of the last looks: at least as many as there are images."""
        self._next = 0
        self.points: list[tuple[int, str, float]] = []
        self._nearest: Nearest | None = None
        if steered is not None:
            steered[0].defense.steer(steered[0].start)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        steering = None if self._steered is None else self._steered[1].state()
        nearest = None if self._nearest is None else tuple(self._nearest)
        found = {"held": HELD, "right": self._right, "next": self._next, "points": self.points}
        return found | {"steering": steering, "nearest": nearest}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._right, self._next = state["right"].cpu(), state["next"]
        self.points = [(step, name, value) for step, name, value in state["points"]]
        self._nearest = None if state["nearest"] is None else Nearest(*state["nearest"])
        if self._steered is not None:
            steered, steering = self._steered
            steering.load(state["steering"])
            steered.defense.steer(self.strength() or steered.start)

    def strength(self) -> float | None:
        """Return the strength that the training is at; null if none is steered."""
        if self._steered is None:
            return None
        return next((value for _, name, value in reversed(self.points) if name == "strength"), self._steered[0].start)

    def course(self) -> tuple[Measurement, ...]:
        """Return the accuracies so far."""
        told_of = ((step, value) for step, name, value in self.points if name == "control_accuracy")
        return tuple(Measurement(step / self._steps, value) for step, value in told_of)

    def measure(self, step: int) -> None:
        """Measure after so many steps, if it is time to, and steer; the last time there is nothing to steer."""
        if step not in self.moments:
            return
        last = step == self._steps
        if last:
            self._trim()
        with self._by_the_batch() if step < SETTLED * self._steps else self._deployed():
            self._look(max(self._looks, len(self._part.y) * LAST) if last or step in self._ends else self._looks)
        measured = Measurement(step / self._steps, float(self._right.mean()))
        self.points.append((step, "control_accuracy", measured.accuracy))
        if self._steered is None:
            return
        steered, steering = self._steered
        if step in self._ends and steering.kind == "weight":
            self._keep(step, measured.accuracy)
        if not last:
            strength = steering.finished(measured) if step in self._ends else steering.moved(measured)
            steered.defense.steer(strength)
            self.points.append((step, "strength", strength))

    def _keep(self, step: int, accuracy: float) -> None:
        """Keep the network of the round that ended nearest to the target; after the last round it is the trained one.

        Only a weight's: noise, and what is left out, are brought to the target once the network is trained.
        """
        if self._steered is None:
            return
        steered, steering = self._steered
        off = abs(accuracy - steering.course.target)
        if self._nearest is None or off <= self._nearest.off:
            network = {name: value.clone() for name, value in self._model.state_dict().items()}
            self._nearest = Nearest(off, accuracy, self.strength() or steered.start, network)
        if step == self._steps and self._nearest.off < off:
            self._model.load_state_dict(self._nearest.network)
            steered.defense.steer(self._nearest.strength)
            kept = {"control_accuracy": self._nearest.accuracy, "strength": self._nearest.strength}
            self.points += [(step, name, value) for name, value in kept.items()]

    def _trim(self) -> None:
        """Bring noise, or what is left out, to the target once the network is trained: it acts at once."""
        if self._steered is None or self._steered[1].kind == "weight":
            return
        steered, steering = self._steered
        for _ in range(TRIMS):
            self._right = torch.zeros(0)
            with self._deployed():
                self._look(max(4 * LEAST, len(self._part.y)))
            strength = trimmed(steering, float(self._right.mean()))
            steered.defense.steer(strength)
        self.points.append((self._steps, "strength", strength))

    @torch.no_grad()
    def _look(self, count: int) -> None:
        """See whether the next images are named rightly, noise on, as deployed."""
        chosen = (self._next + torch.arange(count)) % len(self._part.y)
        looks = [self._named_rightly(indices.to(self._part.y.device)).float().cpu() for indices in chosen.split(512)]
        self._right = torch.cat([self._right, *looks])[-max(2 * LEAST, count, len(self._part.y)) :]
        self._next = int(chosen[-1] + 1) % len(self._part.y)

    @contextmanager
    def _deployed(self) -> Iterator[None]:
        training = self._model.training
        self._model.eval()
        yield
        self._model.train(training)

    @contextmanager
    def _by_the_batch(self) -> Iterator[None]:
        """Let batch norm take the statistics of what it is shown, and remember none of them."""
        with self._deployed():
            modules: list[nn.Module] = [*self._model.client.modules(), *self._model.server.modules()]
            norms = [module for module in modules if isinstance(module, _BatchNorm)]
            kept = [norm.momentum for norm in norms]
            for norm in norms:
                norm.momentum, norm.training = 0.0, True
            yield
            for norm, momentum in zip(norms, kept, strict=True):
                norm.momentum = momentum

    def _named_rightly(self, indices: Tensor) -> Tensor:
        x = to_float(self._part.x[indices])
        with autocast(x.device, self._dtype):
            z = self._model.client(x)
        z = self._model.noised(z)
        with autocast(x.device, self._dtype):
            logits = self._model.server(z)
        right: Tensor = logits.argmax(1) == self._part.y[indices]
        return right
