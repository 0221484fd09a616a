"""Runs the tests: those on Ray, which wait more than they work, beside the others; what they say comes last."""

import shutil
import subprocess
import sys
import tempfile

PYTEST = (sys.executable, "-m", "pytest")
ON_RAY = (*PYTEST, "-m", "not slow and ray")
OTHERS = (*PYTEST, "-m", "not slow and not ray", "--numprocesses", "2", "--dist", "loadfile")


def main() -> int:
    """Run both, to the end; return whether either failed. An interrupt is heard by each of them too."""
    with tempfile.TemporaryFile("w+") as said:
        print(*ON_RAY[1:], "runs beside:", *OTHERS[1:], flush=True)
        on_ray = subprocess.Popen(ON_RAY, stdout=said, stderr=subprocess.STDOUT)
        try:
            others = subprocess.call(OTHERS)
            print("\nthe tests on Ray:", flush=True)
            return max(others, on_ray.wait()) and 1
        finally:
            on_ray.wait()
            said.seek(0)
            shutil.copyfileobj(said, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
