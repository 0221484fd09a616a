"""Where a study runs and writes."""

import contextlib
from dataclasses import dataclass

from harness.ledger import Ledger
from harness.study import Study
from harness.tracking import Tracked, Tracking, Untracked


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where a study runs and writes; no part of what it is."""

    address: str | None = None
    """A Ray cluster's; null starts a local one."""
    storage: str | None = None
    """Optuna's storage URL, user and password included; null for ``study.db``."""
    tracking: str | None = None
    """MLflow's tracking URI; null for a database beside the studies."""
    tracked: bool = True
    """Whether MLflow is told at all."""

    def show(self, study: Study, ledger: Ledger) -> contextlib.AbstractContextManager[Tracked]:
        """Return what shows a study while it runs.

        Raises:
            UserError: MLflow knows no such kind of address.
        """
        return Tracking(study, ledger, self.tracking) if self.tracked else contextlib.nullcontext(Untracked())
