"""Every attack keeps every law of the contract, and every law is broken by an attack that should not pass."""

import itertools
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from attacks import ATTACKS, contract
from attacks.base import Attack, Fit, Images, Point, Probe, ProbeAttack, Span, Tunable
from attacks.contract_bench import SmallTarget, pictures
from attacks.decoder import Decoder

SMALL: dict[str, dict[str, Any]] = {
    "decoder": {"blocks": 0, "channels": 8, "steps": 20},
    "decoder_xl": {"width": 4, "attention": 4, "steps": 15},
    "linear": {"draws": 2},
    "unrolled": {"width": 4, "attention": 4, "corrections": 1, "correction_width": 4, "steps": 10},
    "rmle": {"steps": 5, "decoder_steps": 10, "starts": 1},
    "dip": {"steps": 5, "widths": (4, 4), "kernels": (3, 3)},
    "query_free": {"width": 4, "shadow_steps": 10, "steps": 5},
    "fora": {"width": 4, "substitute_steps": 10, "channels": 8, "decoder_steps": 10},
    "gan_decoder": {"blocks": 0, "channels": 8, "critic_channels": 4, "steps": 12, "critic_steps": 1},
    "gan_prior": {
        "latent": 8, "width": 4, "critic_width": 4, "prior_steps": 5, "restarts": 2, "search_steps": 1,
        "refine_steps": 2, "free_steps": 2,
    },
    "diffusion": {"steps": 3, "samples": 1, "channels": 4, "components": 8, "prior_steps": 5, "iterations": 1},
    "repeated": {"steps": 2, "most": 4},
    "confidence": {"channels": 4, "steps": 10},
    "representative": {"steps": 8, "channels": 4, "latent": 4, "draws": 4},
    "gradient": {"dlg_steps": 3, "cosine_steps": 5},
    "membership": {"steps": 20, "hidden": 4},
}  # fmt: skip
"""By attack, what its budget ``quick`` is changed to, so that a fit takes a fraction of a second."""

FEWER: dict[str, dict[str, int]] = {
    "decoder": {"steps": 6},
    "decoder_xl": {"steps": 5},
    "unrolled": {"steps": 4},
    "rmle": {"steps": 3, "decoder_steps": 4},
    "dip": {"steps": 3},
    "query_free": {"shadow_steps": 4, "steps": 3},
    "fora": {"substitute_steps": 4, "decoder_steps": 4},
    "gan_decoder": {"steps": 6},
    "gan_prior": {"prior_steps": 3},
    "diffusion": {"steps": 2, "prior_steps": 3},
    "confidence": {"steps": 4},
    "representative": {"steps": 3},
    "membership": {"steps": 8},
}
"""Steps of a fit of which a law asks nothing that it has learned: that it repeats itself, changes nothing, says how it
went.
"""


def cases(changes: dict[str, dict[str, int]]) -> dict[str, contract.Case]:
    """Every attack with its small settings, changed."""
    small = {name: ATTACKS[name].budgets["quick"] | SMALL[name] | changes.get(name, {}) for name in SMALL}
    return {name: contract.Case(ATTACKS[name], small[name], reads_raw=name == "decoder") for name in SMALL}


CASES, LEARNED = cases(FEWER), cases({})

OF_THE_LEARNED = (
    "does_not_train_on_validation",
    "reads_nothing_from_noise",
    "sees_through_units",
    "treats_images_apart",
)
"""Laws that a fit which has hardly begun would keep for that alone."""

LONG = ("decoder_xl", "unrolled", "rmle", "dip", "gan_decoder", "gan_prior", "fora", "diffusion", "query_free")
REFITTED = ("sees_through_units", "does_not_train_on_validation")
"""Attacks of which even a small fit takes seconds, and laws that fit more than once: together they are slow."""


def test_every_attack_has_small_settings():
    assert set(ATTACKS) == set(SMALL)


@pytest.mark.parametrize(
    ("name", "law"),
    [
        pytest.param(name, law, id=f"{name}-{law}", marks=[pytest.mark.slow] * (name in LONG and law in REFITTED))
        for name in ATTACKS
        for law in contract.LAWS
    ],
)
def test_the_attack_keeps_the_law(name, law):
    contract.LAWS[law]((LEARNED if law in OF_THE_LEARNED else CASES)[name])


# an attack that breaks a law, and how the law says so


class Sound(Attack):
    """Answers with the mean of the attacker's images; what others break, it keeps."""

    reference = "nobody, Nothing, 2000"
    threat = "Nobody looks."
    cost = "nothing"
    knowledge = "queries"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"steps": 2}}
    tunable: ClassVar[dict[str, Tunable]] = {"steps": Span(1, 9)}

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"sound: steps must be >= 1, not {steps}")
        self.steps = steps
        self.mean: Tensor | None = None

    def fit(self, target: Any, aux: Images, val: Images) -> Fit:
        self.target, self.aux, self.val = target, aux.x, val.x
        target.release(val.x / 255)
        self.mean = aux.x.float().mean(0) / 255
        return Fit(curve=(Point(1, 0.2, 0.2), Point(2, 0.1, 0.1)), verdict="converged")

    def reconstruct(self, z: Tensor) -> Tensor:
        if self.mean is None:
            raise RuntimeError("sound: fit it before it reconstructs")
        return self.mean.expand(z.shape[-4], -1, -1, -1)


class Mute(Sound):
    threat = ""


class Forgetful(Sound):
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"steps": 2, "lr": 1.0}}


class OutOfReach(Sound):
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"steps": 20}}


class Lenient(Sound):
    def __init__(self, steps: int) -> None:
        super().__init__(max(steps, 1))


