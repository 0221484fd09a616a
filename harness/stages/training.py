"""The first kind of job of a trial: training the defended network, and measuring it before any attack."""

from collections.abc import Generator

from defenses.base import TERMS
from defenses.information import VERSION
from harness.data import Data, parts_digests
from harness.ledger import attempt_number, write_whole
from harness.models import SplitModel
from harness.records import Asked, Progress, Trained, version_then
from harness.stages.assignment import Assignment
from harness.stages.building import build, recipe_of, save_parts
from harness.stages.controlled import TARGET, Steered, steered_part, steering_of
from harness.stages.ground import Meter, prepare
from harness.stages.loading import images_of, target_of
from harness.stages.measuring import accuracy, diagnostics, floors
from harness.stages.optimising import train
from harness.stages.reconstructions import save_guesses
from harness.stages.steering import VERSION as HELD
from harness.stages.steering import Steering
from harness.stages.undefended import undefended_course


def train_stage(handed: Assignment) -> Generator[Progress, None, Trained]:
    """Train, measure accuracy and guesses, and put the network into the attempt; resumes from checkpoints."""
    asked, attempt = handed.asked, handed.attempt
    device = prepare(asked, "train")
    meter = Meter(asked.shared(), "train", device, handed.place.driver)
    data = images_of(asked.settings, handed.place, device)
    model = build(asked, data)
    steered = yield from _steered(model, data, handed)
    training = yield from train(model, data, handed, steered)
    prepare(asked, "train", "measure")
    target = target_of(model, asked, data)
    split = data.split(asked.attacks[0].part)
    told = diagnostics(target, split.scored, data.parts["train"], asked.seed)
    guessed = floors(target, data, split, asked.seed)
    save_guesses(attempt, guessed.per_image)
    trained = Trained(
        attempt=attempt_number(attempt),
        files=save_parts(
            model, attempt, training.strength if steered and steered[0].defense is model.defense else None
        ),
        accuracy=accuracy(target, split.scored),
        floors=guessed.guesses,
        digests=parts_digests(data),
        images={name: len(part.y) for name, part in data.parts.items()},
        curve=training.curve,
        diagnostics=told.values,
        diagnostics_version=VERSION,
        null_reasons=told.reasons,
        notes=training.notes,
        versions=_versions(model, asked),
        circumstances=meter.read(),
    )
    write_whole(attempt / "train.json", trained.model_dump_json(indent=1).encode())
    return trained


def _versions(model: SplitModel, asked: Asked) -> dict[str, int]:
    """Return the versions of what a network is trained by."""
    term = {} if model.term is None else {"term": model.term.version + TERMS}
    held = {} if asked.settings.get(TARGET) is None else {"held": HELD}
    defense = version_then(asked.settings, model.defense.version)
    return {"recipe": recipe_of(asked).version, "defense": defense} | term | held


def _steered(
    model: SplitModel, data: Data, handed: Assignment
) -> Generator[Progress, None, tuple[Steered, Steering] | None]:
    """Return whose strength is steered to the trial's target, and how; null without a target, or with no strength."""
    if handed.asked.settings.get(TARGET) is None:
        return None
    part = steered_part(model, handed.asked)
    if part is None:
        return None
    undefended = yield from undefended_course(handed, data)
    prepare(handed.asked, "train", "steered")
    return part, steering_of(part, handed.asked, undefended, data.num_classes)
