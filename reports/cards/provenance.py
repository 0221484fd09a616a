"""What the study is, where it ran, with which packages, on which images and by which metrics."""

from collections.abc import Iterable

from reports.card import Block, Card, Columns, Folded, Note, Source
from reports.formats import Table, constant_settings, number
from reports.study import Study
from reports.tables import StudyData


def provenance_tables(data: StudyData) -> list[Table]:
    """Return a table for each kind of what there is to know, without headers."""
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


def compute(study: Study) -> list[Block]:
    """Return warnings, tables and the study file."""
    told = study.data.study
    return [
        *(Note(warning, "mark") for warning in told.get("warnings", [])),
        Columns(provenance_tables(study.data)),
        Folded("Study file", [Source(told["study_yaml"])]),
    ]


def _pairs(items: Iterable[tuple[str, object]]) -> list[tuple[str, ...]]:
    return [(name, number(value)) for name, value in items]


CARD = Card(name="provenance", title="Provenance", group="The study", compute=compute)
