"""The sentences of a report: what nothing dominates, and what to be careful about."""

from collections import Counter

import pandas as pd

from reports.columns import ALONE, BELIEVED
from reports.dominance import DIRECTIONS
from reports.formats import (
    MISSING,
    briefly,
    could_reach,
    counted,
    defense_names,
    duration,
    listed,
    number,
    varying_settings,
)
from reports.front import eligible, front
from reports.held import missed_words
from reports.points import undefended
from reports.suites import lacking
from reports.tables import StudyData, settings

CLOSE = 0.02
"""Loss of accuracy against the undefended anchor up to which a defended trial is said to be close to it."""

FEW = 50
"""Scored images below which a report says how little they tell."""

ORACLE = (
    "The per-image oracle beside the objectives is no attacker: to take for every image the attack that did best on "
    "it, one has to know the image. It decides nothing; it bounds what choosing among these attacks could gain."
)


def findings(data: StudyData) -> list[str]:
    """Return what nothing dominates, in sentences."""
    trials = data.trials
    members = front(trials)
    if members.empty:
        return [_nothing(data)]
    by_defense = defense_names(members).value_counts(sort=False)
    shares = listed([f"{name} ({count})" for name, count in by_defense.items()])
    head = (
        f"Nothing dominates {len(members)} of {counted(int(eligible(trials).sum()), 'trial')} complete and not below "
        f"the accuracy floor: {listed(members['trial'].tolist(), 20)}. By defense: {shares}."
    )
    return [head, *_extremes(data, members), *_bargain(data, members)]


def cautions(data: StudyData) -> list[str]:
    """Return what limits the findings, in sentences."""
    states = data.study["states"]
    members = front(data.trials)
    unfinished = f"The study is not finished: {states['running']} running, {states['waiting']} waiting. All may change."
    return [
        *([unfinished] if states["running"] or states["waiting"] else []),
        *(f"{line[0].upper()}{line[1:]}." for line in data.study.get("widened", [])),
        *(f"{line}; none of them is in these tables, or on a front." for line in data.study.get("informed", [])),
        *(f"{mark}." for mark in data.study.get("image_marks", [])),
        *(f"{line[0].upper()}{line[1:]}." for line in data.study.get("mixed", [])),
        *_uncontrolled(members),
        *(f"Of the front {line}" for line in missed_words(members)),
        *_few(data),
        *_unconverged(data, members),
        *_unequal(data, members),
        *([ORACLE] if "mse_oracle" in members and members["mse_oracle"].notna().any() else []),
        *([f"{_seeds(data.trials)} {_way_on(data)}"] if len(members) else []),
    ]


def progress(data: StudyData) -> str:
    """Return the states of the budget's trials."""
    counts = [f"{count} {state}" for state, count in data.study["states"].items() if count]
    return f"{counted(data.study['budget'], 'trial')}: {', '.join(counts) or 'none started'}"


def label(data: StudyData, row: "pd.Series[object]") -> str:
    """Return ``trial 3 (cem_paper, sigma = 0.1)``."""
    name = defense_names(row.to_frame().T).iloc[0]
    asked = briefly(row, varying_settings(data.trials)).replace(MISSING, "")
    return f"trial {row['trial']} ({', '.join(filter(None, [name, asked]))})"


def scores(row: "pd.Series[object]") -> str:
    """Return ``accuracy .., mse .., ssim ..``, and what a better attacker could reach."""
    told = {name: f"{name} {number(row[name], name)}" for name in DIRECTIONS}
    reach = could_reach(row.to_dict())
    told["mse"] += f" {reach}" if reach else ""
    return ", ".join(told.values())


def _uncontrolled(members: pd.DataFrame) -> list[str]:
    """Return which trials of the front were not held to the accuracy that others were."""
    if "controlled" not in members or not members["controlled"].eq(False).any():
        return []
    free = members.loc[members["controlled"].eq(False), "trial"].tolist()
    return [
        f"Of the front {counted(len(free), 'trial')} ({listed(free)}) trained uncontrolled: without a strength to "
        "steer, the accuracy is its own and not the target's."
    ]


def _few(data: StudyData) -> list[str]:
    """Return how little the scored images tell, if they are few."""
    part = data.study["parts"].get("test" if data.study["protocol"] == "cem" else "validation")
    if part is None or part["images"] >= FEW:
        return []
    return [
        f"Only {counted(part['images'], 'image')} {'was' if part['images'] == 1 else 'were'} scored: one is "
        f"{1 / part['images']:.0%} of accuracy, and trials that are closer than the standard errors (±) are not told "
        "apart. More images would tell."
    ]


def _unconverged(data: StudyData, members: pd.DataFrame) -> list[str]:
    """Return which trials of the front rest on what a better attack may outdo, and how the deciding ones ended."""
    weak = members[members["limited"].eq(True)]
    if weak.empty:
        return []
    deciding = {(row["trial"], row[f"{name}_attack"]) for row in weak.to_dict("records") for name in ("mse", "ssim")}
    attacks = data.attacks[data.attacks["trial"].isin(weak["trial"])]
    jobs = zip(attacks["trial"], attacks["job"], attacks["verdict"], strict=True)
    known = {(trial, job): str(verdict) for trial, job, verdict in jobs if (trial, job) in deciding}
    ended = Counter(verdict for verdict in known.values() if verdict not in BELIEVED)
    alone = sum(ALONE in (row.get("mse_verdict"), row.get("ssim_verdict")) for row in weak.to_dict("records"))
    told = [f"{counted(count, 'attack')} {verdict}" for verdict, count in ended.items()]
    told += [f"a guess without z in {counted(alone, 'trial')}, where no attack works"] if alone else []
    return [
        f"For {counted(len(weak), 'trial')} of the front ({listed(weak['trial'].tolist())}) an objective was decided "
        f"by what a better attack may outdo ({listed(told)}){_how_far(weak)}."
    ]


