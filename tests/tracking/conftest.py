"""One store for all tests of tracking, and a study that it has not seen."""

import uuid

import pytest

from tests.small_ledger import small_ledger


@pytest.fixture(scope="package")
def uri(tmp_path_factory):
    """One store for all tests: each study has a ledger id of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def fresh(tmp_path):
    """A study that the store has not seen, and its ledger."""
    study, ledger = small_ledger(tmp_path)
    return study.model_copy(update={"ledger": str(uuid.uuid4())}), ledger
