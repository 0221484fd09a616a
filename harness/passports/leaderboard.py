"""The passports of a folder as a table of claims, each with how it stands against all that was run on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas

from harness.errors import UserError
from harness.passports.attacks import Held, read_attacks, standing
from harness.passports.passport import Passport, read_passport
from harness.records import Knowledge
from reports.claims import CLAIMS

ORDER: tuple[Knowledge, ...] = ("none", "queries", "gradients")
"""Knowledge, from the least."""

_PARTS = {"train": "test", "infer": "test"}
"""Whose images are scored, under the published protocol."""


class Board(NamedTuple):
    """What lies in a folder of passports."""

    claims: pandas.DataFrame
    """Columns as of `reports.claims.CLAIMS`, and one for every setting by its path."""
    refused: list[tuple[str, str]]
    """Of each archive that is no passport its name and why."""


def board(folder: Path) -> Board:
    """Return the claims of all passports in a folder; what cannot be read is told and counts for nothing.

    Raises:
        UserError: there is no such folder, or no passport in it can be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name one of passports, as `invfront export` writes them")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".zip")
    if not paths:
        raise UserError(f"{folder}: holds no passport; `invfront export STUDY --out {folder}` writes them")
    rows: list[dict[str, Any]] = []
    refused: list[tuple[str, str]] = []
    for path in paths:
        try:
            passport = read_passport(path)
            rows.append(_row(passport, standing(passport, read_attacks(passport).attacks)))
        except UserError as error:
            refused.append((path.name, str(error)))
    if not rows:
        raise UserError(f"{folder}: none of its {len(paths)} passports can be read; the first: {refused[0][1]}")
    table = pandas.DataFrame(rows)
    settings = [column for column in table.columns if column not in CLAIMS]
    return Board(table[[*CLAIMS, *settings]], refused)


def _row(passport: Passport, attacks: Sequence[Held]) -> dict[str, Any]:
    claim = passport.claim
    fells = [held for held in attacks if held.fells]
    beside = [f"{held.job} {held.why}" for held in attacks if held.why]
    numbers = {name: value for name, value in claim.model_dump().items() if isinstance(value, float)}
    return {
        "file": passport.path.name,
        "study": claim.study,
        "trial": claim.trial,
        "data": str(claim.settings.get("data/name")),
        "protocol": str(claim.settings.get("protocol", "strict")),
        "part": claim.part,
        "images": claim.digests.images.get(_PARTS.get(claim.part, claim.part), ""),
        "metrics": claim.digests.metrics,
        "seeds": max(1, len(claim.seeds)),
        **numbers,
        "knowledge": max((one.knowledge for one in claim.suite), key=ORDER.index),
        "suite": ", ".join(dict.fromkeys(f"{one.attack}:{one.budget}" for one in claim.suite)),
        "later": len(attacks),
        "stands": not fells,
        "fell_to": "; ".join(map(_told, fells)) or None,
        "beside": "; ".join(beside) or None,
        **claim.settings,
    }


def _told(held: Held) -> str:
    scores = {"mse": f"mse {held.mse:.4g}", "ssim": f"ssim {held.ssim:.3f}"}
    return f"{held.job}, {' and '.join(scores[name] for name in held.fells)}"
