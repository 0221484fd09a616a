"""The page's tables of the attacks: who attacks and knows what, how they ended, and what they recovered."""

from collections import Counter

import pandas as pd

from reports.card import MOST
from reports.curves import shown_trials
from reports.formats import MISSING, Table, defense_names, duration, is_missing, listed, measure, number, with_error
from reports.tables import StudyData, further_metrics, rows_where

VERDICTS = ("tight", "open", "floor", "inert", "diverged", "failed", "converged", "limited")
"""Of today, then of 0.1."""

WHOLE = frozenset({"job"})

MOST_ROWS = 600
"""Attacks up to which all are listed; of more, those on the front's trials and the anchors."""

_GAINED = ("twice the steps gain", "twice the images gain", "twice the width gains", "a better attack gains")

_MEASURED = ("mse", "psnr, dB", "ssim", *_GAINED, "images", "releases", "time")

KNOWLEDGE = {
    "none": "shapes and channel",
    "queries": "releases of images of its own",
    "gradients": "the client's weights",
}
"""What an attack knows, in words."""


def who_table(data: StudyData) -> Table:
    """Return what each attack of the study is given, what it pays, and where it comes from."""
    versions = _versions(data.attacks)
    rows: list[tuple[str, ...]] = [
        (
            name,
            versions.get(name, MISSING),
            KNOWLEDGE.get(info["knowledge"], info["knowledge"]),
            info["threat"],
            info["cost"],
            info["reference"],
        )
        for name, info in data.study.get("attacks", {}).items()
        if info["kind"] == "reconstruction"
    ]
    headers = ("attack", "version", "knows", "who attacks", "pays", "reference")
    return Table("By attack. The version counts changes of its algorithm or budgets.", headers, rows)


def verdicts_table(data: StudyData) -> Table:
    """Return how many jobs of each attack ended with each verdict, and what lowered or left them out."""
    groups = data.attacks.groupby(["attack", "budget", "part"], sort=True) if len(data.attacks) else ()
    rows = [
        (*map(str, names), *(str(int(group["verdict"].eq(verdict).sum())) for verdict in VERDICTS), _reasons(group))
        for names, group in groups
    ]
    headers = ("attack", "budget", "part", *VERDICTS, "because")
    table = Table("Verdicts, by attack.", headers, rows, frozenset(VERDICTS), roomy=frozenset(headers[-1:]))
    unused = [word for word in VERDICTS if not data.attacks["verdict"].eq(word).any()]
    return _without(_without_empty(table, headers[-1]), unused)


def attacks_table(data: StudyData) -> Table:
    """Return every attack job's scores and verdict, and the part they were measured on."""
    jobs, caption = _listed(data)
    headers = ("trial", "job", "part", "verdict", "knows", "tuned over", *_MEASURED)
    parts = set(jobs["part"])
    rows = [
        (
            *(number(row[name]) for name in ("trial", "job")),
            number(row["part"]) if len(parts) > 1 else MISSING,
            number(row["verdict"]),
            number(row.get("knowledge")),
            number(row.get("tune") or None),
            *(with_error(row[name], row.get(f"{name}_se"), name) for name in ("mse", "psnr", "ssim")),
            *(_share(row, name) for name in ("gain_steps", "gain_images", "gain_width", "remainder")),
            number(row["images"]),
            number(row.get("releases")),
            duration(row["seconds"]),
            _remark(row),
        )
        for row in jobs.to_dict("records")
    ]
    numeric = frozenset({"trial", "tuned over", *_MEASURED})
    of_part = "" if len(parts) > 1 else "".join(f" ({part})" for part in parts)
    caption = f"{caption}; means over the scored images and their releases{of_part}."
    table = Table(caption, (*headers, "remark"), rows, numeric, WHOLE, frozenset({"remark"}))
    return _without_empty(table, "part", "knows", "tuned over", *_GAINED, "releases", "remark")


def deciding_metrics_table(data: StudyData) -> Table:
    """Return the further metrics of the attacks that decided an objective of the front's trials and the anchors."""
    trials = shown_trials(data.trials)
    deciding = {(row["trial"], row[f"{name}_attack"]) for row in trials.to_dict("records") for name in ("mse", "ssim")}
    attacks = data.attacks[data.attacks["trial"].isin(trials["trial"])]
    decided = [pair in deciding for pair in zip(attacks["trial"], attacks["job"], strict=True)]
    caption = "Further metrics of the attacks that decided mse or ssim, for the front's trials and the anchors"
    return _metrics_table(data, rows_where(attacks, decided), caption)


def metrics_table(data: StudyData) -> Table:
    """Return the further metrics of the attacks in ``attacks_table``."""
    jobs, caption = _listed(data)
    return _metrics_table(data, jobs, f"{caption}: further metrics")


