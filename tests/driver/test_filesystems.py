"""Who lays SQLite on a shared file system is told."""

from pathlib import Path

import pytest

from harness.driver.filesystems import Mount, kind_of, mounts, sqlite_line

MOUNTED = [Mount("/", "ext4"), Mount("/shared", "nfs4"), Mount("/shared/scratch", "xfs")]


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/home/me", "ext4"), ("/shared/runs", "nfs4"), ("/shared/scratch/x", "xfs"), ("/sharedx", "ext4")],
)
def test_a_folder_lies_on_the_innermost_mount(folder, kind):
    assert kind_of(Path(folder), MOUNTED) == kind
    assert (sqlite_line(Path(folder), MOUNTED) is not None) == (kind == "nfs4")


def test_the_warning_names_the_kind_and_the_way_out():
    assert "study.db lies on nfs4" in sqlite_line(Path("/shared/runs/mine"), MOUNTED)
    assert "--storage" in sqlite_line(Path("/shared/runs/mine"), MOUNTED)


def test_this_machines_own_mounts_are_known():
    assert kind_of(Path("/"), mounts()) is not None
