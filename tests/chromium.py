"""A headless Chromium on the other end of a pipe, for tests that open a page.

References:
    Chrome DevTools Protocol, domains Target, Page, Network, Runtime and Log; ``--remote-debugging-pipe``.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)

EXEC = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads commands from descriptor 3 and writes events to descriptor 4."""


def find() -> str | None:
    """Return where Chromium is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """A blank tab and what has happened in it."""

    def __init__(self, commands: int, events: int, seconds: float) -> None:
        self.events: list[dict[str, Any]] = []
        self._commands, self._fd, self._buffer, self._number = commands, events, b"", 0
        self._deadline = time.monotonic() + seconds
        self._session: dict[str, str] = {}
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Open a file and wait until it has loaded."""
        self.events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        while not self.seen("Page.loadEventFired"):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def seen(self, *methods: str) -> list[dict[str, Any]]:
        """Return the parameters of the events of these kinds."""
        return [event["params"] for event in self.events if event["method"] in methods]

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return Chromium's answer to a command; events that arrive meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            received = self._receive()
            if received.get("id") == self._number:
                assert "error" not in received, received
                return received["result"]
            self.events.append(received)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, self._deadline - time.monotonic()))
            chunk = os.read(self._fd, 1 << 16) if ready else b""
            if not chunk:
                raise TimeoutError("Chromium did not answer in time" if not ready else "Chromium ended")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def browse(executable: str, profile: Path, seconds: float = 90.0) -> Iterator[Page]:
    """Yield a tab of a Chromium of its own, which is killed in the end, ``seconds`` after its start at the latest."""
    (read_commands, commands), (events, write_events) = os.pipe(), os.pipe()
    arguments = [sys.executable, "-c", EXEC, str(read_commands), str(write_events), executable]
    process = subprocess.Popen(
        [*arguments, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(read_commands, write_events),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read_commands)
    os.close(write_events)
    try:
        yield Page(commands, events, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        os.close(commands)
        os.close(events)