def other_reconstructions_table(data: StudyData) -> Table:
    """Return what attacks made of the same releases besides what counts: the estimate for the other score."""
    jobs, _ = _listed(data)
    pairs = set(zip(jobs["trial"], jobs["job"], strict=True))
    rows = data.variants[~data.variants["variant"].astype(str).str.match(r"m=\d+$")]
    cells = [
        tuple(number(row[name], name) for name in ("trial", "job", "variant", "mse", "psnr", "ssim"))
        for row in rows.to_dict("records")
        if (row["trial"], row["job"]) in pairs
    ]
    headers = ("trial", "job", "reconstruction", "mse", "psnr, dB", "ssim")
    caption = "Attacks with an estimate for mse and another for ssim: both scores of each."
    return Table(caption, headers, cells, frozenset({"trial", *headers[3:]}), WHOLE)


def meanings(data: StudyData) -> list[tuple[str, str]]:
    """Return the further metrics of the study and what each means; of one that is null somewhere, why."""
    told, notes = data.study.get("metric_meanings", {}), data.study.get("metric_notes", {})
    names = dict.fromkeys([*further_metrics(data.attacks), *notes])
    words = {
        name: [*filter(None, [told.get(name)]), *([f"Missing: {notes[name]}"] if name in notes else [])]
        for name in names
    }
    return [(name, ". ".join(found)) for name, found in words.items() if found]


def _metrics_table(data: StudyData, jobs: pd.DataFrame, caption: str) -> Table:
    metrics = [name for name in further_metrics(jobs) if jobs[name].notna().any()]
    trials = data.trials[data.trials["trial"].isin(jobs["trial"])] if metrics else data.trials.iloc[:0]
    names = dict(zip(trials["trial"], defense_names(trials), strict=True))
    rows = [
        (
            number(row["trial"]),
            names.get(row["trial"], MISSING),
            number(row["job"]),
            *(measure(row[name], name) for name in metrics),
        )
        for row in jobs.to_dict("records")
    ]
    headers = tuple(name.replace("_", " ") for name in metrics)
    numeric = frozenset({"trial", *headers})
    return Table(f"{caption}.", ("trial", "defense", "job", *headers), rows if metrics else [], numeric, WHOLE)


def _listed(data: StudyData) -> tuple[pd.DataFrame, str]:
    """Return the attacks that are listed one by one, in order, and which they are in words."""
    ordered = data.attacks.sort_values(["trial", "job", "part"], kind="stable")
    if len(ordered) <= MOST_ROWS:
        return ordered, "All attacks"
    shown = ordered[ordered["trial"].isin(shown_trials(data.trials)["trial"])]
    first = f", the first {MOST} of {len(shown)}" if len(shown) > MOST else ""
    return shown[:MOST], f"Of {len(ordered)} attacks, those on the front's trials and the anchors{first}"


def _reasons(jobs: pd.DataFrame) -> str:
    reasons = Counter(str(why) for why in jobs["why"].dropna()) if "why" in jobs else Counter[str]()
    told = [f"{why} ({count})" for why, count in reasons.most_common()]
    return listed(told, 3) if told else MISSING


def _versions(attacks: pd.DataFrame) -> dict[str, str]:
    if "version" not in attacks:
        return {}
    groups = attacks.dropna(subset="version").groupby("attack")["version"]
    return {str(name): listed(sorted({int(version) for version in versions})) for name, versions in groups}


def _share(row: dict[str, object], name: str) -> str:
    """Return a share of the error with the interval of 90 %: ``3 % (1 to 6)``."""
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if is_missing(value):
        return MISSING
    return f"{float(str(value)):.1%} ({100 * float(str(low)):.1f} to {100 * float(str(high)):.1f})"


def _remark(row: dict[str, object]) -> str:
    """Return why an attack failed; else what lowered its verdict, and its flags."""
    if not is_missing(row["error"]):
        return number(row["error"])
    told = [str(row[name]) for name in ("why", "flags") if not is_missing(row.get(name))]
    return "; ".join(told) or MISSING


def _without(table: Table, names: list[str]) -> Table:
    kept = [index for index, header in enumerate(table.headers) if header not in names]
    return table._replace(
        headers=tuple(table.headers[index] for index in kept),
        rows=[tuple(row[index] for index in kept) for row in table.rows],
    )


def _without_empty(table: Table, *names: str) -> Table:
    """Return the table without those of these columns that say nothing in any row."""
    columns = dict(zip(table.headers, zip(*table.rows, strict=True), strict=True)) if table.rows else {}
    return _without(table, [name for name in names if set(columns.get(name, [MISSING])) == {MISSING}])
