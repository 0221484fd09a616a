"""The tables of the page, as text ready to be laid out."""

import math
from collections.abc import Iterable

import pandas as pd

from reports.columns import ALONE, BELIEVED
from reports.dominance import DIRECTIONS
from reports.formats import (
    MISSING,
    Table,
    constant_settings,
    could_reach,
    defense_names,
    duration,
    is_missing,
    number,
    settings_of,
    varying_settings,
    with_error,
)
from reports.points import GUESSES, kinds, undefended
from reports.suites import lacking
from reports.tables import StudyData

Row = dict[str, object]

ENDED = ("trial", "job", "verdict", "error")
"""Columns that attacks and probes share, and that a failure is told by."""


def front_table(data: StudyData) -> Table:
    """Return the non-dominated trials and the undefended anchors: settings, objectives, deciding attacks, verdicts."""
    rows = _front_and_anchors(data.trials)
    standing = kinds(data.trials).loc[rows.index]
    paths, lacks = varying_settings(data.trials), lacking(data)
    return Table(
        "Trials that nothing dominates, and undefended anchors. ± is the standard error over the scored images; it "
        "says nothing of the spread over seeds. ↓ marks what an attack decided that a better one may outdo by 5 % or "
        "more (how far, beside it), or a guess beside which no attack works; ≠ a trial that lacks an attack which "
        "another complete one has.",
        ("trial", "defense", "settings", "accuracy ↑", "mse ↑", "ssim ↓", "decided by", "standing"),
        [
            _front_row(data, row, name, kind, paths, unequal=row["trial"] in lacks)
            for row, name, kind in zip(rows.to_dict("records"), defense_names(rows), standing, strict=True)
        ],
        frozenset({"trial", "accuracy ↑", "mse ↑", "ssim ↓"}),
        frozenset({"decided by", "mse ↑"}),
    )


def oracle_table(data: StudyData) -> Table:
    """Return the per-image oracle of the same trials, beside the deciding attacks on the same images."""
    rows = _front_and_anchors(data.trials)
    rows = rows[rows["mse_oracle"].notna()] if "mse_oracle" in rows else rows.iloc[:0]
    scores = ("mse_same_images", "mse_oracle", "ssim_same_images", "ssim_oracle")
    cells = [
        (
            number(row["trial"]),
            name,
            number(row["oracle_images"]),
            *(number(row[score], score.split("_")[0]) for score in scores),
            number(row.get("oracle_of")),
        )
        for row, name in zip(rows.to_dict("records"), defense_names(rows), strict=True)
    ]
    numbers = ("images", "mse, deciding attack", "mse, oracle", "ssim, deciding attack", "ssim, oracle")
    caption = (
        "The per-image oracle: each image by the attack, or guess without z, that did best on it, on the first images "
        "that all of them scored; beside it the deciding attack on the same images. Choosing so takes the image "
        "itself: no attacker."
    )
    headers = ("trial", "defense", *numbers, "among")
    return Table(caption, headers, cells, frozenset({"trial", *numbers}), whole=frozenset({"among"}))


def stacking_table(data: StudyData) -> Table:
    """Return what an attacker recovers who chooses among a trial's attacks by likelihood, image by image."""
    rows = _front_and_anchors(data.trials)
    rows = rows[rows["mse_stacked"].notna()] if "mse_stacked" in rows else rows.iloc[:0]
    scores = [f"{score}_stacked{kind}" for score in ("mse", "ssim") for kind in ("_single", "", "_oracle")]
    cells = [
        (
            number(row["trial"]),
            name,
            number(row["stacked_images"]),
            *(number(row[score], score.split("_")[0]) for score in scores),
            _better_by(row),
            number(row["stacked_of"]),
        )
        for row, name in zip(rows.to_dict("records"), defense_names(rows), strict=True)
    ]
    numbers = (
        "images",
        *(f"{score}, {kind}" for score in ("mse", "ssim") for kind in ("best attack", "by likelihood", "oracle")),
        "mse, by likelihood less best attack",
    )
    caption = (
        "Stacking: each image by the attack whose reconstruction explains the release best, by the defense's law. "
        "Whoever holds the client can choose so; it is no objective. Beside it, on the same images and releases, the "
        "attack that alone does best, and the oracle of the same attacks, which none can be better than."
    )
    headers = ("trial", "defense", *numbers, "among")
    return Table(caption, headers, cells, frozenset({"trial", *numbers}), whole=frozenset({"among"}))


