"""How hard each penalty pulls an undefended client, beside the task: what ranges of ``lam`` are calibrated by.

``python -m tests.penalty_pull cifar10-small --set data/root=FOLDER --set model/sigma=0.1``

An undefended network is trained as the study says; then the client stands still while each defense's own parts learn
(adversaries, banks, clusters). The pull is the root mean square of the penalty's gradient on the activations at a
strength of 1, over that of the task's: at ``strength = 1 / pull`` both are as strong. A penalty that looks at images
alone, and not at these activations, is measured on the client's weights. The ranges of ``search_spaces/defenses`` are
from ``LOW / pull`` to ``HIGH / pull`` where a comment there says so.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

import defenses
from defenses.base import Batch, Defense, Epoch, Shapes
from harness.data import Data, epoch_order, to_float
from harness.models import SplitModel, activation_shape
from harness.records import Asked, Place
from harness.search.drawing import values
from harness.stages.assignment import Assignment
from harness.stages.building import build, recipe_of
from harness.stages.ground import prepare
from harness.stages.loading import images_of
from harness.stages.optimising import train
from harness.study import Choices, Study
from harness.study.check import load_checked
from tests.values import asked

LOW, HIGH = 0.002, 0.5
"""Ends of a calibrated range, as shares of the task's gradient: hardly felt, and as far as cem_paper's goes."""

OTHERWISE: dict[str, dict[str, bool]] = {"slot_attention": {"shut_off": False}}
"""Settings that are not the default: shut off it does not pull."""

SETTLING = 2
"""Epochs for which a defense's own parts learn before they are measured."""

MEASURED = 8
"""Batches that a pull is the mean over."""


class Pull(NamedTuple):
    """How hard a penalty pulls at a strength of 1, beside the task."""

    name: str
    pull: float

    def line(self) -> str:
        """Return it with the range that it makes; a penalty that is shut off makes none."""
        if self.pull == 0:
            return f"{self.name:20}{0:12}{'none':>12}"
        low, high = LOW / self.pull, HIGH / self.pull
        return f"{self.name:20}{self.pull:12.4g}{low:12.3g} to {high:.3g}"


def pulls(trial: Asked, data: Data, names: list[str]) -> Iterator[Pull]:
    """Yield the pull of each named defense that has a weight, on one undefended client."""
    prepare(trial, "train")
    model = build(trial, data)
    with TemporaryDirectory() as folder:
        for _ in train(model, data, Assignment(trial, Place(), Path(folder))):
            pass
    for name in names:
        kind = defenses.resolve(name)
        if kind.strength is not None and kind.strength_kind == "weight":
            torch.manual_seed(0)
            own = {kind.strength: 1.0} | OTHERWISE.get(name, {})
            yield Pull(name, _pull(_settled(kind(**own), model, data, trial), model, data, trial))


def _settled(defense: Defense, model: SplitModel, data: Data, trial: Asked) -> Defense:
    """Return a defense whose own parts have learned beside a client that stands still."""
    shape = activation_shape(model.client, data.image_shape)
    defense.attach(model.client, Shapes(data.image_shape, shape, data.num_classes))
    model.defense = defense.to(data.parts["train"].x.device).train()
    recipe, part = recipe_of(trial), data.parts["train"]
    groups = defense.parameter_groups(recipe.lr)
    own = [parameter for group in groups for parameter in group["params"]]
    optimisers = [torch.optim.Adam(own, lr=1e-3)] if own else []
    for epoch in range(SETTLING):
        for batch, _ in _batches(model, data, trial):
            penalty = defense.penalty(batch)
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
                if penalty.requires_grad:
                    penalty.backward()
                optimiser.step()
        defense.end_epoch(
            Epoch(
                features=lambda augment=False: _features(model, data), y=part.y, model=model, batch_size=128,
                progress=(epoch + 1) / (2 * SETTLING), lr=0.01, epoch=epoch,
            )
        )  # fmt: skip
    return defense


def _pull(defense: Defense, model: SplitModel, data: Data, trial: Asked) -> float:
    weights = [parameter for parameter in model.client.parameters() if parameter.requires_grad]
    squares = torch.zeros(2, 2)
    for batch, logits in itertools.islice(_batches(model, data, trial), MEASURED):
        task = F.cross_entropy(logits, batch.y)
        for place, loss in enumerate((defense.penalty(batch), task)):
            if loss.requires_grad:
                slopes = torch.autograd.grad(loss, [batch.z_clean, *weights], retain_graph=True, allow_unused=True)
                felt = [0.0 if slope is None else float(slope.square().sum()) for slope in slopes]
                squares[:, place] += torch.tensor([felt[0], sum(felt[1:])])
    on_activations, on_weights = (squares[:, 0] / squares[:, 1]).sqrt().tolist()
    return float(on_activations or on_weights)


def _batches(model: SplitModel, data: Data, trial: Asked) -> Iterator[tuple[Batch, Tensor]]:
    part, size = data.parts["train"], int(trial.settings["train/batch_size"] or 1)
    for chosen in epoch_order(len(part.y), 0).split(size):
        x, y = to_float(part.x[chosen]), part.y[chosen]
        z_clean = model.client(x)
        z = model.noised(z_clean)
        logits = model.server(z)
        batch = Batch(
            x=x, client=model.client, z_clean=z_clean, z=z, y=y, sigma=model.sigma, progress=0.5, lr=0.01, epoch=1,
            published=False, server=model.server,
        )  # fmt: skip
        yield batch, logits


@torch.no_grad()
def _features(model: SplitModel, data: Data) -> Tensor:
    training = model.client.training
    model.client.eval()
    found = torch.cat([model.client(to_float(x)) for x in data.parts["train"].x.split(512)])
    model.client.train(training)
    return found


def settings_of(study: Study, sigma: float) -> Asked:
    """Return an undefended trial of a study, each of its settings at its first value."""
    first = {path: next(iter(_first(entry))) for path, entry in study.space().shared.items()}
    return asked(settings=first | {"defense/name": "none", "model/sigma": sigma})


def _first(entry: object) -> list:
    return values(entry)[:1] if isinstance(entry, Choices) else [getattr(entry, "low", entry)]


def main() -> None:
    """Print the pulls of all weights at each sigma of a study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--defense", action="append", default=[], help="all with a weight if none is given")
    given = parser.parse_args()
    study = load_checked(given.space, given.set)
    levels = study.model.sigma
    for sigma in values(levels) if isinstance(levels, Choices) else [getattr(levels, "low", levels)]:
        trial = settings_of(study, float(sigma))
        device = prepare(trial, "train")
        data = images_of(trial.settings, Place(data_root=study.data.root), device)
        print(f"sigma {sigma:g}, {len(data.parts['train'].y)} images, {trial.settings['train/epochs']} epochs")
        print(f"{'defense':20}{'pull at 1':>12}{'range':>12}")
        for pull in pulls(trial, data, given.defense or list(defenses.DEFENSES)):
            print(pull.line(), flush=True)


if __name__ == "__main__":
    main()
