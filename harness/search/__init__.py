"""Decides what is tried next, on Optuna; its rows are an index of the ledger."""