def _better_by(row: Row) -> str:
    difference = float(str(row["mse_stacked"])) - float(str(row["mse_stacked_single"]))
    return with_error(difference, _known(row["mse_stacked_se"]), "mse")


def floors_table(data: StudyData) -> Table:
    """Return the guesses without z, median over trials with the range where it differs."""
    rows: list[tuple[str, ...]] = []
    groups = data.floors.groupby(["guess", "part"], sort=False) if len(data.floors) else ()
    for (guess, part), group in groups:
        rows.append(
            (
                GUESSES.get(guess, guess),
                part,
                *(_median_and_range(group[name], name) for name in ("mse", "psnr", "ssim")),
            )
        )
    headers = ("guess", "part", "mse", "psnr, dB", "ssim")
    caption = (
        "What can be guessed without the release (mean image; class mean, by the predicted label), and two yardsticks "
        "(each image's own mean colour; the nearest auxiliary image). Median over trials."
    )
    return Table(caption, headers, rows, frozenset(headers[2:]))


def failures_table(data: StudyData) -> Table:
    """Return the trials, attacks and probes that did not end as they should, with their errors."""
    broken = data.trials[data.trials["state"].isin(["failed", "partial", "pruned"])]
    rows: list[tuple[str, ...]] = [
        (number(row["trial"]), "trial", str(row["state"]), name, number(row["error"]))
        for row, name in zip(broken.to_dict("records"), defense_names(broken), strict=True)
    ]
    names = dict(zip(data.trials["trial"], defense_names(data.trials), strict=True))
    parts = (data.attacks[[*ENDED]], data.beside[[*ENDED]], data.probes[[*ENDED]].drop_duplicates(["trial", "job"]))
    jobs = pd.concat([part for part in parts if len(part)] or [data.attacks[[*ENDED]]])
    failed = jobs[jobs["verdict"].isin(["failed", "diverged"])]
    rows += [
        (
            number(row["trial"]),
            str(row["job"]),
            str(row["verdict"]),
            names.get(row["trial"], MISSING),
            number(row["error"]),
        )
        for row in failed.to_dict("records")
    ]
    headers = ("trial", "what", "how it ended", "defense", "error")
    return Table("Trials, attacks and probes that failed.", headers, rows, frozenset({"trial"}))


def cost_table(data: StudyData) -> Table:
    """Return the seconds of trials, of their training where it is known, and of each attack."""
    stages = {"trial, attacks included": data.trials["seconds"]}
    if "train_seconds" in data.trials:
        stages["training"] = data.trials["train_seconds"]
    for kind, jobs in (
        ("attack", data.attacks),
        ("at other levels, attack", data.beside),
        ("probe", data.probes.drop_duplicates(["trial", "job"])),
    ):
        if len(jobs):
            groups = jobs.groupby(["attack", "budget"])
            stages |= {f"{kind} {attack}, {budget}": rows["seconds"] for (attack, budget), rows in groups}
    rows = [row for name, seconds in stages.items() if (row := _cost_row(name, seconds))]
    headers = ("stage", "n", "median", "longest", "sum")
    return Table("Time by stage; attacks of a trial may run side by side.", headers, rows, frozenset(headers[1:]))


def published_table(data: StudyData) -> Table:
    """Return figures of published tables, which follow a convention of their own."""
    rows = [
        tuple(number(row.get(name), name) for name in ("table", "method", *DIRECTIONS, "note"))
        for row in data.study["published"]
    ]
    headers = ("table", "method", "accuracy", "mse", "ssim", "convention")
    return Table("As published.", headers, rows, frozenset(headers[2:5]))


def provenance_tables(data: StudyData) -> list[Table]:
    """Return what the study is, where it ran, with which packages, on which images and by which metrics."""
    study = data.study
    identity = {
        "study": study["name"],
        "digest": study["digest"],
        "ledger": study["ledger"],
        "command": study["command"],
        "commit": study["commit"],
        "protocol": study["protocol"],
        "data": study["data"],
        "created": study["created"],
        "updated": study["updated"],
    }
    reference = {f"hypervolume reference, {name}": value for name, value in study["hypervolume_reference"].items()}
    parts = {f"{name}: {part['images']} images": part["digest"] for name, part in study["parts"].items()}
    sources = {
        "Study": {**identity, **reference},
        "Hardware": study["hardware"],
        "Images, by part": parts,
        "Metrics": study["metrics"],
        "Settings common to all trials": constant_settings(data.trials),
        "Packages": study["packages"],
    }
    return [Table(name, ("", " "), _pairs(values.items())) for name, values in sources.items() if values]


