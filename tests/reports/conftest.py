"""What the tests of reports share: a browser for those that open a page, and a study under a whole suite."""

from pathlib import Path

import pytest

from reports.cards import CARDS
from reports.page import Made, make
from reports.study import Study
from reports.tables import read
from tests import chromium
from tests.synthetic_suite import write_suite

SECONDS = 900.0
"""That a module's tests have their browser."""


@pytest.fixture(scope="session")
def suite(tmp_path_factory) -> Path:
    """The data of a study under a whole suite, which nobody alters."""
    return write_suite(tmp_path_factory.mktemp("suite"), 16)


@pytest.fixture(scope="session")
def suited(suite) -> Study:
    return Study(read(suite))


@pytest.fixture(scope="session")
def made(suited) -> list[Made]:
    """All cards of that study."""
    return make(suited, CARDS)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """A tab of a headless Chromium; without one the test is skipped, and says so."""
    executable = chromium.find()
    if executable is None:
        pytest.skip("no Chromium: `apt-get install chromium` to have the page opened")
    with chromium.browse(executable, tmp_path_factory.mktemp("profile"), SECONDS) as opened:
        yield opened