class Backward(Sound):
    def fit(self, target: Any, aux: Images, val: Images) -> Fit:
        return Fit(curve=super().fit(target, aux, val).curve[::-1], verdict="converged")


class Presumptuous(Sound):
    def fit(self, target: Any, aux: Images, val: Images) -> Fit:
        target.mean(val.x / 255)
        return super().fit(target, aux, val)


class Inquisitive(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        self.target.server(z)
        return super().reconstruct(z)


class Heavy(Sound):
    knowledge = "gradients"

    def fit(self, target: Any, aux: Images, val: Images) -> Fit:
        target.surprise(aux.x / 255, target.release(aux.x / 255)).sum().backward()
        return super().fit(target, aux, val)


class Careless(Sound):
    knowledge = "gradients"

    def fit(self, target: Any, aux: Images, val: Images) -> Fit:
        client, _ = target.modules()
        client.train()(aux.x / 255)
        client.eval()
        return super().fit(target, aux, val)


class Wasteful(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        self.aux.zero_()
        return super().reconstruct(z)


class Whimsical(Sound):
    calls = itertools.count()

    def reconstruct(self, z: Tensor) -> Tensor:
        return super().reconstruct(z) * 0.99 ** next(self.calls)


class Hasty(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        return torch.full((len(z), 3, 16, 16), 0.5)


class Glaring(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        return super().reconstruct(z) + 1


class Double(Sound):
    def reconstruct_for_ssim(self, z: Tensor) -> Tensor:
        return super().reconstruct(z).double()


class Sociable(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        return super().reconstruct(z) * z.mean().sigmoid()


class Unstable(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        return super().reconstruct(z) / len(z)


class Overfitted(Sound):
    def fit(self, target: Any, aux: Images, val: Images) -> Fit:
        return super().fit(target, Images(torch.cat([aux.x, val.x]), torch.cat([aux.y, val.y])), val)


class Clairvoyant(Sound):
    def reconstruct(self, z: Tensor) -> Tensor:
        # the bench draws its images from a fixed seed: the scored ones are the fourth part
        super().reconstruct(z)
        torch.manual_seed(0)
        SmallTarget(blind=True)
        drawn = [pictures(64).x for _ in range(4)]
        return drawn[3][: len(z)].float() / 255


class Vain(ProbeAttack):
    reference, threat, cost = Sound.reference, Sound.threat, Sound.cost
    knowledge = "queries"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}}

    def probe(self, target: Any, evidence: Any) -> Probe:
        return Probe(scores={"auc": float("nan")}, verdict="converged", images=1)


class Literal(Sound):
    """Believes that it sees an edge where features are above a thousandth."""

    def reconstruct(self, z: Tensor) -> Tensor:
        seen = z.flatten(-3).std(-1)
        return super().reconstruct(z) * (0.99 + 0.01 * (seen > 1e-3).float()).view(-1, 1, 1, 1)


class Absolute(Sound):
    """Darkens images whose features are large."""

    def reconstruct(self, z: Tensor) -> Tensor:
        return super().reconstruct(z) / (1 + z.flatten(-3).abs().amax(-1)).view(-1, 1, 1, 1)


BROKEN = [
    (Mute, "declares_itself", "threat must be said in words"),
    (Forgetful, "budgets_are_whole", r"names \['lr', 'steps'\], the settings are \['steps'\]"),
    (OutOfReach, "budgets_are_whole", "steps 20 lies outside"),
    (Lenient, "refuses_bad_settings", "steps=-1 is accepted"),
    (Backward, "says_how_it_went", "steps of a curve ascend"),
    (Presumptuous, "asks_only_what_it_declares", "asks for mean without saying so"),
    (Inquisitive, "asks_only_what_it_declares", "declare needs_server = True"),
    (Heavy, "leaves_what_it_is_given", "client.0.weight.grad"),
    (Careless, "leaves_what_it_is_given", "client.1.running_mean"),
    (Wasteful, "leaves_what_it_is_given", "it changed the images of aux"),
    (Whimsical, "repeats_itself", "the same seed gives other reconstructions"),
    (Hasty, "is_fitted_before_it_reconstructs", "without having been fitted"),
    (Glaring, "reconstructs_images", r"not within \[0, 1\]"),
    (Double, "reconstructs_images", "reconstruct_for_ssim of releases .* gives torch.float64"),
    (Sociable, "treats_images_apart", "other images beside it change a reconstruction"),
    (Unstable, "treats_images_apart", "other images beside it change a reconstruction"),
    (Overfitted, "does_not_train_on_validation", "bright as validation"),
    (Literal, "sees_through_units", "in a unit of 0.000977, at sigma 0.0, it reconstructs what is"),
    (Absolute, "sees_through_units", "in another unit, at sigma 0.0, mse is"),
    (Clairvoyant, "reads_nothing_from_noise", "from pure noise it gains"),
]


@pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
def test_a_sound_attack_keeps_the_law(law):
    law(contract.Case(Sound, {"steps": 2}))


@pytest.mark.parametrize(("create", "law", "message"), BROKEN)
def test_the_law_is_broken_by_an_attack_that_should_not_pass(create, law, message):
    with pytest.raises(AssertionError, match=message):
        contract.LAWS[law](contract.Case(create, {"steps": 2}))


def test_every_law_is_broken_by_some_attack():
    assert {law for _, law, _ in BROKEN} == set(contract.LAWS)


def test_a_probe_s_scores_are_finite():
    with pytest.raises(AssertionError, match="numbers are finite"):
        contract.LAWS["says_how_it_went"](contract.Case(Vain, {}))


def test_one_fit_serves_all_laws_that_only_look_at_it():
    case = contract.Case(Decoder, Decoder.budgets["quick"] | SMALL["decoder"])
    assert case.first is case.first
    assert case.run().outcome == case.first.outcome
