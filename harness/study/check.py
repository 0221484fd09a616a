"""Checks a study against what it will be handed to: images, models, defenses, attacks, its own space."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import Any

import torch

import attacks
import defenses
from defenses.base import Defense
from harness import data, plugins
from harness.data import DATASETS, SMALLEST, attacker, source_of
from harness.data import ready as data_ready
from harness.data.parts import refuse_too_many
from harness.data.ready import Ready
from harness.data.source import Source
from harness.errors import UserError
from harness.models import MODELS, Network, Pictures, build_model
from harness.records import Borrowed, Scalar, Tell
from harness.study.agreeing import check_versions
from harness.study.anchors import check_anchors
from harness.study.distributions import Distribution, Setting, probes
from harness.study.held import check_target, started
from harness.study.load import Loaded, load
from harness.study.problem import Problem, suggestion, unknown_key
from harness.study.recipes import RECIPES
from harness.study.space import Space
from harness.study.study import Study

NETWORKS = 64
"""Most networks that are built to check a study's model."""
GRID = 100_000
"""Most settings that a grid may have: it is enumerated."""
WAY = "take 0.125, or 0 for all of each penalty from the first step"
REFUSALS = (ValueError, TypeError, OverflowError, RuntimeError, MemoryError)
"""What a constructor raises that cannot be had with its settings."""


def load_checked(space: str | Path, overrides: Sequence[str] = (), trials: int | None = None) -> Study:
    """Return a study from its file, resolved and checked; arguments and errors as of ``load_study``.

    Plug-ins that it names are imported.
    """
    return load_all_checked(space, overrides, trials).study


def load_all_checked(
    space: str | Path, overrides: Sequence[str] = (), trials: int | None = None, out: Path | None = None
) -> Loaded:
    """Return what ``load_checked`` returns, with where each value was written; arguments as of ``load``."""
    loaded = load(space, overrides, trials, out)
    try:
        loaded = loaded._replace(study=started(loaded.study))
        check(loaded.study, loaded.borrowed)
    except Problem as problem:
        raise loaded.blamed(problem) from problem
    return loaded


def check_ready(study: Study) -> None:
    """Refuse a study whose images are not there, before any worker starts.

    Raises:
        UserError: a data set's folder is missing or does not hold what is expected, or it has too few images to train
            on or for the attacker to hold.
    """
    data.check(study.data.name, study.data.root, download=study.data.download, size=study.data.size)
    held = study.attacker
    if held.name is not None:
        attacker.check_other(held.name, held.root, study.data.name, study.data.root)
    if held.most is not None:
        attacker.check_images(held.most, held.data, study.data.name, held.name)
    for count in probes(study.train.images):
        if isinstance(count, int):
            data.check_train_images(study.data.name, count, study.protocol)


def make_ready(study: Study, tell: Tell = lambda progress: None) -> Ready:
    """Decode a study's images, before any worker starts, and return what there is to say of them.

    Args:
        study: The study, whose images ``check_ready`` has found.
        tell: Hears how many are decoded.

    Raises:
        UserError: files cannot be read, or there are fewer images than the study asks for.
    """
    own, held = study.data, study.attacker
    reading = data.Reading(name=own.name, root=own.root, protocol=study.protocol, download=own.download, size=own.size)
    ready = data_ready.make_ready(reading, tell)
    for count in probes(study.train.images):
        if isinstance(count, int):
            refuse_too_many(count, ready.parts["train"], study.protocol)
    if held.name is not None:
        attacker.make_ready(held.name, held.root, own.size or source_of(own.name).size, held.most)
    elif held.most is not None and held.data in ("same", "few"):
        attacker.refuse_too_many(held.most, ready.parts["attacker"], "the attacker's part")
    elif held.most is not None and held.data == "members":
        trained = [count for count in probes(study.train.images) if isinstance(count, int)]
        attacker.refuse_too_many(held.most, min(trained, default=ready.parts["train"]), attacker.MEMBERS)
    return ready


