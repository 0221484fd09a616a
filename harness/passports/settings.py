"""A passport's settings as a study, so that all that refuses a bad study refuses a bad passport."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from harness.data import source_of
from harness.errors import UserError
from harness.models import Network, Pictures, build_model
from harness.passports.passport import Passport
from harness.records import Scalar, one_line
from harness.stages.building import owned
from harness.study import Study
from harness.study.check import REFUSALS, check
from harness.study.load import read, resolve
from harness.study.overrides import refuse_others
from harness.study.problem import Problem

SETTABLE = ("data/root", "data/download", "attacker/root")
"""What may be set where a passport is attacked: where images lie. All else is the passport's."""

LARGEST = 2**29
"""Numbers in a network, at most: 2 GiB of them."""

_KEPT: Mapping[str, tuple[str, ...]] = {
    "data": ("name", "size"),
    "train": ("images",),
    "attacker": ("data", "images", "name"),
}
"""Of these sections, what matters to whoever attacks; of a network and of defenses all does."""


def study_of(passport: Passport, overrides: Sequence[str]) -> Study:
    """Return the study that a passport's settings are of, checked; plug-ins that it names are imported.

    Args:
        passport: The passport; whether its plug-ins may be imported is decided before.
        overrides: ``PATH=VALUE`` each, of ``SETTABLE``.

    Raises:
        UserError: a setting cannot be had, or something else is set.
    """
    refuse_others(overrides, SETTABLE)
    try:
        study = resolve(_file(passport.claim.settings), read(overrides, None), None).study
        check(study)
        _refuse_large(passport.claim.settings, study)
    except (Problem, *REFUSALS, KeyError) as error:
        raise UserError(f"{passport.path}: {one_line(error)}; its settings are none that can be had here") from error
    return study


def _file(settings: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return settings by path as a study file has them."""
    given: dict[str, Any] = {
        section: {key: settings[f"{section}/{key}"] for key in keys if settings.get(f"{section}/{key}") is not None}
        for section, keys in _KEPT.items()
    }
    held = given["attacker"]
    if held.get("data", "same") == "same" and "images" in held:
        held["images"] = [held["images"]]
    given["model"] = _nested(owned(settings, "model"))
    for role in ("defense", "term"):
        name = settings.get(f"{role}/name")
        if name is not None:
            given[role] = {str(name): owned(settings, role, str(name))}
    return given | {"name": "passport", "protocol": settings.get("protocol", "strict")}


def _nested(model: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return a network's settings, those of one's own under its name."""
    found: dict[str, Any] = {}
    for path, value in model.items():
        owner, slash, key = path.rpartition("/")
        (found.setdefault(owner, {}) if slash else found)[key] = value
    return found


def _refuse_large(settings: Mapping[str, Scalar], study: Study) -> None:
    """Refuse a network that would fill the memory; it is built without any."""
    model = owned(settings, "model")
    own = owned(settings, "model", str(model["name"]))
    chosen: dict[str, Any] = {key: value for key, value in model.items() if "/" not in key and key != "sigma"}
    source = source_of(study.data.name)
    size = study.data.size or source.size
    pictures = Pictures(shape=(3, size, size), num_classes=10, mean=source.mean, std=source.std)
    with torch.device("meta"):
        halves = build_model(Network(**chosen, own=own), pictures)
    count = sum(parameter.numel() for half in halves for parameter in half.parameters())
    if count > LARGEST:
        raise ValueError(f"model: has {count:,} weights, at most {LARGEST:,} are built")
