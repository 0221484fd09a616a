"""The images and the trained network of a trial, as its stages load them."""

import functools
from collections.abc import Mapping
from pathlib import Path

import torch

from harness.data import Data, load
from harness.models import LiveTarget, SplitModel
from harness.records import Asked, Scalar
from harness.stages.building import build, load_parts
from harness.stages.ground import precision


def images(settings: Mapping[str, Scalar], root: str | None, download: bool, device: torch.device) -> Data:
    """Load the images that settings name, or take those that this process loaded last."""
    size, count = settings.get("data/size"), settings.get("train/images")
    return _load(
        str(settings["data/name"]),
        root,
        None if size is None else int(size),
        str(settings["protocol"]),
        None if count is None else int(count),
        download,
        device,
    )


def images_of(asked: Asked, device: torch.device) -> Data:
    """Load a trial's images."""
    return images(asked.settings, asked.data_root, asked.download, device)


def target_of(model: SplitModel, asked: Asked, data: Data, dtype: torch.dtype | None = None) -> LiveTarget:
    """Return a network as its adversary meets it, in the trial's precision or another one."""
    return LiveTarget(model, data.image_shape, data.num_classes, dtype or precision(asked))


def trained(asked: Asked, data: Data, weights: Path) -> SplitModel:
    """Return the trained network whose files lie in ``weights``, in eval mode."""
    return load_parts(build(asked, data), weights)


@functools.lru_cache(maxsize=1)
def _load(
    name: str,
    root: str | None,
    size: int | None,
    protocol: str,
    train_images: int | None,
    download: bool,
    device: torch.device,
) -> Data:
    return load(
        name,
        root,
        size=size,
        protocol="cem" if protocol == "cem" else "strict",
        train_images=train_images,
        download=download,
        device=device,
    )
