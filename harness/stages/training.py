"""The first kind of job of a trial: training the defended network, and measuring it before any attack."""

from collections.abc import Generator

from defenses.information import VERSION
from harness.data import parts_digests
from harness.ledger import attempt_number, write_whole
from harness.records import Progress, Trained
from harness.stages.assignment import Assignment
from harness.stages.building import build, save_parts
from harness.stages.ground import Meter, prepare
from harness.stages.loading import images_of, target_of
from harness.stages.measuring import accuracy, diagnostics, floors
from harness.stages.optimising import train
from harness.stages.reconstructions import save_guesses


def train_stage(handed: Assignment) -> Generator[Progress, None, Trained]:
    """Train, measure accuracy and guesses, and put the network into the attempt; resumes from checkpoints."""
    asked, attempt = handed.asked, handed.attempt
    device = prepare(asked, "train")
    meter = Meter(asked.shared(), "train", device, handed.place.driver)
    data = images_of(asked.settings, handed.place, device)
    model = build(asked, data)
    training = yield from train(model, data, handed)
    prepare(asked, "train", "measure")
    target = target_of(model, asked, data)
    split = data.split(asked.attacks[0].part)
    told = diagnostics(target, split.scored, asked.seed)
    guessed = floors(target, data, split, asked.seed)
    save_guesses(attempt, guessed.per_image)
    trained = Trained(
        attempt=attempt_number(attempt),
        files=save_parts(model, attempt),
        accuracy=accuracy(target, split.scored),
        floors=guessed.guesses,
        digests=parts_digests(data),
        images={name: len(part.y) for name, part in data.parts.items()},
        curve=training.curve,
        diagnostics=told.values,
        diagnostics_version=VERSION,
        null_reasons=told.reasons,
        notes=training.notes,
        circumstances=meter.read(),
    )
    write_whole(attempt / "train.json", trained.model_dump_json(indent=1).encode())
    return trained
