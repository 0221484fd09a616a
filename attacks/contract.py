"""What must hold of every attack, as checks that a plug-in's author runs on their class.

A plug-in's whole test is::

    MINE = contract.Case(Mine, {"steps": 10, "lr": 0.1})

    @pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
    def test_mine_keeps(law):
        law(MINE)

The settings are as small as it goes: nothing here asks how well an attack does. One case for all laws, since it keeps
its first fit. A law that has nothing to say of a kind of attack passes.
"""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import torch

from attacks.base import Attack, Evidence, Knowledge, Probe, ProbeAttack, Span, Verdict
from attacks.contract_bench import NUM_IMAGES, Run, pictures
from attacks.refusals import bad_numbers, must_refuse

BATCH = 6
"""Images reconstructed at once, where the law does not say otherwise."""
KEPT = 3
"""Of these, the images whose neighbours are exchanged."""
SIGMAS = (0.0, 0.1)
"""Standard deviations of the channel noise, in the features' unit."""
UNITS, LEVEL = (1e3, 2.0**-10), 0.5
"""What features are multiplied by, and what is added to them before that."""
TOLERANCE = 1e-3
"""Mean absolute difference, in [0, 1] units, that other neighbours may make to a reconstruction."""


@dataclass(frozen=True)
class Case:
    """An attack under test."""

    create: type[Attack] | type[ProbeAttack]
    """Its class."""
    settings: dict[str, Any]
    """Settings under which it takes about a second."""
    signed: frozenset[str] = field(default=frozenset())
    """Numeric settings that may be negative."""
    reads_raw: bool = False
    """Whether it reads features in the unit they come in, as the published decoder does: then a client may defeat it by
    that unit alone, and it stands in no suite by itself."""

    def run(self, **changed: Any) -> Run:
        """Run the attack on a small network, with :class:`Run`'s keywords."""
        return Run(self.create, self.settings, **changed)

    @functools.cached_property
    def first(self) -> Run:
        """The attack on an ordinary network, run once."""
        return self.run()


def declares_itself(case: Case) -> None:
    """It says where it is from, who attacks, what they know and pay, in words and in the words there are."""
    attack = case.create
    for name in ("reference", "threat", "cost"):
        value = getattr(attack, name, None)
        _require(isinstance(value, str) and bool(value.strip()), f"{name} must be said in words, not {value!r}")
    _require(attack.threat.endswith("."), f"threat must be a sentence, not {attack.threat!r}")
    _require(attack.knowledge in get_args(Knowledge), f"knowledge is one of {get_args(Knowledge)}")
    kind = "reconstruction" if issubclass(attack, Attack) else "probe"
    _require(attack.kind == kind, f"kind must be {kind!r}, not {attack.kind!r}")
    _require(isinstance(attack.version, int) and attack.version >= 1, f"version must be >= 1, not {attack.version}")


def budgets_are_whole(case: Case) -> None:
    """Every budget names every setting, constructs, and lies within what is tuned over."""
    names = set(inspect.signature(case.create).parameters)
    tunable = case.create.tunable if issubclass(case.create, Attack) else {}
    _require(len(case.create.budgets) > 0, "it has no budget")
    _require(set(tunable) <= names, f"tunable names {sorted(set(tunable) - names)}, which are no settings")
    for budget, settings in case.create.budgets.items():
        _require(set(settings) == names, f"budget {budget} names {sorted(settings)}, the settings are {sorted(names)}")
        made = case.create(**settings)
        if isinstance(made, Attack):
            _require(made.images is None or made.images >= 1, f"budget {budget} scores {made.images} images")
            _require(made.releases[0] == 1, f"budget {budget}: releases must begin with 1, not {made.releases}")
        for name, values in tunable.items():
            value = settings[name]
            inside = values.low <= value <= values.high if isinstance(values, Span) else value in values
            _require(inside, f"budget {budget}: {name} {value} lies outside {values}")


def refuses_bad_settings(case: Case) -> None:
    """A negative number, or none at all, is refused by a ``ValueError`` that names the setting."""
    for name, value in bad_numbers(case.settings, case.signed):
        must_refuse(functools.partial(case.create, **(case.settings | {name: value})), name, value)


