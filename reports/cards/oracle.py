"""What choosing among a trial's attacks would gain: by an oracle that knows the image, and by likelihood."""

from reports.card import Block, Card
from reports.cards.trials import Row, front_and_anchors, known
from reports.formats import Table, defense_names, number, with_error
from reports.study import Study
from reports.tables import StudyData


def oracle_table(data: StudyData) -> Table:
    """Return the per-image oracle of the same trials, beside the deciding attacks on the same images."""
    rows = front_and_anchors(data.trials)
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
    rows = front_and_anchors(data.trials)
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
