"""Which settings decide each objective."""

from reports.card import Block, Card, Note, Plot
from reports.chart import Axis, Chart, Series
from reports.dominance import OBJECTIVES
from reports.formats import Table, last_names, number
from reports.points import look_of
from reports.study import Study

MOST = 15
"""Settings drawn at most."""


def ranked(study: Study) -> list[str]:
    """Return the settings, the most important first: by their mean over the objectives."""
    rows = study.data.importances
    if rows.empty:
        return []
    means = rows.groupby("setting")["importance"].mean().sort_values(ascending=False, kind="stable")
    return [str(path) for path in means.index]


def importance_chart(study: Study) -> Chart:
    """Return the share of each setting, a row each, a mark for each objective."""
    rows, paths = study.data.importances, ranked(study)[:MOST]
    names = last_names(ranked(study))
    series = []
    for index, objective in enumerate(OBJECTIVES):
        own = rows[rows["objective"].eq(objective)].set_index("setting")["importance"].reindex(paths).fillna(0.0)
        hover = [f"{path}: {number(value, 'share')} of {objective}" for path, value in own.items()]
        places = [place + (index - 1) * 0.18 for place in range(len(paths))]
        series.append(Series(own.tolist(), places, look_of(index), name=objective, hover=hover))
    x = Axis("importance (share of the objective's)", from_zero=True)
    return Chart(x, Axis("", names=tuple(names[path] for path in paths)), tuple(series), height=130 + 30 * len(paths))


def importance_table(study: Study) -> Table:
    """Return every setting's share of each objective, by its whole path."""
    wide = study.data.importances.pivot_table(index="setting", columns="objective", values="importance")
    cells = [
        (path, *(number(wide.at[path, name], "share") if name in wide else "" for name in OBJECTIVES))
        for path in ranked(study)
    ]
    return Table("By setting.", ("setting", *OBJECTIVES), cells, frozenset(OBJECTIVES))


def applicable(study: Study) -> str | None:
    """Return why nothing is told."""
    return (
        "it was not told: too few trials are complete, or their settings do not vary"
        if study.data.importances.empty
        else None
    )


def compute(study: Study) -> list[Block]:
    """Return what it is, the figure and the table."""
    count = int(study.data.importances["trials"].iloc[0])
    told = (
        "Conditional PED-ANOVA: a setting is important for an objective if the best tenth of the trials by it has "
        f"other values of the setting than all have. Of {count} complete trials"
        f"{'; of so few it says little' if count < 50 else ''}. It says where to look, and proves nothing."
    )
    return [
        Plot("importance", "Share of each setting in what decides an objective.", importance_chart(study)),
        importance_table(study),
        Note(told),
    ]


CARD = Card(
    name="importance-section",
    title="Which settings matter",
    group="The search",
    compute=compute,
    applicable=applicable,
    pictures=("importance",),
)
