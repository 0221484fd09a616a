"""The two kinds of job of a trial: training the defended network, and one attack on it."""

import functools
import io
from collections.abc import Generator
from pathlib import Path

import numpy
import pandas
import torch
from torch import Tensor

import attacks
from attacks import metrics
from attacks.base import Attack, Images
from harness.attempts import attempt_number
from harness.build import build, load_parts, save_parts
from harness.data import AttackSplit, Data, Part, load, parts_digests, to_float
from harness.measure import CHUNK, accuracy, diagnostics, floors, releases, scores
from harness.models import LiveTarget, Seen, SplitModel
from harness.record import Asked, AttackJob, AttackMeasured, AttackRecord, CurvePoint, Trained
from harness.stage import Meter, precision, prepare
from harness.storage import sha256, write_whole
from harness.train import Progress, train

FIXED_IMAGES = 24
"""Images of the scored part whose reconstructions are kept: its first ones."""


def train_stage(asked: Asked, attempt: Path) -> Generator[Progress, None, Trained]:
    """Train, measure accuracy and guesses, and put the network into the attempt; resumes from checkpoints."""
    device = prepare(asked, "train")
    meter = Meter(asked, "train", device)
    data = _data(asked, device)
    model = build(asked, data)
    training = yield from train(model, asked, data, attempt)
    prepare(asked, "train", "measure")
    target = _target(model, asked, data)
    told = diagnostics(target, data.scored, asked.seed)
    trained = Trained(
        attempt=attempt_number(attempt),
        files=save_parts(model, attempt),
        accuracy=accuracy(target, data.scored),
        floors=floors(target, data, data.attack_splits[0], asked.seed),
        digests=parts_digests(data),
        images={name: len(part.y) for name, part in data.parts.items()},
        curve=training.curve,
        diagnostics=told.values,
        null_reasons=told.reasons,
        notes=training.notes,
        circumstances=meter.read(),
    )
    write_whole(attempt / "train.json", trained.model_dump_json(indent=1).encode())
    return trained


def attack_stage(asked: Asked, attempt: Path, weights: Path, job: AttackJob) -> Generator[Progress, None, AttackRecord]:
    """Run one attack on the trained network in ``weights``, and put its result and arrays into the attempt."""
    device = prepare(asked, "attack")
    meter = Meter(asked, "attack", device)
    yield Progress(job.name, 0, 1)
    data = _data(asked, device)
    split = next(split for split in data.attack_splits if split.part == job.part)
    target = _target(load_parts(build(asked, data), weights), asked, data)
    settings = attacks.budget(attacks.resolve(job.attack), job.budget)
    prepare(asked, "attack", job.attack, job.budget, job.seed, job.part)
    attack = attacks.resolve(job.attack)(**settings)
    seen = Seen(target, attack.knowledge, needs_server=attack.needs_server)
    fit = attack.fit(seen, Images(split.fit.x, split.fit.y), Images(split.selection.x, split.selection.y))
    selection = _reconstructed(attack, target, split.selection, asked.seed)
    scored = _reconstructed(attack, target, split.scored, asked.seed)
    finite = bool(torch.isfinite(scored).all() and torch.isfinite(selection).all())
    record = AttackRecord(
        trial=asked.number,
        job=job,
        attempt=attempt_number(attempt),
        measured=AttackMeasured(
            verdict=fit.verdict if finite else "diverged",
            settings=settings,
            scores=scores(scored, split.scored) if finite else None,
            selection=scores(selection, split.selection) if finite else None,
            images=len(split.scored.y),
            digests=_digests(split) | {"client": sha256(weights / "client.safetensors")},
            metrics=metrics.protocol_digest(),
            conversions=_save_arrays(attempt / job.name, scored, split.scored),
            curve=tuple(
                CurvePoint(step=point.step, name=name, value=value if numpy.isfinite(value) else None)
                for point in fit.curve
                for name, value in (("train", point.train), ("validation", point.validation))
            ),
        ),
        error=None,
        circumstances=meter.read(),
    )
    write_whole(attempt / f"{job.name}.json", record.model_dump_json(indent=1).encode())
    return record


@functools.lru_cache(maxsize=1)
def _load(
    name: str,
    root: str | None,
    size: int | None,
    protocol: str,
    images: int | None,
    download: bool,
    device: torch.device,
) -> Data:
    return load(
        name,
        root,
        size=size,
        protocol="cem" if protocol == "cem" else "strict",
        train_images=images,
        download=download,
        device=device,
    )


def _data(asked: Asked, device: torch.device) -> Data:
    """Load the trial's images, or take those that this process loaded last."""
    named = asked.settings
    size, images = named.get("data/size"), named.get("train/images")
    return _load(
        str(named["data/name"]),
        asked.data_root,
        None if size is None else int(size),
        str(named["protocol"]),
        None if images is None else int(images),
        asked.download,
        device,
    )


def _target(model: SplitModel, asked: Asked, data: Data) -> LiveTarget:
    return LiveTarget(model, data.image_shape, data.num_classes, precision(asked))


def _reconstructed(attack: Attack, target: LiveTarget, part: Part, seed: int) -> Tensor:
    z = releases(target, part, seed)
    return torch.cat([attack.reconstruct(chunk).clamp(0, 1) for chunk in z.split(CHUNK)])


def _digests(split: AttackSplit) -> dict[str, str]:
    return {use: getattr(split, use).digest for use in ("fit", "selection", "scored")}


def _save_arrays(stem: Path, x_hat: Tensor, part: Part) -> dict[str, float]:
    """Store every image's scores and the fixed reconstructions; return the latter's labelled conversions."""
    per_image = metrics.score(x_hat, to_float(part.x))
    columns = {name: getattr(per_image, name).cpu().numpy() for name in ("mse", "psnr", "ssim")}
    write_whole(stem.with_name(stem.name + ".parquet"), pandas.DataFrame(columns).to_parquet())
    fixed = (x_hat[:FIXED_IMAGES].float() * 255).round().to(torch.uint8).cpu().numpy()
    originals = part.x[:FIXED_IMAGES].cpu().numpy()
    packed = io.BytesIO()
    numpy.savez_compressed(packed, x_hat=fixed, x=originals)
    write_whole(stem.with_name(stem.name + ".npz"), packed.getvalue())
    return metrics.conversions(fixed, originals)
