"""What the page says of a trial that is pointed at."""

from collections.abc import Collection, Mapping
from html import escape

from reports.dominance import DIRECTIONS
from reports.formats import defense_names, is_missing, number, varying_settings
from reports.points import kinds
from reports.tables import StudyData


def hovers(data: StudyData, numbers: Collection[int] | None = None) -> dict[int, str]:
    """Return what the page says of each trial that is pointed at, as markup: number, defense, objectives, settings by
    their whole paths, deciding attacks and verdicts.

    Args:
        data: The study's.
        numbers: Of the trials; by default all.
    """
    known = data.trials["accuracy"].notna()
    trials = data.trials[known if numbers is None else known & data.trials["trial"].isin(numbers)]
    paths = [path for path in varying_settings(data.trials) if not path.endswith("/name")]
    attacks = data.attacks[data.attacks["trial"].isin(trials["trial"])]
    jobs = zip(attacks["trial"], attacks["job"], attacks["verdict"], strict=True)
    verdicts = {(trial, job): str(verdict) for trial, job, verdict in jobs}
    names, states = defense_names(trials), kinds(data.trials).loc[trials.index]
    rows = zip(trials.to_dict("records"), names, states, strict=True)
    return {
        int(row["trial"]): "<br>".join(escape(line) for line in _hover(row, name, state, paths, verdicts))
        for row, name, state in rows
    }


def _hover(
    row: dict[str, object], name: str, state: str, paths: list[str], verdicts: Mapping[tuple[object, object], str]
) -> list[str]:
    scores = ", ".join(f"{objective} {number(row[objective], objective)}" for objective in DIRECTIONS)
    head = [f"trial {row['trial']}: {name} ({state})", scores]
    asked = [f"{path} = {number(row[path])}" for path in paths if not is_missing(row[path])]
    attacks = [job for job in dict.fromkeys([row["mse_attack"], row["ssim_attack"]]) if not is_missing(job)]
    return [*head, *asked, *(f"worst: {job} ({verdicts.get((row['trial'], job), 'guess')})" for job in attacks)]
