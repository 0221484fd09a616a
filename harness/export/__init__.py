"""The ledger as the folder of tables that `reports` reads."""

from harness.export.description import reference
from harness.export.folder import write_tables
from harness.export.frames import objectives_table
from harness.export.images import contact_sheet

__all__ = [
    "contact_sheet",
    "objectives_table",
    "reference",
    "write_tables",
]