def says_how_it_went(case: Case) -> None:
    """Curve and numbers are finite, steps ascend, the verdict is one that an attack may give itself."""
    report = case.first.report
    given = [verdict for verdict in get_args(Verdict) if verdict != "failed"]
    _require(report.verdict in given, f"verdict is one of {given}, not {report.verdict!r}")
    for curve in (report.curve, case.first.prior_curve):
        steps = [point.step for point in curve]
        _require(steps == sorted(set(steps)) and min(steps, default=0) >= 0, f"steps of a curve ascend, not {steps}")
        values = [value for point in curve for value in (point.train, point.validation)]
        _require(all(map(math.isfinite, values)), f"a curve is finite, not {values}")
    _require(all(map(math.isfinite, report.numbers.values())), f"numbers are finite, not {report.numbers}")
    if isinstance(case.first.outcome, Probe):
        _require(len(report.numbers) > 0, "a probe has scores")
        _require(case.first.outcome.images >= 1, f"a probe scores images, not {case.first.outcome.images}")
    else:
        _require(len(report.curve) > 0, "a fit has a curve")


def asks_only_what_it_declares(case: Case) -> None:
    """It runs on a target that refuses what its ``knowledge`` and ``needs_server`` do not cover."""
    try:
        run = case.first
        if run.attack is not None:
            run.reconstruct(run.releases(BATCH))
    except PermissionError as error:
        raise AssertionError(str(error)) from error


def leaves_what_it_is_given(case: Case) -> None:
    """Network, defense and images are afterwards as they were: values, modes, gradients."""
    run = case.first
    if run.attack is not None:
        run.reconstruct(run.releases(BATCH))
    state, images = run.before
    changed = [name for name, value in run.target.state().items() if not torch.equal(value, state[name])]
    _require(not changed, f"it changed {changed} of the network")
    for part, before, now in zip(Evidence._fields, images, run.evidence, strict=True):
        _require(torch.equal(before.x, now.x), f"it changed the images of {part}")
        _require(torch.equal(before.y, now.y), f"it changed the labels of {part}")


def repeats_itself(case: Case) -> None:
    """The same seed gives the same fit or probe, and the same reconstructions."""
    again = case.run()
    _require(case.first.outcome == again.outcome, "the same seed gives another fit, or other scores")
    if again.attack is not None:
        first, second = (run.reconstruct(run.releases(BATCH)) for run in (case.first, again))
        _require(torch.equal(first, second), "the same seed gives other reconstructions")


def is_fitted_before_it_reconstructs(case: Case) -> None:
    """Unfitted, it refuses to reconstruct by a ``RuntimeError``."""
    attack = case.create(**case.settings)
    if not isinstance(attack, Attack):
        return
    try:
        attack.reconstruct(case.first.releases(1))
    except RuntimeError:
        return
    raise AssertionError("it reconstructs without having been fitted")


def reconstructs_images(case: Case) -> None:
    """From any number of releases come as many finite float32 images in [0, 1], for mse and for ssim."""
    run = case.first
    if run.attack is None:
        return
    for m in run.attack.releases:
        for count in (1, BATCH) if m == 1 else (2,):
            z = run.releases(count, m)
            made = {"reconstruct": run.reconstruct(z)}
            if m == 1:
                made["reconstruct_for_ssim"] = run.attack.reconstruct_for_ssim(z)
            for name, x_hat in made.items():
                _require(
                    x_hat.shape == (count, *run.target.image_shape) and x_hat.dtype == torch.float32,
                    f"{name} of releases {tuple(z.shape)} gives {x_hat.dtype} {tuple(x_hat.shape)}",
                )
                _require(bool(x_hat.isfinite().all()), f"{name} gives what is not finite")
                low, high = float(x_hat.min()), float(x_hat.max())
                _require(low >= 0 and high <= 1, f"{name} gives values from {low} to {high}, not within [0, 1]")


def treats_images_apart(case: Case) -> None:
    """A reconstruction does not depend on the releases beside it.

    At the same place of a batch of the same size, so that a random attack draws the same numbers for it; one that draws
    none must give the same in a smaller batch, too. The others are exchanged for releases of an unusual level.
    """
    run = case.first
    if run.attack is None:
        return
    z, others = run.releases()[:BATCH], run.releases()[-BATCH:] + 1
    own = run.reconstruct(z)
    mixed = [torch.cat([z[:KEPT], others[KEPT:]])]
    if torch.equal(own, run.reconstruct(z, seed=4)):
        mixed.append(z[:KEPT])
    for batch in mixed:
        difference = float((run.reconstruct(batch)[:KEPT] - own[:KEPT]).abs().mean())
        _require(difference <= TOLERANCE, f"other images beside it change a reconstruction by {difference:.4g}")


