"""The images and the trained network of a trial, as its stages load them."""

import functools
from collections.abc import Mapping
from pathlib import Path

import torch

from harness.data import Data, Part, Reading, load, to_float
from harness.models import LiveTarget, SplitModel
from harness.records import Asked, Place, Scalar
from harness.stages.building import build, load_parts
from harness.stages.ground import dtype_of

SHOWN = 256
"""Of the attacker's images, those that the spread of the features is measured on."""


def images_of(settings: Mapping[str, Scalar], place: Place, device: torch.device) -> Data:
    """Load the images that settings name from where they lie, or take those that this process loaded last."""
    size, count = settings.get("data/size"), settings.get("train/images")
    reading = Reading(
        name=str(settings["data/name"]),
        root=place.data_root,
        protocol="cem" if settings["protocol"] == "cem" else "strict",
        train_images=None if count is None else int(count),
        control=settings.get("train/target_accuracy") is not None,
        download=place.download,
        size=None if size is None else int(size),
    )
    return _load(reading, device)


def target_of(model: SplitModel, asked: Asked, data: Data, held: Part | None = None) -> LiveTarget:
    """Return a network as its adversary meets it, in the trial's precision.

    Args:
        model: The network.
        asked: What the trial is.
        data: Its images.
        held: What the adversary fits on, the attacker's part without it: in whose unit it reads features.
    """
    shown = to_float((held or data.attack_splits[0].fit).x[:SHOWN])
    return LiveTarget(model, data.image_shape, data.num_classes, dtype_of(asked.precision), shown, mirrors=data.flips)


def trained(asked: Asked, data: Data, weights: Path) -> SplitModel:
    """Return the trained network whose files lie in ``weights``, in eval mode."""
    return load_parts(build(asked, data), weights)


@functools.lru_cache(maxsize=1)
def _load(reading: Reading, device: torch.device) -> Data:
    return load(reading, device)
