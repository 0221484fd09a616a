"""A study's runs in a store: found again by their tags, created where there is none, their links mended."""

from collections.abc import Mapping
from typing import NamedTuple

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from harness.tracking.store import Store, find_runs

LOGGED = "invfront.logged"
"""Tag of a complete run: the mark of its attack, or of all attacks on its trial."""

WITHOUT_PICTURE = "invfront.without_picture"
"""Tag of an attack's run whose picture could not be stored."""

LEDGER, TRIAL, ATTACK = "invfront.ledger", "invfront.trial", "invfront.attack"
"""Tags by which a run is found again."""


class Key(NamedTuple):
    """What a run shows: a trial, an attack on it, or with neither the study."""

    trial: str = ""
    attack: str = ""


class Followed(NamedTuple):
    """What is remembered of a run."""

    run: str
    """Its id."""
    artifacts: str
    """Where its artifacts go, a URI."""
    start: int
    """When it started, ms since 1970."""
    logged: str | None = None
    """The mark up to which it is complete; null of one that was cut off, or is new."""
    fresh: bool = False
    """Whether it holds nothing yet."""
    without_picture: bool = False


class Runs:
    """The runs of one study, those of finished trials forgotten as soon as they are complete.

    Args:
        store: Where they are.
        ledger: The study's ledger, by which they are found.
    """

    def __init__(self, store: Store, ledger: str) -> None:
        self._store, self._ledger = store, ledger
        self._known: dict[str, dict[str, Followed]] = {}
        """By trial, then by attack."""
        self._pictureless: set[str] = set()

    def find(self) -> None:
        """Remember the runs that are there, and mend links to a parent that was deleted and made anew.

        A server that dies once it has made a run, and before it says so, is asked for it again: of two that show the
        same, the one that is complete stays, else the older.
        """
        parents: dict[Key, str | None] = {}
        for run in list(find_runs(self._store, {LEDGER: self._ledger})):  # read whole: what is deleted moves the pages
            tags, found = run.data.tags, _known(run)
            key = Key(tags.get(TRIAL, ""), tags.get(ATTACK, ""))
            there = self.get(key)
            if there is not None:
                double = there if there.logged is None and found.logged is not None else found
                self._store.client.delete_run(double.run)
            if there is None or double is there:
                self._remember(key, found)
                parents[key] = tags.get(MLFLOW_PARENT_RUN_ID)
                if WITHOUT_PICTURE in tags:
                    self._pictureless.add(key.trial)
        for key, parent in parents.items():
            wanted = self._parent(key)
            if wanted is not None and parent != wanted:
                self._hang(self[key], wanted)

    def recall(self, trial: str) -> None:
        """Remember a trial's runs again that were forgotten."""
        for run in find_runs(self._store, {LEDGER: self._ledger, TRIAL: trial}):
            key = Key(trial, run.data.tags.get(ATTACK, ""))
            if self.get(key) is None:
                self._remember(key, _known(run))

    def get(self, key: Key) -> Followed | None:
        """Return what is known of a run; null if there is none."""
        return self._known.get(key.trial, {}).get(key.attack)

    def __getitem__(self, key: Key) -> Followed:
        """Return what is known of a run that there is."""
        return self._known[key.trial][key.attack]

    def is_complete(self, key: Key, mark: str) -> bool:
        """Say whether a run ended and holds all up to a mark; a trial's, with the pictures of its attacks."""
        known = self.get(key)
        whole = known is not None and known.logged == mark and not known.without_picture
        return whole and (bool(key.attack) or key.trial not in self._pictureless)

    def create(self, key: Key, name: str, start: int, tags: Mapping[str, str]) -> Followed:
        """Make a run below its parent, which must be there; runs that are below it hang from it now."""
        own = {LEDGER: self._ledger, TRIAL: key.trial, ATTACK: key.attack, MLFLOW_PARENT_RUN_ID: self._parent(key)}
        given = {**tags, **{tag: value for tag, value in own.items() if value}}
        made = _known(self._store.client.create_run(self._store.experiment, start, given, name))._replace(fresh=True)
        self._remember(key, made)
        for known in self._below(key):
            self._hang(known, made.run)
        return made

    def delete(self, key: Key) -> None:
        """Delete a run in the store."""
        self._store.client.delete_run(self._known[key.trial].pop(key.attack).run)

    def forget(self, trial: str) -> None:
        """Remember a trial's runs no longer."""
        self._known.pop(trial, None)
        self._pictureless.discard(trial)

    def _remember(self, key: Key, known: Followed) -> None:
        self._known.setdefault(key.trial, {})[key.attack] = known

    def _hang(self, known: Followed, parent: str) -> None:
        self._store.client.set_tag(known.run, MLFLOW_PARENT_RUN_ID, parent)

    def _parent(self, key: Key) -> str | None:
        """Return the id of the run above one; null if there is none, yet or at all."""
        known = self.get(Key(key.trial) if key.attack else Key()) if key != Key() else None
        return known.run if known else None

    def _below(self, key: Key) -> list[Followed]:
        if key.attack:
            return []
        if key.trial:
            return [known for attack, known in self._known[key.trial].items() if attack]
        return [runs[""] for trial, runs in self._known.items() if trial and "" in runs]


def _known(run: Run) -> Followed:
    ended = run.info.status in ("FINISHED", "FAILED")
    return Followed(
        run=str(run.info.run_id),
        artifacts=str(run.info.artifact_uri),
        start=int(run.info.start_time),
        logged=run.data.tags.get(LOGGED) if ended else None,
        without_picture=WITHOUT_PICTURE in run.data.tags,
    )