def _how_far(weak: pd.DataFrame) -> str:
    """Return how much less the mse of these trials may become, where that is known."""
    if "mse_within" not in weak or weak["mse_within"].isna().all():
        return ""
    less = (1 - weak["mse_within"] / weak["mse"]).max()
    return f": their mse may be up to {less:.0%} less"


def _unequal(data: StudyData, members: pd.DataFrame) -> list[str]:
    """Return which attacks ran on some of the complete trials only, and which of the front they are missing from."""
    lacks = lacking(data)
    if not lacks:
        return []
    jobs = sorted({job for missing in lacks.values() for job in missing})
    without = {job: [trial for trial, missing in lacks.items() if job in missing] for job in jobs}
    told = listed(
        [f"{job} is missing from {counted(len(found), 'trial')} ({listed(found)})" for job, found in without.items()]
    )
    if data.study.get("unsettled"):
        return [
            f"The front is unsettled: {told}. It is drawn over the attacks that all of its trials have (`mse_shared`, "
            "`ssim_shared`); `invfront attack STUDY front --until-stable --attack NAME:BUDGET` runs what is missing."
        ]
    weak = [trial for trial in members["trial"] if trial in lacks]
    concerns = f"The trials were not attacked alike: {told}; of the front this concerns {listed(weak) or 'none'}. "
    if weak:
        less = (
            "A trial that was attacked less may look more private than it is: `invfront attack` runs what is missing."
        )
        return [concerns + less]
    return [concerns + "A further attack could only lower the others, which are off it already."]


def _nothing(data: StudyData) -> str:
    complete = data.trials[data.trials["state"].eq("complete")]
    if complete.empty:
        return "No trial is complete yet, so there is no front."
    floor = number(data.study["floor"])
    return (
        f"No trial is on the front: of the {counted(len(complete), 'complete trial')} none has finite objectives and "
        f"an accuracy of at least {floor}, the study's floor; the greatest accuracy is "
        f"{number(complete['accuracy'].max(), 'accuracy')}."
    )


def _extremes(data: StudyData, members: pd.DataFrame) -> list[str]:
    best = {
        "Most accurate": members["accuracy"].astype(float).idxmax(),
        "Hardest to invert by mse": members["mse"].astype(float).idxmax(),
        "Hardest to invert by ssim": members["ssim"].astype(float).idxmin(),
    }
    titles: dict[object, list[str]] = {}
    for title, index in best.items():
        titles.setdefault(index, []).append(title if not titles.get(index) else title[0].lower() + title[1:])
    return [
        f"{listed(words)}: {label(data, members.loc[index])}: {scores(members.loc[index])}."
        for index, words in titles.items()
    ]


def _bargain(data: StudyData, members: pd.DataFrame) -> list[str]:
    """Return what the least costly protection buys: the hardest to invert of what is as accurate as the undefended."""
    trials = data.trials
    plain = trials[undefended(trials) & eligible(trials)]
    if plain.empty:
        return []
    base = plain.loc[plain["accuracy"].astype(float).idxmax()]
    near = members[~undefended(members) & (members["accuracy"] >= base["accuracy"] - CLOSE)]
    near = near[near["mse"] > base["mse"]]
    head = f"The most accurate undefended trial is {label(data, base)}: {scores(base)}."
    if near.empty:
        return [f"{head} No defended trial of the front within {CLOSE} of its accuracy has a greater mse."]
    best = near.loc[near["mse"].astype(float).idxmax()]
    ratio, drop = float(best["mse"]) / float(base["mse"]), float(base["ssim"]) - float(best["ssim"])
    change = f"{abs(drop):.3f} {'lower' if drop >= 0 else 'higher'}"
    return [
        f"{head} Of the defended trials within {CLOSE} of its accuracy the hardest to invert by mse is "
        f"{label(data, best)}: {scores(best)}; the worst attack's mse is {ratio:.2f} times as large, its ssim {change}."
    ]


def _way_on(data: StudyData) -> str:
    """Return where the spread over seeds is told, or how it comes to be."""
    if data.confirmed.empty:
        return "`invfront confirm` trains the front again with fresh seeds, and tells it."
    return "Of the confirmed trials, above, it is known."


def _seeds(trials: pd.DataFrame) -> str:
    done, paths = trials[eligible(trials)], settings(trials)
    same = done[done.duplicated(paths, keep=False)] if paths else done.iloc[:0]
    if same.empty:
        return (
            "Every setting was trained with one seed: how far these numbers would move with another seed is unknown, "
            "and a difference smaller than that spread decides nothing."
        )
    groups = same.assign(accuracy=same["accuracy"].astype(float)).groupby(paths, dropna=False)["accuracy"]
    spread = float((groups.max() - groups.min()).max())
    return (
        f"{counted(groups.ngroups, 'setting')} had more than one seed, with accuracies up to {spread:.3f} apart; for "
        "the others the spread over seeds is unknown, and a difference smaller than it decides nothing."
    )


def spent(data: StudyData) -> str:
    """Return the time the study took."""
    probes = len(data.probes.drop_duplicates(["trial", "job"]))
    kinds = [(len(data.trials), "trial"), (len(data.attacks), "attack"), *([(probes, "probe")] if probes else [])]
    done = listed([counted(count, noun) for count, noun in kinds])
    return f"{duration(data.study['seconds_total'])} of wall-clock time for {done}."
