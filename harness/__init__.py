"""The harness: data, split models, the trial, search, scheduling, ledger, tracking and the command line."""

__version__ = "0.2.0"
