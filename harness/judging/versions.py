"""Whether a study pools numbers of two versions of a recipe, a defense, a term, an attack or what holds accuracies."""

from collections.abc import Iterable, Iterator

from harness.judging.trials import JudgedTrial

FIRST = 1
"""Version of whatever a record does not name one of."""


class Pooled:
    """The versions that complete trials were made with, taken in trial by trial; of each the first trial is kept."""

    def __init__(self, trials: Iterable[JudgedTrial] = ()) -> None:
        self._first: dict[str, dict[int, int]] = {}
        for trial in trials:
            self.add(trial)

    def add(self, trial: JudgedTrial) -> None:
        """Take a trial in, or what has become of it since."""
        for what, version in _versions(trial):
            known = self._first.setdefault(what, {})
            known[version] = min(trial.number, known.get(version, trial.number))

    def lines(self) -> tuple[str, ...]:
        """Return a line for each that is there in more than one version."""
        mixed = {what: sorted(known.items()) for what, known in self._first.items() if len(known) > 1}
        return tuple(
            f"{what} is pooled over versions {' and '.join(str(version) for version, _ in found)} (first met by trials "
            f"{' and '.join(str(number) for _, number in found)}): their numbers are not to be compared"
            for what, found in mixed.items()
        )


def _versions(trial: JudgedTrial) -> Iterator[tuple[str, int]]:
    """Yield what a complete trial was made with, and its version."""
    record, settings = trial.record, trial.asked.settings
    if record is None or record.state != "complete":
        return
    for role, path in (("recipe", "train/recipe"), ("defense", "defense/name"), ("term", "term/name")):
        if settings.get(path) is not None:
            yield f"{role} {settings[path]}", record.versions.get(role, FIRST)
    if settings.get("train/target_accuracy") is not None:
        yield "how trainings are held to train/target_accuracy", record.versions.get("held", FIRST)
    for attack in trial.counting:
        if attack.measured.verdict != "failed":
            yield f"attack {attack.job.attack}", attack.measured.version
