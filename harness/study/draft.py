"""A first study file for images that were surveyed: commented, sized for what is there, and it runs as it is."""

import json
import math
import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from attacks.membership import LEAST_IMAGES
from harness.data.survey import Survey
from reports.words import FEW

WIDTH = 100
"""Characters of a line of comment."""

MOST_CLASSES = 8
"""Classes that are named with their number of images."""

MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "CMYK": "colour for print",
}
"""Pillow's modes in words; those of grey of 16 bits begin with ``I;16``."""

TRAINED = 10_000
"""Training images beyond which a first study takes no more."""

STEPS = 400
"""Steps of training after which a small network has learned something: of 129 photographs in four classes 98 % in 100
epochs of four batches of 32, 49 % in 38 epochs of eight batches of 16 and still 39 % in 100 (one seed each)."""

EPOCHS = (8, 100)
"""Least and most."""

ABOVE_GUESS = 0.1
"""Share of the way from naming the commonest class to no error that a network must go to have learned anything."""

TIMES_GUESS = 3
"""Times the accuracy of that guess which are as good, of many classes."""

RUN = """\
#
#   invfront check {file}
#   invfront run {file} --trials 2    to see how long a trial takes
#   invfront run {file}               all of them, those two taken over
"""


class Sizes(NamedTuple):
    """What a first study is sized by."""

    images: int | None
    """Training images that are taken; None for all."""
    batch_size: int
    epochs: int
    width: float
    floor: float
    """Accuracy."""


def described(survey: Survey) -> Iterator[tuple[str, str]]:
    """Yield what was seen, in words, each under a heading."""
    yield "data", f"{survey.name}{f', {survey.layout}' if survey.layout else ''}"
    named = [f"{plain(name)} {count:,}" for name, count in list(survey.classes.items())[:MOST_CLASSES]]
    more = f" and {len(survey.classes) - MOST_CLASSES:,} more" if len(survey.classes) > MOST_CLASSES else ""
    yield "classes", f"{len(survey.classes):,}: {', '.join(named)}{more}"
    held = f"and {survey.held_out:,} to test on" if survey.held_out else "of which a share of each class is held out"
    yield "images", f"{sum(survey.classes.values()):,}, {held}"
    if survey.sides:
        least, middle, greatest = survey.sides
        yield (
            "shorter side",
            f"{least} to {greatest} pixels, the middle one {middle} ({len(survey.headers):,} looked at)",
        )
        yield "modes", ", ".join(f"{count:,} {_mode(mode)}" for mode, count in survey.modes.most_common())
        if turned := sum(one.turned for one in survey.headers):
            yield "turned upright", f"{turned:,}, as their EXIF says"
    yield "parts", ", ".join(f"{name.replace('_', '-')} {count:,}" for name, count in survey.ready.parts.items())
    if survey.ready.parts["validation"] < FEW:
        yield "note", _rough(survey.ready.parts["validation"])
    for line in survey.ready.told:
        what, _, rest = line.partition(": ")
        yield ("left out", rest) if what == "left out" else ("note", line)


def draft(name: str, survey: Survey) -> str:
    """Return a study file.

    Args:
        name: The study's.
        survey: Of its images.
    """
    intro = f"A first study of {plain(survey.root or survey.name)}. It runs as it is; everything in it may be changed."
    blocks = [
        _comment(intro) + RUN.format(file=f"{name}.yaml") + f"name: {_text(name)}\n",
        "".join(_comment(f"{what}: {words}") for what, words in described(survey)) + _data(survey),
        *(_comment(told) + text for told, text in _sections(survey)),
    ]
    return "\n".join(blocks)


def _data(survey: Survey) -> str:
    root = f", root: {_text(_unexpanded(survey.root))}" if survey.root is not None else ""
    size = f", size: {survey.size}" if survey.name == "folder" or ":" in survey.name else ""
    return f"data: {{name: {_text(survey.name)}{root}{size}}}\n"


