"""What an attack finds: a trained network, the images that its attacker holds, and what it may know of either."""

from pathlib import Path
from typing import NamedTuple

import torch

import attacks
from attacks.base import Attack, ProbeAttack
from attacks.seen import Seen
from harness.data import AttackSplit, Data, Part
from harness.data.attacker import attacker_part
from harness.data.parts import Labelled, digest
from harness.ledger import SERVER
from harness.models import LiveTarget
from harness.records import Asked, AttackJob
from harness.stages.assignment import Assignment
from harness.stages.loading import images_of, target_of, trained
from harness.stages.measuring import predicted, releases


class Scene(NamedTuple):
    """A trained network and the images around it, as one job finds them."""

    handed: Assignment
    job: AttackJob
    data: Data
    own: AttackSplit
    """As the protocol divides the images."""
    split: AttackSplit
    """What the attacker fits on is what the study says that it holds."""
    stopping: Part
    """What it is tuned and stopped on: attacker-validation or, of whoever holds other images, some of these."""
    target: LiveTarget
    """In the trial's own precision: what it releases is what the device released."""
    exact: LiveTarget
    """The same; in float32 for an attack that differentiates it."""
    seen: Seen
    """What the attack may know of it; one that differentiates the client does so in float32."""
    has_server: bool
    """Whether the network's server was kept."""

    @property
    def asked(self) -> Asked:
        """What the trial is."""
        return self.handed.asked


def labels_alone(kind: type[Attack] | type[ProbeAttack]) -> bool:
    """Say whether an attack asks the server for predicted classes alone, so that a head of its own can stand in."""
    return issubclass(kind, Attack) and kind.labels_alone


def scene_of(handed: Assignment, weights: Path, job: AttackJob, device: torch.device) -> Scene:
    """Load what an attack finds.

    Raises:
        FileNotFoundError: it asks the server, and the trial's was let go.
    """
    asked, kind = handed.asked, attacks.resolve(job.attack)
    has_server = (weights / SERVER).exists()
    held_data = job.held_by(asked.settings).get("attacker/data")
    unlabelled = held_data in ("shifted", "noise")  # whose labels the server would give
    if kind.needs_server and not has_server and (unlabelled or not labels_alone(kind)):
        raise FileNotFoundError(
            f"{job.attack} asks the server, and that of trial {asked.number} was let go: only those of anchors and of "
            "the front are kept"
        )
    data = images_of(asked.settings, handed.place, device)
    model = trained(asked, data, weights)
    split = data.split(job.part)
    fit, stopping = _held(handed, job, data, split, target_of(model, asked, data))
    if job.half == "images":
        fit = _every_other(fit)
    target = target_of(model, asked, data, fit)
    exact = target.differentiated() if kind.knowledge == "gradients" else target
    seen = Seen(exact, kind.knowledge, needs_server=kind.needs_server)
    held = AttackSplit(part=split.part, fit=fit, selection=split.selection, scored=split.scored)
    return Scene(handed, job, data, split, held, stopping, target, exact, seen, has_server)


def _held(handed: Assignment, job: AttackJob, data: Data, split: AttackSplit, target: LiveTarget) -> tuple[Part, Part]:
    """Return what the attacker fits and stops on; images of elsewhere get the labels that the network gives them."""
    asked = handed.asked
    held = attacker_part(data, job.held_by(asked.settings), handed.place.attacker_root, split.fit.x.device)
    if held is None:
        return split.fit, split.selection
    if held.labelled:
        return held.part, held.stopping

    def labelled(part: Part) -> Part:
        return Part(
            name=part.name, x=part.x, y=predicted(target, releases(target, part, asked.seed)), digest=part.digest
        )

    return labelled(held.part), labelled(held.stopping)


def _every_other(part: Part) -> Part:
    """Return half of a part's images; the attacker's own name and digest tell it from the whole."""
    x, y = part.x[::2], part.y[::2]
    return Part(name=f"half of {part.name}", x=x, y=y, digest=digest(Labelled(x, y)))
