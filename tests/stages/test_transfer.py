"""What a job reads and writes gets through a store that fails now and then."""

import functools

from harness.ledger import open_attempt
from harness.ledger.testing import machines_on
from harness.stages.transfer import bring, patiently, put
from harness.stores import FAULTS, MemoryStore
from tests.values import asked


def test_a_job_reads_and_writes_through_a_store_that_fails_now_and_then(tmp_path, monkeypatch):
    machines = machines_on(MemoryStore(), tmp_path, monkeypatch)
    machines("driver").publish_asked(asked(0))
    nodes = [machines(name, FAULTS["every 4th call fails"]) for name in ("one", "other")]
    for number in range(1, 9):
        writer, reader = nodes if number % 2 else reversed(nodes)
        attempt = patiently(functools.partial(open_attempt, writer.trial(0)))
        assert attempt.name == f"attempt-{number}"
        (attempt / "train.json").write_bytes(b"done")
        put(attempt)
        bring(reader.trial(0), "*/train.json")
        assert (reader.trial(0) / attempt.name / "train.json").read_bytes() == b"done"
