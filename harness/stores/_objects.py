"""S3, and what speaks like it, through pyarrow's file system.

Credentials, region and endpoint come from the environment, as boto has them: ``AWS_ACCESS_KEY_ID``, a profile or the
machine's role; ``AWS_REGION``; ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL``.
"""

import contextlib
import errno
import functools
import os
import re
from collections.abc import Iterator
from typing import Any

from pyarrow import fs

from harness.stores.base import Entry, Store

WAITING_SECONDS = 20.0
"""Longest time without an answer."""

WORDS = {
    errno.EACCES: ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID",
                   "MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "EXPIRED_TOKEN", "ExpiredToken"),
    errno.ENOENT: ("NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "' not found"),
    errno.ENOSPC: ("StorageFull", "QuotaExceeded", "InsufficientCapacity"),
}  # fmt: skip
"""What of a server's answer tells that the fault will not pass by itself; whatever else it says may."""


class ObjectStore(Store):
    """Objects of a bucket, below a prefix.

    Args:
        url: ``s3://bucket/prefix``.
    """

    def __init__(self, url: str) -> None:
        self.url, self._root = url, url.partition("://")[2]

    @property
    def _files(self) -> Any:
        """Pyarrow's file system; made where it is used, since a bucket is asked for its region then."""
        return _filesystem(self._root.partition("/")[0], *_surroundings())

    def read(self, key: str) -> bytes:
        with self._told(key), self._files.open_input_stream(f"{self._root}/{key}") as stream:
            content: bytes = stream.read()
        return content

    def write(self, key: str, content: bytes) -> Entry:
        with self._told(key):
            with self._files.open_output_stream(f"{self._root}/{key}") as stream:
                stream.write(content)
            there = self.entry(key)
        if there is None or there.num_bytes != len(content):
            raise OSError(errno.EIO, "was not written whole", f"{self.url}/{key}")
        return there

    def delete(self, key: str) -> None:
        with self._told(key), contextlib.suppress(FileNotFoundError):
            self._files.delete_file(f"{self._root}/{key}")

    def entry(self, key: str) -> Entry | None:
        with self._told(key):
            found = self._files.get_file_info(f"{self._root}/{key}")
        return self._entry(found) if found.type == fs.FileType.File else None

    def entries(self, folder: str = "") -> Iterator[Entry]:
        yield from (self._entry(each) for each in self._listed(folder, recursive=True) if each.type == fs.FileType.File)

    def folders(self) -> list[str]:
        found = self._listed("", recursive=False)
        return sorted(each.base_name for each in found if each.type == fs.FileType.Directory)

    def _listed(self, folder: str, *, recursive: bool) -> list[Any]:
        place = f"{self._root}/{folder}".rstrip("/")
        with self._told(folder):
            found: list[Any] = self._files.get_file_info(
                fs.FileSelector(place, recursive=recursive, allow_not_found=True)
            )
            if not found and not folder:
                self._refuse_no_bucket()
        return found

    def _refuse_no_bucket(self) -> None:
        """Raise FileNotFoundError where there is no bucket, whose listing is as empty as any."""
        bucket = self._root.partition("/")[0]
        if self._files.get_file_info(bucket).type == fs.FileType.NotFound:
            raise FileNotFoundError(errno.ENOENT, "no such bucket", f"s3://{bucket}")

    def _entry(self, found: Any) -> Entry:
        return Entry(found.path.removeprefix(f"{self._root}/"), found.size, found.mtime_ns / 1e9)

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Let an error of the body say what it is, by its number, and where, without the server's own words."""
        try:
            yield
        except OSError as error:
            if error.filename is not None:
                raise
            number, what = (error.errno, os.strerror(error.errno)) if error.errno else _meant(str(error))
            raise OSError(number, what, f"{self.url}/{key}".rstrip("/")) from None


def _meant(text: str) -> tuple[int, str]:
    """Return the number of what a server answered, and its word for it."""
    word = re.search(r"AWS Error (\w+)", text)
    number = next((number for number, words in WORDS.items() if any(each in text for each in words)), errno.EIO)
    return number, word[1].replace("_", " ").lower() if word else os.strerror(number)


def _surroundings() -> tuple[str | None, str | None]:
    """Return what the environment says of the endpoint and the region."""
    place = os.environ.get
    return place("AWS_ENDPOINT_URL_S3") or place("AWS_ENDPOINT_URL"), place("AWS_REGION") or place("AWS_DEFAULT_REGION")


@functools.lru_cache
def _filesystem(bucket: str, endpoint: str | None, region: str | None) -> Any:
    """Return pyarrow's file system of a bucket; one for a process, since it holds the connections.

    Raises:
        OSError: the bucket does not say where it lies, or the environment names an endpoint that is none.
    """
    if endpoint is None and region is None:
        region = fs.resolve_s3_region(bucket)
    scheme, _, host = (endpoint or "https://").partition("://")
    if scheme not in ("http", "https"):
        raise OSError(errno.EINVAL, "AWS_ENDPOINT_URL takes an address such as https://host:9000", f"s3://{bucket}")
    return fs.S3FileSystem(
        endpoint_override=host.rstrip("/") or None,
        scheme=scheme,
        region=region or "us-east-1",
        connect_timeout=WAITING_SECONDS,
        request_timeout=WAITING_SECONDS,
    )
