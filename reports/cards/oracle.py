"""What choosing among a trial's attacks would gain: by an oracle that knows the image, and by likelihood."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from reports.card import Block, Card
from reports.cards.trials import Row, front_and_anchors, known
from reports.formats import Table, defense_names, number, with_error
from reports.study import Study
from reports.tables import StudyData


def oracle_table(data: StudyData) -> Table:
    """Return the per-image oracle of the same trials, beside the deciding attacks on the same images."""
    caption = (
        "The per-image oracle: each image by the attack, or guess without z, that did best on it, on the first images "
        "that all of them scored; beside it the deciding attack on the same images. Choosing so takes the image "
        "itself: no attacker."
    )
    kinds = {"deciding attack": "_same_images", "oracle": "_oracle"}
    return _chosen(data, "mse_oracle", ("oracle_images", "oracle_of"), kinds, caption)


def stacking_table(data: StudyData) -> Table:
    """Return what an attacker recovers who chooses among a trial's attacks by likelihood, image by image."""
    caption = (
        "Stacking: each image by the attack whose reconstruction explains the release best, by the defense's law. "
        "Whoever holds the client can choose so; it is no objective. Beside it, on the same images and releases, the "
        "attack that alone does best, and the oracle of the same attacks, which none can be better than."
    )
    kinds = {"best attack": "_stacked_single", "by likelihood": "_stacked", "oracle": "_stacked_oracle"}
    of = ("stacked_images", "stacked_of")
    return _chosen(data, "mse_stacked", of, kinds, caption, {"mse, by likelihood less best attack": _better_by})


def _chosen(
    data: StudyData,
    known_by: str,
    of: tuple[str, str],
    kinds: Mapping[str, str],
    caption: str,
    further: Mapping[str, Callable[[Row], str]] = MappingProxyType({}),
) -> Table:
    """Return a row for each trial of the front and anchor that has been chosen for.

    Args:
        data: The study's.
        known_by: The column that such trials have.
        of: Columns of how many images were chosen for, and among how many attacks.
        kinds: By words, the ends of the columns of scores.
        caption: The table's.
        further: Further cells, by their headers.
    """
    rows = front_and_anchors(data.trials)
    rows = rows[rows[known_by].notna()] if known_by in rows else rows.iloc[:0]
    scores = [(score, f"{score}{end}") for score in ("mse", "ssim") for end in kinds.values()]
    cells = [
        (
            number(row["trial"]),
            name,
            number(row[of[0]]),
            *(number(row[column], score) for score, column in scores),
            *(told(row) for told in further.values()),
            number(row.get(of[1])),
        )
        for row, name in zip(rows.to_dict("records"), defense_names(rows), strict=True)
    ]
    numbers = ("images", *(f"{score}, {kind}" for score in ("mse", "ssim") for kind in kinds), *further)
    headers = ("trial", "defense", *numbers, "among")
    return Table(caption, headers, cells, frozenset({"trial", *numbers}), whole=frozenset({"among"}))


def _better_by(row: Row) -> str:
    difference = float(str(row["mse_stacked"])) - float(str(row["mse_stacked_single"]))
    return with_error(difference, known(row["mse_stacked_se"]), "mse")


def applicable(study: Study) -> str | None:
    """Return why there is nothing to choose among."""
    kept = [name for name in ("mse_oracle", "mse_stacked") if name in study.data.trials]
    if not any(front_and_anchors(study.data.trials)[name].notna().any() for name in kept):
        return "no trial of the front or anchor has several attacks whose single images are known"
    return None


def compute(study: Study) -> list[Block]:
    """Return the tables that have rows."""
    return [table for table in (oracle_table(study.data), stacking_table(study.data)) if table.rows]


CARD = Card(name="oracle", title="Choosing among attacks", group="Attacks", compute=compute, applicable=applicable)
