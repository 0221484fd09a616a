"""What holds of a ledger in any store, of one in memory, in a folder that all machines see, and on S3; and of one that
lies in no store.
"""

import errno
import itertools
import re
from pathlib import Path

import pytest

import harness.ledger.files
from harness.cli import main
from harness.driver.conditions import place_of, plugins
from harness.errors import UserError
from harness.ledger import patience
from harness.ledger.fetching import mirror_at
from harness.ledger.files import Ledger
from harness.ledger.patience import Patience
from harness.ledger.testing import LedgerTests, drive, told_of, whole
from harness.plugins import STORES, Package
from harness.stores import FAULTS, Fault, FaultyStore, Killed, LocalStore, MemoryStore, Store, address_of, open_store
from harness.study import Study
from tests.s3 import BUCKET, SECRET, make_bucket, serving, surroundings

NUMBERS = itertools.count()

TOLD = ("none", "every 2nd write is done, and says that it failed", "every 4th call fails", "full after 4000 bytes",
        "killed before write 4", "killed after write 3")  # fmt: skip
"""Faults that stand for the others where each brings files to the disk."""

WRITES = {name: fault for name, fault in FAULTS.items() if "write" in fault.of}
PASSING = {name: fault for name, fault in WRITES.items() if fault.error == errno.EIO and fault.room is None}


class TestMemory(LedgerTests):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestFolder(LedgerTests):
    @pytest.fixture
    def store(self, tmp_path) -> Store:
        return LocalStore(tmp_path / "store")

    @pytest.fixture(params=[name if name in TOLD else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS])
    def fault(self, request) -> Fault:
        return FAULTS[request.param]


class TestNoStore:
    """A directory that all machines see, whose whole writes have the faults: the laws that are no store's own."""

    @pytest.fixture(params=WRITES)
    def fault(self, request) -> Fault:
        return WRITES[request.param]

    @pytest.fixture
    def machines(self, tmp_path, monkeypatch):
        monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)

        def machine(name: str, fault: Fault = FAULTS["none"]) -> Ledger:
            faulty = FaultyStore(LocalStore(tmp_path), fault)

            def write(path: Path, content: bytes) -> Path:
                try:
                    faulty.write(path.relative_to(tmp_path).as_posix(), content)
                except Killed:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.with_name(f".{path.name}.{name}.tmp").write_bytes(content[: len(content) // 2])
                    raise
                return path

            monkeypatch.setattr(harness.ledger.files, "write_whole", write)
            ledger = Ledger(tmp_path)
            ledger.patience = Patience(seconds=5, way="resume")
            return ledger

        return machine

    test_nothing_is_lost_doubled_or_altered = (
        LedgerTests.test_nothing_is_lost_doubled_or_altered_by_a_fault_and_another_machine_goes_on
    )
    test_a_record_is_never_rewritten_by_another_machine = (
        LedgerTests.test_a_record_is_never_rewritten_by_another_machine
    )
    test_no_attempt_is_opened_twice = LedgerTests.test_no_attempt_is_opened_twice
    test_what_an_attempt_finished_is_taken_over_by_another_machine = (
        LedgerTests.test_what_an_attempt_finished_is_taken_over_by_another_machine
    )

    @pytest.mark.parametrize("name", PASSING)
    def test_a_fault_that_passes_costs_nothing_but_time(self, name, machines):
        ledger = machines("first", PASSING[name])
        assert [*drive(ledger)] == [0, 1]
        assert told_of(ledger) == {number: whole(number) for number in range(2)}


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


OWN = """from harness.stores import MemoryStore

class Shelf(MemoryStore):
    def __init__(self, url):
        super().__init__()
        self.url = url

def wrong(url):
    raise ValueError("no shelf here")

def other(url):
    return url
"""


@pytest.fixture
def shelves(tmp_path, monkeypatch):
    """An installed package that brings kinds of stores."""
    (tmp_path / "shelves.py").write_text(OWN)
    metadata = tmp_path / "shelves-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shelves\nVersion: 1.0\n")
    points = "shelf = shelves:Shelf\nwrong = shelves:wrong\nother = shelves:other\ngone = shelves:Gone\n"
    (metadata / "entry_points.txt").write_text(f"[{STORES}]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_package_of_one_s_own_brings_a_kind_of_store_and_travels_with_the_study(shelves, tmp_path):
    url = "shelf://wood/studies"
    assert address_of(Path("shelf:/wood/studies/")) == url
    study = Study(name="x", data={"name": "digits"}, defense={"none": {}}, attacks={"linear": "quick"})
    ledger = Ledger(mirror_at(f"{url}/x").root)
    assert type(ledger.mirror.store).__name__ == "Shelf"
    assert place_of(study, ledger).store == ledger.mirror.store.url == f"{url}/x"
    assert plugins(study, [], ledger) == {Package("shelves", "shelves")}
    assert plugins(study, [], Ledger(tmp_path)) == set()


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("wrong", r"store wrong: ValueError: no shelf here \(shelves\.py, line 9\)"),
        ("other", "store other: makes str, no Store of harness.stores"),
        ("gone", r"store gone: .*has no attribute 'Gone'; is its package installed or on PYTHONPATH\?"),
    ],
)
def test_a_kind_of_store_that_makes_none_is_told_in_one_line(scheme, said, shelves, capsys):
    assert main(["status", f"{scheme}://wood/studies/x"]) == 2
    assert re.match(f"invfront: {said}\n$", capsys.readouterr().err)


@pytest.mark.parametrize(
    "given", ["s3://key:secret@bucket/a", "s3://bucket/a?endpoint_override=h", "gs://bucket/a", "s3://"]
)
def test_an_address_that_no_study_can_lie_at_is_refused_in_a_line_without_its_secret(given):
    with pytest.raises(UserError, match=r"(takes a bucket and a folder alone|no such store; known: s3)") as refusal:
        address_of(given)
    assert "secret" not in str(refusal.value)
