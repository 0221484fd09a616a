"""Real kills of all that a study runs on: `python -m tests.chaos`, told of in `tests/chaos/README.md`."""

import os

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray asks when it is imported: then its nodes keep to loopback
