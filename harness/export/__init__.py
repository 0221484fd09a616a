"""The ledger as the folder of tables that `reports` reads."""

from harness.export.description import reference
from harness.export.folder import write_tables
from harness.export.images import contact_sheet

__all__ = [
    "contact_sheet",
    "reference",
    "write_tables",
]
