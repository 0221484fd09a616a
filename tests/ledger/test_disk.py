"""What a study takes of the disk: every byte counted once, by what its file is for."""

import os

import pytest

from harness.ledger.disk import free_bytes, shown, size_of, sizes


@pytest.fixture
def root(tmp_path):
    for name, num_bytes in (
        ("study.yaml", 1),
        ("trials/00000/asked.json", 10),
        ("trials/00000/attempt-1/client.safetensors", 200),
        ("trials/00000/attempt-1/checkpoint-000000010.pt", 3000),
        ("trials/00000/attempt-1/decoder-quick-0.npz", 40_000),
        ("trials/00000/attempt-1/decoder-quick-0.parquet", 40_000),
        ("trials/00000/attempt-1/log.txt", 4),
        ("report/index.html", 500_000),
        ("priors/one.pt", 6_000_000),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * num_bytes)
    return tmp_path


def test_files_are_summed_by_what_they_are_for(root):
    assert sizes(root) == {
        "weights": 200,
        "checkpoints": 3000,
        "arrays": 80_000,
        "records": 10,
        "other": 5,
        "report": 500_000,
        "priors": 6_000_000,
        "total": 6_583_215,
    }
    assert size_of(root) == sizes(root)["total"]


def test_a_link_is_not_followed(root, tmp_path):
    before = size_of(root / "trials")
    (root / "trials" / "loop").symlink_to(root, target_is_directory=True)
    assert before <= size_of(root / "trials") < before + 1000


def test_what_is_free_is_the_file_systems(tmp_path):
    stat = os.statvfs(tmp_path)
    assert free_bytes(tmp_path) == pytest.approx(stat.f_bavail * stat.f_frsize, abs=2**30)


@pytest.mark.parametrize(
    ("num_bytes", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_600, "1 MB"), (20_000_000, "20 MB"), (3 * 10**15, "3e+03 TB")],
)
def test_bytes_in_words(num_bytes, words):
    assert shown(num_bytes) == words