def _front_and_anchors(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the non-dominated trials and the undefended anchors, the most accurate first."""
    shown = kinds(trials).eq("front") | (undefended(trials) & trials["anchor"].eq(True) & trials["accuracy"].notna())
    return trials[shown].sort_values("accuracy", ascending=False, kind="stable")


def _front_row(data: StudyData, row: Row, name: str, kind: str, paths: list[str], *, unequal: bool) -> tuple[str, ...]:
    errors = {"accuracy": accuracy_error(data, row), **_attack_errors(data, row)}
    scores = [with_error(float(str(row[score])), errors.get(score), score) for score in DIRECTIONS]
    if reach := could_reach(row):
        scores[1] += "\n" + reach.replace("attacker ", "attacker\n")
    standing = [kind, *(["undefended anchor"] if name == "none" and row["anchor"] else [])]
    trial = f"{row['trial']}{' ↓' if row['limited'] is True else ''}{' ≠' if unequal else ''}"
    return (trial, name, settings_of(row, paths) or MISSING, *scores, _decisions(data, row), ", ".join(standing))


def accuracy_error(data: StudyData, row: Row) -> float | None:
    """Return the binomial standard error of a trial's accuracy, if the number of its images is known.

    With one image more that is right and one that is wrong (Laplace's rule), so that none or all of few prove nothing.
    """
    part = data.study["parts"].get("test" if data.study["protocol"] == "cem" else str(row["part"]))
    accuracy = float(str(row["accuracy"]))
    if not part or not 0 <= accuracy <= 1:
        return None
    count = part["images"] + 2
    share = (accuracy * part["images"] + 1) / count
    return math.sqrt(share * (1 - share) / count)


def _attack_errors(data: StudyData, row: Row) -> dict[str, float | None]:
    """Return the standard errors over images of the objectives, where they are known."""
    return {score: _known(row.get(f"{score}_se")) or _attack_error(data, row, score) for score in ("mse", "ssim")}


def _attack_error(data: StudyData, row: Row, score: str) -> float | None:
    """Return the standard error of a deciding attack's own mean: all that tables of before have."""
    if f"{score}_se" not in data.attacks or not is_missing(row.get(f"{score}_base")):
        return None
    jobs = data.attacks[data.attacks["trial"].eq(row["trial"]) & data.attacks["job"].eq(row[f"{score}_attack"])]
    return float(jobs[f"{score}_se"].iloc[0]) if len(jobs) else None


def _known(value: object) -> float | None:
    return None if is_missing(value) else float(str(value))


def _decisions(data: StudyData, row: Row) -> str:
    """Return which attack decided each objective and how it ended, a line for each if they differ."""
    mse, ssim = (_decision(data, row, score) for score in ("mse", "ssim"))
    return mse if mse == ssim else f"mse: {mse}\nssim: {ssim}"


def _decision(data: StudyData, row: Row, score: str) -> str:
    job = row[f"{score}_attack"]
    if is_missing(job):
        return MISSING
    jobs = data.attacks[data.attacks["trial"].eq(row["trial"]) & data.attacks["job"].eq(job)]
    if jobs.empty:
        alone = row.get(f"{score}_verdict") == ALONE
        return f"{job}\na guess without z{', no attack works ↓' if alone else ''}"
    verdict, base = str(jobs["verdict"].iloc[0]), row.get(f"{score}_base")
    beside = "" if is_missing(base) else f"\nbeside {base}, on {number(jobs['images'].iloc[0])} images"
    return f"{job}{beside}\n{verdict}{'' if verdict in BELIEVED else ' ↓'}"


def _median_and_range(values: "pd.Series[float]", name: str) -> str:
    low, middle, high = (number(value, name) for value in (values.min(), values.median(), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def _cost_row(name: str, seconds: "pd.Series[float]") -> tuple[str, ...] | None:
    known = pd.to_numeric(seconds).dropna()
    if known.empty:
        return None
    return (name, str(len(known)), *(duration(float(value)) for value in (known.median(), known.max(), known.sum())))


def _pairs(items: Iterable[tuple[str, object]]) -> list[tuple[str, ...]]:
    return [(name, number(value)) for name, value in items]
