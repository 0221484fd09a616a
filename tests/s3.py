"""An S3 server of the tests' own, on loopback."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

BUCKET = "bucket"

KEY, SECRET = "invfront-key", "invfront-secret"
"""What opens it."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run a server in a process of its own; yield its address."""
    pytest.importorskip("moto.server", reason="the server is not installed: pip install 'moto[server]'")
    code = (
        "from moto.server import ThreadedMotoServer as Server; server = Server('127.0.0.1', 0, verbose=False); "
        "server.start(); print(server.get_host_and_port()[1], flush=True); server._thread.join()"
    )
    environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            port = next(line for line in server.stdout if line.strip().isdigit()).strip()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def surroundings(endpoint: str) -> dict[str, str]:
    """Return what the environment says of a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def make_bucket(endpoint: str) -> None:
    """Make a bucket there, which the product never does."""
    import boto3

    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET)
