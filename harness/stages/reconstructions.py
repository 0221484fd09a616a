"""What an attack made of a part's releases: images, scores of each, and the files that keep them."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy
import pandas
import torch
from torch import Tensor

from attacks import metrics
from attacks.base import Attack
from attacks.metrics import PerImage
from harness.data import Part, to_float
from harness.judging import BLIND
from harness.ledger import write_whole
from harness.ledger.arrays import FIXED_IMAGES, GUESSES
from harness.models import LiveTarget
from harness.records import derive
from harness.stages.ground import seed_everything
from harness.stages.likelihood import surprises
from harness.stages.measuring import CHUNK, activations, releases


class Seeds(NamedTuple):
    """What the numbers of a scoring derive from."""

    trial: int
    """Releases derive from it alone: every attack on a trial sees the same ones."""
    job: int
    """What the attack itself draws derives from it: another seed of the attack gives another reconstruction."""


class Reconstructed(NamedTuple):
    """Reconstructions of the images that an attack scores."""

    part: Part
    """The images: the part's first ones if the attack takes no more."""
    x_hat: Tensor
    """The reconstruction from the first release that is scored by mse, ``(N, 3, height, width)`` in [0, 1]."""
    by_release: PerImage
    """Scores of each of R releases of each image, ``(R, N)``: mse and psnr of the reconstruction made for mse, ssim of
    the one made for it."""
    variants: dict[str, PerImage]
    """Scores of further reconstructions: ``for_mse`` and ``for_ssim`` where they are two, ``m=4`` of four releases."""
    finite: bool
    surprise: dict[str, Tensor]
    """Of the first release, how little the reconstructions by which it is scored explain it, nats, ``(N,)``, by ``mse``
    and ``ssim``; empty where its law is not known."""

    @property
    def first(self) -> PerImage:
        """Scores of the first release, which every attack sees, ``(N,)``."""
        return PerImage(*(column[0] for column in self.by_release))

    @property
    def per_image(self) -> PerImage:
        """The scores that count: the mean over an image's releases, ``(N,)``."""
        return PerImage(*(column.mean(0) for column in self.by_release))


def reconstructed(attack: Attack, target: LiveTarget, part: Part, seeds: Seeds, count: int = 1) -> Reconstructed:
    """Reconstruct a part's first images, ``attack.images`` of them, from ``count`` releases of each, one by one."""
    kept = _first(part, attack.images)
    x = to_float(kept.x)
    again = type(attack).reconstruct_for_ssim is not Attack.reconstruct_for_ssim
    scores, second, x_hat, surprise = list[PerImage](), list[PerImage](), None, dict[str, Tensor | None]()
    sent = activations(target, part) if count > 1 else None  # the client runs once for all releases of an image
    for number in range(count):
        z = releases(target, part, seeds.trial, number=number, sent=sent)[: len(x)]
        seed_everything(derive(seeds.job, part.name, number))
        found = _all(attack.reconstruct, z)
        x_hat = found if x_hat is None else x_hat
        scores.append(metrics.score(found, x))
        for_ssim = _all(attack.reconstruct_for_ssim, z) if again else found
        if again:
            second.append(metrics.score(for_ssim, x))
        if number == 0:
            of_mse = surprises(target, found, z)
            surprise = {"mse": of_mse, "ssim": surprises(target, for_ssim, z) if again else of_mse}
    by_release, variants = _stacked(scores), dict[str, PerImage]()
    if again:
        by_ssim = _stacked(second)
        variants = {"for_mse": by_release, "for_ssim": by_ssim}
        by_release = by_release._replace(ssim=by_ssim.ssim)
    for m in attack.releases[1:]:
        several = releases(target, kept, seeds.trial, m)
        seed_everything(derive(seeds.job, part.name, "m", m))
        variants[f"m={m}"] = metrics.score(_all(attack.reconstruct, several, dim=1), x)
    assert x_hat is not None
    finite = all(bool(each.mse.isfinite().all()) for each in (by_release, *variants.values()))
    known = {score: values for score, values in surprise.items() if values is not None}
    return Reconstructed(kept, x_hat, by_release, variants, finite, known)


def save_arrays(stem: Path, found: Reconstructed) -> dict[str, float]:
    """Store every image's scores and the fixed reconstructions; return the latter's labelled conversions.

    Of several releases ``mse_first`` and so on are the scores of the first one, from which the reconstructions are;
    ``surprise_mse`` and ``surprise_ssim`` are of the first one too.
    """
    columns = {name: column.cpu().numpy() for name, column in found.per_image._asdict().items()}
    if len(found.by_release.mse) > 1:
        columns |= {f"{name}_first": column.cpu().numpy() for name, column in found.first._asdict().items()}
    columns |= {f"surprise_{score}": values.double().cpu().numpy() for score, values in found.surprise.items()}
    write_whole(stem.with_name(stem.name + ".parquet"), pandas.DataFrame(columns).to_parquet())
    fixed = (found.x_hat[:FIXED_IMAGES].float() * 255).round().to(torch.uint8).cpu().numpy()
    originals = found.part.x[:FIXED_IMAGES].cpu().numpy()
    packed = io.BytesIO()
    numpy.savez_compressed(packed, x_hat=fixed, x=originals)
    write_whole(stem.with_name(stem.name + ".npz"), packed.getvalue())
    return metrics.conversions(fixed, originals)


def save_guesses(attempt: Path, per_image: Mapping[str, PerImage]) -> None:
    """Store every scored image's scores under each guess without z: columns ``mean_image/mse`` and so on."""
    columns = {
        f"{guess}/{score}": column.cpu().numpy()
        for guess in BLIND
        for score, column in per_image[guess]._asdict().items()
    }
    write_whole(attempt / GUESSES, pandas.DataFrame(columns).to_parquet())


def _all(reconstruct: Callable[[Tensor], Tensor], z: Tensor, dim: int = 0) -> Tensor:
    """Return the reconstructions of all releases, which lie along a dimension, in chunks."""
    return torch.cat([reconstruct(chunk).clamp(0, 1) for chunk in z.split(CHUNK, dim=dim)])


def _stacked(scores: Sequence[PerImage]) -> PerImage:
    return PerImage(*(torch.stack(columns) for columns in zip(*scores, strict=True)))


def _first(part: Part, count: int | None) -> Part:
    if count is None or count >= len(part.y):
        return part
    return Part(name=part.name, x=part.x[:count], y=part.y[:count], digest=part.digest)
