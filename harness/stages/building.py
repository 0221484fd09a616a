"""Builds a trial's split network from what was asked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

import defenses
from defenses.base import Defense, Shapes
from harness.data import Data
from harness.ledger import sha256, write_whole
from harness.models import Network, Pictures, SplitModel, activation_shape, build_model
from harness.records import Asked, Scalar, default_settings
from harness.study.recipes import RECIPES, Recipe

WEIGHTS = ("client", "defense", "server")

STRENGTH = "strength"
"""Key in the head of the defense's file: the strength that a training was steered to."""


def owned(settings: Mapping[str, Scalar], *owner: str) -> dict[str, Scalar]:
    """Return the settings under a path, by their last name."""
    prefix = "/".join(owner) + "/"
    return {path.removeprefix(prefix): value for path, value in settings.items() if path.startswith(prefix)}


def recipe_of(asked: Asked) -> Recipe:
    """Return the recipe a trial is trained by; of one asked before ``train/ramp`` was a setting the first version."""
    recipe = RECIPES[str(asked.settings["train/recipe"])]
    return recipe if "train/ramp" in asked.settings else replace(recipe, version=1)


def build(asked: Asked, data: Data) -> SplitModel:
    """Return the untrained network on the data's device, channels last; draws initial weights from the global RNG."""
    settings = owned(asked.settings, "model")
    sigma = float(settings.pop("sigma") or 0.0)
    own = owned(asked.settings, "model", str(settings["name"]))
    settings = {setting: value for setting, value in settings.items() if "/" not in setting}
    network = Network(**settings, head=recipe_of(asked).head, own=own)  # type: ignore[arg-type]  # checked with its study
    pictures = Pictures(shape=data.image_shape, num_classes=data.num_classes, mean=data.mean, std=data.std)
    client, server = build_model(network, pictures)
    shapes = Shapes(data.image_shape, activation_shape(client, data.image_shape), data.num_classes)
    parts = {}
    for role in ("defense", "term"):
        chosen = asked.settings.get(f"{role}/name")
        if chosen is not None:
            own = {**default_settings(asked.settings, str(chosen)), **owned(asked.settings, role, str(chosen))}
            parts[role] = _attached(str(chosen), own, client, shapes)
    model = SplitModel(client, server, parts["defense"], sigma, parts.get("term"))
    return model.to(data.parts["train"].x.device).to(memory_format=torch.channels_last)


def _attached(name: str, settings: dict[str, Scalar], client: torch.nn.Module, shapes: Shapes) -> Defense:
    defense = defenses.make(name, **settings)
    defense.attach(client, shapes)
    return defense


def save_parts(model: SplitModel, attempt: Path, strength: float | None = None) -> dict[str, str]:
    """Write the network's parts as safetensors; return the SHA-256 of each file by its name.

    Args:
        model: The network.
        attempt: Folder of the files.
        strength: What the defense's was steered to, for whoever loads it; null if it was not.
    """
    digests = {}
    for part in WEIGHTS:
        path = attempt / f"{part}.safetensors"
        state = {key: value.contiguous() for key, value in getattr(model, part).state_dict().items()}
        head = {STRENGTH: repr(strength)} if strength is not None and part == "defense" else None
        write_whole(path, save(state, metadata=head))
        digests[path.name] = sha256(path)
    return digests


def load_parts(model: SplitModel, attempt: Path) -> SplitModel:
    """Load the parts that are there into a built network, which is returned in eval mode.

    A defense whose strength was steered gets the one that it was trained to.
    The server is kept only of anchors and of trials on the front; without it the network can still be released from.

    Raises:
        RuntimeError: they are another version's, of a network or a defense that has changed since.
    """
    device = next(model.client.parameters()).device
    for part in WEIGHTS:
        path = attempt / f"{part}.safetensors"
        if part != "server" or path.exists():
            try:
                getattr(model, part).load_state_dict(load_file(path, device=str(device)))
            except RuntimeError as error:
                raise RuntimeError(
                    f"{path.name}: weights of another version of the {part}, which this one cannot hold; "
                    "attack the trial with the version of invfront that trained it"
                ) from error
    with safe_open(attempt / "defense.safetensors", framework="pt") as file:
        strength = (file.metadata() or {}).get(STRENGTH)
    if strength is not None:
        model.defense.steer(float(strength))
    return model.eval()
