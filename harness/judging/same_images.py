"""Whether all trials of a study were scored on the same images."""

from collections.abc import Iterable

from harness.judging.trials import JudgedTrial


def other_images(trials: Iterable[JudgedTrial]) -> list[str]:
    """Return a sentence for each part that was scored on more than one set of images; the digests tell."""
    seen: dict[str, dict[str, list[int]]] = {}
    for trial in trials:
        measured = trial.record.measured if trial.record else None
        part = {"train": "test", "infer": "test"}.get(measured.part, measured.part) if measured else ""
        if measured and part in measured.digests:
            seen.setdefault(part, {}).setdefault(measured.digests[part], []).append(trial.number)
    return [
        f"Not all trials were scored on the same images of {part}: there are {len(sets)} sets, first met by trials "
        f"{', '.join(str(numbers[0]) for numbers in sets.values())}; their scores are not to be compared"
        for part, sets in seen.items()
        if len(sets) > 1
    ]
