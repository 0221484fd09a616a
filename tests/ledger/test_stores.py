"""What holds of a ledger in any store, of one in memory, in a folder that all machines see, and on S3."""

import errno
import itertools
import re

import pytest

from harness.cli import main
from harness.errors import UserError
from harness.ledger.testing import LedgerTests
from harness.stores import LocalStore, MemoryStore, Store, address_of, open_store
from tests.s3 import BUCKET, SECRET, make_bucket, serving, surroundings

NUMBERS = itertools.count()


class TestMemory(LedgerTests):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


@pytest.mark.slow
class TestFolder(LedgerTests):
    @pytest.fixture
    def store(self, tmp_path) -> Store:
        return LocalStore(tmp_path / "store")


@pytest.fixture(scope="module")
def endpoint():
    with serving() as there:
        make_bucket(there)
        yield there


@pytest.fixture
def on_s3(endpoint, monkeypatch):
    for name, value in surroundings(endpoint).items():
        monkeypatch.setenv(name, value)


@pytest.mark.slow
class TestS3(LedgerTests):
    @pytest.fixture
    def store(self, on_s3) -> Store:
        return open_store(f"s3://{BUCKET}/studies/{next(NUMBERS)}")


@pytest.mark.slow
def test_what_s3_refuses_is_told_by_number_and_place_without_what_opens_it(on_s3, monkeypatch):
    with pytest.raises(OSError, match="no such bucket") as refused:
        list(open_store("s3://nobucket/studies").entries())
    assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, "s3://nobucket")
    with pytest.raises(OSError, match="no such bucket") as refused:
        open_store("s3://nobucket/studies").write("a", b"")
    assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, "s3://nobucket/studies/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="network connection") as refused:
        open_store(f"s3://{BUCKET}/studies").write("a", b"")
    assert refused.value.errno == errno.EIO, "it may answer later"
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("127.0.0.1:9", r"s3://nobucket: AWS_ENDPOINT_URL takes an address such as https://host:9000"),
        pytest.param(
            None, r"s3://nobucket/s/x/study\.yaml: .*(network connection|No such file)", marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.parametrize("order", [["status"], ["ctl", "pause"]], ids=" ".join)
def test_a_bucket_that_is_not_reached_is_told_in_one_line(endpoint, said, order, monkeypatch, capsys):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    if endpoint is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert main([order[0], "s3://nobucket/s/x", *order[1:]]) == 2
    way = "look at the address and at the environment: AWS_ACCESS_KEY_ID"
    assert re.match(f"invfront: {said}; {way}[^\n]*\n$", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("s3://bucket/studies", "s3://bucket/studies"),
        ("s3:/bucket/studies/", "s3://bucket/studies"),
        ("runs", None),
        ("/runs/s3", None),
    ],
)
def test_an_address_is_told_from_a_folder_also_when_it_was_taken_for_a_path(given, address):
    assert address_of(given) == address


@pytest.mark.parametrize(
    "given", ["s3://key:secret@bucket/a", "s3://bucket/a?endpoint_override=h", "gs://bucket/a", "s3://"]
)
def test_an_address_that_no_study_can_lie_at_is_refused_in_a_line_without_its_secret(given):
    with pytest.raises(UserError, match=r"(takes a bucket and a folder alone|no such store; known: s3)") as refusal:
        address_of(given)
    assert "secret" not in str(refusal.value)