def check(study: Study, borrowed: Borrowed | None = None) -> None:
    """Refuse what a constructor of a part of the study would refuse later, and results of other attacks than its own.

    Args:
        study: The study.
        borrowed: What it takes of another one.

    Raises:
        Problem: names the path, the value and the way out.
    """
    _check_name("data/name", study.data.name, DATASETS, plugins.DATA)
    _check_name("model/name", study.model.name, MODELS, plugins.MODELS)
    if study.data.size is not None and study.data.size < SMALLEST:
        raise Problem("data/size", f"{study.data.size}: SSIM needs at least {SMALLEST} pixels; take {SMALLEST} or more")
    for kind in ("train", "attack"):
        if (gpu := getattr(study.resources, kind).gpu) > 1:
            raise Problem(f"resources/{kind}/gpu", f"{gpu:g}: a job uses one GPU; take 1, or a share as 0.25")
    _check_start(study)
    check_target(study)
    _check_model(study)
    kinds = {
        f"{role}/{branch}": _check_defense(f"{role}/{branch}", branch, entries)
        for role, given in (("defense", study.defense), ("term", study.term or {}))
        for branch, entries in given.items()
    }
    _check_terms(kinds)
    _check_noise(study, kinds)
    _check_attacks(study)
    if borrowed is not None:
        check_versions(borrowed, study)
    _check_attacker(study)
    space = study.space()
    check_anchors(space, study.search.anchors)
    if study.search.sampler == "grid":
        _check_finite(space)
        _check_grid(space)


def _check_start(study: Study) -> None:
    """Refuse published starts of penalties beside another recipe, but where a directory was begun with them."""
    train = study.train
    if train.recipe != "published" and study.ledger is None and None in probes(train.ramp):
        raise Problem("train/ramp", f"null: defenses' own starts are for recipe published, not {train.recipe}; {WAY}")


def _check_name(path: str, name: str, known: Mapping[str, object], group: str) -> None:
    """Refuse a name that is neither known nor a plug-in's of a group of entry points."""
    if name not in known and not plugins.is_plugin(name, group):
        listed = f"{', '.join(known)}, or one of your own as package.module:Name"
        raise Problem(path, f"{name!r} is unknown{suggestion(name, known)}; take one of {listed}")


def _check_model(study: Study) -> None:
    """Build networks without memory, one for each combination of settings that change their structure."""
    model, source = study.model, _source(study.data.name)
    axes = {name: probes(getattr(model, name)) for name in ("cut", "bottleneck", "sca", "width")}
    axes |= {f"own/{name}": probes(entry) for name, entry in model.own.items()}
    size = study.data.size or source.size
    pictures = Pictures(shape=(3, size, size), num_classes=10, mean=source.mean, std=source.std)
    for combination in itertools.islice(itertools.product(*axes.values()), NETWORKS):
        chosen = dict(zip(axes, combination, strict=True))
        own = {name: chosen.pop(f"own/{name}") for name in model.own}
        settings: dict[str, Any] = chosen
        try:
            with torch.device("meta"):
                build_model(
                    Network(name=model.name, head=RECIPES[study.train.recipe].head, own=own, **settings), pictures
                )
        except REFUSALS as error:
            raise _of_builder(_said(error)) from error


def _source(name: str) -> Source:
    try:
        return source_of(name)
    except UserError as error:
        path, _, text = str(error).partition(": ")
        raise Problem(path, text) from error


def _of_builder(message: str) -> Problem:
    """Return a builder's refusal, which starts with the path of a setting if there is one to blame."""
    path, colon, text = message.partition(": ")
    return Problem(path, text) if colon and path.startswith("model/") else Problem("model", message)


