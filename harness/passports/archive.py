"""A passport's files in one zip archive, written whole, and read as what a stranger may have made.

Nothing is unpacked: every name, kind and size is looked at before a byte is read, and what is read is bounded.
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import UserError
from harness.ledger import write_whole

MEBIBYTE = 2**20

LARGEST = 256 * MEBIBYTE
"""Bytes of an archive, at most."""

EXPANDED = 512 * MEBIBYTE
"""Bytes of its files together, at most."""

JSON = 32 * MEBIBYTE
"""Bytes of one of its JSON files, at most."""

MOST = 10_000
"""Files, at most."""

CLAIM = "claim.json"

_NAMES = re.compile(
    r"claim\.json"
    r"|networks/\d{1,4}/(client|defense|probe)\.safetensors"
    r"|evidence/\d{1,4}/(asked|record)\.json"
    r"|evidence/\d{1,4}/attacks/[A-Za-z0-9_][A-Za-z0-9_.=-]{0,200}\.json",
    re.ASCII,
)
"""Every path that there may be."""

_ENCRYPTED = 0x1

_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file: the same passport has the same bytes."""


def write_archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files by their paths into an archive, whole; the same files give the same bytes.

    Raises:
        UserError: it would be larger than what is read.
    """
    if sum(map(len, files.values())) > EXPANDED:
        raise UserError(f"{path}: its files come to more than {EXPANDED // MEBIBYTE} MiB; export a single seed of it")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    if buffer.tell() > LARGEST:
        raise UserError(f"{path}: is larger than {LARGEST // MEBIBYTE} MiB; export a single seed of it")
    return write_whole(path, buffer.getvalue())


def read_archive(path: Path) -> dict[str, bytes]:
    """Return the files of an archive by their paths; errors as of ``_opened``."""
    with _opened(path) as archive:
        return {entry.filename: _content(path, archive, entry) for entry in archive.infolist()}


def _opened(path: Path) -> zipfile.ZipFile:
    """Open an archive whose names, kinds and sizes are a passport's.

    Raises:
        UserError: it is torn, or anything else than a passport; names the file in it and what is wrong.
    """
    try:
        if not path.is_file():
            raise UserError(f"{path}: no such file; name a passport, as `invfront export` writes it")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path}: has {size / MEBIBYTE:.0f} MiB, a passport at most {LARGEST // MEBIBYTE}")
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"{path}: is no whole zip archive ({error}); fetch the passport again") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; name a passport that can be read") from error
    try:
        for problem in _problems(archive):
            raise UserError(f"{path}: {problem}; `invfront export` writes no such thing, so it is not read")
    except BaseException:
        archive.close()
        raise
    return archive


def _problems(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield what no passport has."""
    entries = archive.infolist()
    if len(entries) > MOST:
        yield f"holds {len(entries)} files, at most {MOST} are read"
    seen = set[str]()
    for entry in entries:
        name = entry.orig_filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
            yield f"{name[:80]!r} is an absolute path"
        elif ".." in re.split(r"[/\\]", name):
            yield f"{name[:80]!r} leads out of the archive"
        elif kind == stat.S_IFLNK:
            yield f"{name[:80]!r} is a link"
        elif kind not in (0, stat.S_IFREG):
            yield f"{name[:80]!r} is no plain file"
        elif not _NAMES.fullmatch(name) or entry.filename != name:
            yield f"{name[:80]!r} is no file of a passport"
        elif name in seen:
            yield f"{name!r} is there twice"
        elif entry.flag_bits & _ENCRYPTED:
            yield f"{name!r} is encrypted"
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield f"{name!r} is compressed in a way that is not read"
        elif entry.file_size > (JSON if name.endswith(".json") else EXPANDED):
            yield f"{name!r} expands to {entry.file_size / MEBIBYTE:.0f} MiB"
        seen.add(name)
    if (total := sum(entry.file_size for entry in entries)) > EXPANDED:
        yield f"expands to {total / MEBIBYTE:.0f} MiB, at most {EXPANDED // MEBIBYTE} are read"


def _content(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return a file, of no more bytes than it was said to have."""
    try:
        with archive.open(entry) as file:
            content = file.read(entry.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise UserError(f"{path}: {entry.filename} is torn ({error}); fetch the passport again") from error
    if len(content) != entry.file_size:
        raise UserError(f"{path}: {entry.filename} is torn: {len(content)} bytes of {entry.file_size}; fetch it again")
    return content
