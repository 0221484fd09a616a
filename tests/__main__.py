"""Runs the tests: those on Ray, which wait more than they work, beside the others; what they say comes last."""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest")
FILES = [str(path) for path in sorted(Path("tests").rglob("test_*.py")) if "mark.ray" in path.read_text("utf-8")]
ON_RAY = (*PYTEST, "-m", "not slow and ray", "-o", "cache_dir=.pytest_cache/ray", *FILES)
"""Of the files that start Ray: what the others import takes ten seconds of a processor."""
OTHERS = ("nice", "-n", "15", *PYTEST, "-m", "not slow and not ray", "--numprocesses", "2", "--dist", "loadfile")
"""As nice as Ray's workers, which would get nothing beside them else."""


def main() -> int:
    """Run both to their ends; return 1 if either failed, or was killed."""
    with tempfile.TemporaryFile() as said:
        print(" ".join(ON_RAY), "runs beside", " ".join(OTHERS), sep="\n", flush=True)
        both = [subprocess.Popen(ON_RAY, stdout=said, stderr=subprocess.STDOUT), subprocess.Popen(OTHERS)]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is heard by both, which end their servers
        signal.signal(signal.SIGTERM, lambda *_: [each.send_signal(signal.SIGINT) for each in both])
        codes = [each.wait() for each in reversed(both)]
        print("\nwhat the tests on Ray said:", flush=True)
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