def _said(error: Exception) -> str:
    """Return an error's first line, or its kind if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_defense(path: str, name: str, entries: Mapping[str, Setting]) -> type[Defense]:
    try:
        kind = defenses.resolve(name)
    except ValueError as error:
        raise Problem(path, f"{error}{suggestion(name, defenses.DEFENSES)}") from error
    accepted = defenses.settings(kind)
    if unknown := [setting for setting in entries if setting not in accepted]:
        raise unknown_key(path, unknown[0], accepted)
    if missing := [key for key, default in accepted.items() if default is Parameter.empty and key not in entries]:
        raise Problem(f"{path}/{missing[0]}", f"is missing; {name} has no default for it")
    for settings in _trials(entries):
        try:
            kind(**settings)
        except REFUSALS as error:
            blamed = next((setting for setting in settings if re.search(rf"\b{setting}\b", str(error))), None)
            where = path if blamed is None else f"{path}/{blamed}"
            raise Problem(where, _said(error)) from error
    return kind


def _trials(entries: Mapping[str, Setting]) -> Iterator[dict[str, Scalar]]:
    """Yield settings that reach both ends of every range and every choice, one setting at a time."""
    first = {setting: probes(entry)[0] for setting, entry in entries.items()}
    yield first
    for setting, entry in entries.items():
        for value in probes(entry)[1:]:
            yield first | {setting: value}


def _check_terms(kinds: Mapping[str, type[Defense]]) -> None:
    """Refuse terms that change the release, or that count on a noise a term never releases."""
    for path, kind in kinds.items():
        if path.startswith("term/") and kind.forward is not Defense.forward:
            raise Problem(path, "changes the release, of which a term is no part; make it a defense")


def _check_noise(study: Study, kinds: Mapping[str, type[Defense]]) -> None:
    needy = [path for path, kind in kinds.items() if kind.needs_noise]
    if needy and 0 in probes(study.model.sigma):
        raise Problem(
            "model/sigma",
            f"may be 0, where the penalty of {', '.join(needy)} is infinite; keep sigma above 0 or leave them out",
        )


def _check_attacks(study: Study) -> None:
    for name, choice in study.attacks.items():
        path = f"attacks/{name}"
        try:
            kind = attacks.resolve(name)
        except ValueError as error:
            raise Problem(path, f"{error}{suggestion(name, attacks.ATTACKS)}") from error
        try:
            kind(**attacks.budget(kind, choice.budget))
        except REFUSALS as error:
            close = suggestion(choice.budget, kind.budgets)
            raise Problem(f"{path}/budget", f"{choice.budget!r}: {_said(error)}{close}") from error
        if choice.tune and not kind.tunable:
            raise Problem(f"{path}/tune", f"{choice.tune}: {name} has nothing to tune; leave it out")
    if all(attacks.resolve(name).kind == "probe" for name in study.attacks):
        probes_only = ", ".join(study.attacks)
        raise Problem(
            "attacks",
            f"{probes_only}: only probes, which give no objectives; add a reconstruction such as decoder: quick",
        )


def _check_attacker(study: Study) -> None:
    """Refuse an attacker's images that the study cannot have; ``check_ready`` asks whether they are there."""
    attacker = study.attacker
    if study.protocol == "cem" and attacker.data != "same":
        raise Problem("attacker/data", f"{attacker.data!r}: the published protocol fixes the images; take same")
    if study.protocol == "cem" and attacker.images is not None:
        raise Problem("attacker/images", f"{attacker.images}: the published protocol fixes the images; leave it out")
    if attacker.name is not None:
        _check_name("attacker/name", attacker.name, DATASETS, plugins.DATA)
        # whose images a folder has is told by its path
        if attacker.name == study.data.name != "folder" and attacker.name in DATASETS:
            raise Problem("attacker/name", f"{attacker.name!r} is the study's own data set; name another one")


def _check_finite(space: Space) -> None:
    parts = [space.shared, *(entries for _, given in space.roles() for entries in given.values())]
    for entries in parts:
        for path, entry in entries.items():
            if isinstance(entry, Distribution) and entry.size() is None:
                raise Problem(path, f"{entry.plain()} has no end, and search/sampler grid tries everything; add a step")


def _check_grid(space: Space) -> None:
    """Refuse a grid that is too large to enumerate; all its parts must be finite."""
    count = _num_settings(space.shared)
    for _, given in space.roles():
        count *= sum(_num_settings(entries) for entries in given.values())
    if count > GRID:
        raise Problem(
            "search/sampler",
            f"grid of {count:,} settings; it takes at most {GRID:,}: give wide ranges a step, or take random",
        )


def _num_settings(entries: Mapping[str, Setting]) -> int:
    return math.prod(entry.size() or 1 for entry in entries.values() if isinstance(entry, Distribution))
