"""A study as MLflow shows it."""
