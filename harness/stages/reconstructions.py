"""What an attack made of a part's releases: images, scores of each, and the files that keep them."""

import io
from collections.abc import Mapping
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
from harness.stages.measuring import CHUNK, releases


class Reconstructed(NamedTuple):
    """Reconstructions of the images that an attack scores."""

    part: Part
    """The images: the part's first ones if the attack takes no more."""
    x_hat: Tensor
    """The reconstruction that is scored by mse, ``(N, 3, height, width)`` in [0, 1]."""
    per_image: PerImage
    """The scores that count: mse and psnr of ``x_hat``, ssim of the reconstruction made for it."""
    variants: dict[str, PerImage]
    """Scores of further reconstructions: ``for_mse`` and ``for_ssim`` where they are two, ``m=4`` of four releases."""
    finite: bool


def reconstructed(attack: Attack, target: LiveTarget, part: Part, seed: int) -> Reconstructed:
    """Reconstruct a part's first images, ``attack.images`` of them, from the releases that every attack sees."""
    kept = _first(part, attack.images)
    count, x = len(kept.y), to_float(kept.x)
    z = releases(target, part, seed)[:count]
    x_hat = torch.cat([attack.reconstruct(chunk).clamp(0, 1) for chunk in z.split(CHUNK)])
    per_image, variants = metrics.score(x_hat, x), {}
    finite = bool(torch.isfinite(x_hat).all())
    if type(attack).reconstruct_for_ssim is not Attack.reconstruct_for_ssim:
        second = torch.cat([attack.reconstruct_for_ssim(chunk).clamp(0, 1) for chunk in z.split(CHUNK)])
        variants = {"for_mse": per_image, "for_ssim": metrics.score(second, x)}
        per_image = per_image._replace(ssim=variants["for_ssim"].ssim)
        finite = finite and bool(torch.isfinite(second).all())
    for m in attack.releases[1:]:
        several = releases(target, kept, seed, m)
        images = [attack.reconstruct(chunk).clamp(0, 1) for chunk in several.split(CHUNK, dim=1)]
        variants[f"m={m}"] = metrics.score(torch.cat(images), x)
        finite = finite and bool(torch.isfinite(variants[f"m={m}"].mse).all())
    return Reconstructed(kept, x_hat, per_image, variants, finite)


def save_arrays(stem: Path, found: Reconstructed) -> dict[str, float]:
    """Store every image's scores and the fixed reconstructions; return the latter's labelled conversions."""
    columns = {name: column.cpu().numpy() for name, column in found.per_image._asdict().items()}
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


def _first(part: Part, count: int | None) -> Part:
    if count is None or count >= len(part.y):
        return part
    return Part(name=part.name, x=part.x[:count], y=part.y[:count], digest=part.digest)
