"""A browser for the tests that open a page."""

import pytest

from tests import chromium

SECONDS = 900.0
"""That a module's tests have their browser."""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """A tab of a headless Chromium; without one the test is skipped, and says so."""
    executable = chromium.find()
    if executable is None:
        pytest.skip("no Chromium: `apt-get install chromium` to have the page opened")
    with chromium.browse(executable, tmp_path_factory.mktemp("profile"), SECONDS) as opened:
        yield opened
