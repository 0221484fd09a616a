"""Whether several studies measured the same thing: only then are their trials pooled."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from reports.tables import StudyData

ASPECTS = ("protocol", "images", "metrics", "budget", "precision", "confirms")
"""What must agree, in the order in which it is compared; how a study was confirmed, where both were."""


class Named(NamedTuple):
    """A study under the name that tells it from the others."""

    name: str
    data: StudyData


class Difference(NamedTuple):
    """What differs between two studies."""

    aspect: str
    """One of ``ASPECTS``."""
    what: str
    """In words: ``validation images``."""
    one: str
    """The first study's name."""
    one_value: str
    other: str
    other_value: str

    def __str__(self) -> str:
        return f"{self.what}: {self.one} has {self.one_value}, {self.other} has {self.other_value}"


def differences(studies: Sequence[Named]) -> list[Difference]:
    """Return what differs between the first study and each other one, aspect by aspect, the first difference first."""
    first, *others = studies
    found = [
        Difference(aspect, what, first.name, mine.get(what, "none"), other.name, theirs.get(what, "none"))
        for other in others
        for aspect, mine, theirs in zip(ASPECTS, _aspects(first.data), _aspects(other.data), strict=True)
        for what in dict.fromkeys((*mine, *theirs))
        if mine.get(what) != theirs.get(what) and (aspect != "confirms" or (mine and theirs))
    ]
    return sorted(found, key=lambda difference: ASPECTS.index(difference.aspect))


def suite(data: StudyData) -> dict[str, str]:
    """Return the attacks that every complete trial has had, ``decoder:quick``, with their versions."""
    complete = set(data.trials.loc[data.trials["state"].eq("complete"), "trial"])
    rows = data.attacks[data.attacks["trial"].isin(complete)]
    had: dict[str, set[int]] = {}
    versions: dict[str, set[str]] = {}
    for row in rows.to_dict("records"):
        name = f"{row['attack']}:{row['budget']}"
        had.setdefault(name, set()).add(row["trial"])
        version = row.get("version")
        versions.setdefault(name, set()).add("1" if version is None or version != version else f"{float(version):g}")
    return {name: " and ".join(sorted(versions[name])) for name in sorted(had) if had[name] == complete}


def _aspects(data: StudyData) -> Iterator[Mapping[str, str]]:
    """Yield what a study has of each of ``ASPECTS``, in words."""
    study = data.study
    yield {"protocol": study["protocol"]}
    yield {f"{part} images": info["digest"][:12] for part, info in study["parts"].items()}
    yield {f"metric {name}": json.dumps(meaning, sort_keys=True) for name, meaning in study["metrics"].items()}
    yield {f"attack {name}": f"version {version}" for name, version in suite(data).items()}
    yield {"precision": str(study["hardware"].get("precision") or "unknown")}
    confirmed_in = study.get("confirm_precision")
    yield {"precision of the confirms": confirmed_in} if confirmed_in else {}
