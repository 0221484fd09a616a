"""What an absent key meant when a file was written, by the package's version; files are never rewritten.

A study's own ``study.yaml`` names its version; one without is of 0.1. A key that a version brings gets an entry here
with what its absence meant before, so that an old study goes on as it was, under the digest that it always had.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from harness.records.value import Scalar

VERSIONS = ("0.1", "0.2")
"""Versions whose files differ, the oldest first; the last is this one's."""

CURRENT = VERSIONS[-1]

Meaning = Scalar | Mapping[str, Scalar]
"""What the absence of a key meant, or by ``train/recipe`` what."""

STUDY: Mapping[str, Mapping[str, Meaning]] = MappingProxyType(
    {
        "0.2": {
            "train/ramp": None,
            "train/label_smoothing": MappingProxyType({"published": 0.0, "fast": 0.1}),
            "train/target_accuracy": None,
        }
    }
)
"""Keys of a study file by the version that brought them, by path, with what their absence meant until then.

Every ``study.yaml`` that is written has them all: a directory's own file that lacks one was made before there was one,
whatever version it names.
"""

RECORDS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "0.1": {
            "AttackJob.kind": "reconstruction",
            "AttackJob.tune": 0,
            "AttackJob.half": None,
            "AttackJob.attacker": None,
            "AttackJob.attacker_images": None,
            "Asked.study_seed": 0,
            "Asked.confirm": None,
            "AttackMeasured.attacker_images": None,
            "AttackMeasured.version": 1,
            "AttackMeasured.knowledge": "queries",
            "AttackMeasured.needs_server": None,
            "AttackMeasured.subsets": {},
            "AttackMeasured.scored_subsets": {},
            "AttackMeasured.errors": {},
            "AttackMeasured.releases": 1,
            "AttackMeasured.release_errors": {},
            "AttackMeasured.variants": {},
            "AttackMeasured.extras": {},
            "AttackMeasured.null_reasons": {},
            "AttackMeasured.gains": None,
            "AttackMeasured.selection_mse": (),
            "AttackMeasured.details": {},
            "AttackMeasured.tuning": (),
            "AttackMeasured.probe": None,
            "Guess.subsets": {},
            "Objectives.mse_base": None,
            "Objectives.ssim_base": None,
            "Measured.images": {},
            "Measured.diagnostics_version": 1,
            "Record.versions": {},
            "Trained.images": {},
            "Trained.versions": {},
            "Trained.diagnostics_version": 1,
            "Tuned.error": None,
            "Circumstances.node": None,
            "Circumstances.driver": {},
            "Circumstances.cpu_seconds": None,
            "Failure.traceback": None,
            "Failure.errno": None,
            "Failure.path": None,
            "Failure.log": None,
        },
    }
)
"""Fields that records of a version may lack, with what that means: their defaults, for ever."""

ASKED_THE_SERVER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "0.1": frozenset(
            {
                "confidence",
                "decoder_xl",
                "gan_prior",
                "gradient",
                "membership",
                "query_free",
                "repeated",
                "representative",
            }
        )
    }
)
"""Built-in attacks that asked the server, of records without ``needs_server``."""


DEFENSES: Mapping[str, Mapping[str, Scalar]] = MappingProxyType(
    {
        "nopeek": MappingProxyType({"estimator": "biased"}),
        "bido": MappingProxyType({"width": 5.0}),
        "slot_attention": MappingProxyType({"shut_off": True}),
        "pairwise": MappingProxyType({}),
    }
)
"""Defaults that defenses had before ``train/ramp`` was a key, of those that with them are what they were then.

``patrol`` is not among them: the term that its ``beta`` weighs is another one now, and its version says so.
"""


def keys_after(version: str, added: Mapping[str, Mapping[str, Meaning]] = STUDY) -> dict[str, Meaning]:
    """Return the keys of a study file that came after a version, with what their absence meant in it."""
    after = VERSIONS[VERSIONS.index(version) + 1 :]
    return {path: meaning for name in after for path, meaning in added.get(name, {}).items()}


def former(recipe: Scalar) -> dict[str, Scalar]:
    """Return every key that came later, by path, with what its absence meant before, under a training recipe."""
    return {
        path: meaning.get(str(recipe)) if isinstance(meaning, Mapping) else meaning
        for path, meaning in keys_after(VERSIONS[0]).items()
    }


def told(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return a trial's settings with those that it was asked without, since they were what their absence means."""
    return former(settings.get("train/recipe")) | dict(settings)


def default_settings(settings: Mapping[str, Scalar], defense: str) -> Mapping[str, Scalar]:
    """Return what a defense's settings are that a trial was asked without, where that is not what it is now.

    Args:
        settings: The trial's.
        defense: Name of its defense, or of its term.
    """
    return {} if "train/ramp" in settings else DEFENSES.get(defense, {})


def version_then(settings: Mapping[str, Scalar], now: int) -> int:
    """Return the version of the defense that a trial is trained with: the first, where it is as that one was.

    Args:
        settings: The trial's.
        now: The version that the defense has.
    """
    name = str(settings.get("defense/name"))
    former_ones = DEFENSES.get(name)
    if "train/ramp" in settings or former_ones is None:
        return now
    as_it_was = all(settings.get(f"defense/{name}/{key}", value) == value for key, value in former_ones.items())
    return 1 if as_it_was else now


GONE = {1: ("data_root", "attacker_root", "download", "timeout_seconds", "checkpoint_seconds")}
"""Keys of ``asked.json`` by its version, that later ones lack: where a trial runs is a place, no part of what it is."""


def without_gone(given: dict[str, Any], version: int) -> dict[str, Any]:
    """Return an ``asked.json`` of a version in ``GONE`` as the present version has it; anything else as it is."""
    written = given.get("version")
    if type(written) is not int or written not in GONE:
        return given
    return {key: value for key, value in given.items() if key not in GONE[written]} | {"version": version}
