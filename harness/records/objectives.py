"""What a search maximises and minimises."""

from typing import Literal

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {"accuracy": "maximize", "mse": "maximize", "ssim": "minimize"}
"""The objectives of a trial, in the order of Optuna's values."""