def does_not_train_on_validation(case: Case) -> None:
    """Few dark images to train on, many bright ones to validate on: without z, reconstructions are no brighter than
    halfway.

    An attack may stop and choose on validation, hence come out as grey as it began; one that trained on it is bright.
    """
    if not issubclass(case.create, Attack):
        return
    run = case.run(blind=True, shades=(0.2, 0.9), num_aux=NUM_IMAGES // 3)
    brightness = float(run.reconstruct(run.releases(BATCH)).mean())
    _require(brightness < 0.55, f"with dark images to train on, reconstructions are bright as validation: {brightness}")


def sees_through_units(case: Case) -> None:
    """Features, and the noise with them, in another unit and about another level say the same, with and without noise.

    Where the unit is a power of two every number is the same but for its exponent, and so must be what is
    reconstructed; elsewhere the mean squared error stays within 3 %, and a probe's scores within 3 % or .03.
    """
    if case.reads_raw:
        return
    for sigma in SIGMAS:
        own = case.first if sigma == 0.1 else case.run(sigma=sigma)
        if own.attack is None:
            _require_alike(_scores(own), _scores(case.run(sigma=sigma, unit=UNITS[1], level=LEVEL)), sigma)
            continue
        _require_alike(_scores(own), _scores(case.run(sigma=sigma, unit=UNITS[0], level=LEVEL)), sigma)
        exact = case.run(sigma=sigma, unit=UNITS[1])
        moved = float((exact.reconstruct(exact.releases(BATCH)) - own.reconstruct(own.releases(BATCH))).abs().max())
        _require(
            moved <= 1e-6, f"in a unit of {UNITS[1]:.3g}, at sigma {sigma}, it reconstructs what is {moved:.3g} off"
        )


def _scores(run: Run) -> dict[str, float]:
    if run.attack is None:
        return run.report.numbers
    x = run.evidence.scored.x.float() / 255
    return {"mse": float((run.reconstruct(run.releases()) - x).square().mean())}


def _require_alike(own: dict[str, float], other: dict[str, float], sigma: float) -> None:
    for name, value in own.items():
        off = abs(other[name] - value)
        allowed = 0.03 * abs(value) if name == "mse" else max(0.03 * abs(value), 0.03)
        _require(off <= allowed, f"in another unit, at sigma {sigma}, {name} is {other[name]:.4g} and not {value:.4g}")


def reads_nothing_from_noise(case: Case) -> None:
    """From releases that say nothing it is no better than the best guess, beyond sampling error."""
    if not issubclass(case.create, Attack):
        return
    run = case.run(blind=True)
    x = run.evidence.scored.x.float() / 255
    x_hat = run.reconstruct(run.releases())
    guess = pictures(2000).x.float().mean(0) / 255
    gain = ((guess - x).square() - (x_hat - x).square()).flatten(1).mean(1)
    error = float(gain.std()) / math.sqrt(len(gain))
    _require(float(gain.mean()) <= 4 * error + 1e-4, f"from pure noise it gains {float(gain.mean()):.4g} on the guess")


LAWS: dict[str, Callable[[Case], None]] = {
    "declares_itself": declares_itself,
    "budgets_are_whole": budgets_are_whole,
    "refuses_bad_settings": refuses_bad_settings,
    "says_how_it_went": says_how_it_went,
    "asks_only_what_it_declares": asks_only_what_it_declares,
    "leaves_what_it_is_given": leaves_what_it_is_given,
    "repeats_itself": repeats_itself,
    "is_fitted_before_it_reconstructs": is_fitted_before_it_reconstructs,
    "reconstructs_images": reconstructs_images,
    "treats_images_apart": treats_images_apart,
    "does_not_train_on_validation": does_not_train_on_validation,
    "reads_nothing_from_noise": reads_nothing_from_noise,
    "sees_through_units": sees_through_units,
}


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)