def _sections(survey: Survey) -> Iterator[tuple[str, str]]:
    """Yield the sections after the data's, each with what is said of it."""
    sizes, parts, together = sizes_for(survey), survey.ready.parts, min(2, os.cpu_count() or 1)
    yield (
        f"VGG-11 on {survey.size}x{survey.size} pixels: the device has its first four entries (cut) and squeezes their "
        "activation to 8 channels (bottleneck); width multiplies the channels of the rest. sigma is the noise on the "
        "way; each trial draws one of the choices.",
        "model: {name: vgg11_bn_sgm, cut: 4, bottleneck: noRELU_C8S1, "
        f"width: {sizes.width:g}, sigma: {{choices: [0.05, 0.25]}}}}\n",
    )
    some = f"; a first study takes {sizes.images:,} of them, without images it is all" if sizes.images else ""
    images = f", images: {sizes.images}" if sizes.images else ""
    yield (
        f"{parts['train']:,} images to train on{some}.",
        f"train: {{recipe: fast, epochs: {sizes.epochs}, batch_size: {sizes.batch_size}{images}}}\n",
    )
    scored = parts["validation"]
    yield (
        f"Attackers fit on {parts['attacker']:,} images that no network was trained on. They and the networks are "
        f"scored on {scored:,} others.",
        "protocol: strict\nattacker: {data: same}\n",
    )
    yield (
        "One of these is drawn per trial, as often as the others, with settings from its usual ranges; "
        "`invfront defenses` lists all there are. The last leaves the client alone: noise of the best shape, "
        "which a defense that learns must beat.",
        "defense:\n  none: {}\n  laplace: default\n  nopeek: default\n  cem_paper: default\n"
        "  rotated_noise: {lam: {low: 0.003, high: 1, log: true}, trained: false}\n",
    )
    yield _attacks(parts)
    yield (
        "Below the floor of accuracy a trial is never on the front: a network that learned nothing keeps every secret. "
        f"Whoever names the commonest class is right {_guess(survey):.0%} of the time. The anchor, an undefended "
        "network, is tried first.",
        f"search:\n  trials: 15\n  seed: 0\n  floor: {{accuracy: {sizes.floor:g}}}\n"
        "  anchors:\n    - {defense/name: none, model/sigma: 0.05}\n",
    )
    yield (
        f"{together} at a time, a core each. On a GPU: train: {{cpu: 1, gpu: 1}}, attack: {{cpu: 1, gpu: 0.25}}.",
        f"resources: {{concurrent: {together}, train: {{cpu: 1}}, attack: {{cpu: 1}}, timeout: 1h}}\n",
    )


def _attacks(parts: Mapping[str, int]) -> tuple[str, str]:
    """Return the attacks that have enough images, and what is said of them."""
    probed = min(parts["train"] // 10, parts["attacker_validation"], parts["validation"]) >= LEAST_IMAGES
    probe = "a probe of who was trained on" if probed else "too few images to probe who was trained on"
    return (
        "Who attacks each trial, and how hard: a linear map, the floor of any decoder; a decoder that learns to "
        "invert; a search for each image by itself; "
        f"{probe}. `invfront attacks` lists all there are, with their budgets.",
        f"attacks: {{linear: quick, decoder: quick, rmle: quick{', membership: quick' if probed else ''}}}\n",
    )


def _rough(scored: int) -> str:
    return f"few images are scored, and one of {scored} is {1 / scored:.0%} of accuracy: add images, or trust no digit"


def sizes_for(survey: Survey) -> Sizes:
    """Return how large a first study is: minutes a trial, however many images there are."""
    there = survey.ready.parts["train"]
    taken, guess = min(there, TRAINED), _guess(survey)
    batch_size = next((size for size in (128, 64) if taken >= 32 * size), 32)
    least, most = EPOCHS
    return Sizes(
        images=taken if taken < there else None,
        batch_size=batch_size,
        epochs=min(most, max(least, math.ceil(STEPS / max(1, taken // batch_size)))),
        width=0.5 if taken >= 4000 else 0.25,
        floor=round(min(guess + ABOVE_GUESS * (1 - guess), TIMES_GUESS * guess), 3),
    )


def plain(text: str) -> str:
    """Return text that fits on a line: folders may be called anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _guess(survey: Survey) -> float:
    """Return the accuracy of whoever always names the commonest class."""
    return max(survey.classes.values()) / sum(survey.classes.values())


def _mode(mode: str) -> str:
    words = MODES.get(mode, "grey of 16 bits" if mode.startswith("I;16") else "")
    return f"{mode} ({words})" if words else mode


def _unexpanded(folder: str) -> str:
    """Return a folder as a study file has it, where ``$`` begins a variable, and ``~`` in front is a home."""
    return (str(Path(folder).absolute()) if folder.startswith("~") else folder).replace("$", "$$")


def _text(text: str) -> str:
    """Return text as YAML."""
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    wrapped = textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in wrapped)
