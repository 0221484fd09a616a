"""One command of invfront in a process of its own, which may be killed."""

import os
import subprocess
import sys
from pathlib import Path

from tests.servers import COMES

HERE = Path(__file__).parents[2]


class Session:
    """A driver.

    Args:
        arguments: The command's.
        log: Where it prints to, after what others did.
        rows: Address of the storage of Optuna's rows.
    """

    def __init__(self, arguments: list[str], log: Path, rows: str) -> None:
        self._log, self._from = log, log.stat().st_size if log.exists() else 0
        self.excused = self.killed = False
        environment = os.environ | {"PYTHONPATH": str(HERE), "INVFRONT_STORAGE": rows}
        command = [sys.executable, "-m", "harness.cli", *arguments]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True, env=environment
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def code(self) -> int | None:
        """Return how it ended; null while it runs."""
        return self._process.poll()

    def kill(self) -> bool:
        """End it as a power cut does; say whether it still ran."""
        ran = self.code() is None
        self.killed = self.killed or ran
        self._process.kill()
        self._process.wait(COMES)
        return ran

    def wait(self, seconds: float) -> int | None:
        """Return how it ended; null if it still runs after so long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def told(self) -> str:
        """Return what was printed since it started."""
        with self._log.open("rb") as file:
            file.seek(self._from)
            return file.read().decode(errors="replace")
