"""Decides what is tried next, on Optuna; its rows are an index of the ledger."""

from harness.search.asking import Conditions, Search
from harness.search.comparing import MISSING, compared, redrawn
from harness.search.importance import importances
from harness.search.index import DATABASE, INDEX_FAULTS, keep_aside, open_rows
from harness.search.reconciling import Reconciled, reconcile
from harness.search.samplers import CAVEATS
from harness.search.storage import check_storage

__all__ = [
    "CAVEATS",
    "DATABASE",
    "INDEX_FAULTS",
    "MISSING",
    "Conditions",
    "Reconciled",
    "Search",
    "check_storage",
    "compared",
    "importances",
    "keep_aside",
    "open_rows",
    "reconcile",
    "redrawn",
]
