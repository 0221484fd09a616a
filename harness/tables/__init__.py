"""The ledger as tidy tables, without torch."""

from harness.tables.attacks import levels, probes, reconstructions, variants
from harness.tables.confirmed import confirmed_table
from harness.tables.frames import objectives_table
from harness.tables.opened import StudyTables
from harness.tables.trials import curves, floors, per_images, trials_table

__all__ = [
    "StudyTables",
    "confirmed_table",
    "curves",
    "floors",
    "levels",
    "objectives_table",
    "per_images",
    "probes",
    "reconstructions",
    "trials_table",
    "variants",
]
