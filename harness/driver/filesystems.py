"""What kind of file system a study lies on, as far as that matters to its database."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

SHARED = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "fuse.ceph",
        "glusterfs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "afs",
        "9p",
        "fuse.s3fs",
        "fuse.gcsfuse",
        "fuse.juicefs",
        "wekafs",
        "efs",
    ]
)
"""File systems that other machines write to as well, on which SQLite's locks are not to be relied on."""


class Mount(NamedTuple):
    """A file system in its place."""

    folder: str
    kind: str


def mounts() -> list[Mount]:
    """Return what is mounted on this machine."""
    return [Mount(each.mountpoint, each.fstype) for each in psutil.disk_partitions(all=True)]


def kind_of(folder: Path, mounted: Iterable[Mount]) -> str | None:
    """Return the kind of file system that a folder lies on; null if none of those mounted holds it."""
    holding = [mount for mount in mounted if folder.absolute().is_relative_to(mount.folder)]
    return max(holding, key=lambda mount: len(mount.folder)).kind if holding else None


def sqlite_line(root: Path, mounted: Iterable[Mount]) -> str | None:
    """Return a warning if a study's own database would lie on a shared file system; null if it would not."""
    kind = kind_of(root, mounted)
    if kind not in SHARED:
        return None
    return (
        f"{root}: study.db lies on {kind}, which SQLite cannot lock reliably; one driver alone may run this study, "
        "and a server's --storage, as postgresql+psycopg://..., is safer"
    )
