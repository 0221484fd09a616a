"""Trains a defended split network: one loss, one backward pass, resumable at any step."""

import math
from collections.abc import Generator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from attacks.precision import autocast
from defenses.base import Batch, Defense, Epoch
from harness.data import Data, Part, epoch_order, to_float
from harness.data import augment as augmented
from harness.models import SplitModel, activation_shape
from harness.records import Asked, CurvePoint, Progress, derive, told
from harness.stages.assignment import Assignment
from harness.stages.building import recipe_of
from harness.stages.checkpoints import Checkpoints, Snapshot, restore_rng
from harness.stages.controlled import Control, Steered
from harness.stages.finishing import Rounds, rounds_of
from harness.stages.ground import dtype_of
from harness.stages.steering import VERSION as HELD
from harness.stages.steering import Measurement, Steering
from harness.study.recipes import Recipe, ramped


class Training(NamedTuple):
    """How a training went."""

    curve: tuple[CurvePoint, ...]
    """Every epoch's mean task loss, penalty and training accuracy; and where there is a control part the accuracy on it
    and the strength, at each measurement."""
    course: tuple[Measurement, ...]
    """The accuracies on the control part; empty without one."""
    strength: float | None
    """The strength that it was steered to; null if none was."""
    notes: tuple[str, ...]
    """Checkpoints that could not be read, and a term that bounds nothing beside its defense."""


