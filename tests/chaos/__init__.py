"""Real kills of all that a study runs on: `python -m tests.chaos`, told of in `tests/chaos/README.md`."""
