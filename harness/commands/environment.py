"""What Ray, Tune and MLflow read from the environment: quiet, on loopback only, no telemetry."""

import logging
import os

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
}


def quiet(address: str | None) -> None:
    """Set the environment for this process and its workers.

    Args:
        address: The cluster's; null for a local Ray, which then listens on loopback only. Ray has no documented switch
            for that: its switch for systems without clusters does it.
    """
    os.environ.update(QUIET)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would tell at length of a home that it cannot write
    logging.getLogger("ray.tune.execution.tune_controller").addFilter(_is_news)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin stall each other beside other work
    if address is None:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def _is_news(record: logging.LogRecord) -> bool:
    """Say whether Tune tells something new: of a trial whose process was lost, the driver has a line of its own."""
    return not record.getMessage().startswith("Trial task failed")