def train(
    model: SplitModel, data: Data, handed: Assignment, steered: tuple[Steered, Steering] | None = None
) -> Generator[Progress, None, Training]:
    """Train in place, from the newest checkpoint of any attempt; yield progress first, and after each epoch.

    Args:
        model: The network, untrained.
        data: Its images.
        handed: What the trial is, and its attempt.
        steered: Whose strength is steered by the accuracy on the control part, and by which law; null for none.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    run = Run(model, handed.asked, data, steered)
    checkpoints = Checkpoints(handed.attempt, handed.place.checkpoint_seconds)
    state, notes = checkpoints.latest(data.parts["train"].x.device)
    if state is not None and run.control is not None and state["control"].get("held") != HELD:
        notes, state = [*notes, "a checkpoint of a training that was held otherwise is left, training done again"], None
    if state is not None:
        run.load(state)
    yield Progress("train", min(run.step // run.steps, run.epochs - 1), run.epochs)
    while run.step < run.epochs * run.steps:
        run.take_step()
        run.fit_early()
        if run.step % run.steps == 0:
            run.end_epoch()
            yield Progress("train", run.step // run.steps, run.epochs, run.accuracy())
        if run.control is not None:
            run.control.measure(run.step)
        if checkpoints.due():
            checkpoints.save(run.step, run.state())
    checkpoints.save(run.step, run.state())
    notes = [*notes, *run.unbounded()]
    if run.control is None:
        return Training(run.curve(), (), None, tuple(notes))
    return Training(run.curve(), run.control.course(), run.control.strength(), tuple(notes))


def follow_courses(optimiser: Optimizer, progress: float) -> None:
    """Set the learning rate of groups that a defense put on a course of their own, at a share of the training."""
    for group in optimiser.param_groups:
        if group.get("course") == "cosine":
            group["lr"] = group["peak"] * (1 + math.cos(math.pi * progress)) / 2


class Run:
    """A training between two steps."""

    def __init__(
        self, model: SplitModel, asked: Asked, data: Data, steered: tuple[Steered, Steering] | None = None
    ) -> None:
        self.model, self.data, self.asked = model, data, asked
        self.part: Part = data.parts["train"]
        self.epochs = int(asked.settings["train/epochs"] or 0)
        self.batch_size = min(int(asked.settings["train/batch_size"] or 0), len(self.part.y))
        self.steps = len(self.part.y) // self.batch_size
        self.recipe: Recipe = recipe_of(asked)
        settings = told(asked.settings)
        self.label_smoothing = float(settings["train/label_smoothing"] or 0.0)
        ramp = settings["train/ramp"]
        self.ramp = None if ramp is None else float(ramp)
        self.penalties = [model.defense] if model.term is None else [model.defense, model.term]
        groups = [{"params": [*model.client.parameters(), *model.server.parameters()]}]
        for penalty in self.penalties:
            groups += penalty.parameter_groups(self.recipe.lr)
        self.optimisers = self.recipe.optimisers(groups)
        self.peaks = [float(group["lr"]) for group in self.optimisers[0].param_groups]
        total = self.epochs * self.steps
        self.rounds = rounds_of(total) if "control" in data.parts else Rounds(total, total)
        self.scheduler = self.recipe.scheduler(self.optimisers[0], self.epochs, self.steps, total - self.rounds.begin)
        self.step = 0
        self.order: Tensor | None = None
        self.sums = torch.zeros(3, device=self.part.x.device)
        self.points: list[tuple[int, str, float]] = []
        self.control: Control | None = None
        if "control" in data.parts:
            self.control = Control(model, asked, data.parts["control"], total, self.rounds, self.batch_size, steered)

    def state(self) -> Snapshot:
        """Return what a checkpoint holds."""
        own = {} if self.control is None else {"control": self.control.state()}
        return own | {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "scheduler": {key: value for key, value in self.scheduler.state_dict().items() if key != "lr_lambdas"},
            "sums": self.sums,
            "points": self.points,
        }

    def load(self, state: Snapshot) -> None:
        """Go on from a checkpoint."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.scheduler.load_state_dict(
            state["scheduler"] | {"lr_lambdas": [None] * len(self.optimisers[0].param_groups)}
        )
        self.sums = state["sums"]
        self.points = [(step, name, value) for step, name, value in state["points"]]
        if self.control is not None:
            self.control.load(state["control"])
        restore_rng(state)

    def take_step(self) -> None:
        """Train on the next batch."""
        epoch, position = divmod(self.step, self.steps)
        if self.order is None or position == 0:
            order = epoch_order(len(self.part.y), derive(self.asked.seed, "order", epoch))
            self.order = order.to(self.part.y.device)
        chosen = self.order[position * self.batch_size : (position + 1) * self.batch_size]
        x = self._augmented(self.part.x[chosen])
        self.model.train()
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        task, penalty, correct = self._losses(x, self.part.y[chosen], epoch)
        (task + penalty).backward()
        if any(part.freezes_the_network() for part in self.penalties):
            for parameter in (*self.model.client.parameters(), *self.model.server.parameters()):
                parameter.grad = None  # which optimisers leave alone, weight decay included
        for optimiser in self.optimisers:
            follow_courses(optimiser, self.step / (self.epochs * self.steps))
            optimiser.step()
        self.step += 1
        self._follow_rate()
        self.sums += torch.stack([task.detach(), penalty.detach(), correct])

    def _follow_rate(self) -> None:
        """Set the learning rate of the next step: the recipe's or, in a held training's rounds, theirs."""
        if self.step <= self.rounds.begin:
            self.scheduler.step()
        if self.rounds.begin <= self.step < self.epochs * self.steps:
            for group, peak in zip(self.optimisers[0].param_groups, self.peaks, strict=True):
                group["lr"] = peak * self.rounds.factor(self.step)

    def _augmented(self, x: Tensor) -> Tensor:
        return augmented(x, flip=self.data.flips, rotation=self.recipe.rotation)

    def _losses(self, x: Tensor, y: Tensor, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        model, dtype = self.model, dtype_of(self.asked.precision)
        with autocast(x.device, dtype):
            z_clean = model.client(x)
        z_clean = z_clean.float()
        z = model.noised(z_clean)
        with autocast(x.device, dtype):
            logits = model.server(z)
        batch = Batch(
            x=x,
            client=model.client,
            z_clean=z_clean,
            z=z,
            y=y,
            sigma=model.sigma,
            epoch=epoch,
            progress=self.step / (self.epochs * self.steps),
            lr=self.lr,
            defense=model.defense,
            published=self.ramp is None,
            server=model.server,
        )
        task = F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)
        penalty = torch.stack([part.penalty(batch) for part in self.penalties]).sum()
        penalty = penalty * ramped(batch.progress, self.ramp)
        return task, penalty, (logits.detach().argmax(1) == y).float().mean()

    def fit_early(self) -> None:
        """Under a ramp, which starts all alike, fit what must be fitted first in every quarter of the first epoch."""
        quarters = {self.steps * quarter // 4 for quarter in (1, 2, 3)}
        if self.ramp is not None and self.step in quarters - {0}:
            for penalty in self.penalties:
                if penalty.fits:
                    penalty.end_epoch(self._epoch(0, penalty))

    def end_epoch(self) -> None:
        """Let the defense refit, and note the epoch's means."""
        epoch = self.step // self.steps - 1
        for penalty in self.penalties:
            penalty.end_epoch(self._epoch(epoch, penalty))
        means = (self.sums / self.steps).tolist()
        self.sums = torch.zeros_like(self.sums)
        if not all(map(math.isfinite, means)):
            raise FloatingPointError(f"epoch {epoch}: task loss {means[0]}, penalty {means[1]}: not finite")
        self.points += [
            (self.step, name, mean) for name, mean in zip(("loss", "penalty", "accuracy"), means, strict=True)
        ]

    def _epoch(self, number: int, penalty: Defense) -> Epoch:
        """Return what a penalty may refit by; a term sees what the defense releases."""
        return Epoch(
            features=self._signals if penalty is self.model.term else self._features,
            y=self.part.y,
            model=self.model,
            batch_size=self.batch_size,
            epoch=number,
            progress=self.step / (self.epochs * self.steps),
            lr=self.lr,
        )

    @property
    def lr(self) -> float:
        """Learning rate of the next step, or of the last one once all are done."""
        return float(self.optimisers[0].param_groups[0]["lr"])

    def accuracy(self) -> float:
        """Return the share of right answers on the last epoch's batches."""
        return self.points[-1][2]

    def curve(self) -> tuple[CurvePoint, ...]:
        """Return the points of all epochs."""
        points = [*self.points, *(self.control.points if self.control else ())]
        return tuple(CurvePoint(step=step, name=name, value=value) for step, name, value in points)

    def unbounded(self) -> tuple[str, ...]:
        """Return a note if the term's estimate is a bound by itself and none on what the defense releases."""
        term, defense, sigma = self.model.term, self.model.defense, self.model.sigma
        if term is None or term.bound == "none" or sigma == 0:
            return ()
        shape = activation_shape(self.model.client, self.data.image_shape)
        some = torch.linspace(0, 1, 2 * math.prod(shape), device=self.part.x.device).view(2, *shape)
        if term.bound_beside(defense, some, sigma) != "none":
            return ()
        beside = "{} bounds nothing beside {}".format(
            *(self.asked.settings[f"{it}/name"] for it in ("term", "defense"))
        )
        return (f"term {beside}, whose noise is not Gaussian, or not the same for all images",)

    def _signals(self, augment: bool = False) -> Tensor:
        with torch.no_grad():
            return self.model.defense.signal(self._features(augment), self.model.sigma)

    def _features(self, augment: bool = False) -> Tensor:
        training = self.model.client.training
        self.model.client.eval()
        features = []
        with torch.no_grad():
            for x in self.part.x.split(512):
                images = self._augmented(x) if augment else to_float(x)
                with autocast(x.device, dtype_of(self.asked.precision)):
                    z = self.model.client(images)
                features.append(z.float())
        self.model.client.train(training)
        return torch.cat(features)
