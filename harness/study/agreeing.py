"""Whether results of another study rest on the code and the images of this one."""

import torch

import attacks
from attacks.metrics import protocol_digest
from harness import data
from harness.errors import UserError
from harness.records import Borrowed
from harness.study.evidence import WAY
from harness.study.jobs import attack_jobs
from harness.study.problem import Problem
from harness.study.study import Study
from harness.study.warm import PATH

ROUNDING = 1e-6
"""Up to which means and deviations are equal: networks keep them in float32."""


def check_versions(borrowed: Borrowed, study: Study) -> None:
    """Refuse results of other metrics, or of other versions of attacks.

    Raises:
        Problem: names what differs, both values and the way out.
    """
    if borrowed.metrics != (here := protocol_digest()):
        raise Problem(PATH, f"{borrowed.study}: metrics are {borrowed.metrics[:12]} there, {here[:12]} here; {WAY}")
    for job in attack_jobs(study):
        version = attacks.resolve(job.attack).version
        there = borrowed.attacks.get(job.name, version)  # of the published protocol one part alone gives objectives
        if there != version:
            raise Problem(PATH, f"{borrowed.study}: {job.name} is of version {there} there, {version} here; {WAY}")


def check_images(borrowed: Borrowed, study: Study) -> None:
    """Refuse results on other images than those that this study's trials would see; they must be decoded.

    Raises:
        UserError: names what differs, both values and the way out.
    """
    for count, train in borrowed.train.items():
        reading = data.Reading(
            name=study.data.name,
            root=study.data.root,
            protocol=study.protocol,
            train_images=None if count == "all" else int(count),
            control=study.train.target_accuracy is not None,
            download=study.data.download,
            size=study.data.size,
        )
        loaded = data.load(reading, torch.device("cpu"))
        here = data.parts_digests(loaded)
        for part, there in (borrowed.images | {"train": train}).items():
            if there != here.get(part):
                raise _unlike(borrowed, f"the {part} images", there[:12], str(here.get(part))[:12])
        for name, numbers in borrowed.normalisation.items():
            own = tuple(getattr(loaded, name))
            if len(own) != len(numbers) or any(abs(a - b) > ROUNDING for a, b in zip(own, numbers, strict=True)):
                raise _unlike(borrowed, f"the {name} of images", _shown(numbers), _shown(own))


def _shown(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)


def _unlike(borrowed: Borrowed, what: str, there: str, here: str) -> UserError:
    return UserError(f"{PATH}: {borrowed.study}: {what} are {there} there, {here} here; {WAY}")
